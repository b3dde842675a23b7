//! Education groups.

use serde_json::{Value, json};

use crate::room::{GROUPS, NOBODY, Room, refuse_each};
use crate::support::{SMALL, Server, Site, rows, uuid_of};

fn new_group(site: &Site, name: &str) -> Value {
    json!({
        "name": name, "group_type": 1, "desc": "second floor", "network_uuid": site.network,
        "subnet_uuid": site.subnet, "start_ip": "192.0.2.10", "end_ip": "192.0.2.12",
    })
}

fn in_range(mut group: Value, start: &str, end: &str) -> Value {
    group["start_ip"] = json!(start);
    group["end_ip"] = json!(end);
    group
}

#[test]
fn a_terminal_belongs_to_one_group() {
    let server = Server::start();
    let site = Site::of(&server, SMALL);
    let admin = &site.admin;
    let make = |name: &str, start: &str, end: &str| {
        admin.post(GROUPS).json(&in_range(new_group(&site, name), start, end)).send()
    };
    make("room 1", "192.0.2.101", "192.0.2.140").data();
    for (start, end) in [
        ("192.0.2.120", "192.0.2.160"),
        ("192.0.2.90", "192.0.2.101"),
        ("192.0.2.110", "192.0.2.111"),
        ("192.0.2.1", "192.0.2.254"),
    ] {
        let answer = make("room 2", start, end);
        answer.expect_status(409);
        let said = answer.refusal();
        assert!(said.contains("room 1") && said.contains("192.0.2.140"), "{said}");
    }
    assert_eq!(rows(&admin.get(GROUPS).send()).len(), 1);

    make("room 2", "192.0.2.141", "192.0.2.160").data();
    let change = |name: &str, value: Value| {
        let uuid = uuid_of(admin, GROUPS, name);
        admin.put(GROUPS).json(&json!({"uuid": uuid, "name": name, "value": value})).send()
    };
    change("room 2", json!({"start_ip": "192.0.2.140"})).expect_status(409);
    let row = admin.get(GROUPS).query("name", "room 2").send().data()["results"][0].clone();
    assert_eq!(row["start_ip"], "192.0.2.141");
    // Its own addresses are in nobody's way.
    change("room 2", json!({"start_ip": "192.0.2.150", "name": "room 3"})).data();
}

#[test]
fn a_group_is_made_found_changed_and_deleted() {
    let server = Server::start();
    let site = Site::of(&server, SMALL);
    let admin = &site.admin;
    let made = admin.post(GROUPS).json(&new_group(&site, "room 1")).send();
    let uuid = made.documented("vdi.edu-groups.create")["uuid"].as_str().expect("uuid").to_owned();

    let page = admin.get(GROUPS).query("searchtype", "all").query("group_type", 1).send();
    let row = &page.documented("vdi.edu-groups.list")["results"][0];
    assert_eq!(row["uuid"], uuid.as_str());
    assert_eq!(row["desc"], "second floor");
    assert_eq!(row["network"], site.network.as_str());
    assert_eq!(row["subnet_uuid"], site.subnet.as_str());
    assert_eq!(row["subnet_start_ip"], SMALL.start);
    assert_eq!(row["end_ip"], "192.0.2.12");
    assert_eq!((&row["seat_count"], &row["desktop_count"]), (&json!(3), &json!(0)));
    assert_eq!(row["terminal_count"], 0, "none has come");

    let hall = in_range(new_group(&site, "hall"), "192.0.2.30", "192.0.2.32");
    admin.post(GROUPS).json(&hall).send().data();
    let found = admin.get(GROUPS).query("searchtype", "contain").query("name", "oo").send();
    assert_eq!(rows(&found).len(), 1);
    let none = admin.get(GROUPS).query("searchtype", "all").query("name", "oo").send();
    assert_eq!(rows(&none).len(), 0);
    let single = admin.get(GROUPS).query("searchtype", "single").query("name", "hall").send();
    assert_eq!(single.json()["message"], single.json()["msg"]);
    assert_eq!(single.documented("vdi.common-query.search")["name"], "hall");
    admin.get(GROUPS).query("searchtype", "contain").send().expect_status(400);
    let other_kind = admin.get(GROUPS).query("group_type", 2).send();
    assert_eq!(rows(&other_kind).len(), 0);

    let change = json!({"uuid": uuid, "name": "room 1", "value": {
        "name": "room 2", "desc": "", "start_ip": "192.0.2.20", "end_ip": "192.0.2.20"}});
    admin.put(GROUPS).json(&change).send().documented("vdi.edu-groups.update");
    let row = admin.get(GROUPS).query("uuid", &uuid).send().data()["results"][0].clone();
    assert_eq!((&row["name"], &row["desc"]), (&json!("room 2"), &json!("")));
    assert_eq!(row["seat_count"], 1);
    // Who still sees the old name changes nothing.
    admin.put(GROUPS).json(&change).send().expect_status(409);

    let both = json!({"groups": [
        {"uuid": uuid, "name": "room 2"}, {"uuid": NOBODY, "name": "ghost"}]});
    let answer = admin.delete(GROUPS).json(&both).send();
    let counts = answer.documented("vdi.edu-groups.delete");
    assert_eq!((&counts["success_num"], &counts["failed_num"]), (&json!(1), &json!(1)));
    assert_eq!(rows(&admin.get(GROUPS).send()).len(), 1);
}

