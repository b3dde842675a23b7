//! Everything that talks to libvirt on a node.
//!
//! ```text
//!   connection.rs   opens, watches, opens again          events.rs    libvirt's events, by its C interface
//!   watcher.rs      turns events into ours               restorer.rs  starts anew what the guest reset
//!   runs.rs         who went off while nobody looked
//!   define.rs power.rs stopping.rs remove.rs freeze.rs   one file per verb, batches of domains
//!   firmware_state.rs tpm.rs                             what firmware keeps besides the disks
//!   seed.rs         what its cloud-init reads of a desktop
//!   domains.rs      lists domains, reads their figures   networks/    NAT networks, bridges, reservations
//!   drives.rs driver_disk.rs devices.rs                  what is plugged in while it runs
//!   console.rs screenshot.rs keys.rs spice.rs            what a person sees of a domain
//!   agent_channel.rs                                     whether an agent in a guest listens
//!   guest/          what a guest says of itself by its agent, and does
//!   xml.rs hardware.rs metadata.rs states.rs errors.rs   to libvirt's words and back
//!   processors.rs   what they have in common
//!   limits.rs       of disks and cards of what runs
//!   probe.rs        whether KVM really executes guests   checks.rs    what `carrel doctor` says of libvirt
//!   versions.rs     which libvirt and QEMU are here, and how guests are run
//!   abilities.rs    what they can do for who looks at a guest
//!   guest_memory.rs what guests tell of their own memory
//!   batch.rs claims.rs departures.rs memory.rs           many domains at once, without hurting each other
//! ```
//!
//! All methods of [`Hypervisor`] block; asynchronous callers put them on a thread for such work.
//!
//! # Restoring disks
//!
//! A disk with `restore` is made anew at every start by the agent ([`Hypervisor::power`]) and at every reboot. A guest
//! that resets itself must not find its old disk; so the domain of one with such a disk is defined to end at a
//! reset (`on_reboot` destroy). QEMU's last word tells a reset from a shutdown, and after a reset the agent
//! restores the disks and starts the domain again.
//!
//! It fails closed. Without an agent to see it, a guest that resets itself is off afterwards, and whoever starts it next
//! through Carrel restores it first. An agent that comes back a moment later starts it itself (`runs.rs`).
//! `virsh reboot` is a shutdown for such a domain, which libvirt decides.

use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex};
use std::thread;

use uuid::Uuid;
use virt::connect::Connect;
use virt::domain::Domain;
use virt::error::ErrorNumber;

use self::abilities::Programs;
use self::claims::{Claims, Marks};
use self::connection::{Link, Turn};
use self::departures::Departures;
use self::domains::UsedBefore;
use self::errors::{Libvirt, optional};
use self::events::Signal;
use self::guest::Clocks;
use self::hardware::MachineTypes;
use self::limits::TrafficControl;
use self::memory::Memory;
use self::metadata::{Marked, Metadata, Which};
use self::owner::QemuUser;
use self::probe::VirtType;
use self::restorer::Restorer;
use self::runs::Notes;
use self::versions::Learned;
use self::watcher::Known;
use crate::error::{Error, Result};
use crate::node::agent::disks::Disks;
use crate::node::agent::events::EventSink;
use crate::node::protocol::{AgentConfig, Event};

mod abilities;
mod agent_channel;
mod batch;
mod checks;
mod claims;
mod connection;
mod console;
mod define;
mod departures;
mod device;
mod devices;
mod domains;
mod driver_disk;
mod drives;
mod errors;
mod events;
mod firmware_state;
mod freeze;
mod guest;
mod guest_memory;
mod hardware;
mod keys;
mod limits;
mod lost;
mod memory;
mod metadata;
mod networks;
mod owner;
mod power;
mod probe;
mod processors;
mod remove;
mod restorer;
mod runs;
mod screenshot;
mod seed;
mod spice;
mod states;
mod stopping;
mod tpm;
mod versions;
mod watcher;
mod xml;

pub use self::connection::require_local;
pub use self::console::Opened;

/// The node's hypervisor. Clones are the same; when the last is dropped the connection is closed.
#[derive(Clone)]
pub struct Hypervisor {
    inner: Arc<Inner>,
    _guard: Arc<Guard>,
}

/// What the methods and the threads share.
struct Inner {
    config: AgentConfig,
    disks: Disks,
    events: EventSink,
    link: Link,
    virt_type: VirtType,
    learned: Learned,
    qemu_user: QemuUser,
    machine_types: MachineTypes,
    programs: Programs,
    traffic_control: TrafficControl,
    claims: Claims,
    departures: Departures,
    /// Domains that are being switched off: when one resets itself meanwhile, it stays off.
    switching_off: Marks,
    /// Domains between a reset by their guest and their new start: their being off is no news.
    restoring: Marks,
    known: Known,
    notes: Notes,
    clocks: Clocks,
    restorer: Restorer,
    memory: Memory,
    guest_memory: guest_memory::Told,
    used: Mutex<UsedBefore>,
    /// Changes of networks come one after another.
    networks: Mutex<networks::Told>,
}

