//! `carrel backup` and `carrel restore`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Output;

use rusqlite::Connection;

use crate::support::{ADMIN, PASSWORD, Server};

fn complained(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[track_caller]
fn run(server: &Server, command: &str, file: &Path) {
    let output = server.run(&[command, &file.to_string_lossy()], "");
    assert!(output.status.success(), "{command}: {}", complained(&output));
}

#[track_caller]
fn refused(server: &Server, command: &str, file: &Path, why: &str) {
    let output = server.run(&[command, &file.to_string_lossy()], "");
    assert_eq!(output.status.code(), Some(1), "{command} {}", file.display());
    assert!(complained(&output).contains(why), "{}", complained(&output));
}

fn files(dir: &Path) -> Vec<String> {
    let names = fs::read_dir(dir).expect("read").flatten();
    let mut names: Vec<String> =
        names.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.retain(|name| name != "storage");
    names.sort();
    names
}

/// A folder of its own for files that are no part of the data directory.
fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder")
}

#[test]
fn a_backup_brings_back_what_was_there_when_it_was_made() {
    let mut server = Server::start();
    let folder = folder();
    let file = folder.path().join("carrel.backup");
    let session = server.client().post("/api/account/login");
    let body = serde_json::json!({"username": ADMIN, "password": PASSWORD});
    let cookies = session.json(&body).send().cookies();
    run(&server, "backup", &file);
    let mode = fs::metadata(&file).expect("the backup").permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "it holds password hashes");
    assert_eq!(files(folder.path()), ["carrel.backup"], "nothing beside it");
    refused(&server, "backup", &file, "not overwritten");

    server.set_password("later", "a good password");
    refused(&server, "restore", &file, "A server runs on the data directory");
    server.client().sign_in("later", "a good password");

    server.kill();
    run(&server, "restore", &file);
    server.start_again();
    server.client().sign_in(ADMIN, PASSWORD);
    let again = server.client().post("/api/account/login");
    let body = serde_json::json!({"username": "later", "password": "a good password"});
    again.json(&body).send().expect_status(400);
    let old = server.client().with_header("Cookie", &cookies);
    old.get("/api/account").send().expect_status(401);

    // What was replaced is kept, whole, and can be put back.
    let kept: Vec<PathBuf> = files(&server.data_here())
        .into_iter()
        .filter(|name| name.starts_with("carrel.db.replaced-") && !name.ends_with("-wal"))
        .map(|name| server.data_here().join(name))
        .collect();
    assert_eq!(kept.len(), 1, "{:?}", files(&server.data_here()));
    server.stop();
    run(&server, "restore", &kept[0]);
    server.start_again();
    server.client().sign_in("later", "a good password");
}

#[test]
fn a_backup_taken_while_much_is_written_is_one_state() {
    let server = Server::start();
    let folder = folder();
    let write = |number: usize| {
        let name = format!("user{number}");
        server.run(&["admin", "add", &name, "--role", "normal"], "a good password")
    };
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| (0..12).map(write).filter(|o| o.status.success()).count());
        for number in 0..6 {
            run(&server, "backup", &folder.path().join(format!("{number}.backup")));
        }
        assert_eq!(writer.join().expect("no panic"), 12);
    });
    for name in files(folder.path()) {
        let conn = Connection::open(folder.path().join(name)).expect("open");
        let check: String =
            conn.pragma_query_value(None, "integrity_check", |row| row.get(0)).expect("check");
        assert_eq!(check, "ok");
        // A user and the audit entry of making it are two transactions, in this order.
        let count =
            |sql: &str| -> i64 { conn.query_row(sql, [], |row| row.get(0)).expect("count") };
        let users = count("SELECT count(*) FROM users WHERE name LIKE 'user%'");
        let entries = count("SELECT count(*) FROM audit WHERE action = 'log-user-create'");
        assert!(users - entries <= 1 && users >= entries, "{users} users, {entries} entries");
    }
}

#[test]
fn what_is_no_backup_is_refused_and_nothing_changes() {
    let mut server = Server::start();
    let folder = folder();
    let good = folder.path().join("good");
    run(&server, "backup", &good);
    server.stop();
    let before = files(&server.data_here());

    let missing = folder.path().join("missing");
    refused(&server, "restore", &missing, "There is no file");
    refused(&server, "restore", folder.path(), "There is no file");
    let text = folder.path().join("text");
    fs::write(&text, "not a database, but long enough to be read as one ".repeat(100))
        .expect("write");
    refused(&server, "restore", &text, "not a database of Carrel");
    let empty = folder.path().join("empty");
    fs::write(&empty, "").expect("write");
    refused(&server, "restore", &empty, "not a database of Carrel");
    let foreign = folder.path().join("foreign");
    let conn = Connection::open(&foreign).expect("open");
    conn.execute_batch("CREATE TABLE users (name TEXT); PRAGMA user_version = 3;").expect("make");
    drop(conn);
    refused(&server, "restore", &foreign, "not a database of Carrel");
    let whole = fs::read(&good).expect("read");
    let cut = folder.path().join("cut");
    fs::write(&cut, &whole[..whole.len() / 2]).expect("write");
    refused(&server, "restore", &cut, "not a database of Carrel");
    let newer = folder.path().join("newer");
    fs::copy(&good, &newer).expect("copy");
    let conn = Connection::open(&newer).expect("open");
    conn.pragma_update(None, "user_version", 9_999).expect("set");
    drop(conn);
    refused(&server, "restore", &newer, "newer Carrel");

    assert_eq!(files(&server.data_here()), before);
    server.start_again();
    server.client().sign_in(ADMIN, PASSWORD);
}

#[test]
fn a_backup_that_cannot_be_written_says_so_and_leaves_nothing() {
    let server = Server::start();
    let nowhere = server.data_here().join("not-there/carrel.backup");
    refused(&server, "backup", &nowhere, "cannot be written");
    assert!(!files(&server.data_here()).iter().any(|name| name.contains("partial")));
}

#[test]
fn a_backup_is_restored_where_nothing_was_yet() {
    let server = Server::start();
    let folder = folder();
    let file = folder.path().join("carrel.backup");
    run(&server, "backup", &file);
    let fresh = folder.path().join("fresh");
    let path = fresh.to_string_lossy().into_owned();
    let file = file.to_string_lossy().into_owned();
    let output = server.run(&["restore", &file, "--data-dir", &path], "");
    assert!(output.status.success(), "{}", complained(&output));
    let list = server.run(&["admin", "list", "--data-dir", &path], "");
    assert!(String::from_utf8_lossy(&list.stdout).contains(ADMIN));
    let missing = folder.path().join("nothing").to_string_lossy().into_owned();
    let none = server.run(&["backup", "x", "--data-dir", &missing], "");
    assert!(complained(&none).contains("no database"), "{}", complained(&none));
}

#[test]
fn a_second_server_on_the_same_data_is_refused() {
    let server = Server::start();
    let output = server.run(&["serve", "--listen", "127.0.0.1:0"], "");
    assert_eq!(output.status.code(), Some(1));
    assert!(
        complained(&output).contains("A server runs on the data directory"),
        "{}",
        complained(&output)
    );
    server.client().sign_in(ADMIN, PASSWORD);
}
