//! What is in a node, looked at without Carrel: libvirt, the processes, the storage, dnsmasq's files, the database.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use crate::support::{LabNode, Server};

/// What is of nobody, or lacks, each in words.
#[derive(Debug, Default)]
pub struct Strays(Vec<String>);

type Names = BTreeSet<String>;

impl Strays {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Notes what is on one side alone.
    fn compare(&mut self, what: &str, found: &Names, rows: &Names) {
        let difference = |one: &Names, other: &Names| -> Vec<String> {
            one.difference(other).cloned().collect()
        };
        let (nobodys, lacking) = (difference(found, rows), difference(rows, found));
        if !nobodys.is_empty() {
            self.0.push(format!("{what} of nobody: {nobodys:?}"));
        }
        if !lacking.is_empty() {
            self.0.push(format!("{what} that rows have and nobody else: {lacking:?}"));
        }
    }

    fn none(&mut self, what: &str, found: &Names) {
        self.compare(what, found, &Names::new());
    }
}

/// Compares all of it with the rows.
pub fn strays(server: &Server, node: &LabNode) -> Strays {
    let database = server.data_here().join("carrel.db");
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
    let database = Connection::open_with_flags(database, flags).expect("the database");
    let ask = |sql: &str| -> Names {
        let mut statement = database.prepare(sql).expect(sql);
        let found = statement.query_map([], |row| row.get(0)).expect(sql);
        found.collect::<Result<_, _>>().expect(sql)
    };
    let mut strays = Strays::default();
    rows(&mut strays, &ask);
    let machines = ask("SELECT uuid FROM desktops UNION SELECT uuid FROM templates");
    let defined = lines(&node.virsh(&["list", "--all", "--uuid"]));
    strays.compare("domains", &defined, &machines);
    strays.compare("processes", &(&processes(node) | &machines), &machines);
    files(&mut strays, &server.data_here().join("storage"), &machines, &ask);
    reservations(&mut strays, node, &ask);
    strays
}

fn rows(strays: &mut Strays, ask: &impl Fn(&str) -> Names) {
    let healthy = ask("SELECT * FROM pragma_integrity_check");
    strays.none("damage", &healthy.into_iter().filter(|word| word != "ok").collect());
    strays.none("broken references", &ask("SELECT \"table\" FROM pragma_foreign_key_check"));
    let open = "state NOT IN ('succeeded', 'partly', 'failed', 'cancelled')";
    strays.none("open operations", &ask(&format!("SELECT uuid FROM operations WHERE {open}")));
    strays.none("locks", &ask("SELECT subject FROM operation_locks"));
    for table in ["desktops", "desktop_groups", "templates", "images"] {
        let sql = format!("SELECT uuid FROM {table} WHERE state <> 'ready'");
        strays.none(&format!("{table} that are not ready"), &ask(&sql));
    }
    let machines = "SELECT uuid FROM desktops UNION SELECT uuid FROM templates";
    strays.compare("owners of addresses", &ask("SELECT owner FROM addresses"), &ask(machines));
    let withdrawn = "SELECT owner FROM addresses WHERE withdrawn";
    strays.none("addresses that no node is to know", &ask(withdrawn));
    let layers = "SELECT uuid FROM template_layers UNION SELECT uuid FROM images";
    strays.compare("copies of layers", &ask("SELECT layer FROM layer_copies"), &ask(layers));
    let empty = "SELECT uuid FROM desktop_groups g WHERE NOT EXISTS \
         (SELECT 1 FROM desktops d WHERE d.group_id = g.id)";
    strays.none("groups without desktops", &ask(empty));
}

fn files(strays: &mut Strays, storage: &Path, machines: &Names, ask: &impl Fn(&str) -> Names) {
    strays.compare("folders of disks", &names(&storage.join("desktops"), ""), machines);
    let images = ask("SELECT uuid FROM images");
    strays.compare("files of images", &names(&storage.join("base"), ".qcow2"), &images);
    let templates = storage.join("templates");
    let layers = ask("SELECT uuid FROM template_layers");
    strays.compare("layers", &names(&templates, ".qcow2"), &layers);
    let published = ask("SELECT uuid FROM templates");
    strays.compare("published versions", &names(&templates, ".current"), &published);
    for folder in ["uploads", "tmp", "lost"] {
        strays.none(folder, &names(&storage.join(folder), ""));
    }
}

/// dnsmasq's files and libvirt's definitions of the networks against the rows, by MAC.
fn reservations(strays: &mut Strays, node: &LabNode, ask: &impl Fn(&str) -> Names) {
    let macs = ask("SELECT mac FROM addresses");
    let networks = ask("SELECT uuid FROM networks");
    let mut defined = BTreeMap::new();
    for uuid in lines(&node.virsh(&["net-list", "--all", "--uuid"])) {
        let xml = node.virsh(&["net-dumpxml", "--inactive", &uuid]);
        if xml.contains("urn:carrel:network:1") {
            defined.insert(uuid, xml);
        }
    }
    strays.compare("networks", &defined.keys().cloned().collect(), &networks);
    // A bridge's own address stands among the reservations under the bridge's MAC.
    let own: Names = defined.values().filter_map(|xml| quoted(xml, "<mac address='")).collect();
    let mut stored = Names::new();
    for xml in defined.values() {
        stored.extend(xml.split("<host mac='").skip(1).filter_map(until_quote));
    }
    strays.compare("stored reservations", &(&stored - &own), &macs);
    let files = node.exec(&["sh", "-c", "cat /var/lib/libvirt/dnsmasq/carrel-*.hostsfile"]);
    let told: Names =
        files.lines().filter_map(|line| line.split(',').next()).map(str::to_owned).collect();
    strays.compare("reservations that dnsmasq has", &(&told - &own), &macs);
}

/// The machines that QEMU runs.
fn processes(node: &LabNode) -> Names {
    let list = node.exec(&["sh", "-c", "ps -eo args | grep '[q]emu-system' || true"]);
    let uuid = |line: &str| line.split(" -uuid ").nth(1)?.split(' ').next().map(str::to_owned);
    list.lines().filter_map(uuid).collect()
}

fn lines(text: &str) -> Names {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

/// Names in a folder that have this ending, without it. A folder that is not there has none.
fn names(folder: &Path, ending: &str) -> Names {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter_map(|name| name.strip_suffix(ending).map(str::to_owned)).collect()
}

fn quoted(text: &str, before: &str) -> Option<String> {
    text.split(before).nth(1).and_then(until_quote)
}

fn until_quote(text: &str) -> Option<String> {
    text.split('\'').next().map(str::to_owned)
}
