//! Virtual switches, data networks, subnets.

use std::time::Duration;

use serde_json::{Value, json};

use crate::refused::{NOTHING, auditor, needs_a_right, refused, refuses_bad_names, rows};
use crate::support::{Client, Server, wait_until};

const SWITCHES: &str = "/api/v1.0/resource_mgr/vswitchs";
const NETWORKS: &str = "/api/v1.0/resource_mgr/data_networks";
const GROUPS: &str = "/api/v1.0/education/group/";

fn text(value: &Value) -> &str {
    value.as_str().expect("text")
}

fn subnets_of(network: &Value) -> String {
    format!("{NETWORKS}/{}/sub_networks", text(&network["uuid"]))
}

fn subnet(name: &str, start: &str, end: &str) -> Value {
    json!({
        "name": name, "start_ip": format!("10.50.0.{start}"), "end_ip": format!("10.50.0.{end}"),
        "netmask": "255.255.255.0", "gateway": "10.50.0.1", "dns1": "10.50.0.1",
    })
}

/// The same with one field changed.
fn with(mut value: Value, field: &str, new: Value) -> Value {
    value[field] = new;
    value
}

/// A switch of this kind and a network on it, with one subnet .10 to .50.
#[track_caller]
fn network(admin: &Client, kind: &str) -> Value {
    let switch = json!({"name": format!("{kind} switch"), "type": kind, "uplinks": []});
    let switch = admin.post(SWITCHES).json(&switch).send().data();
    let mut new = json!({
        "name": format!("{kind} network"), "switch_uuid": switch["uuid"],
        "subnet_info": subnet("first", "10", "50"),
    });
    if kind.eq_ignore_ascii_case("vlan") {
        new["vlan_id"] = json!("12");
    }
    admin.post(NETWORKS).json(&new).send().documented("vdi.data-networks.create")
}

#[test]
fn a_fresh_installation_has_a_network() {
    let server = Server::start();
    let admin = server.admin();
    let switches = admin.get(SWITCHES).send().documented("vdi.vswitchs.list");
    assert_eq!((&switches["count"], &switches["results"][0]["type"]), (&json!(1), &json!("nat")));
    let networks = admin.get(NETWORKS).send().documented("vdi.data-networks.list");
    let default = &networks["results"][0];
    assert_eq!((&default["name"], &default["default"]), (&json!("default"), &json!(1)));
    assert_eq!((&default["switch_type"], &default["subnet_count"]), (&json!("nat"), &json!(1)));
    let subnets = admin.get(&subnets_of(default)).send();
    let subnets = subnets.documented("vdi.data-networks.subnets-list");
    let only = &subnets["results"][0];
    assert_eq!(only["netmask"], "255.255.255.0");
    assert_eq!(only["gateway"], only["dns1"], "the node answers names");
    let start = text(&only["start_ip"]).rsplit_once('.').expect("an address");
    assert_eq!(text(&only["gateway"]), format!("{}.1", start.0));
    wait_until("the network on the node", Duration::from_secs(20), || {
        rows(&admin, NETWORKS)[0]["reason"].is_null()
    });
}

#[test]
fn the_default_switch_and_network_stay() {
    let server = Server::start();
    let admin = server.admin();
    let (switch, network) = (&rows(&admin, SWITCHES)[0], &rows(&admin, NETWORKS)[0]);
    let both = |uuid: &Value| json!({"uuids": [uuid]});
    let answer = admin.delete(SWITCHES).json(&both(&switch["uuid"])).send();
    refused(&answer, 409, "switch-is-default");
    let answer = admin.delete(NETWORKS).json(&both(&network["uuid"])).send();
    refused(&answer, 409, "network-is-default");
    let kind = json!({"name": "default", "type": "flat", "uplinks": []});
    let one = format!("{SWITCHES}/{}", text(&switch["uuid"]));
    refused(&admin.put(&one).json(&kind).send(), 409, "switch-in-use");
    assert_eq!(rows(&admin, NETWORKS).len(), 1);
}