/// Ends the threads, which hold the shared part themselves.
struct Guard {
    inner: Arc<Inner>,
    signals: Mutex<Sender<Signal>>,
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.inner.link.stop();
        let signals = self.signals.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner);
        // The watcher has ended by itself when this fails.
        let _ = signals.send(Signal::Stop);
    }
}

impl Hypervisor {
    /// Begins to connect and returns at once. Never fails: without libvirt every request answers `libvirt-down`, and
    /// events tell when it comes and goes.
    pub fn start(config: &AgentConfig, disks: Disks, events: EventSink) -> Self {
        let (signals, source) = mpsc::channel();
        let link = Link::new(&config.libvirt_uri);
        let virt_type = VirtType::new(&config.virt_type, link.is_simulator());
        probe::clean();
        let switching_off = Marks::default();
        let (clocks, resumed) = Clocks::new();
        let inner = Arc::new(Inner {
            config: config.clone(),
            notes: Notes::start(disks.clone(), switching_off.clone()),
            disks,
            events,
            link,
            virt_type,
            learned: Learned::default(),
            qemu_user: QemuUser::default(),
            machine_types: MachineTypes::default(),
            programs: Programs::default(),
            traffic_control: TrafficControl::default(),
            claims: Claims::default(),
            departures: Departures::default(),
            switching_off,
            restoring: Marks::default(),
            known: Known::default(),
            clocks,
            restorer: Restorer::default(),
            memory: Memory::default(),
            guest_memory: guest_memory::Told::default(),
            used: Mutex::default(),
            networks: Mutex::new(networks::Told::new(signals.clone())),
        });
        spawn("libvirt-watcher", {
            let inner = inner.clone();
            move || watcher::run(&inner, &source)
        });
        spawn("guest-clocks", {
            let inner = Arc::downgrade(&inner);
            move || guest::keep_clocks(&inner, &resumed)
        });
        spawn("libvirt-link", {
            let (inner, signals) = (inner.clone(), signals.clone());
            move || keep_connection(&inner, &signals)
        });
        let guard = Guard { inner: inner.clone(), signals: Mutex::new(signals) };
        Self { inner, _guard: Arc::new(guard) }
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) {
    if let Err(cause) = thread::Builder::new().name(name.to_owned()).spawn(work) {
        tracing::error!(%cause, name, "no thread: the agent cannot manage desktops");
    }
}

fn keep_connection(inner: &Arc<Inner>, signals: &Sender<Signal>) {
    inner.link.keep(signals, |turn| match turn {
        Turn::Up => {
            // Before the first desktop asks.
            versions::learn(inner);
            tracing::info!(uri = inner.config.libvirt_uri, "connected to libvirt");
            inner.events.send(Event::Hypervisor { up: true, reason: String::new() });
            // The watcher tells of every domain after this.
            let _ = signals.send(Signal::Connected);
        }
        Turn::Down { reason } => inner.events.send(Event::Hypervisor { up: false, reason }),
    });
}

impl Inner {
    fn connect(&self) -> Result<Connect> {
        self.link.get()
    }

    /// A domain of this installation.
    ///
    /// # Errors
    /// `domain-missing`; `domain-foreign` when a domain of someone else has this uuid; `stored-damaged` or
    /// `stored-newer` when what Carrel wrote into it cannot be read: whatever was asked for, it is left as it is.
    fn domain(&self, uuid: Uuid) -> Result<(Domain, Metadata)> {
        self.find_domain(uuid)?
            .ok_or_else(|| Error::not_found("domain-missing").arg("object", uuid))
    }

    /// A domain of this installation that has a screen and a keyboard now.
    ///
    /// # Errors
    /// Those of [`Inner::domain`]; `domain-not-running`.
    fn running_domain(&self, uuid: Uuid) -> Result<(Domain, Metadata)> {
        let (domain, metadata) = self.domain(uuid)?;
        if states::power(&domain)?.has_process() {
            return Ok((domain, metadata));
        }
        Err(Error::conflict("domain-not-running").arg("object", metadata.spec.owner.name))
    }

    fn find_domain(&self, uuid: Uuid) -> Result<Option<(Domain, Metadata)>> {
        let found = self.find_marked(uuid)?;
        found.map(|(domain, marked)| Ok((domain, marked.metadata?))).transpose()
    }

    /// As [`Inner::find_domain`], also one whose metadata cannot be read.
    ///
    /// # Errors
    /// `domain-foreign`
    fn find_marked(&self, uuid: Uuid) -> Result<Option<(Domain, Marked)>> {
        let found = self.connect()?.lookup_domain_by_uuid(uuid);
        let Some(domain) = optional(found, ErrorNumber::NoDomain, "look for", uuid)? else {
            return Ok(None);
        };
        let marked = metadata::read(&domain, Which::Stored)?;
        match marked.filter(|marked| self.may_be_ours(marked)) {
            Some(marked) => Ok(Some((domain, marked))),
            None => {
                let name = domain.name().libvirt("ask for the name of", uuid)?;
                Err(Error::conflict("domain-foreign").arg("object", name))
            }
        }
    }

    /// One that does not say whose it is may be.
    fn may_be_ours(&self, marked: &Marked) -> bool {
        marked.installation.is_none_or(|found| found == self.config.installation)
    }
}

#[cfg(test)]
mod tests;
