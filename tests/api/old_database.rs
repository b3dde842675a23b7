//! A database that the release of 61931c3 wrote is migrated: every row stays, and the server works with it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use rusqlite::Connection;
use rusqlite::types::Value as Cell;
use serde_json::Value;

use crate::support::{ADMIN, Client, PASSWORD, Server, rows, wait_for};

/// Its schema and rows, with `@DATA@` for the data directory and `@NOW@` for the time.
const OLD: &str = include_str!("old/61931c3.sql");
/// The fixture's.
const INSTALLATION: &str = "5f0c9a10-0000-4000-8000-000000000001";
/// How many migrations that release had.
const VERSION: i64 = 10;
const LIMIT: Duration = Duration::from_secs(60);

/// Columns that a later migration took away or wrote anew, and what tells the same now: a query of the rows of which
/// that is not true.
const MOVED: &[(&str, &str, &str)] = &[
    (
        "operations",
        "step",
        // The place in the list of its kind is a name; what is over needs none.
        "SELECT uuid FROM operations WHERE (finished_at IS NULL) <> (action IS NOT NULL)",
    ),
    // Systems have the names of document 002.
    ("base_images", "os_type", "SELECT uuid FROM images WHERE os_type <> 'Linux'"),
    ("templates", "os_type", "SELECT uuid FROM templates WHERE os_type <> 'Linux'"),
];

/// Tables that have another name now.
const RENAMED: [(&str, &str); 1] = [("base_images", "images")];

/// Action of each open operation of the fixture.
const ACTIONS: [(&str, &str); 4] = [
    ("template-save", "begin"),
    ("desktops-start", "power"),
    ("image-add", "distribute"),
    ("network-edit", "tell the nodes"),
];

/// Lists and what stands in them.
const LISTS: [(&str, &[&str]); 12] = [
    ("/api/v1.0/identity/user", &["admin", "helga", "newcomer"]),
    ("/api/v1.0/identity/role", &["helper"]),
    ("/api/v1.0/identity/group", &["library"]),
    ("/api/v1.0/identity/key", &["Backup"]),
    ("/api/v1.0/identity/ssh_grant", &["carrel-nobody-here"]),
    ("/api/v1.0/resource_mgr/resource_pools", &["default"]),
    ("/api/v1.0/resource_mgr/vswitchs", &["default"]),
    ("/api/v1.0/resource_mgr/data_networks", &["default"]),
    ("/api/v1.0/education/template/", &["plain"]),
    ("/api/v1.0/education/group/", &["room"]),
    ("/api/v1.0/education/desktop/", &["pc"]),
    ("/api/v1.0/education/instance/", &["pc001"]),
];

type Row = BTreeMap<String, Cell>;

/// The fixture as the file of a data directory.
fn write_old(data: &Path) -> Connection {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a clock").as_secs();
    let sql = OLD.replace("@DATA@", &data.to_string_lossy()).replace("@NOW@", &now.to_string());
    let conn = Connection::open(data.join("carrel.db")).expect("create");
    conn.execute_batch(&sql).expect("the rows of the release");
    conn.pragma_update(None, "user_version", VERSION).expect("set the version");
    conn
}

/// Every table with its rows.
fn contents(conn: &Connection) -> BTreeMap<String, Vec<Row>> {
    let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'";
    let mut tables = conn.prepare(sql).expect("prepare");
    let tables = tables.query_map([], |row| row.get::<_, String>(0)).expect("query");
    tables
        .map(|name| name.expect("a name"))
        .map(|name| {
            let rows = rows_of(conn, &name);
            (name, rows)
        })
        .collect()
}

fn rows_of(conn: &Connection, table: &str) -> Vec<Row> {
    let mut all = conn.prepare(&format!("SELECT * FROM {table}")).expect("prepare");
    let columns: Vec<String> = all.column_names().into_iter().map(str::to_owned).collect();
    let read = |row: &rusqlite::Row<'_>| {
        columns.iter().enumerate().map(|(at, name)| Ok((name.clone(), row.get(at)?))).collect()
    };
    all.query_map([], read).expect("query").collect::<Result<_, _>>().expect("read")
}

/// Each old row is there with what it held, but for the columns of [`MOVED`].
fn assert_kept(old: &BTreeMap<String, Vec<Row>>, new: &BTreeMap<String, Vec<Row>>) {
    for (table, rows) in old {
        let renamed = RENAMED.iter().find(|(was, _)| was == table);
        let name = renamed.map_or(table.as_str(), |(_, name)| name);
        let now = new.get(name).unwrap_or_else(|| panic!("the table {name} is gone"));
        for row in rows {
            let moved =
                |column: &str| MOVED.iter().any(|(of, gone, _)| of == table && *gone == column);
            let is_same = |candidate: &&Row| {
                row.iter().all(|(name, cell)| moved(name) || candidate.get(name) == Some(cell))
            };
            assert!(now.iter().find(is_same).is_some(), "{table} lost {row:?}; it has {now:#?}");
        }
    }
}

#[track_caller]
fn assert_listed(admin: &Client, path: &str, names: &[&str]) {
    let page = admin.get(path).query("searchtype", "all").query("page_size", 100).send();
    let found = rows(&page);
    for name in names {
        let has = |row: &Value| {
            row.as_object().is_some_and(|row| row.values().any(|value| value == name))
        };
        assert!(found.iter().any(has), "{path} has no {name}: {found:#?}");
    }
}

