//! The lab itself.

use std::fs;
use std::time::Duration;

use crate::support::{LabNode, Server, Site, guest_image, rows, wait_for, wait_until};

/// A boot takes 5 s on an idle machine and several times that beside other work.
const BOOT: Duration = Duration::from_secs(90);

#[test]
fn a_node_has_a_libvirt_of_its_own_that_stops_and_starts() {
    let node = LabNode::up();
    assert!(node.domains().is_empty());
    assert!(node.exec(&["hostname"]).starts_with("node"));
    node.stop_libvirtd();
    assert!(!node.try_exec(&["virsh", "-q", "-c", "qemu:///system", "uri"]).status.success());
    node.start_libvirtd();
    assert!(node.domains().is_empty());
}

/// What every other test here relies on, without Carrel: the guest boots, asks for its address,
/// counts its boots, keeps its mark and reboots from inside.
#[test]
fn the_tests_guest_boots_and_remembers() {
    let node = LabNode::up();
    let image = node.put(&guest_image());
    node.exec(&["cp", &image, "/var/lib/libvirt/images/lab-guest.qcow2"]);
    fs::write(node.data_here().join("guest.xml"), include_str!("guest.xml")).expect("write");
    node.virsh(&["net-start", "default"]);
    node.virsh(&["define", "/var/lib/carrel/guest.xml"]);
    node.virsh(&["start", "lab-guest"]);
    let address = wait_for("a lease", BOOT, || {
        let leases = node.virsh(&["net-dhcp-leases", "default"]);
        let lease = leases.lines().find(|line| line.contains("52:54:00:aa:bb:01"))?;
        let address = lease.split_whitespace().find_map(|word| word.split_once("/24"))?;
        Some(address.0.to_owned())
    });
    assert_eq!(node.guest_status(&address, "boots", BOOT), "1");
    assert_eq!(node.ask_guest(&address, "mark?hello").as_deref(), Some("ok\n"));
    node.ask_guest(&address, "reboot");
    wait_until("the second boot", BOOT, || {
        node.ask_guest(&address, "status").is_some_and(|status| status.contains("boots=2"))
    });
    assert_eq!(node.guest_status(&address, "mark", BOOT), "hello");
    node.virsh(&["shutdown", "lab-guest"]);
    wait_until("the guest is off", BOOT, || node.domain_state("lab-guest") == "shut off");
}

/// The bridge of a NAT network has an address, and is no card of the machine.
#[test]
fn a_node_lists_its_cards_and_not_carrels_bridges() {
    let node = LabNode::up();
    let mut server = Server::with().on(&node).start();
    Site::of_default(&server);
    wait_until("the bridge of the default network", BOOT, || {
        node.exec(&["ip", "-o", "-4", "address"]).contains(" crl")
    });
    // The agent tells when it connects.
    server.stop();
    server.start_again();
    let site = Site::of_default(&server);
    let nodes = rows(&site.admin.get("/api/v1.0/resource_mgr/controller_nodes").send());
    let cards = nodes[0]["network_interfaces"].as_array().expect("cards");
    let names: Vec<&str> = cards.iter().filter_map(|card| card["nic"].as_str()).collect();
    assert!(!names.is_empty() && names.iter().all(|name| !name.starts_with("crl")), "{names:?}");
}

#[test]
fn a_server_in_a_node_is_reached_from_outside_and_killed() {
    let node = LabNode::up();
    let mut server = Server::with().without_admin().on(&node).start();
    assert!(server.base().contains(&node.address()), "{}", server.base());
    server.client().get("/api/openapi.json").send().expect_status(200);
    let pid = server.pid();
    server.kill();
    assert!(!fs::exists(format!("/proc/{pid}/exe")).expect("stat"), "it is gone inside too");
    server.start_again();
    server.client().get("/api/openapi.json").send().expect_status(200);
    assert!(server.stop().success(), "a clean stop");
    assert!(!server.files().is_empty());
}
