//! 100 linked clones: rows, addresses, disks, domains.

use crate::measure::{Bound, Table, median, seconds, settle};
use crate::peer::Peer;
use crate::support::{LARGE, LabNode, Server, Site, empty_image};

const COUNT: u32 = 100;
const ROUNDS: usize = 3;

pub fn measure(table: &mut Table) {
    let node = LabNode::up();
    let server = Server::with().on(&node).start();
    let site = Site::of(&server, LARGE);
    let image = site.upload("empty", &empty_image());
    let template = site.template("empty", &image);
    let classroom = site.classroom("bench");

    // the first group also brings the template to the node
    let first = site.deploy("first", &classroom, &template, 1);
    let desktop = node.domains().into_iter().next_back().expect("a domain");
    let peer = Peer::like(&node, &desktop);
    peer.prepare(COUNT as usize);
    site.delete_group(&first, "first");

    settle();
    let carrel = median(ROUNDS, |round| {
        let name = format!("g{round}");
        let request = site.deploy_request(&name, &classroom, &template, COUNT);
        let took = seconds(|| drop(site.done(request)));
        let made = crate::support::uuid_of(&site.admin, "/api/v1.0/education/desktop/", &name);
        assert_eq!(site.desktops(&made).len(), COUNT as usize);
        site.delete_group(&made, &name);
        took
    });
    settle();
    let shell = median(ROUNDS, |_| {
        let took = seconds(|| Peer::run(&node, "create.sh"));
        Peer::run(&node, "undefine.virsh");
        took
    });
    settle();
    let limit = median(ROUNDS, |_| {
        let took = seconds(|| {
            Peer::run(&node, "define.virsh");
            peer.small_files(COUNT as usize);
        });
        Peer::run(&node, "undefine.virsh");
        took
    });
    let what = "100 linked-clone desktops";
    table.compare(
        what,
        "qemu-img create + virsh define, loop",
        carrel,
        shell,
        Bound::TimesFaster(8.0),
    );
    table.compare(
        what,
        "100 defines in one virsh + 100 small files",
        carrel,
        limit,
        Bound::TimesAsLong(3.0),
    );
}
