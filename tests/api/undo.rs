//! Changes that have to be taken back after others have moved on: every undo comes to an end, and hurts nobody.
//!
//! A change is made and succeeds; others then take what it had given up; then the server is killed, its database
//! says that the change was being taken back at that moment, and it is started again.

use std::time::Duration;

use rusqlite::{Connection, params};
use serde_json::{Value, json};

use crate::group_machine::{addresses, subnet as subnet_of_ten};
use crate::room::{DESKTOPS, GROUPS, Room};
use crate::support::{rows, uuid_of, wait_until};

const SWITCHES: &str = "/api/v1.0/resource_mgr/vswitchs";
const NETWORKS: &str = "/api/v1.0/resource_mgr/data_networks";
const TEMPLATES: &str = "/api/v1.0/education/template/";

impl Room {
    /// Kills the server, turns its newest operation of this kind back into one that is being undone, and lets it end.
    #[track_caller]
    fn take_back(&mut self, kind: &str) {
        self.site.wait_idle();
        self.server.kill();
        let path = self.server.data_here().join("carrel.db");
        let database = Connection::open(path).expect("open the database");
        let id: i64 = database
            .query_row("SELECT max(id) FROM operations WHERE kind = ?1", [kind], |row| row.get(0))
            .expect("the operation");
        let undoing = "UPDATE operations SET state = 'undoing', finished_at = NULL, action = NULL WHERE id = ?1";
        assert_eq!(database.execute(undoing, params![id]).expect("as a killed server left it"), 1);
        drop(database);
        self.server.start_again();
        self.site.admin = self.server.admin();
        self.site.wait_idle();
        let page = self.site.admin.get("/api/v1.0/operations").query("kind", kind).send();
        assert_eq!(rows(&page)[0]["state"], "failed", "{}", page.body);
    }

    #[track_caller]
    fn network(&self, name: &str) -> Value {
        let page = self.site.admin.get(NETWORKS).query("page_size", 100).send();
        let found = rows(&page).into_iter().find(|row| row["name"] == name);
        found.unwrap_or_else(|| panic!("no network {name}: {}", page.body))
    }

    #[track_caller]
    fn make_network(&self, name: &str, third: u8) -> Value {
        let switch = rows(&self.site.admin.get(SWITCHES).send())[0]["uuid"].clone();
        let new = json!({"name": name, "switch_uuid": switch, "subnet_info": subnet("s", third)});
        self.site.admin.post(NETWORKS).json(&new).send().data()
    }

    fn subnets(&self, network: &Value) -> Vec<Value> {
        rows(&self.site.admin.get(&subnets_of(network)).send())
    }
}

fn subnets_of(network: &Value) -> String {
    format!("{NETWORKS}/{}/sub_networks", network["uuid"].as_str().expect("uuid"))
}

fn subnet(name: &str, third: u8) -> Value {
    json!({
        "name": name, "start_ip": format!("10.50.{third}.10"),
        "end_ip": format!("10.50.{third}.12"), "netmask": "255.255.255.0",
        "gateway": format!("10.50.{third}.1"), "dns1": format!("10.50.{third}.1"),
    })
}

/// Desktops that were made anew meanwhile have disks of the template that is no longer the group's.
#[test]
fn a_group_gets_its_former_template_back() {
    let mut room = Room::start();
    let group = room.deploy("pc", 2);
    let other = room.site.template("other", &room.image);
    room.site.group_action("start", &group, "pc");
    let change = json!({"uuid": group, "name": "pc", "value": {"template_uuid": other}});
    room.site.done(room.site.admin.put(DESKTOPS).json(&change));
    let first = room.site.desktops(&group).remove(0);
    let text = |field: &str| first[field].as_str().expect("text").to_owned();
    room.act("reboot", (&group, "pc"), &[(&text("uuid"), &text("name"))]).data();
    let standing = |room: &Room| {
        let rows = rows(&room.site.admin.get("/api/v1.0/desktops").send());
        let of = |row: &Value| (row["former_template"].clone(), row["template_version"].clone());
        rows.iter().map(of).collect::<Vec<_>>()
    };
    let wait = |room: &Room, wanted: [(Value, Value); 2]| {
        wait_until("what they stand on", Duration::from_secs(30), || standing(room) == wanted);
    };
    wait(&room, [(json!(""), json!(1)), (json!("plain"), json!(0))]);
    room.take_back("desktop-group-restore");
    assert_eq!(room.group(&group)["template_name"], "plain");
    // The simulator's guests end with the server that it is part of.
    room.site.group_action("start", &group, "pc");
    wait(&room, [(json!(""), json!(1)), (json!(""), json!(1))]);
}