#[test]
fn a_nat_network_comes_and_goes_with_its_subnets() {
    let server = Server::start();
    let admin = server.admin();
    let made = network(&admin, "nat");
    assert_eq!((&made["switch_type"], &made["reason"]), (&json!("nat"), &Value::Null));
    assert_eq!(made["operation_state"], "succeeded");
    let subnets = subnets_of(&made);
    let second = subnet("second", "51", "99");
    let second = admin.post(&subnets).json(&second).send();
    let second = second.documented("vdi.data-networks.subnet-create");
    assert_eq!(second["cidr"], "10.50.0.0/24");
    let one = format!("{subnets}/{}", text(&second["uuid"]));
    let edit = json!({"end_ip": "10.50.0.120", "dns2": "9.9.9.9"});
    admin.put(&one).json(&edit).send().documented("vdi.data-networks.subnet-edit");
    let row = rows(&admin, &subnets)[1].clone();
    assert_eq!((&row["end_ip"], &row["dns2"]), (&json!("10.50.0.120"), &json!("9.9.9.9")));
    assert_eq!((&row["start_ip"], &row["name"]), (&json!("10.50.0.51"), &json!("second")));

    let one = format!("{NETWORKS}/{}", text(&made["uuid"]));
    let answer = admin.put(&one).json(&json!({"name": "renamed"})).send();
    assert_eq!(answer.documented("vdi.data-networks.edit")["name"], "renamed");

    let gone = admin.delete(&subnets).json(&json!({"uuids": [second["uuid"], NOTHING]})).send();
    let gone = gone.documented("vdi.data-networks.subnets-delete");
    assert_eq!((&gone["success_num"], &gone["failed_num"]), (&json!(1), &json!(1)));
    assert_eq!(rows(&admin, &subnets).len(), 1);

    let gone = admin.delete(NETWORKS).json(&json!({"uuids": [made["uuid"]]})).send();
    assert_eq!(gone.documented("vdi.data-networks.delete")["success_num"], 1);
    refused(&admin.get(&subnets).send(), 404, "network-unknown");
    let switch = json!({"uuids": [made["switch"]]});
    admin.delete(SWITCHES).json(&switch).send().documented("vdi.vswitchs.delete");
    assert_eq!((rows(&admin, NETWORKS).len(), rows(&admin, SWITCHES).len()), (1, 1));
}

#[test]
fn bridged_networks_say_that_they_lack_an_uplink() {
    let server = Server::start();
    let admin = server.admin().with_header("Accept-Language", "en");
    let vlan = network(&admin, "VLAN");
    assert_eq!((&vlan["switch_type"], &vlan["vlan_id"]), (&json!("vlan"), &json!(12)));
    let flat = network(&admin, "flat");
    for made in [&vlan, &flat] {
        assert!(text(&made["reason"]).contains("no uplinks"), "{made}");
    }
    let one = format!("{NETWORKS}/{}", text(&vlan["uuid"]));
    let edited = admin.put(&one).json(&json!({"vlan_id": 4094})).send().data();
    assert_eq!(edited["vlan_id"], 4094);
    let same = admin.put(&one).json(&json!({"vlan_id": 0})).send().data();
    assert_eq!(same["vlan_id"], 4094, "0 is as it is");
    for wrong in [json!(4095), json!(-1), json!(70_000)] {
        refused(
            &admin.put(&one).json(&json!({"vlan_id": wrong})).send(),
            400,
            "network-vlan-wrong",
        );
    }
    refused(&admin.put(&one).json(&json!({"vlan_id": "ten"})).send(), 400, "field-wrong");
    let one = format!("{NETWORKS}/{}", text(&flat["uuid"]));
    refused(&admin.put(&one).json(&json!({"vlan_id": 7})).send(), 400, "network-vlan-unwanted");
    let new = json!({"name": "v2", "switch_uuid": vlan["switch"]});
    refused(&admin.post(NETWORKS).json(&new).send(), 400, "network-vlan-missing");
    let new = with(new, "vlan_id", json!(4094));
    refused(&admin.post(NETWORKS).json(&new).send(), 409, "network-vlan-taken");
    let uplink = json!([{"node_uuid": NOTHING, "nic_uuid": NOTHING}]);
    let new = json!({"name": "s", "type": "flat", "uplinks": uplink});
    refused(&admin.post(SWITCHES).json(&new).send(), 400, "switch-uplinks-unsupported");
}

