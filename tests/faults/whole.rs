//! The statement that everything has its owner: rows, domains, files and addresses agree.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::{Server, Site, rows};

const GROUPS: &str = "/api/v1.0/education/desktop/";
const TEMPLATES: &str = "/api/v1.0/education/template/";

/// Asserts that nothing in libvirt, the storage or the database is without its owner.
///
/// # Panics
/// With what is too much or missing.
#[track_caller]
pub fn assert_whole(server: &Server, site: &Site) {
    site.wait_idle();
    let groups = rows(&site.admin.get(GROUPS).query("page_size", 1000).send());
    let templates = rows(&site.admin.get(TEMPLATES).query("page_size", 1000).send());
    let mut owners = BTreeSet::new();
    for group in &groups {
        let desktops = site.desktops(&text(group, "uuid"));
        assert_eq!(group["instance_num"], desktops.len(), "{group:#}");
        owners.extend(desktops.iter().map(|desktop| text(desktop, "uuid")));
    }
    let desktops = owners.clone();
    owners.extend(templates.iter().map(|template| text(template, "uuid")));

    let defined: BTreeSet<String> = server
        .node()
        .virsh(&["list", "--all", "--uuid"])
        .lines()
        .map(|line| line.trim().to_owned())
        .filter(|line| !line.is_empty())
        .collect();
    assert_eq!(defined, owners, "domains (left) and rows (right)");

    let folders = std::fs::read_dir(server.data_here().join("storage/desktops"));
    let folders: BTreeSet<String> = folders
        .into_iter()
        .flatten()
        .map(|entry| entry.expect("entry").file_name().to_string_lossy().into_owned())
        .collect();
    assert_eq!(folders, owners, "folders of disks (left) and rows (right)");
    assert_eq!(reserved(server), desktops.union(&owners).cloned().collect(), "reserved addresses");
    assert_uploads_are_gone(server);
}

fn assert_uploads_are_gone(server: &Server) {
    let uploads = std::fs::read_dir(server.data_here().join("storage/uploads"));
    let left: Vec<_> = uploads.into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    assert!(left.is_empty(), "unfinished uploads: {left:?}");
}

/// Owners of reserved addresses, read from the database itself.
fn reserved(server: &Server) -> BTreeSet<String> {
    let path = server.data_here().join("carrel.db");
    let database = rusqlite::Connection::open(path).expect("the database");
    let mut statement = database.prepare("SELECT owner FROM addresses").expect("addresses");
    let owners = statement.query_map([], |row| row.get(0)).expect("addresses");
    owners.collect::<Result<_, _>>().expect("addresses")
}

fn text(row: &Value, field: &str) -> String {
    row[field].as_str().unwrap_or_else(|| panic!("no text {field} in {row:#}")).to_owned()
}
