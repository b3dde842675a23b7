//! Tests with real libvirt, QEMU under software emulation and bootable guests, in nodes of the lab.
//! They need root.

#[path = "../support/mod.rs"]
mod support;

mod bus_switch;
mod desktop;
mod discs;
mod golden;
mod guest_agent;
mod hardware;
mod inside;
mod kills;
mod networks;
mod node;
mod outside;
mod ssh_keys;
mod stop;
mod story;
mod unseen;
mod versions;
mod viewers;
