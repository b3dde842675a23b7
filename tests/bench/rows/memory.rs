//! Resident memory of an idle server that knows 5,000 desktops.

use std::fs;
use std::time::Duration;

use crate::measure::{Table, settle};
use crate::support::{LARGE, LabNode, Server, Site, empty_image};

const DESKTOPS: u32 = 5_000;
const GROUP: u32 = 500;

pub fn measure(table: &mut Table) {
    let node = LabNode::up();
    let mut server = Server::with().on(&node).start();
    let site = Site::of(&server, LARGE);
    let image = site.upload("empty", &empty_image());
    let template = site.template("empty", &image);
    let classroom = site.classroom("bench");
    for index in 0..DESKTOPS / GROUP {
        site.deploy(&format!("g{index}"), &classroom, &template, GROUP);
    }
    server.stop();
    server.start_again();
    // it compares what should be with what is, once; and one person looks at the list
    server.admin().get("/api/v1.0/education/instance/").send();
    settle();
    std::thread::sleep(Duration::from_secs(15));
    table.figure("idle memory, 5,000 desktops known", resident_mib(server.pid()), "MiB", 60.0);
}

/// Resident memory of a process; shared pages of libraries count.
fn resident_mib(pid: i32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the server runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
    let kib: f64 = line.trim().trim_end_matches(" kB").trim().parse().expect("a number");
    kib / 1024.0
}
