//! Processors, memory and network of a desktop group are changed: taken at the next start, or refused and nothing changed.

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use crate::refused::{NOTHING, refused};
use crate::room::{DESKTOPS, Room};
use crate::support::{Answer, rows, uuid_of, wait_until};

const NETWORKS: &str = "/api/v1.0/resource_mgr/data_networks";

fn change(room: &Room, group: &str, value: &Value) -> Answer {
    let body = json!({"uuid": group, "name": "pc", "value": value});
    room.site.admin.put(DESKTOPS).json(&body).send()
}

/// A second subnet, of the addresses from .10 on.
pub fn subnet(room: &Room, end: &str) -> String {
    let subnets = format!("{NETWORKS}/{}/sub_networks", room.site.network);
    let new = json!({"name": "more", "start_ip": "10.77.0.10", "end_ip": end, "netmask": "255.255.255.0",
                     "gateway": "10.77.0.1", "dns1": "10.77.0.1"});
    room.site.admin.post(&subnets).json(&new).send().data();
    uuid_of(&room.site.admin, &subnets, "more")
}

pub fn addresses(room: &Room, group: &str) -> Vec<String> {
    let rows = room.site.desktops(group);
    rows.iter().map(|row| row["ipaddr"].as_str().expect("address").to_owned()).collect()
}

#[test]
fn a_group_gets_other_hardware_and_another_network() {
    let room = Room::start();
    let more = subnet(&room, "10.77.0.12");
    let group = room.deploy("pc", 2);
    let before = addresses(&room, &group);
    room.site.group_action("start", &group, "pc");
    // While they run: processors and memory, taken at their next start.
    change(&room, &group, &json!({"vcpu": 3, "ram": "0.25"})).documented("vdi.edu-desktops.update");
    let row = room.group(&group);
    assert_eq!((&row["vcpu"], &row["ram"]), (&json!(3), &json!(0.25)), "{row:#}");
    assert_eq!((&row["active_count"], &row["state"]), (&json!(2), &json!("ready")));

    let place = json!({"network_uuid": room.site.network, "subnet_uuid": more});
    let on = refused(&change(&room, &group, &place), 409, "desktop-group-must-be-off");
    assert!(!on.is_empty() && addresses(&room, &group) == before);
    room.site.group_action("stop", &group, "pc");
    wait_until("all are off", std::time::Duration::from_secs(30), || {
        room.group(&group)["active_count"] == 0
    });
    change(&room, &group, &place).data();
    room.site.wait_idle();
    assert_eq!(addresses(&room, &group), ["10.77.0.10", "10.77.0.11"]);
    let row = room.group(&group);
    assert_eq!((&row["subnet"], &row["subnet_name"]), (&json!(more), &json!("more")));
    assert_eq!((&row["vcpu"], &row["sys_restore"]), (&json!(3), &json!(1)), "the rest stays");
    room.site.group_action("start", &group, "pc");
    // What was freed is given out again.
    let other = room.deploy("pd", 2);
    assert_eq!(addresses(&room, &other), before);
    let log = room.site.admin.get("/api/v1.0/index/get_operation_log/").query("page_size", 100);
    let log = log.header("Accept-Language", "en").send();
    assert!(
        log.body.contains("Change desktop group \\\"pc\\\"")
            || log.body.contains("Change desktop group pc"),
        "{}",
        log.body
    );
}

#[test]
fn a_bad_change_of_hardware_or_network_changes_nothing() {
    let room = Room::start();
    let group = room.deploy("pc", 3);
    let small = subnet(&room, "10.77.0.11");
    let before = (room.group(&group), room.site.desktops(&group));
    let network = &room.site.network;
    let wrong = [
        (json!({"vcpu": 0}), 400),
        (json!({"vcpu": 100_000}), 400),
        (json!({"vcpu": -1}), 400),
        (json!({"vcpu": "many"}), 400),
        (json!({"ram": 0}), 400),
        (json!({"ram": -2}), 400),
        (json!({"ram": 1e9}), 400),
        (json!({"subnet_uuid": small}), 400),
        (json!({"network_uuid": network}), 400),
        (json!({"network_uuid": network, "subnet_uuid": NOTHING}), 404),
        (json!({"network_uuid": NOTHING, "subnet_uuid": small}), 404),
        // Three desktops, two addresses; nothing of the rest is changed either.
        (json!({"network_uuid": network, "subnet_uuid": small, "vcpu": 2, "name": "new"}), 507),
    ];
    for (value, status) in wrong {
        let answer = change(&room, &group, &value);
        assert_eq!(answer.status, status, "{value}: {}", answer.body);
        assert!(!answer.refusal().is_empty(), "{value}");
        assert_eq!((room.group(&group), room.site.desktops(&group)), before, "{value}");
    }
    assert_eq!(rows(&room.site.admin.get("/api/v1.0/operations").query("open", 1).send()).len(), 0);
}

/// What a change does not name stays, also where another change comes between.
#[test]
fn a_change_takes_no_other_change_back() {
    const OTHERS: usize = 3;
    let room = Room::start();
    let group = room.deploy("pc", 1);
    let over = AtomicBool::new(false);
    let clients: Vec<_> = (0..OTHERS).map(|_| room.server.admin()).collect();
    let (over, group) = (&over, group.as_str());
    let seen = std::thread::scope(|scope| {
        for client in clients {
            scope.spawn(move || {
                for number in (1..50).cycle().take_while(|_| !over.load(Ordering::Relaxed)) {
                    let body = json!({"uuid": group, "name": "pc", "value": {"order_num": number}});
                    assert_eq!(client.put(DESKTOPS).json(&body).send().status, 200);
                }
            });
        }
        let seen: Vec<_> = (0..20)
            .map(|round| {
                let status = change(&room, group, &json!({"vcpu": 2 + round % 2})).status;
                room.site.wait_idle();
                (status, room.group(group)["vcpu"].clone())
            })
            .collect();
        over.store(true, Ordering::Relaxed);
        seen
    });
    let asked: Vec<_> = (0..20).map(|round| (200, json!(2 + round % 2))).collect();
    assert_eq!(seen, asked);
}
