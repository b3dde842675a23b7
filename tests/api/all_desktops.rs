//! Desktops of all groups: found by what people know them by, filtered, and switched whatever group they are of.

use serde_json::{Value, json};

use crate::refused::{NOTHING, refused};
use crate::room::Room;
use crate::support::{Answer, rows};

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