#[test]
fn a_group_whose_old_name_was_taken_keeps_the_new_one() {
    let mut room = Room::start();
    let uuid = room.deploy("old", 1);
    let change = json!({"uuid": uuid, "name": "old",
        "value": {"name": "new", "sys_restore": 0, "order_num": 7}});
    room.site.done(room.site.admin.put(DESKTOPS).json(&change));
    room.deploy("old", 1);
    room.take_back("desktop-group-restore");
    let row = room.group(&uuid);
    assert_eq!((&row["name"], &row["sys_restore"]), (&json!("new"), &json!(1)), "{row:#}");
    assert_eq!(row["order_num"], 99);
    // Nobody in the way: the name comes back, too.
    let change = json!({"uuid": uuid, "name": "new", "value": {"name": "third", "sys_restore": 0}});
    room.site.done(room.site.admin.put(DESKTOPS).json(&change));
    room.take_back("desktop-group-restore");
    assert_eq!(room.group(&uuid)["name"], "new");
    room.site.delete_group(&uuid, "new");
}

/// Who lost an address takes none that another one of the group goes back to.
#[test]
fn a_group_whose_old_address_was_taken_gets_back_the_others() {
    let mut room = Room::start();
    let more = subnet_of_ten(&room, "10.77.0.12");
    let group = room.deploy("pc", 3);
    let before = addresses(&room, &group);
    let place = json!({"network_uuid": room.site.network, "subnet_uuid": more});
    let change = json!({"uuid": group, "name": "pc", "value": place});
    room.site.done(room.site.admin.put(DESKTOPS).json(&change));
    let other = room.deploy("pd", 1);
    assert_eq!(addresses(&room, &other), before[..1]);
    room.take_back("desktop-group-restore");
    let after = addresses(&room, &group);
    assert_eq!(after[1..], before[1..]);
    assert!(!before.contains(&after[0]), "{after:?}, before {before:?}");
}

#[test]
fn a_template_whose_old_name_and_address_were_taken_keeps_what_is_free() {
    let mut room = Room::start();
    let subnets = subnets_of(&room.network("default"));
    let four = json!({
        "name": "few", "start_ip": "10.66.0.230", "end_ip": "10.66.0.231",
        "netmask": "255.255.255.0", "gateway": "10.66.0.1", "dns1": "10.66.0.1",
    });
    let few = room.site.admin.post(&subnets).json(&four).send().data()["uuid"].clone();
    let param = |name: &str, subnet: &Value| {
        json!({
            "name": name, "desc": "", "os_type": "linux", "classify": 1,
            "pool_uuid": room.site.pool, "network_uuid": room.site.network, "subnet_uuid": subnet,
            "vcpu": 1, "ram": 0.08, "system_disk": {"image_id": room.image, "size": 1},
            "data_disks": [],
        })
    };
    let create = |name: &str| room.site.admin.action(TEMPLATES, "create", param(name, &few));
    room.site.done(create("old"));
    let uuid = uuid_of(&room.site.admin, TEMPLATES, "old");
    let change = json!({"uuid": uuid, "name": "old", "value": {
        "name": "new", "vcpu": 2, "network_uuid": room.site.network,
        "subnet_uuid": room.site.subnet}});
    room.site.done(room.site.admin.put(TEMPLATES).json(&change));
    room.site.done(create("old"));
    room.site.done(create("other"));
    room.take_back("template-change");
    let single = room.site.admin.get(TEMPLATES).query("searchtype", "single");
    let row = single.query("uuid", &uuid).send().data();
    assert_eq!((&row["name"], &row["vcpu"]), (&json!("new"), &json!(1)), "{row:#}");
    assert_eq!(row["subnet_uuid"], room.site.subnet.as_str(), "its old subnet is full: {row:#}");
    assert!(row["bind_ip"].as_str().is_some_and(|ip| !ip.is_empty()), "{row:#}");
    assert!(row["reason"].is_string(), "the failure is shown: {row:#}");
    let start = json!({"templates": [{"name": "new", "uuid": uuid}]});
    room.site.done(room.site.admin.action(TEMPLATES, "start", start));
}

