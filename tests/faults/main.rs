//! What must survive: kill -9 at many moments, a daemon that goes away, guests that stop behind
//! Carrel's back. With real libvirt in nodes of the lab; they need root.

#[path = "../support/mod.rs"]
mod support;

mod daemon;
mod deploy;
mod restore;
mod whole;
