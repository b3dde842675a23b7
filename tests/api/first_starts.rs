//! What desktops do at their first start: host names of groups, scripts of templates, and how it went.

use serde_json::{Value, json};

use crate::refused::{NOTHING, auditor, refused};
use crate::room::{INSTANCES, Room};
use crate::support::{Answer, uuid_of};

const DESKTOPS: &str = "/api/v1.0/desktops";
const TEMPLATES: &str = "/api/v1.0/education/template/";

fn names_of(group: &str) -> String {
    format!("/api/v1.0/desktop-groups/{group}/host-names")
}

fn script_of(template: &str) -> String {
    format!("/api/v1.0/templates/{template}/first-start")
}

fn name(room: &Room, group: &str, pattern: &str) -> Answer {
    room.site.admin.put(&names_of(group)).json(&json!({"pattern": pattern})).send()
}

fn told(room: &Room, group: &str, pattern: &str) -> Vec<String> {
    let answer = room.site.admin.get(&names_of(group)).query("pattern", pattern);
    let data = answer.header("Accept-Language", "en").send().data();
    let desktops = data["desktops"].as_array().expect("desktops");
    let text = |desktop: &Value, field: &str| desktop[field].as_str().expect("a text").to_owned();
    desktops.iter().map(|one| text(one, "host_name") + &text(one, "message")).collect()
}

#[test]
fn host_names_are_shown_before_they_are_given_and_refused_as_windows_does() {
    let room = Room::start();
    let group = room.deploy("pc", 3);
    let own = |room: &Room| room.site.admin.get(&names_of(&group)).send().data();
    assert_eq!(own(&room), json!({"pattern": "", "desktops": []}));
    assert_eq!(told(&room, &group, "lab-{number:2}"), ["lab-01", "lab-02", "lab-03"]);
    let same = told(&room, &group, "{group}");
    assert!(same[0] == "pc" && same[1].contains("as \"pc001\" does"), "{same:?}");
    assert_eq!(own(&room)["pattern"], "", "a look changes nothing");

    name(&room, &group, " {name} ").data();
    assert_eq!(own(&room)["pattern"], "{name}");
    assert_eq!(
        own(&room)["desktops"][2],
        json!({"name": "pc003", "host_name": "pc003", "message": ""})
    );
    let log = room.site.admin.get("/api/v1.0/index/get_operation_log/").query("page_size", 100);
    let log = log.header("Accept-Language", "en").send();
    assert!(log.body.contains("Change the host names of group \\\"pc\\\""), "{}", log.body);

    for (pattern, key) in [
        ("sixteen-letters-{number}", "host-name-long"),
        ("{number:4}", "host-name-digits"),
        ("pc_{number}", "host-name-letters"),
        ("机房{number}", "host-name-letters"),
        ("{number}-", "host-name-hyphen"),
        ("pc", "host-name-twice"),
        ("{nummer}", "host-names-placeholder"),
        ("{number", "host-names-placeholder"),
    ] {
        let sentence = refused(&name(&room, &group, pattern), 400, key);
        assert!(!sentence.contains("{ $") && !sentence.contains(key), "{sentence}");
        assert_eq!(own(&room)["pattern"], "{name}", "{pattern}");
    }
    refused(&name(&room, &group, &"x".repeat(200)), 400, "host-names-long");
    refused(&name(&room, NOTHING, "{name}"), 404, "desktop-group-unknown");
    let auditor = auditor(&room.server);
    let denied = auditor.put(&names_of(&group)).json(&json!({"pattern": ""})).send();
    refused(&denied, 403, "permission-missing");
    name(&room, &group, "").data();
    assert_eq!(own(&room)["pattern"], "");
}

#[test]
fn a_group_does_not_grow_to_desktops_of_one_name() {
    let room = Room::start();
    let group = room.deploy("solo", 1);
    name(&room, &group, "pc").data();
    let add = || {
        let param = json!({"desktop_uuid": group, "desktop_name": "solo", "desktop_type": 1,
            "instance_num": 1});
        room.site.admin.action(INSTANCES, "create", param)
    };
    let before = (room.row_counts(), room.server.files());
    refused(&add().send(), 400, "host-name-twice");
    room.site.wait_idle();
    assert_eq!((room.row_counts(), room.server.files()), before);
    name(&room, &group, "pc{number}").data();
    room.site.done(add());
    assert_eq!(told(&room, &group, "pc{number}"), ["pc1", "pc2"]);
}

