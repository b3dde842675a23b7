//! The lab itself.

use crate::support::LabNode;

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
