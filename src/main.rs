//! Carrel: an appliance for virtual desktops.

mod error;
mod node;

fn main() {}
