//! Starting 20 guests while 16 others, which do not hear the power button, are being shut down: each of those
//! shutdowns is an operation of its own and waits as long as a guest gets, in vain.

use std::time::Duration;

use serde_json::{Value, json};

use crate::measure::{Bound, Table, medians, seconds, settle};
use crate::support::{LARGE, LabNode, Server, Site, empty_image, wait_until};

const STOPS: u32 = 16;
const STARTS: u32 = 20;
const ROUNDS: usize = 3;
/// Longer than a guest that does not obey is waited for.
const PATIENCE: Duration = Duration::from_secs(180);
const INSTANCES: &str = "/api/v1.0/education/instance/";

pub fn measure(table: &mut Table) {
    let node = LabNode::up();
    let server = Server::with().on(&node).start();
    let site = Site::of(&server, LARGE);
    let image = site.upload("empty", &empty_image());
    let template = site.template("empty", &image);
    let classroom = site.classroom("bench");
    let deaf = site.deploy("deaf", &classroom, &template, STOPS);
    let class = site.deploy("class", &classroom, &template, STARTS);

    let alone = || {
        all_on(&site, &deaf, "deaf");
        settle();
        start(&node, &site, &class)
    };
    let beside = || {
        all_on(&site, &deaf, "deaf");
        settle();
        for desktop in site.desktops(&deaf) {
            stop_one(&site, &deaf, &desktop);
        }
        let took = start(&node, &site, &class);
        site.wait_idle();
        assert!(are(&site, &deaf, "active"), "they are asked, and not cut off");
        took
    };
    let (alone, beside) = medians(ROUNDS, alone, beside);
    table.compare(
        "start 20 guests beside 16 shutdowns that wait",
        "the same alone",
        beside,
        alone,
        Bound::TimesAsLong(1.3),
    );
}

/// Seconds to start the class, which is cut off again afterwards.
fn start(node: &LabNode, site: &Site, class: &str) -> f64 {
    let took = seconds(|| drop(site.group_action("start", class, "class")));
    let started: Vec<String> = site
        .desktops(class)
        .iter()
        .filter_map(|desktop| Some(format!("destroy {}", desktop["uuid"].as_str()?)))
        .collect();
    assert_eq!(started.len(), STARTS as usize);
    node.virsh(&[&started.join("; ")]);
    wait_until("the class is off", PATIENCE, || are(site, class, "inactive"));
    took
}

fn all_on(site: &Site, group: &str, name: &str) {
    if !are(site, group, "active") {
        site.group_action("start", group, name);
    }
}

fn are(site: &Site, group: &str, status: &str) -> bool {
    site.desktops(group).iter().all(|desktop| desktop["status"] == status)
}

fn stop_one(site: &Site, group: &str, desktop: &Value) {
    let one = json!([{"uuid": desktop["uuid"], "name": desktop["name"]}]);
    let param =
        json!({"desktop_uuid": group, "desktop_name": "deaf", "desktop_type": 1, "instances": one});
    let request = site.admin.action(INSTANCES, "stop", param);
    request.header("Prefer", "respond-async").send().data();
}
