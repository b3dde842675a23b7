//! Tests with real libvirt, QEMU under software emulation and bootable guests, in nodes of the lab.
//! They need root.

#[path = "../support/mod.rs"]
mod support;

mod golden;
mod networks;
mod node;
mod ssh_keys;
mod story;
