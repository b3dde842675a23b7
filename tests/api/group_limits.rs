//! How much of its node's disks and network each desktop of a group may use.

use serde_json::{Value, json};

use crate::refused::{NOTHING, auditor, refused};
use crate::room::Room;
use crate::support::Answer;

fn path(group: &str) -> String {
    format!("/api/v1.0/desktop-groups/{group}/limits")
}

fn limits(disk_mb: u32, disk_iops: u32, receive_mbit: u32, send_mbit: u32) -> Value {
    json!({"disk_mb": disk_mb, "disk_iops": disk_iops, "receive_mbit": receive_mbit, "send_mbit": send_mbit})
}

fn now(room: &Room, group: &str) -> Value {
    room.site.admin.get(&path(group)).send().data()
}

fn change(room: &Room, group: &str, limits: &Value) -> Answer {
    room.site.admin.put(&path(group)).json(limits).send()
}

#[test]
fn a_group_is_limited_and_not_by_what_makes_no_sense() {
    let room = Room::start();
    let group = room.deploy("pc", 2);
    assert_eq!(now(&room, &group), limits(0, 0, 0, 0));
    room.site.group_action("start", &group, "pc");
    let wanted = limits(100, 2000, 200, 50);
    room.site.done(room.site.admin.put(&path(&group)).json(&wanted));
    assert_eq!(now(&room, &group), wanted);
    assert_eq!(room.group(&group)["active_count"], 2, "they go on");
    let log = room.site.admin.get("/api/v1.0/index/get_operation_log/").query("page_size", 100);
    let log = log.header("Accept-Language", "en").send();
    assert!(log.body.contains("Limit the desktops of group \\\"pc\\\""), "{}", log.body);

    let wrong = [
        (limits(1, 0, 0, 0), "disk_mb"),
        (limits(200_000, 0, 0, 0), "disk_mb"),
        (limits(0, 49, 0, 0), "disk_iops"),
        (limits(0, 0, 25_001, 0), "receive_mbit"),
        (limits(0, 0, 0, u32::MAX), "send_mbit"),
        (json!({"disk_mb": -5, "disk_iops": 0, "receive_mbit": 0, "send_mbit": 0}), "disk_mb"),
        (json!({"disk_mb": "x", "disk_iops": 0, "receive_mbit": 0, "send_mbit": 0}), "disk_mb"),
        (json!({"disk_mb": 10}), "disk_iops"),
    ];
    for (value, field) in wrong {
        let answer = change(&room, &group, &value);
        assert_eq!(answer.status, 400, "{value}: {}", answer.body);
        assert!(answer.body.contains(field), "{value}: {}", answer.body);
        assert_eq!(now(&room, &group), wanted, "{value}");
    }
    refused(&change(&room, NOTHING, &wanted), 404, "desktop-group-unknown");
    let auditor = auditor(&room.server);
    refused(&auditor.put(&path(&group)).json(&wanted).send(), 403, "permission-missing");
    // The same again is no work for any node.
    change(&room, &group, &wanted).data();
    room.site.done(room.site.admin.put(&path(&group)).json(&limits(0, 0, 0, 0)));
    assert_eq!(now(&room, &group), limits(0, 0, 0, 0));
}
