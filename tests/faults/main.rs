//! What must survive: kill -9 at many moments, a daemon that goes away, guests that stop behind
//! Carrel's back, requests for more than there is. With real libvirt in nodes of the lab; they need root.

#[path = "../support/mod.rs"]
mod support;

mod agent;
mod cancel;
mod daemon;
mod deploy;
mod limits;
mod networks;
mod nodes;
mod pool;
mod restore;
mod uploads;
mod whole;
mod writer;
