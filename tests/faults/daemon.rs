//! libvirt's daemon goes away and comes back; guests change behind Carrel's back meanwhile.

use std::time::Duration;

use serde_json::Value;

use crate::support::{LabNode, Server, Site, guest_image, wait_for, wait_until};

const LIMIT: Duration = Duration::from_secs(60);
const INSTANCES: &str = "/api/v1.0/education/instance/";

#[test]
fn without_libvirt_carrel_says_so_serves_on_and_catches_up() {
    let node = LabNode::up();
    let server = Server::with().on(&node).start();
    let site = Site::of_default(&server);
    let image = site.upload("tiny", &guest_image());
    let template = site.template("tiny", &image);
    let classroom = site.classroom("room");
    let group = site.deploy("class", &classroom, &template, 2);
    site.group_action("start", &group, "class");
    wait_until("both run", LIMIT, || statuses(&site, &group) == ["active", "active"]);

    node.stop_libvirtd();
    let reason = wait_for("the reason in the list", LIMIT, || {
        let reason = site.desktops(&group)[0]["reason"].as_str()?.to_owned();
        reason.contains("libvirt").then_some(reason)
    });
    println!("shown while libvirt is away: {reason}");
    let param = start_param(&site, &group);
    let refused = site.admin.action(INSTANCES, "stop", param.clone()).send();
    let message = refused.json()["msg"].as_str().unwrap_or_default().to_owned();
    assert_eq!(refused.status, 503, "{}", refused.body);
    assert!(message.contains("libvirt"), "{message}");

    // one guest dies while nobody listens
    let victim = site.desktops(&group)[0]["uuid"].as_str().expect("uuid").to_owned();
    node.exec(&["pkill", "-KILL", "-f", &format!("uuid {victim}")]);
    node.start_libvirtd();
    wait_until("the dead one is seen", LIMIT, || {
        let rows = site.desktops(&group);
        let dead = rows.iter().find(|row| row["uuid"] == *victim).expect("its row");
        let others = rows.iter().filter(|row| row["uuid"] != *victim);
        dead["status"] != "active" && others.into_iter().all(|row| row["status"] == "active")
    });
    site.done(site.admin.action(INSTANCES, "start", param));
    wait_until("both run again", LIMIT, || statuses(&site, &group) == ["active", "active"]);
}

fn statuses(site: &Site, group: &str) -> Vec<String> {
    let text = |row: &Value| row["status"].as_str().unwrap_or_default().to_owned();
    site.desktops(group).iter().map(text).collect()
}

fn start_param(site: &Site, group: &str) -> Value {
    let rows = site.desktops(group);
    let instances: Vec<Value> = rows
        .iter()
        .map(|row| serde_json::json!({"uuid": row["uuid"], "name": row["name"]}))
        .collect();
    serde_json::json!({
        "desktop_uuid": group, "desktop_name": "class", "desktop_type": 1, "instances": instances,
    })
}
