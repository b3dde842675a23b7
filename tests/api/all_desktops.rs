//! Desktops of all groups: found by what people know them by, filtered, and switched whatever group they are of.

use serde_json::{Value, json};

use crate::images::image_file;
use crate::refused::{NOTHING, needs_a_right, refused, refuses_bad_names};
use crate::room::Room;
use crate::support::{Answer, SMALL, Server, Site, rows, wait_until};
use crate::three_nodes::{all_active, template_on};

const PATH: &str = "/api/v1.0/desktops";

fn named(rows: &[Value]) -> Vec<Value> {
    rows.iter().map(|row| json!({"uuid": row["uuid"], "name": row["name"]})).collect()
}

fn names(answer: &Answer) -> Vec<String> {
    let name = |row: &Value| row["name"].as_str().expect("name").to_owned();
    rows(answer).iter().map(name).collect()
}

#[test]
fn a_desktop_of_any_group_is_found_by_what_people_know() {
    let room = Room::start();
    let admin = &room.site.admin;
    let (pc, lab) = (room.deploy("pc", 2), room.deploy("lab", 1));
    room.site.group_action("start", &lab, "lab");
    let all = rows(&admin.get(PATH).send());
    assert_eq!(all.len(), 3);
    let row = all.iter().find(|row| row["name"] == "lab001").expect("lab001");
    assert_eq!((&row["group_name"], &row["group_uuid"]), (&json!("room"), &json!(room.classroom)));
    assert_eq!((&row["template_name"], &row["template"]), (&json!("plain"), &json!(room.template)));
    assert_eq!((&row["template_version"], &row["newest_version"]), (&json!(1), &json!(1)));
    assert_eq!((&row["outdated"], &row["sys_restore"]), (&json!(false), &json!(1)));
    let text = |field: &str| row[field].as_str().expect("text").to_owned();

    let find = |part: &str| {
        names(&admin.get(PATH).query("searchtype", "contain").query("search", part).send())
    };
    for part in ["lab001", "AB00", &text("ipaddr"), &text("mac"), &text("mac").to_uppercase()[9..]]
    {
        assert_eq!(find(part), ["lab001"], "{part}");
    }
    // A character of the pattern is one of the name, and no text goes from one field into the next.
    for part in ["%", "lab_01", "00110", "001 10"] {
        assert_eq!(find(part), [""; 0], "{part}");
    }
    let by = |field: &str, value: &str| names(&admin.get(PATH).query(field, value).send());
    assert_eq!(by("status", "active"), ["lab001"]);
    assert_eq!(by("status", "inactive"), ["pc001", "pc002"]);
    assert_eq!(by("desktop_uuid", &pc), ["pc001", "pc002"]);
    assert_eq!(by("group_uuid", &room.classroom).len(), 3);
    assert_eq!(by("host_uuid", &text("host_uuid")).len(), 3);
    assert_eq!(by("outdated", "1"), [""; 0]);
    let sorted = admin.get(PATH).query("sort", "-name").query("page_size", 2).send();
    assert_eq!(names(&sorted), ["pc002", "pc001"]);
    // Within a group, too.
    let inside = admin.get(PATH).query("searchtype", "contain").query("desktop_uuid", &pc);
    assert_eq!(names(&inside.query("search", "001").send()), ["pc001"]);
}

#[test]
fn desktops_of_several_groups_are_switched_and_deleted_at_once() {
    let room = Room::start();
    let admin = &room.site.admin;
    room.deploy("pc", 2);
    room.deploy("lab", 1);
    let all = named(&rows(&admin.get(PATH).send()));
    let act = |action: &str, desktops: &[Value]| {
        admin.action(PATH, action, json!({"desktops": desktops})).send()
    };
    let running = || names(&admin.get(PATH).query("status", "active").send());
    let started = act("start", &all).data();
    assert_eq!((&started["success_num"], &started["failed_num"]), (&json!(3), &json!(0)));
    assert_eq!(running(), ["pc001", "pc002", "lab001"]);
    // What it is about has no group of its own; each desktop tells what was done with it.
    let done = admin.get("/api/v1.0/operations").query("searchtype", "contain");
    let done = rows(&done.query("things", all[2]["uuid"].as_str().expect("uuid")).send());
    assert_eq!(done[0]["kind"], "desktops-start");
    assert_eq!(done[0]["subject"], "00000000-0000-0000-0000-000000000000");
    for action in ["reboot", "hard_reboot", "stop"] {
        assert_eq!(act(action, &all).data()["success_num"], 3, "{action}");
    }
    assert_eq!(running(), [""; 0]);
    act("start", &all[1..]).data();
    assert_eq!(act("hard_stop", &all[1..]).data()["success_num"], 2);
    assert_eq!(running(), [""; 0]);

    // One of another name, one that is not there; then nothing at all.
    let renamed = json!({"uuid": all[0]["uuid"], "name": "another"});
    let nothing = json!({"uuid": NOTHING, "name": "pc009"});
    let mixed = act("start", &[renamed.clone(), nothing.clone(), all[1].clone()]).data();
    assert_eq!((&mixed["success_num"], &mixed["failed_num"]), (&json!(1), &json!(2)));
    assert_eq!(running(), ["pc002"]);
    refused(&act("start", &[renamed]), 409, "desktop-renamed");
    refused(&act("start", std::slice::from_ref(&nothing)), 404, "desktop-unknown");
    refused(&act("start", &[]), 400, "batch-empty");
    refused(&act("suspend", &all), 400, "action-unknown");

    let delete =
        |desktops: &[Value]| admin.delete(PATH).json(&json!({"desktops": desktops})).send();
    refused(&delete(&[nothing]), 404, "desktop-unknown");
    assert_eq!(delete(&all[1..]).data()["success_num"], 2);
    room.site.wait_idle();
    assert_eq!(names(&admin.get(PATH).send()), ["pc001"]);
    assert_eq!(room.overlays().len(), 1, "and its disks");
    let log = admin.get("/api/v1.0/index/get_operation_log/").header("Accept-Language", "en");
    let log = log.query("page_size", 100).send();
    for line in ["Start desktops: pc001, pc002, lab001", "Delete desktops: pc002, lab001"] {
        assert!(log.body.contains(line), "{line}: {}", log.body);
    }
}

