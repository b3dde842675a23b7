//! Signing in while 200 requests wait for operations that do not come to their end.

use std::time::Duration;

use serde_json::json;

use crate::measure::{Bound, Table, median, seconds, settle};
use crate::support::{LARGE, LabNode, Server, Site, empty_image, wait_until};

const REQUESTS: u32 = 200;
const ROUNDS: usize = 9;
const INSTANCES: &str = "/api/v1.0/education/instance/";

pub fn measure(table: &mut Table) {
    let node = LabNode::up();
    let server = Server::with().on(&node).start();
    let site = Site::of(&server, LARGE);
    let image = site.upload("empty", &empty_image());
    let template = site.template("empty", &image);
    let classroom = site.classroom("bench");
    let group = site.deploy("class", &classroom, &template, REQUESTS);
    let sign_in = || median(ROUNDS, |_| seconds(|| drop(server.admin())));
    settle();
    let quiet = sign_in();

    // What asks libvirt now waits, and so do the requests for it.
    let libvirtd = node.exec(&["cat", "/run/libvirtd.pid"]);
    node.exec(&["kill", "-STOP", libvirtd.trim()]);
    let desktops = site.desktops(&group);
    let busy = std::thread::scope(|scope| {
        for desktop in &desktops {
            let client = site.admin.clone();
            let one = json!([{"uuid": desktop["uuid"], "name": desktop["name"]}]);
            let param = json!({"desktop_uuid": group, "desktop_name": "class", "desktop_type": 1, "instances": one});
            // how it ends is no matter here
            scope.spawn(move || drop(client.action(INSTANCES, "start", param).try_send()));
        }
        wait_until("all requests have come", Duration::from_secs(30), || {
            open_operations(&site) >= REQUESTS
        });
        sign_in()
    });
    node.exec(&["kill", "-CONT", libvirtd.trim()]);
    table.compare(
        "a sign-in while 200 requests wait",
        "a sign-in when nothing waits",
        busy,
        quiet,
        Bound::TimesAsLong(1.5),
    );
    site.wait_idle();
}

fn open_operations(site: &Site) -> u32 {
    let open = site.admin.get("/api/v1.0/operations").query("open", 1).query("page_size", 1).send();
    u32::try_from(open.data()["count"].as_u64().expect("a count")).expect("a small count")
}
