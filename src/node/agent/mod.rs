//! The agent: does on a node what its controller asks.
//!
//! ```text
//!   serve.rs     one connection: calls, streams, cancelling     listen.rs  the ways to start
//!   keeper.rs    keeps the agent between connections
//!   dispatch.rs  from a request to the function that does it    call.rs    what such a function gets
//!   disks/       layers, overlays, uploads                      storage.rs where files stand
//!   run.rs       the one door to other programs          events.rs  what the agent tells unasked
//!   facts.rs nics.rs sampler.rs doctor.rs                what the node is, does and lacks
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
mod doctor;
pub mod events;
mod facts;
pub mod files;
pub mod keeper;
pub mod libvirt;
pub mod listen;
mod nics;
pub mod qcow2;
pub mod run;
mod sampler;
pub mod serve;
pub mod storage;

use std::sync::Arc;

use crate::error::Result;
use crate::node::protocol::{AgentConfig, Check, DomainUse, NodeFacts, Sample};
use disks::Disks;
use events::EventSink;
use sampler::{Sampler, Sampling};

/// Everything that works on a node for one installation.
pub struct Agent {
    config: AgentConfig,
    disks: Disks,
    events: EventSink,
    sampler: Sampler,
    _sampling: Option<Sampling>,
}

impl Agent {
    /// Prepares the storages, connects to libvirt in the background, and begins to take samples.
    ///
    /// # Errors
    /// When the machine cannot be asked for its figures, or has no thread left.
    pub fn start(config: AgentConfig) -> Result<Arc<Self>> {
        let disks = Disks::open(&config.storages);
        let events = EventSink::default();
        let sampler = Sampler::new()?;
        let mut failed = None;
        let agent = Arc::new_cyclic(|agent| {
            let sampling = sampler::start(agent.clone()).map_err(|error| failed = Some(error)).ok();
            Self { config, disks, events, sampler, _sampling: sampling }
        });
        failed.map_or(Ok(agent), Err)
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

    /// Hardware, versions, NICs and storages.
    pub fn describe(&self) -> Result<NodeFacts> {
        facts::describe(&self.disks)
    }

    /// The figures of this moment.
    pub fn sample(&self) -> Result<Sample> {
        self.sampler.sample(self)
    }

    /// What the running domains use.
    fn domain_use(&self) -> Vec<DomainUse> {
        Vec::new()
    }

    /// What a first hour trips over.
    pub fn doctor(&self) -> Vec<Check> {
        doctor::checks(&self.disks)
    }
}
