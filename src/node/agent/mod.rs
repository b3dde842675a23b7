//! The agent: does on a node what its controller asks.
//!
//! ```text
//!   serve.rs     one connection: calls, streams, cancelling     listen.rs  the ways to start
//!   keeper.rs    keeps the agent between connections     kept.rs     what it needs after its own end
//!   dispatch.rs  from a request to the function that does it    call.rs    what such a function gets
//!   disks/       layers, overlays, uploads                      storage.rs where files stand
//!   program.rs   the one door to other programs          events.rs  what the agent tells unasked
//!   facts.rs nics.rs nic_watch.rs sampler.rs doctor.rs look.rs   what the node is, does and lacks
//!   firmware.rs  what is here for UEFI and a TPM              iso9660.rs  small CDs are made
//!   ssh_keys.rs  with which keys people sign in to the node     stored/     the forms of what is kept here
//! ```
//!
//! The part for libvirt is [`libvirt::Hypervisor`]. It connects by itself, again and again; without libvirt its
//! requests are refused, and all others work.

pub mod call;
pub mod disks;
mod dispatch;
mod doctor;
pub mod events;
mod facts;
pub mod files;
pub mod firmware;
pub mod iso9660;
pub mod keeper;
pub mod kept;
pub mod libvirt;
pub mod listen;
mod look;
mod nic_watch;
mod nics;
pub mod program;
pub mod qcow2;
mod sampler;
pub mod serve;
mod ssh_keys;
pub mod storage;
pub mod stored;

use std::sync::Arc;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::node::protocol::{
    AgentConfig, Check, DomainUse, FileKind, NodeFacts, Sample, StoredFile,
};
use disks::Disks;
use events::EventSink;
use libvirt::Hypervisor;
use nic_watch::NicWatch;
use sampler::{Sampler, Sampling};
use ssh_keys::SshKeys;

/// How long a description waits for libvirt to know its QEMU: always but at the first start it does at once.
const LEARNING: Duration = Duration::from_secs(1);

/// Everything that works on a node for one installation.
pub struct Agent {
    config: AgentConfig,
    disks: Disks,
    hypervisor: Hypervisor,
    events: EventSink,
    sampler: Sampler,
    _sampling: Option<Sampling>,
    _nics: NicWatch,
}

impl Agent {
    /// Prepares the storages, connects to libvirt in the background, and begins to take samples.
    ///
    /// # Errors
    /// `storage-taken` when another agent works in one of its storages; when the machine cannot be asked for its
    /// figures, or has no thread left.
    pub fn start(config: AgentConfig) -> Result<Arc<Self>> {
        let disks = Disks::open_for(&config.storages, &config.known, config.installation)?;
        let events = EventSink::default();
        let hypervisor = Hypervisor::start(&config, disks.clone(), events.clone());
        let sampler = Sampler::new()?;
        let nics = nic_watch::start(events.clone())?;
        let mut failed = None;
        let agent = Arc::new_cyclic(|agent| {
            let sampling = sampler::start(agent.clone()).map_err(|error| failed = Some(error)).ok();
            Self { config, disks, hypervisor, events, sampler, _sampling: sampling, _nics: nics }
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

    pub fn hypervisor(&self) -> &Hypervisor {
        &self.hypervisor
    }

    /// Hardware, versions, NICs and storages. Versions of libvirt are empty without it, and while they are being
    /// learned: that a hypervisor is up is told again when they are known.
    pub fn describe(&self) -> Result<NodeFacts> {
        let mut facts = facts::describe(&self.disks)?;
        if let Some(versions) = self.hypervisor.versions(LEARNING) {
            facts.libvirt_version = versions.libvirt;
            facts.qemu_version = versions.qemu;
            facts.virt_type = versions.virt_type;
        }
        Ok(facts)
    }

    pub fn ssh_keys(&self) -> SshKeys {
        SshKeys::new(self.config.installation)
    }

    /// The figures of this moment.
    pub fn sample(&self) -> Result<Sample> {
        self.sampler.sample(self)
    }

    /// What the running domains use; nothing is known of them without libvirt.
    fn domain_use(&self) -> Vec<DomainUse> {
        self.hypervisor.domain_use().unwrap_or_else(|error| {
            tracing::debug!(error = error.detail(), "sampled without libvirt");
            Vec::new()
        })
    }

    /// What a first hour trips over.
    pub fn doctor(&self) -> Vec<Check> {
        let mut looks = self.hypervisor.looks();
        looks.extend(doctor::looks(&self.disks));
        look::all(looks)
    }

    /// Deletes files without an owner.
    ///
    /// # Errors
    /// `file-in-use` for the disk of a domain that is there; whether it is can only be told with libvirt.
    fn remove_files(&self, files: &[StoredFile]) -> Result<()> {
        let mut overlays = files.iter().filter(|file| file.kind == FileKind::Overlay).peekable();
        if overlays.peek().is_some() {
            let domains = self.hypervisor.list_domains()?;
            if let Some(file) = overlays.find(|file| domains.has(file.uuid)) {
                return Err(Error::conflict("file-in-use").arg("path", &file.path));
            }
        }
        self.disks.remove_files(files)
    }
}