#[test]
fn subnets_that_do_not_fit_are_refused() {
    let server = Server::start();
    let admin = server.admin();
    let made = network(&admin, "nat");
    let subnets = subnets_of(&made);
    let before = rows(&admin, &subnets);
    let good = subnet("second", "60", "70");
    let address = |last: &str| json!(format!("10.50.0.{last}"));
    let cases = [
        ("start_ip", address("71"), 400, "subnet-range-backwards"),
        ("start_ip", address("0"), 400, "subnet-range-outside"),
        ("start_ip", address("40"), 409, "subnet-ranges-overlap"),
        ("start_ip", json!("10.50.0"), 400, "address-malformed"),
        ("start_ip", json!("::1"), 400, "address-malformed"),
        ("start_ip", json!(5), 400, "field-wrong"),
        ("end_ip", address("255"), 400, "subnet-range-outside"),
        ("end_ip", json!("10.50.1.70"), 400, "subnet-range-outside"),
        ("end_ip", json!("10.50.0.256"), 400, "address-malformed"),
        ("gateway", json!("10.51.0.1"), 400, "subnet-gateway-outside"),
        ("gateway", address("0"), 400, "subnet-gateway-outside"),
        ("gateway", address("255"), 400, "subnet-gateway-outside"),
        ("gateway", address("2"), 409, "subnet-shares-cidr"),
        ("netmask", json!("255.255.0.0"), 409, "subnet-shares-cidr"),
        ("netmask", json!("255.0.255.0"), 400, "netmask-wrong"),
        ("netmask", json!("255.255.255.255"), 400, "netmask-wrong"),
        ("netmask", json!("24"), 400, "netmask-wrong"),
        ("dns1", json!("dns.example"), 400, "address-malformed"),
        ("dns2", json!("1.2.3"), 400, "address-malformed"),
        ("name", json!("first"), 409, "subnet-name-taken"),
    ];
    for (field, value, status, key) in cases {
        let sent = with(good.clone(), field, value);
        let answer = admin.post(&subnets).json(&sent).send();
        refused(&answer, status, key);
    }
    for field in ["name", "start_ip", "end_ip", "netmask", "gateway", "dns1"] {
        let mut sent = good.clone();
        sent.as_object_mut().expect("object").remove(field);
        refused(&admin.post(&subnets).json(&sent).send(), 400, "field-missing");
    }
    refuses_bad_names(|name| admin.post(&subnets).json(&with(good.clone(), "name", json!(name))));
    let elsewhere = format!("{NETWORKS}/{NOTHING}/sub_networks");
    refused(&admin.post(&elsewhere).json(&good).send(), 404, "network-unknown");
    let nothing = format!("{subnets}/{NOTHING}");
    refused(&admin.put(&nothing).json(&json!({"name": "x"})).send(), 404, "subnet-unknown");
    let of_another = subnets_of(&rows(&admin, NETWORKS)[0]);
    let foreign = format!("{of_another}/{}", text(&before[0]["uuid"]));
    refused(&admin.put(&foreign).json(&json!({"name": "x"})).send(), 404, "subnet-unknown");
    let one = format!("{subnets}/{}", text(&before[0]["uuid"]));
    refused(
        &admin.put(&one).json(&json!({"gateway": "10.51.0.1"})).send(),
        400,
        "subnet-gateway-outside",
    );
    refused(
        &admin.put(&one).json(&json!({"end_ip": "10.50.0.5"})).send(),
        400,
        "subnet-range-backwards",
    );
    assert_eq!(rows(&admin, &subnets), before);

    let switch = &made["switch"];
    let same = subnet("s", "200", "210");
    let clash = json!({"name": "clash", "switch_uuid": switch, "subnet_info": same});
    refused(&admin.post(NETWORKS).json(&clash).send(), 409, "subnet-cidr-taken");
    assert_eq!(rows(&admin, NETWORKS).len(), 2, "nothing of it stays");
}

