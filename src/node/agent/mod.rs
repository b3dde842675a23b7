//! The agent: does on a node what its controller asks.
//!
//! ```text
//!   serve.rs     one connection: calls, streams, cancelling     listen.rs  the ways to start
//!   keeper.rs    keeps the agent between connections
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
mod dispatch;
pub mod events;
pub mod files;
pub mod keeper;
pub mod listen;
pub mod qcow2;
pub mod run;
pub mod serve;
pub mod storage;

use std::sync::Arc;

use crate::error::Result;
use crate::node::protocol::AgentConfig;
use disks::Disks;
use events::EventSink;

/// Everything that works on a node for one installation.
pub struct Agent {
    config: AgentConfig,
    disks: Disks,
    events: EventSink,
}

impl Agent {
    /// Prepares the storages and connects to libvirt in the background.
    ///
    /// # Errors
    /// When its threads cannot be started.
    pub fn start(config: AgentConfig) -> Result<Arc<Self>> {
        let disks = Disks::open(&config.storages);
        Ok(Arc::new(Self { config, disks, events: EventSink::default() }))
    }

    pub fn config(&self) -> &AgentConfig {
        &self.config
    }

    pub fn disks(&self) -> &Disks {
        &self.disks
    }

    pub fn events(&self) -> &EventSink {
        &self.events
    }
}
