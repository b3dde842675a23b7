//! Starting 20 guests that boot nothing, so that drivers are compared and not QEMU's emulation.

use std::time::Duration;

use crate::measure::{Bound, Table, medians, seconds, settle};
use crate::peer::Peer;
use crate::support::{LARGE, LabNode, Server, Site, empty_image, wait_until};

const COUNT: usize = 20;
const ROUNDS: usize = 5;

pub fn measure(table: &mut Table) {
    let node = LabNode::up();
    let server = Server::with().on(&node).start();
    let site = Site::of(&server, LARGE);
    let image = site.upload("empty", &empty_image());
    let template = site.template("empty", &image);
    let classroom = site.classroom("bench");
    let group = site.deploy("starts", &classroom, &template, 20);
    let desktop = node.domains().into_iter().next_back().expect("a domain");
    let peer = Peer::like(&node, &desktop);
    peer.prepare(COUNT);
    let running =
        || node.virsh(&["list", "--name"]).lines().filter(|name| !name.is_empty()).count();

    Peer::run(&node, "create.sh");
    let carrel = || {
        settle();
        let took = seconds(|| drop(site.group_action("start", &group, "starts")));
        assert_eq!(running(), COUNT);
        end_all(&node);
        // guests that boot nothing do not hear the power button; Carrel notices that they are off
        wait_until("all are off", Duration::from_secs(60), || {
            site.desktops(&group).iter().all(|desktop| desktop["status"] == "inactive")
        });
        took
    };
    let xargs = || {
        settle();
        let took = seconds(|| Peer::run(&node, "start.sh"));
        assert_eq!(running(), COUNT);
        end_all(&node);
        took
    };
    // in turns, so that what else the machine does meets both
    let (carrel, xargs) = medians(ROUNDS, carrel, xargs);
    table.compare(
        "start 20 guests",
        "xargs -P4 virsh start",
        carrel,
        xargs,
        Bound::TimesAsLong(1.0),
    );
}

/// Switches off every guest of the node, in one process.
fn end_all(node: &LabNode) {
    let names = node.virsh(&["list", "--name"]);
    let script: Vec<String> = names
        .lines()
        .filter(|name| !name.is_empty())
        .map(|name| format!("destroy {name}"))
        .collect();
    node.virsh(&[&script.join("; ")]);
}
