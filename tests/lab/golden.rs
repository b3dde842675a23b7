//! What an earlier release left on a node and in the database goes on under this one; see `tests/golden`.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};

use crate::story::{
    BOOT, INSTANCES, TEMPLATES, act, boots, desktops_of, instance_param, leave_mark, mark, text,
    wait_status,
};
use crate::support::{Client, LabNode, Server, guest_image, rows, wait_until};

pub const FIRST: &str = "61931c3";
const TEMPLATE: &str = "f7e5305f-5e10-4998-ac14-cd8b399b1735";
pub const RESTORED: &str = "bce0254e-fc80-4624-b349-498348425dff";
/// No QEMU has it.
const DROPPED: &str = "pc-i440fx-6.9";
const KEPT: &str = "6196e26f-d4c4-4859-9c0d-89432cd36764";

#[test]
fn what_the_first_release_made_is_read_started_restored_and_saved() {
    let node = LabNode::up();
    put_together(&node, FIRST);
    age(&node, "own001");
    let server = Server::with().on(&node).start();
    let admin = &server.admin();
    let (pc005, pc006) = (desktop(admin, RESTORED, "pc005"), desktop(admin, RESTORED, "pc006"));
    let own001 = desktop(admin, KEPT, "own001");
    for (group, row) in [(RESTORED, &pc005), (RESTORED, &pc006), (KEPT, &own001)] {
        wait_status(admin, group, row, "inactive");
    }

    // A desktop that restores begins anew at its own reboot …
    let one = instance_param(RESTORED, "restored", &[&pc005]);
    power(admin, "start", &one);
    let address = text(&pc005, "ipaddr");
    assert_eq!(node.guest_status(&address, "eth0", BOOT), format!("{address}/24"));
    leave_mark(&node, &address, "homework");
    node.ask_guest(&address, "reboot");
    // One answer says both: the boot before it was its first, too, and answers until the guest goes down.
    wait_until("a clean desktop after its own reboot", BOOT, || {
        let status = node.ask_guest(&address, "status").unwrap_or_default();
        ["boots=1", "mark="].iter().all(|line| status.lines().any(|has| has == *line))
    });
    power(admin, "stop", &one);

    // … and one that does not keeps what was written.
    let own = instance_param(KEPT, "kept", &[&own001]);
    power(admin, "start", &own);
    let address = text(&own001, "ipaddr");
    node.guest_status(&address, "boots", BOOT);
    leave_mark(&node, &address, "mine");
    node.ask_guest(&address, "reboot");
    wait_until("its second boot", BOOT, || boots(&node, &address) == "2");
    assert_eq!(mark(&node, &address), "mine");
    let log = admin.get("/api/v1.0/index/get_operation_log/").query("page_size", 100);
    let log = log.header("Accept-Language", "en").send();
    assert!(log.body.contains("newer machine type") && log.body.contains(DROPPED), "{}", log.body);
    power(admin, "stop", &own);

    // The template is edited and saved, and its desktops get what was saved.
    let param = json!({"name": "tiny", "uuid": TEMPLATE});
    act(admin, TEMPLATES, "edit", "vdi.templates.edit", param.clone());
    let address = "10.213.0.10";
    node.guest_status(address, "boots", BOOT);
    leave_mark(&node, address, "by-the-new-agent");
    act(admin, TEMPLATES, "save", "vdi.templates.save", param);
    power(admin, "start", &one);
    let address = text(&pc005, "ipaddr");
    assert_eq!(node.guest_status(&address, "mark", BOOT), "by-the-new-agent");
    power(admin, "stop", &one);

    one_unreadable_domain_is_one_fault(&node, admin, &pc005, &pc006);
}