fn operations(admin: &Client) -> BTreeMap<String, String> {
    let page = admin.get("/api/v1.0/operations").query("page_size", 100).send();
    let text = |row: &Value, field: &str| row[field].as_str().expect("text").to_owned();
    rows(&page).iter().map(|row| (text(row, "uuid"), text(row, "state"))).collect()
}

#[test]
fn the_fixture_has_a_row_in_every_table() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let old = contents(&write_old(folder.path()));
    let empty: Vec<&String> =
        old.iter().filter(|(_, rows)| rows.is_empty()).map(|(name, _)| name).collect();
    assert!(empty.is_empty(), "no row in {empty:?}");
    assert!(old.len() > 30, "the schema of the release, not {}", old.len());
}

#[test]
fn a_database_of_the_release_before_is_migrated_whole_and_served() {
    let mut server = Server::with().without_admin().start();
    server.stop();
    let data = server.data_here();
    fs::remove_dir_all(&data).expect("remove what the first start made");
    fs::create_dir(&data).expect("an empty data directory");
    let old = contents(&write_old(&data));
    // Its agent marked the storage as its own, and a storage that lacks the mark counts as not mounted.
    fs::create_dir_all(data.join("storage/installation").join(INSTALLATION)).expect("the mark");

    // A command opens the database, and thereby migrates it, without a node that changes it.
    let list = server.run(&["admin", "list"], "");
    assert!(list.status.success(), "{list:?}");
    let conn = Connection::open(data.join("carrel.db")).expect("open");
    assert_kept(&old, &contents(&conn));
    assert_moved(&conn);
    drop(conn);

    server.start_again();
    let admin = server.client().sign_in(ADMIN, PASSWORD);
    let session = server.client().with_header("Authorization", &"a".repeat(64));
    session.get("/api/v1.0/identity/own").send().expect_status(200);
    for (path, names) in LISTS {
        assert_listed(&admin, path, names);
    }
    assert_pool(&admin);
    assert_operations_end(&admin, &old);
}

#[track_caller]
fn assert_moved(conn: &Connection) {
    for (table, column, wrong) in MOVED {
        let wrong: Option<String> = conn.query_row(wrong, [], |row| row.get(0)).ok();
        assert_eq!(wrong, None, "{table}.{column}");
    }
    for (kind, action) in ACTIONS {
        let sql = "SELECT action FROM operations WHERE kind = ?1 AND finished_at IS NULL";
        let found: String = conn.query_row(sql, [kind], |row| row.get(0)).expect("an action");
        assert_eq!(found, action, "{kind}");
    }
    let broken: bool =
        conn.prepare("PRAGMA foreign_key_check").expect("prepare").exists([]).expect("check");
    assert!(!broken, "a row refers to one that is not there");
}

/// What stands in the pool: its node, image and subnet.
#[track_caller]
fn assert_pool(admin: &Client) {
    let first = |path: &str| {
        let found = rows(&admin.get(path).send());
        found[0]["uuid"].as_str().expect("a uuid").to_owned()
    };
    let pool = first("/api/v1.0/resource_mgr/resource_pools");
    let network = first("/api/v1.0/resource_mgr/data_networks");
    let images = format!("/api/v1.0/resource_mgr/resource_pools/{pool}/base_images");
    assert_listed(admin, &images, &["small"]);
    let subnets = format!("/api/v1.0/resource_mgr/data_networks/{network}/sub_networks");
    assert_listed(admin, &subnets, &["tests"]);
    let nodes = rows(&admin.get("/api/v1.0/resource_mgr/controller_nodes").send());
    assert_eq!(nodes.len(), 1, "the node of the release, not a second one: {nodes:#?}");
}

/// Those that were open come to an end, the scheduled one waits for its time, none is lost.
#[track_caller]
fn assert_operations_end(admin: &Client, old: &BTreeMap<String, Vec<Row>>) {
    let over = ["succeeded", "partly", "failed", "cancelled"];
    let text = |row: &Row, field: &str| match &row[field] {
        Cell::Text(text) => text.clone(),
        other => panic!("{field} is {other:?}"),
    };
    let states: BTreeMap<String, String> =
        old["operations"].iter().map(|row| (text(row, "uuid"), text(row, "state"))).collect();
    let ended = wait_for("the end of the old release's operations", LIMIT, || {
        let now = operations(admin);
        let known: BTreeSet<&String> = now.keys().collect();
        assert!(states.keys().all(|uuid| known.contains(uuid)), "lost: {now:#?}");
        let done = |(uuid, was): (&String, &String)| {
            was == "scheduled" || over.contains(&now[uuid].as_str())
        };
        states.iter().all(done).then_some(now)
    });
    for (uuid, was) in &states {
        let now = ended[uuid].as_str();
        match was.as_str() {
            "undoing" => assert_eq!(now, "failed", "{uuid}"),
            "queued" | "running" => assert!(over.contains(&now), "{uuid}: {now}"),
            _ => assert_eq!(now, was, "{uuid}"),
        }
    }
}
