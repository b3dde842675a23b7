//! Tickets for consoles, and pictures of screens. What a console shows is tested with real guests.

use serde_json::{Value, json};

use crate::room::{INSTANCES, NOBODY, Room};
use crate::support::Console;

fn ask(room: &Room, uuid: &Value, name: &Value) -> crate::support::Answer {
    let param = json!({"uuid": uuid, "name": name});
    room.site.admin.action(INSTANCES, "get_console", param).send()
}

fn screen(uuid: &Value) -> String {
    format!("{INSTANCES}{}/screen", uuid.as_str().expect("uuid"))
}

#[test]
fn a_ticket_is_given_for_a_running_desktop_and_is_good_once() {
    let room = Room::start();
    let group = room.deploy("pc", 1);
    let row = room.site.desktops(&group)[0].clone();
    let off = ask(&room, &row["uuid"], &row["name"]);
    off.expect_status(409);
    room.site.group_action("start", &group, "pc");
    ask(&room, &json!(NOBODY), &json!("ghost")).expect_status(404);
    ask(&room, &row["uuid"], &json!("wrong")).expect_status(409);
    ask(&room, &row["uuid"], &Value::Null).expect_status(400);

    let answer = ask(&room, &row["uuid"], &row["name"]);
    let url = answer.documented("vdi.edu-instances.get-console")["websockify_url"].clone();
    let url = url.as_str().expect("url");
    let base = room.server.base().replacen("http", "ws", 1);
    let path = url.strip_prefix(&base).expect("on the host that was asked");
    // Without a WebSocket it is refused and stays good.
    room.server.client().get(path).send().expect_status(400);
    assert!(Console::open(url).is_ok());
    assert!(Console::open(url).is_err());
    assert!(Console::open(&format!("{base}/api/v1.0/console/{}", "0".repeat(64))).is_err());
    let log = room.site.admin.get("/api/v1.0/index/get_operation_log/").query("page_size", 50);
    let log = log.header("Accept-Language", "en").send().body;
    assert!(log.contains("Open the console of \\\"pc001\\\""), "{log}");
}

#[test]
fn a_console_says_what_comes_beside_the_picture() {
    let room = Room::start();
    let group = room.deploy("pc", 1);
    room.site.group_action("start", &group, "pc");
    let row = room.site.desktops(&group)[0].clone();
    let beside = || {
        let told = ask(&room, &row["uuid"], &row["name"]).data();
        (told["sound"].clone(), told["clipboard"].clone())
    };
    assert_eq!(beside(), (json!(true), json!(true)));
    // A desktop keeps the hardware of the version that it was made of.
    let path = format!("/api/v1.0/templates/{}/hardware", room.template);
    let mut hardware = room.site.admin.get(&path).send().data()["hardware"].take();
    hardware["sound"] = json!("none");
    hardware["clipboard"] = json!(false);
    room.site.done(room.site.admin.put(&path).json(&hardware));
    assert_eq!(beside(), (json!(true), json!(true)));
    // SPICE has the one port of the guest's agent.
    let value = json!({"uuid": group, "name": "pc", "value": {"spice": "on"}});
    room.site.admin.put("/api/v1.0/education/desktop/").json(&value).send().data();
    assert_eq!(beside(), (json!(true), json!(false)));
}

#[test]
fn a_screen_is_a_picture_while_the_desktop_runs() {
    let room = Room::start();
    let group = room.deploy("pc", 2);
    let row = room.site.desktops(&group)[0].clone();
    room.site.admin.get(&screen(&row["uuid"])).send().expect_status(404);
    room.site.admin.get(&screen(&json!(NOBODY))).send().expect_status(404);
    room.site.group_action("start", &group, "pc");
    let picture = room.site.admin.get(&screen(&row["uuid"])).query("width", 100).send();
    picture.expect_status(200);
    assert_eq!(picture.header("Content-Type"), Some("image/png"));
    assert!(picture.bytes.starts_with(b"\x89PNG"));
    let wide = room.site.admin.get(&screen(&row["uuid"])).query("width", "wide").send();
    wide.expect_status(400);
    room.as_role("auditor").get(&screen(&row["uuid"])).send().expect_status(403);
    room.server.client().get(&screen(&row["uuid"])).send().expect_status(401);
}
