//! Streams that were opened by somebody end when they sign out or are switched off.

use std::time::Duration;

use serde_json::json;

use crate::support::{ADMIN, Client, Log, PASSWORD, Server, rows, wait_until};

const EVENTS: &str = "/api/v1.0/events";
const USER: &str = "/api/v1.0/identity/user";
/// Another process is noticed at the next heartbeat.
const LIMIT: Duration = Duration::from_secs(60);

pub fn follow(client: &Client) -> Log {
    let events = client.get(EVENTS).follow();
    let hello = |line: &str| line.contains("hello").then_some(());
    assert!(events.wait_for(LIMIT, hello).is_some());
    events
}

#[track_caller]
fn ends(what: &str, events: &Log) {
    wait_until(what, LIMIT, || events.has_ended());
}

#[track_caller]
fn add(admin: &Client, name: &str, roles: &[&str]) -> String {
    let new = json!({"name": name, "password": PASSWORD, "roles": roles});
    admin.post(USER).json(&new).send().data()["uuid"].as_str().expect("uuid").to_owned()
}

#[test]
fn a_stream_ends_with_its_session() {
    let server = Server::start();
    let admin = server.admin();
    add(&admin, "lee", &["teacher"]);
    let (lee, other) =
        (server.client().sign_in("lee", PASSWORD), server.client().sign_in("lee", PASSWORD));
    let (events, others) = (follow(&lee), follow(&other));
    let sessions = rows(&admin.get("/api/v1.0/identity/session").query("user_name", "lee").send());
    assert_eq!(sessions.len(), 2, "{sessions:#?}");
    // By its owner.
    lee.post("/api/account/logout").send().expect_status(204);
    ends("the end of the stream that signed out", &events);
    assert!(!others.has_ended());
    lee.get(EVENTS).send().expect_status(401);
    // By an administrator.
    let left = rows(&admin.get("/api/v1.0/identity/session").query("user_name", "lee").send());
    let path = format!("/api/v1.0/identity/session/{}", left[0]["uuid"].as_str().expect("uuid"));
    admin.delete(&path).send().data();
    ends("the end of the stream whose session was ended", &others);
}

#[test]
fn a_stream_ends_when_another_process_switches_its_user_off() {
    let server = Server::start();
    add(&server.admin(), "lee", &["teacher"]);
    let events = follow(&server.client().sign_in("lee", PASSWORD));
    let admins = follow(&server.admin());
    assert!(server.run(&["admin", "disable", "lee"], "").status.success());
    ends("the end of the stream of who was switched off", &events);
    assert!(!admins.has_ended());
}

#[test]
fn a_stream_of_a_key_ends_with_the_key() {
    let server = Server::start();
    let admin = server.admin();
    let new = json!({"name": "watcher", "permissions": ["nodes.view"]});
    let key = admin.post("/api/v1.0/identity/own/key").json(&new).send().data();
    let token = key["key"].as_str().expect("key");
    let events = follow(&server.client().with_header("Authorization", token));
    let path = format!("/api/v1.0/identity/own/key/{}", key["id"].as_str().expect("id"));
    admin.delete(&path).send().data();
    ends("the end of the stream of the key", &events);
}

#[test]
fn a_stream_tells_what_its_user_may_see_now() {
    let server = Server::start();
    let admin = server.admin();
    let uuid = add(&admin, "lee", &["normal"]);
    let events = follow(&server.client().sign_in("lee", PASSWORD));
    let admins = follow(&admin);
    let sample = |line: &str| (line == "event: sample").then_some(());
    assert!(admins.wait_for(LIMIT, sample).is_some());
    assert!(!events.contains("event: sample"), "without the permission");
    admin.put(&format!("{USER}/{uuid}")).json(&json!({"roles": ["operator"]})).send().data();
    assert!(events.wait_for(LIMIT, sample).is_some(), "with it");
}

#[test]
fn an_open_stream_does_not_keep_its_session_alive() {
    let server = Server::start();
    let admin = server.admin();
    let events = follow(&admin);
    let database = rusqlite::Connection::open(server.data_here().join("carrel.db")).expect("open");
    let end =
        "UPDATE sessions SET last_seen_at = last_seen_at - 3600, expires_at = unixepoch() - 1";
    assert_eq!(database.execute(end, []).expect("let time pass"), 1);
    ends("the end of the stream whose session expired", &events);
    server.client().sign_in(ADMIN, PASSWORD);
}
