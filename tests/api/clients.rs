//! What clients of document 002 that exist send and read, beside what it says.

use serde_json::{Value, json};

use crate::refused::refused;
use crate::room::{DESKTOPS, INSTANCES, Room};
use crate::support::{rows, uuid_of};

const MANAGER: &str = "/api/v1.0/resource_mgr";
const TEMPLATES: &str = "/api/v1.0/education/template/";

#[test]
fn an_edited_template_comes_with_its_screen() {
    let room = Room::start();
    let admin = &room.site.admin;
    let template = json!({"name": "plain", "uuid": room.template});
    let console = || admin.action(INSTANCES, "get_console", template.clone()).send();
    refused(&console(), 409, "screen-off");
    let edited = admin.action(TEMPLATES, "edit", template.clone()).send().data();
    let is_screen = |url: &Value| url.as_str().is_some_and(|url| url.starts_with("ws://"));
    assert!(is_screen(&edited["websockify_url"]), "{edited:#}");
    assert_eq!((&edited["attach"], &edited["success_num"]), (&json!(""), &json!(1)));
    let again = console().data();
    assert!(is_screen(&again["websockify_url"]), "{again:#}");
    assert_ne!(again["websockify_url"], edited["websockify_url"], "each is good once");
    // who may not manage templates finds none there
    let teacher = room.as_role("teacher");
    let answer = teacher.action(INSTANCES, "get_console", template).send();
    refused(&answer, 404, "desktop-unknown");
}

#[test]
fn a_two_for_data_restore_is_a_group_without_data_disks() {
    let room = Room::start();
    let admin = &room.site.admin;
    let mut param = room.param("pc", 1);
    param["data_restore"] = json!(3);
    refused(&admin.action(DESKTOPS, "create", param.clone()).send(), 400, "number-out-of-range");
    param["data_restore"] = json!(2);
    room.site.done(admin.action(DESKTOPS, "create", param.clone()));
    assert_eq!(rows(&admin.get(DESKTOPS).send())[0]["data_restore"], 0);
    let pc = uuid_of(admin, DESKTOPS, "pc");
    let edit = |uuid: &str, name: &str, value: Value| {
        let body = json!({"uuid": uuid, "name": name, "value": value});
        admin.put(DESKTOPS).json(&body).send()
    };
    for two in [json!(2), json!("2")] {
        edit(&pc, "pc", json!({"data_restore": two, "sys_restore": 1})).data();
    }
    refused(&edit(&pc, "pc", json!({"data_restore": 3})), 400, "field-wrong");

    let site = &room.site;
    let new = json!({
        "name": "two disks", "desc": "", "os_type": "linux", "classify": 1, "pool_uuid": site.pool,
        "network_uuid": site.network, "subnet_uuid": site.subnet, "vcpu": 1, "ram": 0.08,
        "system_disk": {"image_id": room.image, "size": 1}, "data_disks": [{"inx": 0, "size": 1}],
    });
    site.done(admin.action(TEMPLATES, "create", new));
    param["template_uuid"] = json!(uuid_of(admin, TEMPLATES, "two disks"));
    (param["name"], param["prefix"]) = (json!("lab"), json!("lab"));
    site.done(admin.action(DESKTOPS, "create", param.clone()));
    let disks = |group: &str| {
        let group = room.group(&uuid_of(admin, DESKTOPS, group));
        let disks = group["devices"].as_array().expect("disks").clone();
        let desktop = site.desktops(group["uuid"].as_str().expect("a uuid"))[0]["uuid"].clone();
        let is_its = |file: &&std::path::PathBuf| {
            file.to_string_lossy().contains(desktop.as_str().expect("a uuid"))
        };
        (disks.len(), room.overlays().iter().filter(is_its).count())
    };
    assert_eq!(disks("lab"), (1, 1));
    (param["name"], param["prefix"]) = (json!("lab2"), json!("lab2"));
    param["data_restore"] = json!(1);
    site.done(admin.action(DESKTOPS, "create", param));
    assert_eq!(disks("lab2"), (2, 2));
    let lab2 = uuid_of(admin, DESKTOPS, "lab2");
    let other = edit(&lab2, "lab2", json!({"data_restore": 2, "name": "other"}));
    let said = refused(&other, 409, "desktop-group-has-data-disks");
    assert!(said.contains("lab2"), "{said}");
    assert_eq!(room.group(&lab2)["name"], "lab2", "and nothing was changed");
    let lab = uuid_of(admin, DESKTOPS, "lab");
    site.group_action("start", &lab, "lab");
    assert_eq!(disks("lab"), (1, 1), "a start makes none either");
}

