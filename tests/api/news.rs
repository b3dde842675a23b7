//! What the event stream tells of changes, and what lists count after them.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use crate::presence::follow;
use crate::support::{Client, Log, PASSWORD, SMALL, Server, Site, rows, small_image, wait_until};

const USER: &str = "/api/v1.0/identity/user";
const GROUP: &str = "/api/v1.0/identity/group";
const TEMPLATES: &str = "/api/v1.0/education/template/";
const POOLS: &str = "/api/v1.0/resource_mgr/resource_pools";
const LIMIT: Duration = Duration::from_secs(60);

fn named(topic: &str) -> String {
    json!({"topic": topic}).to_string()
}

/// Waits until a stream tells of this topic, counted from a line on.
#[track_caller]
pub fn tells(events: &Log, from: usize, topic: &str) {
    let wanted = format!("data: {}", named(topic));
    let told = events.wait_from(from, LIMIT, |line| (line == wanted).then_some(()));
    assert!(told.is_some(), "no news of {topic}");
}

/// Makes pools and gives the topics that were told from a line on until those are told too.
#[track_caller]
fn told_until_now(admin: &Client, events: &Log, from: usize, pool: &str) -> BTreeSet<String> {
    // What comes with the first comes in one piece, which the second follows.
    for name in [pool, &format!("{pool}, again")] {
        let before = events.len();
        admin.post(POOLS).json(&json!({"name": name, "desc": ""})).send().data();
        tells(events, before, "pools");
    }
    let topics = (from..events.len()).filter_map(|at| {
        let line = events.wait_from(at, LIMIT, |line| Some(line.to_owned()))?;
        let data: Value = serde_json::from_str(line.strip_prefix("data: ")?).ok()?;
        data["topic"].as_str().map(str::to_owned)
    });
    topics.collect()
}

#[test]
fn permissions_of_keys_are_news() {
    let server = Server::start();
    let admin = server.admin();
    let new = json!({"name": "k", "permissions": ["nodes.view"]});
    let key = admin.post("/api/v1.0/identity/own/key").json(&new).send().data();
    let path = format!("/api/v1.0/identity/own/key/{}", key["id"].as_str().expect("id"));
    let events = follow(&admin);
    let from = events.len();
    admin.put(&path).json(&json!({"permissions": ["pools.view"]})).send().data();
    tells(&events, from, "api_keys");
    tells(&events, from, "rights");
}

#[test]
fn a_permission_that_a_group_loses_ends_what_a_stream_shows() {
    let server = Server::start();
    let admin = server.admin();
    let group = json!({"name": "watchers", "permissions": ["nodes.view"]});
    let group = admin.post(GROUP).json(&group).send().data()["id"].clone();
    let lee = json!({"name": "lee", "password": PASSWORD, "roles": ["normal"],
        "groups": [{"id": group}]});
    admin.post(USER).json(&lee).send().data();
    let (admins, events) = (follow(&admin), follow(&server.client().sign_in("lee", PASSWORD)));
    let samples = |events: &Log| {
        let line = |at| events.wait_from(at, LIMIT, |line| Some(line == "event: sample"));
        (0..events.len()).filter(|at| line(*at) == Some(true)).count()
    };
    wait_until("a sample while it may be seen", LIMIT, || samples(&events) > 0);
    admin.put(&format!("{GROUP}/{group}")).json(&json!({"permissions": []})).send().data();
    let (before, admins_before) = (samples(&events), samples(&admins));
    // Three more come before the next look without a reason.
    wait_until("samples for who may see them", LIMIT, || samples(&admins) >= admins_before + 2);
    assert!(samples(&events) <= before + 1, "one may have been on its way");
}

#[test]
fn a_sign_in_is_no_news_of_rights() {
    let server = Server::start();
    let admin = server.admin();
    let new = json!({"name": "lee", "password": PASSWORD, "roles": ["teacher"]});
    let uuid = admin.post(USER).json(&new).send().data()["uuid"].clone();
    let events = follow(&admin);
    told_until_now(&admin, &events, 0, "before");
    let from = events.len();
    let lee = server.client().sign_in("lee", PASSWORD);
    let told = told_until_now(&admin, &events, from, "signed in");
    assert!(told.contains("sessions") && told.contains("users"), "{told:?}");
    assert!(!told.contains("rights") && !told.contains("ssh_access"), "{told:?}");
    // Nor that a session is used: the next use is written, as one of a minute later.
    let from = events.len();
    let database = rusqlite::Connection::open(server.data_here().join("carrel.db")).expect("open");
    database.execute("UPDATE sessions SET last_seen_at = last_seen_at - 90", []).expect("later");
    drop(database);
    // The change by another process may be anything; it is told with the first look at the database.
    told_until_now(&admin, &events, from, "noticed");
    let from = events.len();
    lee.get("/api/v1.0/identity/own").send();
    let told = told_until_now(&admin, &events, from, "used");
    assert!(!told.contains("rights") && !told.contains("ssh_access"), "{told:?}");
    // Switching off is both.
    let from = events.len();
    let path = format!("{USER}/{}", uuid.as_str().expect("uuid"));
    admin.put(&path).json(&json!({"enabled": false})).send().data();
    tells(&events, from, "rights");
    tells(&events, from, "ssh_access");
}