/// As a newer release would write it: the desktop says so, and nothing else is harmed.
fn one_unreadable_domain_is_one_fault(node: &LabNode, admin: &Client, good: &Value, newer: &Value) {
    let uuid = text(newer, "uuid");
    let metadata = ["metadata", &uuid, "--config", "--uri", "urn:carrel:domain:1"];
    let mark = node.virsh(&metadata);
    let json = &mark[mark.find('{').expect("JSON")..=mark.rfind('}').expect("JSON")];
    let json = json.replacen("\"form\":1,", "", 1).replacen('{', "{\"form\":99,", 1);
    let installation = mark.split("installation=").nth(1).expect("installation").get(1..37);
    let element = format!(
        "<domain installation=\"{}\" fingerprint=\"x\">{json}</domain>",
        installation.expect("a uuid")
    );
    let set = ["--key", "carrel", "--set", &element];
    node.virsh(&[&metadata[..], &set[..]].concat());
    // The agent hears of it at the next thing that happens to the domain.
    node.virsh(&["start", &uuid]);
    let admin = &admin.with_header("Accept-Language", "en");
    wait_until("its row says why", BOOT, || {
        let row = desktop(admin, RESTORED, "pc006");
        row["status"] == "error" && text(&row, "reason").contains("newer version of Carrel")
    });
    let pools = admin.get("/api/v1.0/resource_mgr/resource_pools").query("searchtype", "all");
    let pool = text(&rows(&pools.send())[0], "uuid");
    let nodes = format!("/api/v1.0/resource_mgr/resource_pools/{pool}/nodes");
    let nodes = rows(&admin.get(&nodes).query("searchtype", "all").send());
    assert!(nodes.iter().all(|node| node["status"] == "active"), "{nodes:#?}");
    let before = node.virsh(&["dumpxml", "--inactive", &uuid]);
    let one = instance_param(RESTORED, "restored", &[good]);
    power(admin, "start", &one);
    wait_status(admin, RESTORED, good, "active");
    let refused = instance_param(RESTORED, "restored", &[newer]);
    let answer = admin.action(INSTANCES, "stop", refused).send();
    assert!(answer.body.contains("newer version of Carrel"), "{}", answer.body);
    assert_eq!(node.virsh(&["dumpxml", "--inactive", &uuid]), before);
    it_can_be_deleted(node, admin, newer);
}

fn it_can_be_deleted(node: &LabNode, admin: &Client, newer: &Value) {
    let uuid = text(newer, "uuid");
    let disks = node.data_here().join("storage/desktops").join(&uuid);
    assert!(disks.exists());
    power(admin, "delete", &instance_param(RESTORED, "restored", &[newer]));
    assert!(!node.virsh(&["list", "--all", "--uuid"]).contains(&uuid));
    assert!(!disks.exists());
}

pub fn power(admin: &Client, action: &str, desktops: &Value) {
    act(admin, INSTANCES, action, &format!("vdi.edu-instances.{action}"), desktops.clone());
}

pub fn desktop(admin: &Client, group: &str, name: &str) -> Value {
    let rows = desktops_of(admin, group);
    rows.into_iter().find(|row| row["name"] == name).unwrap_or_else(|| panic!("no {name}"))
}

/// Puts a node and a data directory into the state that a release left.
pub fn put_together(node: &Arc<LabNode>, release: &str) {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(release);
    let read = |name: &str| fs::read_to_string(golden.join(name)).expect("a golden file");
    let database = rusqlite::Connection::open(node.data_here().join("carrel.db")).expect("open");
    database.execute_batch(&read("carrel.sql")).expect("the database");
    drop(database);
    make_disks(node, &read("disks.tsv"));
    let current = format!("storage/templates/{TEMPLATE}.current");
    fs::copy(golden.join("template.current"), node.data_here().join(current)).expect("copy");
    let define = |command: &str, path: PathBuf| {
        let here = node.data_here().join("golden.xml");
        fs::copy(path, here).expect("copy");
        node.virsh(&[command, &format!("{}/golden.xml", LabNode::DATA_DIR)]);
    };
    define("net-define", golden.join("network.xml"));
    for name in ["tiny", "pc005", "pc006", "own001"] {
        define("define", golden.join(format!("domain-{name}.xml")));
    }
    fs::remove_file(node.data_here().join("golden.xml")).expect("remove");
}

/// As if QEMU had been a much older one when the domain was made.
fn age(node: &LabNode, name: &str) {
    node.stop_libvirtd();
    let change = format!("sed -i 's/pc-i440fx-7.2/{DROPPED}/' /etc/libvirt/qemu/*{name}*.xml");
    node.exec(&["sh", "-c", &change]);
    node.start_libvirtd();
    assert!(node.virsh(&["list", "--all"]).contains(name));
}

/// Empty ones, but for the image that boots.
fn make_disks(node: &LabNode, list: &str) {
    let storage = format!("{}/storage", LabNode::DATA_DIR);
    let mut left: Vec<Vec<&str>> = list.lines().map(|line| line.split('\t').collect()).collect();
    let exists = |path: &str| node.data_here().join("storage").join(path).exists();
    while !left.is_empty() {
        let ready = left.iter().position(|disk| disk[2].is_empty() || exists(disk[2]));
        let disk = left.remove(ready.expect("each stands on another"));
        let (path, size, below) = (format!("{storage}/{}", disk[0]), disk[1], disk[2]);
        let folder = Path::new(&path).parent().expect("a folder").to_string_lossy().into_owned();
        node.exec(&["mkdir", "-p", &folder]);
        if below.is_empty() {
            let image = node.put(&guest_image());
            node.exec(&["cp", &image, &path]);
        } else {
            let below = format!("{storage}/{below}");
            node.exec(&[
                "qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", &below, &path, size,
            ]);
        }
        if disk[0].starts_with("desktops") {
            node.exec(&["chown", "libvirt-qemu", &path]);
        } else {
            node.exec(&["chmod", "444", &path]);
        }
    }
}