#[test]
fn a_desktop_gets_another_name() {
    let room = Room::start();
    let admin = &room.site.admin;
    let group = room.deploy("pc", 2);
    room.deploy("lab", 1);
    room.site.group_action("start", &group, "pc");
    let row = |name: &str| {
        let found = rows(&admin.get(PATH).query("name", name).send());
        found.into_iter().next().unwrap_or_else(|| panic!("no {name}"))
    };
    let before = row("pc001");
    let one = format!("{PATH}/{}", before["uuid"].as_str().expect("uuid"));
    let rename = |name: &str| admin.put(&one).json(&json!({"name": name}));
    room.site.done(rename("  Reception desk "));
    let mut after = row("Reception desk");
    // A guest that runs goes on, at the same address and seat.
    after["name"] = before["name"].clone();
    for changing in ["active_time", "updated_at"] {
        after[changing] = before[changing].clone();
    }
    assert_eq!(after, before);
    assert_eq!(admin.get(&one).send().data()["name"], "Reception desk");
    assert_eq!(rename("Reception desk").send().data(), json!({}), "it is called so");
    let log = admin.get("/api/v1.0/index/get_operation_log/").header("Accept-Language", "en");
    let log = log.query("page_size", 100).send();
    assert!(log.body.contains("Rename desktop pc001 → Reception desk"), "{}", log.body);

    // Within its group nobody else is called so, nor so that people would take one for the other.
    for taken in ["pc002", "PC002", "pс002"] {
        let said = refused(&rename(taken).send(), 409, "desktop-name-taken");
        assert!(said.contains("pc002"), "{said}");
    }
    refuses_bad_names(rename);
    admin.put(&one).json(&json!({})).send().expect_status(400);
    let nothing = admin.put(&format!("{PATH}/{NOTHING}")).json(&json!({"name": "x"})).send();
    refused(&nothing, 404, "desktop-unknown");
    refused(&admin.get(&format!("{PATH}/{NOTHING}")).send(), 404, "desktop-unknown");
    needs_a_right(&crate::refused::auditor(&room.server), "PUT", &one);
    assert_eq!(row("Reception desk")["uuid"], before["uuid"]);

    // Numbers that others were given by hand are left out, and the freed one is no seat.
    room.site.done(rename("PC003"));
    let param =
        json!({"desktop_uuid": group, "desktop_name": "pc", "desktop_type": 1, "instance_num": 2});
    room.site.done(admin.action(crate::room::INSTANCES, "create", param));
    let inside = admin.get(PATH).query("desktop_uuid", &group).send();
    assert_eq!(names(&inside), ["PC003", "pc002", "pc004", "pc005"]);
    // The former name is used again by hand.
    room.site.done(rename("pc001"));
    assert_eq!(row("pc001")["seat"], 1);
}

#[test]
fn a_name_that_the_node_cannot_be_told_is_taken_back() {
    let mut server = Server::with().nodes(1).start();
    let site = Site::of(&server, SMALL);
    all_active(&site.admin, 2);
    let image = site.upload("base", &image_file(&server, "image.qcow2", "1M"));
    let template = template_on(&server, &site, "node2", "t", &image);
    let group = site.deploy("far", &site.classroom("room"), &template, 1);
    let uuid = site.desktops(&group)[0]["uuid"].as_str().expect("uuid").to_owned();
    let one = format!("{PATH}/{uuid}");
    let rename = |name: &str| site.admin.put(&one).json(&json!({"name": name})).send();
    rename("told").data();
    server.agent(2).kill();
    let answer = rename("untold");
    assert_eq!(answer.status, 503, "{}", answer.body);
    let name = || site.admin.get(&one).send().data()["name"].clone();
    assert_eq!(name(), "told");
    server.agent(2).start_again();
    all_active(&site.admin, 2);
    rename("told again").data();
    assert_eq!(name(), "told again");
}

#[test]
fn a_desktop_that_runs_tells_the_memory_that_it_uses() {
    let room = Room::start();
    let admin = &room.site.admin;
    let group = room.deploy("pc", 1);
    let uuid = room.site.desktops(&group)[0]["uuid"].as_str().expect("uuid").to_owned();
    let memory = || admin.get(&format!("{PATH}/{uuid}")).send().data()["memory"].clone();
    assert_eq!(memory(), Value::Null, "it is off");
    room.site.group_action("start", &group, "pc");
    wait_until("its node tells", std::time::Duration::from_secs(30), || memory().is_object());
    let memory = memory();
    assert!(memory["host_used"].as_u64() > Some(0), "{memory}");
    // The simulator has no guests that could tell.
    assert_eq!((&memory["guest_used"], &memory["guest_total"]), (&Value::Null, &Value::Null));
}
