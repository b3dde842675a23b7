//! Guests that reset themselves while nobody looks: Carrel is exchanged, or libvirt's daemon.

use std::time::Duration;

use crate::story::{
    BOOT, INSTANCES, act, desktops_of, instance_param, leave_mark, mark, reason, text, wait_status,
};
use crate::support::{LabNode, Server, Site, guest_image, wait_until};

/// A guest that was told to end does so within this.
const END: Duration = Duration::from_secs(60);

#[test]
fn a_guest_that_resets_itself_unseen_is_started_and_one_that_was_switched_off_is_not() {
    let node = LabNode::up();
    let mut server = Server::with().on(&node).start();
    let mut site = Site::of_default(&server);
    let image = site.upload("tiny", &guest_image());
    let template = site.template("tiny", &image);
    let classroom = site.classroom("room");
    let group = site.deploy("pc", &classroom, &template, 3);
    site.group_action("start", &group, "pc");
    let desktops = desktops_of(&site.admin, &group);
    let [resets, cut, shut_down] = desktops.as_slice() else { panic!("three") };
    let domain = |row| text(row, "uuid");
    let address = text(resets, "ipaddr");
    for row in &desktops {
        node.guest_status(&text(row, "ipaddr"), "boots", BOOT);
    }
    let is_off = |row| node.domain_state(&domain(row)) == "shut off";
    let clean = || {
        node.domain_state(&domain(resets)) == "running"
            && node.ask_guest(&address, "status").is_some_and(|status| status.contains("boots=1\n"))
            && mark(&node, &address).is_empty()
    };

    // Seen by Carrel: off is off, also for the one that comes after.
    node.ask_guest(&text(shut_down, "ipaddr"), "poweroff");
    wait_status(&site.admin, &group, shut_down, "inactive");

    leave_mark(&node, &address, "homework");
    assert!(server.stop().success());
    node.ask_guest(&address, "reboot");
    node.virsh(&["destroy", &domain(cut)]);
    wait_until("all are off", END, || desktops.iter().all(is_off));
    server.start_again();
    site = Site::of_default(&server);
    wait_until("it is back, and clean", BOOT, clean);
    wait_status(&site.admin, &group, resets, "active");
    for (row, why) in [(cut, "It was switched off."), (shut_down, "It was shut down from inside")] {
        assert!(is_off(row));
        let english = site.admin.with_header("Accept-Language", "en");
        let shown = reason(&english, &group, row);
        assert!(shown.starts_with(why), "{shown}");
    }

    // libvirt's daemon is away: QEMU waits for it at its end.
    leave_mark(&node, &address, "again");
    node.stop_libvirtd();
    node.ask_guest(&address, "reboot");
    wait_until("it goes down", END, || node.ask_guest(&address, "status").is_none());
    node.start_libvirtd();
    wait_until("it is back, and clean, once more", BOOT, clean);

    // What Carrel itself asked to end stays off, though Carrel is killed before it hears of that.
    act(
        &site.admin,
        INSTANCES,
        "start",
        "vdi.edu-instances.start",
        instance_param(&group, "pc", &[shut_down]),
    );
    node.guest_status(&text(shut_down, "ipaddr"), "boots", BOOT);
    node.ask_guest(&text(shut_down, "ipaddr"), "deaf");
    let stop = instance_param(&group, "pc", &[shut_down]);
    let stop = site.admin.action(INSTANCES, "stop", stop);
    stop.header("Prefer", "respond-async").send().data();
    let running =
        server.data_here().join("storage/desktops").join(domain(shut_down)).join("running");
    wait_until("it is asked", END, || !running.exists());
    server.kill();
    node.ask_guest(&text(shut_down, "ipaddr"), "poweroff");
    wait_until("it is off", END, || is_off(shut_down));
    server.start_again();
    site = Site::of_default(&server);
    site.wait_idle();
    assert!(is_off(shut_down));
}
