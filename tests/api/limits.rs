//! What a machine may be like is the same at every door: a template that is made or changed, a class that is deployed.
//! So is how many things a request may name.

use serde_json::{Value, json};

use crate::refused::refused as refused_as;
use crate::room::{DESKTOPS, GROUPS, INSTANCES, Room};
use crate::support::Request;

const TEMPLATES: &str = "/api/v1.0/education/template/";
/// The most that KVM runs.
const VCPUS: u32 = 240;
/// GiB; more than any machine has.
const MEMORY: u32 = 65_536;
/// MiB
const LEAST: u32 = 16;

/// Every door, as a request with these values of a machine.
fn doors(room: &Room, name: &str, values: &Value) -> Vec<(&'static str, Request)> {
    let admin = &room.site.admin;
    let with = |mut param: Value| {
        let fields = values.as_object().expect("an object").clone();
        param.as_object_mut().expect("an object").extend(fields);
        param
    };
    let create = json!({
        "name": name, "desc": "", "os_type": "linux", "classify": 1, "pool_uuid": room.site.pool,
        "network_uuid": room.site.network, "subnet_uuid": room.site.subnet, "vcpu": 1, "ram": 0.08,
        "system_disk": {"image_id": room.image, "size": 1}, "data_disks": [],
    });
    let update = json!({"uuid": room.template, "name": "plain", "value": with(json!({}))});
    vec![
        ("make a template", admin.action(TEMPLATES, "create", with(create))),
        ("change a template", admin.put(TEMPLATES).json(&update)),
        ("deploy a class", admin.action(DESKTOPS, "create", with(room.param(name, 1)))),
    ]
}

/// Asserts that each door refuses these values and names the field and the limit.
#[track_caller]
fn refused(room: &Room, field: &str, values: &Value, limit: u32) {
    for (door, request) in doors(room, "beyond", values) {
        let answer = request.send();
        assert_eq!(answer.status, 400, "{door} with {values}: {}", answer.body);
        let data = answer.json()["data"].clone();
        assert_eq!(data["field"], field, "{door} with {values}: {}", answer.body);
        let message = answer.json()["msg"].as_str().expect("a message").replace([',', ' '], "");
        assert!(message.contains(&limit.to_string()), "{door} with {values}: {message}");
    }
}

#[test]
fn one_limit_of_cpus_and_memory_at_every_door() {
    let room = Room::start();
    let before = room.row_counts();
    refused(&room, "vcpu", &json!({"vcpu": VCPUS + 1}), VCPUS);
    refused(&room, "vcpu", &json!({"vcpu": 0}), VCPUS);
    refused(&room, "ram", &json!({"ram": MEMORY + 1}), MEMORY);
    refused(&room, "ram", &json!({"ram": f64::from(LEAST - 1) / 1024.0}), LEAST);
    assert_eq!(room.row_counts(), before);
    let largest = json!({"vcpu": VCPUS, "ram": f64::from(LEAST) / 1024.0});
    for (door, request) in doors(&room, "largest", &largest) {
        println!("{door}");
        room.site.done(request);
    }
}

/// Things that one request may name.
const THINGS: usize = 1_000;

/// Requests that name things, with the field that does.
fn lists(room: &Room, things: &[Value]) -> Vec<(&'static str, Request)> {
    let admin = &room.site.admin;
    let named: Vec<Value> =
        things.iter().map(|uuid| json!({"uuid": uuid, "name": "nothing"})).collect();
    let uuids = json!({"uuids": things});
    let pools = "/api/v1.0/resource_mgr/resource_pools";
    let images = format!("{pools}/{}/base_images", room.site.pool);
    let instances = json!({
        "desktop_uuid": room.classroom, "desktop_name": "room", "desktop_type": 1, "instances": named,
    });
    vec![
        ("uuids", admin.delete(pools).json(&uuids)),
        ("uuids", admin.delete(&images).json(&uuids)),
        ("uuids", admin.delete("/api/v1.0/resource_mgr/vswitchs").json(&uuids)),
        ("templates", admin.action(TEMPLATES, "start", json!({"templates": named}))),
        ("templates", admin.delete(TEMPLATES).json(&json!({"templates": named}))),
        ("desktops", admin.action(DESKTOPS, "stop", json!({"desktops": named}))),
        ("desktops", admin.delete(DESKTOPS).json(&json!({"desktops": named}))),
        ("groups", admin.delete(GROUPS).json(&json!({"groups": named}))),
        ("instances", admin.action(INSTANCES, "start", instances.clone())),
        ("instances", admin.delete(INSTANCES).json(&instances)),
    ]
}

#[test]
fn one_limit_of_things_in_every_list_of_a_request() {
    let room = Room::start();
    let things: Vec<Value> = (0..=THINGS).map(|_| json!(uuid::Uuid::new_v4())).collect();
    let before = room.row_counts();
    for (field, request) in lists(&room, &things) {
        let answer = request.send();
        let sentence = refused_as(&answer, 400, "batch-too-large");
        assert_eq!(answer.json()["data"]["field"], field, "{}: {}", answer.what, answer.body);
        assert!(sentence.replace([',', ' '], "").contains("1000"), "{sentence}");
    }
    assert_eq!(room.row_counts(), before);
    // As many as may be are looked at.
    for (_, request) in lists(&room, &things[..THINGS]) {
        let answer = request.send();
        assert_eq!(answer.status, 404, "{}: {}", answer.what, answer.body);
    }
}
