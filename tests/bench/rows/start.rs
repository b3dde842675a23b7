//! Starting 20 guests that boot nothing, so that drivers are compared and not QEMU's emulation.

use crate::measure::{Bound, Table, median, seconds, settle};
use crate::peer::Peer;
use crate::support::{LARGE, LabNode, Server, Site, empty_image};

const COUNT: usize = 20;
const ROUNDS: usize = 3;

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

    settle();
    let carrel = median(ROUNDS, |_| {
        let took = seconds(|| drop(site.group_action("start", &group, "starts")));
        assert_eq!(running(), COUNT);
        site.group_action("stop", &group, "starts");
        assert_eq!(running(), 0);
        settle();
        took
    });
    Peer::run(&node, "create.sh");
    let xargs = median(ROUNDS, |_| {
        let took = seconds(|| Peer::run(&node, "start.sh"));
        assert_eq!(running(), COUNT);
        Peer::run(&node, "destroy.virsh");
        settle();
        took
    });
    table.compare(
        "start 20 guests",
        "xargs -P4 virsh start",
        carrel,
        xargs,
        Bound::TimesAsLong(1.0),
    );
}
