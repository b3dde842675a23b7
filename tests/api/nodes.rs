//! Controller nodes and the nodes of a pool.

use std::time::Duration;

use serde_json::{Value, json};

use crate::refused::{NOTHING, auditor, needs_a_right, refused, refuses_bad_names, rows};
use crate::support::{Client, Server, wait_for};

const POOLS: &str = "/api/v1.0/resource_mgr/resource_pools";
const CONTROLLERS: &str = "/api/v1.0/resource_mgr/controller_nodes";
const NODES: &str = "/api/v1.0/nodes";

/// The node as it is once it is connected.
#[track_caller]
fn active(admin: &Client) -> Value {
    wait_for("the node to be connected", Duration::from_secs(20), || {
        let node = rows(admin, CONTROLLERS).into_iter().next()?;
        (node["status"] == "active").then_some(node)
    })
}

#[test]
fn this_machine_is_the_first_node() {
    let server = Server::start();
    let admin = server.admin();
    let node = active(&admin);
    admin.get(CONTROLLERS).send().documented("vdi.controller-nodes.list");
    assert_eq!((&node["type"], &node["reason"]), (&json!(1), &Value::Null));
    assert!(node["total_vcpus"].as_u64() > Some(0) && node["total_mem"].as_u64() > Some(0));
    let storage = server.data_dir().join("storage").to_string_lossy().into_owned();
    assert_eq!(node["storages"].as_array().expect("storages").len(), 1);
    for role in ["TEMPLATE_SYS", "TEMPLATE_DATA", "INSTANCE_SYS", "INSTANCE_DATA"] {
        assert_eq!(node[role]["path"], storage, "{role}");
        assert_eq!(node[role]["role"], "1,2,3,4", "{role}");
    }
    let nics = node["network_interfaces"].as_array().expect("cards");
    let addresses = nics.iter().flat_map(|nic| nic["ip_info"].as_array().expect("addresses"));
    let manage: Vec<_> = addresses.filter(|ip| ip["is_manage"] == 1).collect();
    assert_eq!(manage.len(), 1, "one address serves management: {nics:?}");
    assert_eq!(manage[0]["ip"], node["ip"]);

    let pool = rows(&admin, POOLS)[0]["uuid"].as_str().expect("uuid").to_owned();
    let in_pool = format!("{POOLS}/{pool}/nodes");
    let list = admin.get(&in_pool).send().documented("vdi.compute-nodes.list");
    assert_eq!(list["results"][0]["uuid"], node["uuid"]);
    let uuid = node["uuid"].as_str().expect("uuid");
    let single = admin.get(&in_pool).query("searchtype", "single").query("uuid", uuid).send();
    assert_eq!(single.documented("vdi.compute-nodes.detail")["uuid"], uuid);
    assert_eq!(admin.get(&format!("{NODES}/{uuid}/")).send().data()["name"], node["name"]);
    for status in ["active", "0"] {
        let found = admin.get(CONTROLLERS).query("status", status).send().data();
        assert_eq!(found["count"], 1, "{status}");
    }
    assert_eq!(admin.get(CONTROLLERS).query("status", "2").send().data()["count"], 0);
}

#[test]
fn what_is_known_of_the_node_survives_a_restart() {
    let mut server = Server::start();
    let before = active(&server.admin());
    server.kill_and_start();
    let after = active(&server.admin());
    for field in ["uuid", "name", "network_interfaces", "ip"] {
        let ids = |node: &Value| match node[field].as_array() {
            Some(nics) => nics.iter().map(|nic| nic["uuid"].to_string()).collect::<String>(),
            None => node[field].to_string(),
        };
        assert_eq!(ids(&before), ids(&after), "{field}");
    }
    assert_eq!(before["storages"][0]["uuid"], after["storages"][0]["uuid"]);
}

#[test]
fn without_libvirt_the_node_says_why_and_the_rest_goes_on() {
    let server = Server::with().env("CARREL_LIBVIRT_URI", "test:///not/a/file.xml").start();
    let admin = server.admin().with_header("Accept-Language", "en");
    let node = wait_for("the reason", Duration::from_secs(20), || {
        let node = rows(&admin, CONTROLLERS).into_iter().next()?;
        (node["status"] == "error").then_some(node)
    });
    assert!(node["reason"].as_str().is_some_and(|text| !text.is_empty()), "{node}");
    let pool = &rows(&admin, POOLS)[0];
    assert_eq!(pool["status"], 2);
    assert!(pool["reason"].as_str().expect("reason").contains(node["name"].as_str().expect("n")));
    let counts = admin.get("/api/v1.0/index/get_resource_statistic/").send().data();
    assert_eq!((&counts["online_node_cnt"], &counts["alarm_node_cnt"]), (&json!(0), &json!(1)));
}

#[test]
fn a_controller_is_renamed() {
    let server = Server::start();
    let admin = server.admin();
    let node = active(&admin);
    let one = format!("{CONTROLLERS}/{}", node["uuid"].as_str().expect("uuid"));
    let body = json!({"name": "front desk", "add_compute_function": false});
    admin.put(&one).json(&body).send().documented("vdi.controller-nodes.rename");
    assert_eq!(active(&admin)["name"], "front desk");
    admin.put(&one).json(&json!({"add_compute_function": "true"})).send().data();
    assert_eq!(active(&admin)["type"], 1, "it has that function already");

    let before = rows(&admin, CONTROLLERS)[0]["name"].clone();
    refuses_bad_names(|name| admin.put(&one).json(&json!({"name": name})));
    refused(&admin.put(&one).json(&json!({})).send(), 400, "field-missing");
    refused(&admin.put(&one).json(&json!({"name": [1]})).send(), 400, "field-wrong");
    let odd = json!({"name": "x", "add_compute_function": "maybe"});
    refused(&admin.put(&one).json(&odd).send(), 400, "field-wrong");
    let nothing = format!("{CONTROLLERS}/{NOTHING}");
    refused(&admin.put(&nothing).json(&json!({"name": "x"})).send(), 404, "node-unknown");
    refused(&admin.get(&format!("{NODES}/{NOTHING}")).send(), 404, "node-unknown");
    refused(&admin.get(&format!("{POOLS}/{NOTHING}/nodes")).send(), 404, "pool-unknown");
    assert_eq!(rows(&admin, CONTROLLERS)[0]["name"], before);

    needs_a_right(&auditor(&server), "PUT", &one);
}
