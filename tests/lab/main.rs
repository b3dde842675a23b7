//! Tests with real libvirt, QEMU under software emulation and bootable guests, in nodes of the lab.
//! They need root.

#[path = "../support/mod.rs"]
mod support;

#[path = "../browser/page.rs"]
#[allow(dead_code)] // the console's own tests use all of it
mod page;

mod bus_switch;
mod desktop;
mod desktop_page;
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