#[test]
fn counts_know_what_another_process_wrote() {
    let server = Server::start();
    let admin = server.admin();
    let count = || {
        let answer = admin.get(USER).send();
        (answer.data()["count"].as_u64().expect("a count"), rows(&answer).len())
    };
    assert_eq!((count(), count()), ((1, 1), (1, 1)));
    assert!(server.run(&["admin", "set-password", "second"], "a-Long-pass-5 3\n").status.success());
    assert_eq!(count(), (2, 2));
}

/// Data of the operation events that a stream told, in order.
fn operations(events: &Log) -> Vec<Value> {
    let lines = (0..events.len())
        .filter_map(|at| events.wait_from(at, LIMIT, |line| Some(line.to_owned())));
    let data =
        lines.filter_map(|line| serde_json::from_str::<Value>(line.strip_prefix("data: ")?).ok());
    data.filter(|data| data["kind"].is_string()).collect()
}

#[test]
fn an_update_is_worded_once_for_all_who_listen_in_a_language() {
    let server = Server::with().env("CARREL_LOG", "info,carrel::api::operation_news=trace").start();
    let admin = server.admin();
    // What another process changed before is noticed with its first change.
    let site = Site::of(&server, SMALL);
    site.wait_idle();
    let in_english = admin.with_header("Accept-Language", "en");
    let all = [follow(&in_english), follow(&in_english), follow(&in_english), follow(&admin)];
    site.upload("small", &small_image(&server));
    let ended = |line: &str| {
        let data: Value = serde_json::from_str(line.strip_prefix("data: ")?).ok()?;
        (data["subject_name"] == "small" && data["state"] == "succeeded").then_some(())
    };
    for events in &all {
        assert!(events.wait_for(LIMIT, ended).is_some(), "{}", events.tail(20));
    }
    let (english, chinese) = (operations(&all[0]), operations(&all[3]));
    assert!(english.len() > 1 && chinese.len() == english.len(), "{english:#?}");
    assert_eq!(english, operations(&all[1]));
    assert_ne!(english[0]["title"], chinese[0]["title"]);
    let worded = |tag: &str| {
        let is =
            |line: &str| line.contains("worded") && line.contains(&format!("language={tag:?}"));
        let log = server.log();
        (0..log.len())
            .filter(|at| log.wait_from(*at, LIMIT, |line| Some(is(line))) == Some(true))
            .count()
    };
    wait_until("the log", LIMIT, || worded("zh-CN") + worded("en") >= english.len() * 2);
    assert_eq!(worded("en"), english.len());
    assert_eq!(worded("zh-CN"), chinese.len());
    // The list is not to be read anew for them.
    assert!(!all[0].contains(&named("operations")), "{}", all[0].tail(50));
}

#[test]
fn what_is_forgotten_for_a_successor_is_told() {
    let server = Server::start();
    let site = Site::of(&server, SMALL);
    let image = site.upload("small", &small_image(&server));
    let template = site.template("plain", &image);
    let events = follow(&site.admin);
    let save = |time: &str| {
        let param = json!({"name": "plain", "uuid": template, "run_date": time});
        site.admin.action(TEMPLATES, "save", param).send().data()["operation_uuid"].clone()
    };
    let first = save("2999-01-01 00:00:00");
    let told = |state: &str| {
        let is = |line: &str| {
            let data: Value = serde_json::from_str(line.strip_prefix("data: ")?).ok()?;
            (data["uuid"] == first && data["state"] == state).then_some(())
        };
        assert!(events.wait_for(LIMIT, is).is_some(), "{state}: {}", events.tail(20));
    };
    told("scheduled");
    save("2999-01-02 00:00:00");
    told("cancelled");
}

#[test]
fn an_operation_says_what_it_counts() {
    let server = Server::start();
    let site = Site::of(&server, SMALL);
    let image = site.upload("small", &small_image(&server));
    let template = site.template("plain", &image);
    site.deploy("class", &site.classroom("room"), &template, 2);
    let rows = rows(&site.admin.get("/api/v1.0/operations").send());
    let unit = |kind: &str| {
        let row = rows.iter().find(|row| row["kind"] == kind);
        row.unwrap_or_else(|| panic!("{kind} of {rows:#?}"))["unit"].clone()
    };
    assert_eq!(unit("image-add"), "bytes");
    assert_eq!(unit("template-create"), "none");
    assert_eq!(unit("desktop-group-create"), "items");
}
