//! The agent: does on a node what its controller asks.
//!
//! ```text
//!   serve.rs     one connection: calls, streams, cancelling     listen.rs  the three ways to start
//!   dispatch.rs  from a request to the function that does it    call.rs    what such a function gets
//!   disks/       layers, overlays, uploads                      storage.rs where files stand
//!   run.rs       the one door to other programs          events.rs  what the agent tells unasked
//! ```
//!
//! The part for libvirt is `libvirt::Hypervisor`: `start(&AgentConfig, Disks, EventSink)` never fails; it connects by
//! itself, again and again, and reports [`protocol::Event::Hypervisor`](crate::node::protocol::Event). It has one
//! blocking method for each request about domains and networks (`list_domains`, `define_domains(specs, &Call)`,
//! `power(action, uuids, &Call)`, …), `console(uuid)` giving a connected `std::os::unix::net::UnixStream`, and for other
//! parts `domain_use()` (samples), `versions()` (facts) and `checks()` (doctor). Methods get a [`call::Call`] when
//! they are long.

pub mod call;
pub mod disks;
pub mod events;
pub mod files;
pub mod qcow2;
pub mod run;
pub mod storage;
