//! The same domains and disks as Carrel's, made without it.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::LabNode;

/// Domains like those of Carrel's desktops, to be made with shell tools in the same node.
pub struct Peer {
    /// The layer under a desktop's disk, as the node sees it.
    base: String,
    /// A desktop's domain, without what tells it apart.
    xml: String,
    /// Where the node's data directory is on this machine.
    here: PathBuf,
}

impl Peer {
    /// Takes a desktop of Carrel as the pattern.
    pub fn like(node: &LabNode, desktop: &str) -> Self {
        let xml = node.virsh(&["dumpxml", "--inactive", desktop]);
        let disk = attribute(&xml, "<source file=").expect("a disk file");
        let info = node.exec(&["qemu-img", "info", "-U", "--output=json", &disk]);
        let info: serde_json::Value = serde_json::from_str(&info).expect("qemu-img info");
        let base = info["full-backing-filename"].as_str().expect("a backing file").to_owned();
        let xml = without(&xml, "<uuid>", "</uuid>");
        let xml = without(&xml, "<metadata>", "</metadata>");
        let xml = without(&xml, "<mac address=", "/>");
        // Carrel's agent gives a disk to QEMU itself; without it that is libvirt's work.
        let xml = without(&xml, "<seclabel model='dac' relabel='no'", "/>");
        let name = attribute_text(&xml, "<name>", "</name>").expect("a name");
        let xml = xml.replace(&format!("<name>{name}</name>"), "<name>peer-@</name>");
        let xml = xml.replace(&disk, &format!("{}/peer/peer-@.qcow2", LabNode::DATA_DIR));
        Self { base, xml, here: node.data_here() }
    }

    /// Writes the definitions of `count` domains, and the scripts that make them.
    pub fn prepare(&self, count: usize) {
        let folder = self.here.join("peer");
        fs::create_dir_all(&folder).expect("a folder");
        for index in 1..=count {
            let xml = self.xml.replace("peer-@", &format!("peer-{index}"));
            fs::write(folder.join(format!("peer-{index}.xml")), xml).expect("write");
        }
        let folder = inside();
        let create = format!(
            "for i in $(seq {count}); do\n\
             qemu-img create -q -f qcow2 -F qcow2 -b '{}' {folder}/peer-$i.qcow2\n\
             virsh -q -c qemu:///system define {folder}/peer-$i.xml >/dev/null\ndone\n",
            self.base
        );
        self.script("create.sh", &create);
        let define: Vec<String> =
            (1..=count).map(|index| format!("define {folder}/peer-{index}.xml")).collect();
        self.script("define.virsh", &define.join("\n"));
        let undefine: Vec<String> =
            (1..=count).map(|index| format!("undefine peer-{index}")).collect();
        self.script("undefine.virsh", &undefine.join("\n"));
        let start =
            format!("seq {count} | xargs -P4 -I@ virsh -q -c qemu:///system start peer-@\n");
        self.script("start.sh", &start);
    }

    /// Runs a script of [`Peer::prepare`] inside the node.
    pub fn run(node: &LabNode, script: &str) {
        let path = format!("{}/{script}", inside());
        match Path::new(script).extension().is_some_and(|end| end == "virsh") {
            // one process, one connection
            true => {
                node.exec(&["bash", "-c", "virsh -q -c qemu:///system <\"$0\" >/dev/null", &path])
            }
            false => node.exec(&["bash", "-e", &path]),
        };
    }

    /// Writes `count` files of the size of an empty overlay.
    pub fn small_files(&self, count: usize) {
        let content = vec![1; 196 * 1024];
        let folder = self.here.join("peer/small");
        fs::create_dir_all(&folder).expect("a folder");
        for index in 0..count {
            fs::write(folder.join(index.to_string()), &content).expect("write");
        }
    }

    fn script(&self, name: &str, text: &str) {
        fs::write(self.here.join("peer").join(name), text).expect("write");
    }
}

fn inside() -> String {
    format!("{}/peer", LabNode::DATA_DIR)
}

/// The quoted value after `start`.
fn attribute(xml: &str, start: &str) -> Option<String> {
    attribute_text(xml, &format!("{start}'"), "'")
}

fn attribute_text(xml: &str, start: &str, end: &str) -> Option<String> {
    let (_, rest) = xml.split_once(start)?;
    Some(rest.split_once(end)?.0.to_owned())
}

/// Removes everything from `start` to `end`, wherever it stands.
fn without(xml: &str, start: &str, end: &str) -> String {
    let mut kept = String::with_capacity(xml.len());
    let mut rest = xml;
    while let Some((before, after)) = rest.split_once(start) {
        kept.push_str(before);
        rest = after.split_once(end).map_or("", |(_, after)| after);
    }
    kept + rest
}