#[test]
fn what_was_sent_empty_comes_back_empty() {
    let room = Room::start();
    let admin = &room.site.admin;
    let row = |list: &str, name: &str| {
        admin.get(list).query("searchtype", "single").query("name", name).send().data()
    };
    let (pools, switches) = (format!("{MANAGER}/resource_pools"), format!("{MANAGER}/vswitchs"));
    admin.post(&pools).json(&json!({"name": "second", "desc": ""})).send().data();
    assert_eq!(row(&pools, "second")["desc"], "");
    let new = json!({"name": "floor", "type": "vlan", "desc": "", "uplinks": []});
    admin.post(&switches).json(&new).send().data();
    assert_eq!(row(&switches, "floor")["desc"], "");
    let networks = format!("{MANAGER}/data_networks");
    let subnet = json!({
        "name": "first", "start_ip": "10.70.0.10", "end_ip": "10.70.0.20",
        "netmask": "255.255.255.0", "gateway": "10.70.0.1", "dns1": "10.70.0.1", "dns2": "",
    });
    let new = json!({
        "name": "net 7", "desc": "", "switch_uuid": row(&switches, "floor")["uuid"], "vlan_id": 7,
        "subnet_info": subnet,
    });
    admin.post(&networks).json(&new).send().data();
    let network = row(&networks, "net 7");
    assert_eq!((&network["desc"], &network["vlan_id"]), (&json!(""), &json!(7)));

    let one = format!("{networks}/{}", network["uuid"].as_str().expect("a uuid"));
    let subnets = format!("{one}/sub_networks");
    assert_eq!(row(&subnets, "first")["dns2"], "");
    let this = format!("{subnets}/{}", row(&subnets, "first")["uuid"].as_str().expect("a uuid"));
    for dns2 in ["10.70.0.2", ""] {
        room.site.done(admin.put(&this).json(&json!({"dns2": dns2})));
        assert_eq!(row(&subnets, "first")["dns2"], dns2);
    }
    room.site.done(admin.put(&this).json(&json!({"dns2": "10.70.0.2"})));
    room.site.done(admin.put(&this).json(&json!({"name": "first"})));
    assert_eq!(row(&subnets, "first")["dns2"], "10.70.0.2", "what is not sent stays");

    // 0 is what those send who change only the name
    room.site.done(admin.put(&one).json(&json!({"name": "net 7b", "vlan_id": 0})));
    assert_eq!(row(&networks, "net 7b")["vlan_id"], 7);
}

#[test]
fn fields_that_clients_read_are_there() {
    let room = Room::start();
    let admin = &room.site.admin;
    let group = room.deploy("pc", 2);
    let desktops = room.site.desktops(&group);
    let one = [(desktops[0]["uuid"].as_str().expect("a uuid"), "pc001")];
    room.act("start", (&group, "pc"), &one).data();
    for desktop in room.site.desktops(&group) {
        assert_eq!(desktop["message"], "", "nothing is wrong with it: {desktop:#}");
    }
    let template = &rows(&admin.get(TEMPLATES).send())[0];
    assert!(template["updated_time"].is_string(), "{template:#}");
    let node = &rows(&admin.get(&format!("{MANAGER}/controller_nodes")).send())[0];
    for storage in node["storages"].as_array().expect("storages") {
        let of = |name: &str| storage[name].as_u64().expect("bytes");
        assert_eq!(of("available"), of("total") - of("used"));
    }
    for role in ["template_sys", "template_data", "instance_sys", "instance_data"] {
        assert_eq!(node[role], node[role.to_uppercase()], "{role}");
        assert!(node[role].is_object(), "{role}");
    }
    for nic in node["network_interfaces"].as_array().expect("cards") {
        assert!(nic["gate_info"].is_object(), "{nic:#}");
        for ip in nic["ip_info"].as_array().expect("addresses") {
            for name in ["gateway", "dns1", "dns2"] {
                assert!(ip[name].is_string(), "{nic:#}");
                assert!(
                    nic["gate_info"] == json!({})
                        || ip[name] == ""
                        || ip[name] == nic["gate_info"][name]
                );
            }
        }
    }
    let image = &rows(
        &admin.get(&format!("{MANAGER}/resource_pools/{}/base_images", room.site.pool)).send(),
    )[0];
    assert_eq!(image["resource_pool"], room.site.pool.as_str());
    assert_eq!((&image["image_status"], &image["status"]), (&json!(0), &json!(0)));
}

#[test]
fn desktops_are_added_by_either_word_of_the_document() {
    let room = Room::start();
    let group = room.deploy("pc", 1);
    for (word, count) in [("create", 2), ("action", 3)] {
        let add = json!({
            "desktop_uuid": group, "desktop_name": "pc", "desktop_type": 1, "instance_num": 1,
        });
        room.site.done(room.site.admin.action(INSTANCES, word, add));
        assert_eq!(room.site.desktops(&group).len(), count, "{word}");
    }
}
