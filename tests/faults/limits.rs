//! What does not fit on the node: said in the answer and in the list, and nothing else is harmed.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{LabNode, Range, Server, Site, empty_image, rows, uuid_of, wait_until};
use crate::whole::assert_whole;

const GROUPS: &str = "/api/v1.0/education/desktop/";
const INSTANCES: &str = "/api/v1.0/education/instance/";
const LIMIT: Duration = Duration::from_secs(60);
/// Three addresses for guests.
const TINY: Range = Range {
    start: "10.66.0.20",
    end: "10.66.0.22",
    netmask: "255.255.255.0",
    gateway: "10.66.0.1",
};

/// A desktop may be given as much as the node has in all, because others may be shut down for it; what is not free
/// when it starts is refused then, before QEMU takes it from everybody else.
#[test]
fn a_desktop_that_needs_more_memory_than_is_free_stays_off_and_says_why() {
    let node = LabNode::up();
    let server = Server::with().on(&node).start();
    let mut site = Site::of_default(&server);
    site.admin = site.admin.with_header("Accept-Language", "en");
    let image = site.upload("empty", &empty_image());
    let template = site.template("empty", &image);
    let classroom = site.classroom("room");
    let total_mib = total_mib(&node);
    let create = |name: &str, gib: f64| {
        let param = json!({
            "name": name, "group_uuid": classroom, "template_uuid": template,
            "pool_uuid": site.pool, "network_uuid": site.network, "subnet_uuid": site.subnet,
            "vcpu": 1, "ram": gib, "sys_restore": 1, "data_restore": 1, "instance_num": 1,
            "prefix": name, "postfix": 2, "postfix_start": 1,
        });
        site.admin.action(GROUPS, "create", param)
    };
    // More than the machine has at all is refused at once.
    create("huge", (total_mib + 1024.0) / 1024.0).send().expect_status(400);
    assert_whole(&server, &site);

    site.done(create("large", (total_mib - 1.0).floor() / 1024.0));
    site.done(create("small", 0.08));
    let (large, small) =
        (uuid_of(&site.admin, GROUPS, "large"), uuid_of(&site.admin, GROUPS, "small"));
    let start = |group: &str, name: &str| {
        let row = site.desktops(group).remove(0);
        let param = json!({
            "desktop_uuid": group, "desktop_name": name, "desktop_type": 1,
            "instances": [{"uuid": row["uuid"], "name": row["name"]}],
        });
        site.admin.action(INSTANCES, "start", param).send()
    };
    let answer = start(&large, "large");
    let said = answer.body.clone();
    for word in ["large01", "MiB free"] {
        assert!(said.contains(word), "{said}");
    }
    let row = site.desktops(&large).remove(0);
    let reason = row["reason"].as_str().unwrap_or_default();
    assert!(reason.contains("MiB of memory") && reason.contains("MiB free"), "{row:#}");
    assert_ne!(row["status"], "active", "{row:#}");
    assert_eq!(node.domain_state(row["uuid"].as_str().expect("uuid")), "shut off");

    // What fits is not kept from starting.
    start(&small, "small").expect_status(200);
    wait_until("the small one runs", LIMIT, || site.desktops(&small)[0]["status"] == "active");
    site.wait_idle();
    assert_whole(&server, &site);
}

/// Memory of the node, in MiB.
fn total_mib(node: &LabNode) -> f64 {
    let meminfo = node.exec(&["cat", "/proc/meminfo"]);
    let total = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kib = total.and_then(|rest| rest.split_whitespace().next()?.parse::<f64>().ok());
    (kib.expect("MemTotal") / 1024.0).floor()
}

#[test]
fn a_deployment_beyond_the_subnet_leaves_no_domain_file_or_address() {
    let node = LabNode::up();
    let server = Server::with().on(&node).start();
    let default = Site::of_default(&server);
    let image = default.upload("empty", &empty_image());
    let template = default.template("empty", &image);
    let site = Site::of(&server, TINY);
    let classroom = site.classroom("room");
    let answer = site.deploy_request("four", &classroom, &template, 4).send();
    answer.expect_status(507);
    assert_eq!(answer.json()["data"]["error"], Value::from("subnet-full"), "{}", answer.body);
    assert_whole(&server, &site);
    assert!(rows(&site.admin.get(GROUPS).send()).is_empty());

    let group = site.deploy("three", &classroom, &template, 3);
    let param = json!({
        "desktop_uuid": group, "desktop_name": "three", "desktop_type": 1, "instance_num": 1,
    });
    site.admin.action(INSTANCES, "create", param).send().expect_status(507);
    assert_whole(&server, &site);
    assert_eq!(site.desktops(&group).len(), 3);
}