#[test]
fn a_script_belongs_to_its_template_and_copies_have_it() {
    let room = Room::start();
    let of = |template: &str| room.site.admin.get(&script_of(template)).send().data();
    let none = json!({"shell": "sh", "script": "", "minutes": 10});
    assert_eq!(of(&room.template), none);
    let put = |value: &Value| room.site.admin.put(&script_of(&room.template)).json(value).send();
    put(&json!({"shell": "sh", "script": "echo \"$CARREL_NAME\"\r\nexit 3\r\n", "minutes": 2}))
        .data();
    let kept = json!({"shell": "sh", "script": "echo \"$CARREL_NAME\"\nexit 3\n", "minutes": 2});
    assert_eq!(of(&room.template), kept);
    for (value, status, key) in [
        (json!({"shell": "bash", "script": "", "minutes": 2}), 400, "first-start-shell"),
        (json!({"shell": "sh", "script": "x", "minutes": 0}), 400, "number-out-of-range"),
        (json!({"shell": "sh", "script": "x", "minutes": 241}), 400, "number-out-of-range"),
        (json!({"shell": "sh", "script": "a\0b", "minutes": 2}), 400, "first-start-script-binary"),
        (
            json!({"shell": "sh", "script": "x".repeat((64 << 10) + 1), "minutes": 2}),
            400,
            "first-start-script-long",
        ),
    ] {
        refused(&put(&value), status, key);
        assert_eq!(of(&room.template), kept, "{key}");
    }
    put(&json!({"shell": "sh", "script": "x"})).expect_status(400);
    let param = json!({
        "template_uuid": room.template, "name": "copy", "desc": "", "pool_uuid": room.site.pool,
        "network_uuid": room.site.network, "subnet_uuid": room.site.subnet,
    });
    room.site.done(room.site.admin.action(TEMPLATES, "copy", param));
    assert_eq!(of(&uuid_of(&room.site.admin, TEMPLATES, "copy")), kept);
    let other = json!({"shell": "powershell", "script": "exit 1\r\n", "minutes": 240});
    put(&other).data();
    assert_eq!(of(&room.template), other);
    let unknown = room.site.admin.put(&script_of(NOTHING)).json(&none).send();
    refused(&unknown, 404, "template-unknown");
    let denied = auditor(&room.server).put(&script_of(&room.template)).json(&none).send();
    refused(&denied, 403, "permission-missing");
    put(&json!({"shell": "sh", "script": " \n", "minutes": 10})).data();
    assert_eq!(of(&room.template), none);
}

#[test]
fn it_is_asked_for_again_only_where_something_can_hear_it() {
    let room = Room::start();
    let group = room.deploy("pc", 2);
    let admin = &room.site.admin;
    let rows =
        || admin.get(DESKTOPS).query("desktop_uuid", &group).send().data()["results"].clone();
    let first = rows()[0]["uuid"].as_str().expect("a uuid").to_owned();
    let again = |uuid: &str, name: &str| {
        let body = json!({"desktops": [{"uuid": uuid, "name": name}]});
        admin.post("/api/v1.0/first-starts").json(&body).send()
    };
    let view = || admin.get(&format!("{DESKTOPS}/{first}/first-start")).send().data();
    let none = json!({
        "state": null, "began_at": null, "ended_at": null, "host_name": "", "exit_code": null,
        "output": "", "output_cut": false, "message": "",
    });
    assert_eq!(view(), none);
    refused(&again(&first, "pc001"), 409, "desktop-not-running");
    room.site.group_action("start", &group, "pc");
    assert_eq!(rows()[0]["first_start"], Value::Null);
    refused(&again(&first, "other"), 409, "desktop-renamed");
    refused(&again(NOTHING, "pc001"), 404, "desktop-unknown");
    again(&first, "pc001").data();
    assert_eq!(view()["state"], "running", "it waits for an agent");
    refused(&again(&first, "pc001"), 409, "first-start-runs");
    let running = admin.get(DESKTOPS).query("first_start", "running").send().data();
    assert_eq!((&running["count"], &running["results"][0]["name"]), (&json!(1), &json!("pc001")));
    assert_eq!(room.group(&group)["first_start_failed_count"], 0);
    let unknown = admin.get(&format!("{DESKTOPS}/{NOTHING}/first-start")).send();
    refused(&unknown, 404, "desktop-unknown");
    admin.post("/api/v1.0/first-starts").json(&json!({"desktops": []})).send().expect_status(400);
    // What was not begun is nothing any more when the desktop is off.
    room.site.done(admin.action(
        crate::room::DESKTOPS,
        "hard_stop",
        json!({"desktops": [{"uuid": group, "name": "pc"}]}),
    ));
    crate::support::wait_for(
        "the end of a first start",
        std::time::Duration::from_secs(20),
        || (view() == none).then_some(()),
    );
}