#[test]
fn networks_and_switches_refuse_bad_input() {
    let server = Server::start();
    let admin = server.admin();
    let switch = rows(&admin, SWITCHES)[0]["uuid"].clone();
    let (networks, switches) = (rows(&admin, NETWORKS), rows(&admin, SWITCHES));
    let new = json!({"name": "n", "switch_uuid": switch});
    refuses_bad_names(|name| admin.post(NETWORKS).json(&with(new.clone(), "name", json!(name))));
    refuses_bad_names(|name| {
        admin.post(SWITCHES).json(&json!({"name": name, "type": "flat", "uplinks": []}))
    });
    let post = |body: Value| admin.post(NETWORKS).json(&body).send();
    refused(&post(with(new.clone(), "name", json!("default"))), 409, "network-name-taken");
    refused(&post(with(new.clone(), "switch_uuid", json!(NOTHING))), 404, "switch-unknown");
    refused(&post(with(new.clone(), "switch_uuid", json!("default"))), 400, "field-wrong");
    refused(&post(with(new.clone(), "vlan_id", json!(5))), 400, "network-vlan-unwanted");
    refused(&post(with(new.clone(), "subnet_info", json!([]))), 400, "field-wrong");
    refused(&post(json!({"name": "n"})), 400, "field-missing");
    let post = |body: Value| admin.post(SWITCHES).json(&body).send();
    refused(&post(json!({"name": "default", "type": "nat"})), 409, "switch-name-taken");
    refused(&post(json!({"name": "s", "type": "vxlan"})), 400, "switch-type-wrong");
    refused(&post(json!({"name": "s"})), 400, "field-missing");
    for path in [NETWORKS, SWITCHES] {
        refused(&admin.delete(path).json(&json!({"uuids": []})).send(), 400, "batch-empty");
        refused(&admin.delete(path).json(&json!({"uuids": [1]})).send(), 400, "field-wrong");
        refused(&admin.delete(path).json(&json!({})).send(), 400, "field-missing");
    }
    let unknown = json!({"uuids": [NOTHING]});
    refused(&admin.delete(NETWORKS).json(&unknown).send(), 404, "network-unknown");
    refused(&admin.delete(SWITCHES).json(&unknown).send(), 404, "switch-unknown");
    let nothing = |path: &str| format!("{path}/{NOTHING}");
    let name = json!({"name": "x"});
    refused(&admin.put(&nothing(NETWORKS)).json(&name).send(), 404, "network-unknown");
    refused(&admin.put(&nothing(SWITCHES)).json(&name).send(), 404, "switch-unknown");
    assert_eq!((rows(&admin, NETWORKS), rows(&admin, SWITCHES)), (networks, switches));

    let auditor = auditor(&server);
    for path in [NETWORKS, SWITCHES] {
        assert_eq!(rows(&auditor, path).len(), 1);
        needs_a_right(&auditor, "POST", path);
        needs_a_right(&auditor, "DELETE", path);
        needs_a_right(&auditor, "PUT", &nothing(path));
    }
}

#[test]
fn what_is_in_use_names_its_users() {
    let server = Server::start();
    let admin = server.admin().with_header("Accept-Language", "en");
    let made = network(&admin, "nat");
    let subnets = subnets_of(&made);
    let first = rows(&admin, &subnets)[0]["uuid"].clone();
    let group = json!({
        "name": "class 5b", "network_uuid": made["uuid"], "subnet_uuid": first,
        "start_ip": "192.168.7.10", "end_ip": "192.168.7.20",
    });
    admin.post(GROUPS).json(&group).send().data();
    let answer = admin.delete(&subnets).json(&json!({"uuids": [first]})).send();
    assert!(refused(&answer, 409, "subnet-in-use").contains("class 5b"));
    let answer = admin.delete(NETWORKS).json(&json!({"uuids": [made["uuid"]]})).send();
    assert!(refused(&answer, 409, "network-has-users").contains("class 5b"));
    let answer = admin.delete(SWITCHES).json(&json!({"uuids": [made["switch"]]})).send();
    assert!(refused(&answer, 409, "switch-in-use").contains("nat network"));
    assert_eq!(rows(&admin, &subnets).len(), 1);
    assert_eq!(rows(&admin, NETWORKS).len(), 2);
}