#[test]
fn a_network_whose_old_name_was_taken_keeps_the_new_one() {
    let mut room = Room::start();
    let made = room.make_network("old", 1);
    let one = format!("{NETWORKS}/{}", made["uuid"].as_str().expect("uuid"));
    let edit = json!({"name": "new", "desc": "changed"});
    room.site.admin.put(&one).json(&edit).send().data();
    room.make_network("old", 2);
    room.take_back("network-edit");
    let row = room.network("new");
    assert_eq!((&row["uuid"], &row["desc"]), (&made["uuid"], &Value::Null), "{row:#}");
    assert_ne!(room.network("old")["uuid"], made["uuid"]);
}

#[test]
fn subnets_whose_old_range_was_taken_stay_as_they_are() {
    let mut room = Room::start();
    let made = room.make_network("first", 1);
    let moved = room.subnets(&made).remove(0);
    let one = format!("{}/{}", subnets_of(&made), moved["uuid"].as_str().expect("uuid"));
    room.site.admin.put(&one).json(&subnet("moved", 2)).send().data();
    let taker = room.make_network("taker", 1);
    room.take_back("subnet-edit");
    let now = room.subnets(&made).remove(0);
    assert_eq!((&now["name"], &now["start_ip"]), (&json!("moved"), &json!("10.50.2.10")));
    assert_eq!(room.subnets(&taker)[0]["start_ip"], "10.50.1.10");

    // Deleted, and the range given to somebody else.
    let second = room.site.admin.post(&subnets_of(&made)).json(&subnet("second", 3)).send().data();
    let delete = json!({"uuids": [second["uuid"]]});
    room.site.admin.delete(&subnets_of(&made)).json(&delete).send().data();
    room.make_network("taker of three", 3);
    room.take_back("subnet-delete");
    assert_eq!(room.subnets(&made).len(), 1);
    // Without a taker it comes back.
    let third = room.site.admin.post(&subnets_of(&made)).json(&subnet("third", 4)).send().data();
    let delete = json!({"uuids": [third["uuid"]]});
    room.site.admin.delete(&subnets_of(&made)).json(&delete).send().data();
    room.take_back("subnet-delete");
    assert_eq!(room.subnets(&made)[1]["uuid"], third["uuid"]);
}

#[test]
fn what_is_in_use_by_now_does_not_go() {
    let mut room = Room::start();
    let made = room.make_network("used", 1);
    let subnet_uuid = room.subnets(&made)[0]["uuid"].clone();
    let group = json!({
        "name": "user", "network_uuid": made["uuid"], "subnet_uuid": subnet_uuid,
        "start_ip": "192.168.7.10", "end_ip": "192.168.7.20",
    });
    room.site.admin.post(GROUPS).json(&group).send().data();
    room.take_back("network-create");
    assert_eq!(room.network("used")["reason"], Value::Null);
    assert_eq!(room.subnets(&made).len(), 1);
    let second = room.site.admin.post(&subnets_of(&made)).json(&subnet("second", 3)).send().data();
    let group = json!({
        "name": "user 2", "network_uuid": made["uuid"], "subnet_uuid": second["uuid"],
        "start_ip": "192.168.8.10", "end_ip": "192.168.8.20",
    });
    room.site.admin.post(GROUPS).json(&group).send().data();
    room.take_back("subnet-create");
    assert_eq!(room.subnets(&made).len(), 2);

    let unused = room.make_network("unused", 4);
    room.take_back("network-create");
    room.site.admin.get(&subnets_of(&unused)).send().expect_status(404);
}