#[test]
fn wrong_input_is_refused_and_changes_nothing() {
    let server = Server::start();
    let site = Site::of(&server, SMALL);
    let admin = &site.admin;
    let good = new_group(&site, "good");
    admin.post(GROUPS).json(&good).send().data();
    let fresh = in_range(new_group(&site, "fresh"), "192.0.2.40", "192.0.2.42");
    let wrong = [
        ("name", Value::Null, 400),
        ("name", json!(7), 400),
        ("name", json!("good"), 409),
        ("name", json!("x".repeat(300)), 400),
        ("name", json!("../../etc"), 400),
        ("name", json!("<b>bold</b>"), 400),
        ("name", json!("  "), 400),
        ("group_type", json!(2), 400),
        ("network_uuid", Value::Null, 400),
        ("network_uuid", json!("nonsense"), 400),
        ("network_uuid", json!(NOBODY), 404),
        ("subnet_uuid", json!(NOBODY), 404),
        ("start_ip", json!("192.0.2.300"), 400),
        ("start_ip", json!("192.0.2.99"), 400),
        ("end_ip", json!("203.0.113.1"), 400),
    ];
    refuse_each(&fresh, &wrong, |input| admin.post(GROUPS).json(&input).send());
    let uuid = uuid_of(admin, GROUPS, "good");
    let change = |value: Value| {
        let body = json!({"uuid": uuid, "name": "good", "value": value});
        admin.put(GROUPS).json(&body).send()
    };
    change(json!({"end_ip": "192.0.2.1"})).expect_status(400);
    change(json!({"subnet_uuid": NOBODY})).expect_status(404);
    admin.delete(GROUPS).json(&json!({"groups": []})).send().expect_status(400);
    let left = rows(&admin.get(GROUPS).send());
    assert_eq!(left.len(), 1);
    assert_eq!(left[0]["start_ip"], "192.0.2.10");
}

#[test]
fn a_group_in_use_stays_and_the_refusal_names_its_users() {
    let room = Room::start();
    room.deploy("pc", 1);
    let body = json!({"groups": [{"uuid": room.classroom, "name": "room"}]});
    let answer = room.site.admin.delete(GROUPS).json(&body).send();
    answer.expect_status(409);
    assert!(answer.refusal().contains("pc"), "{}", answer.body);
    let row = room.site.admin.get(GROUPS).send().data()["results"][0].clone();
    assert_eq!((&row["desktop_count"], &row["instance_count"]), (&json!(1), &json!(1)));
}

#[test]
fn who_may_only_look_changes_nothing() {
    let room = Room::start();
    let auditor = room.as_role("auditor");
    auditor.get(GROUPS).send().expect_status(200);
    auditor.post(GROUPS).json(&new_group(&room.site, "mine")).send().expect_status(403);
    auditor.stranger().get(GROUPS).send().expect_status(401);
    let teacher = room.as_role("teacher");
    let body = json!({"groups": [{"uuid": room.classroom, "name": "room"}]});
    teacher.delete(GROUPS).json(&body).send().expect_status(403);
    assert_eq!(rows(&room.site.admin.get(GROUPS).send()).len(), 1);
}
