//! From libvirt's states to ours.

use virt::domain::{
    Domain, DomainPausedReason, DomainRunningReason, DomainShutoffReason, DomainState as Raw,
    DomainStateReason,
};
use virt::enumutil::Enum;
use virt::error::ErrorNumber;

use super::agent_channel::has_agent;
use super::errors::{Libvirt, is_code};
use super::metadata::{self, Marked, Metadata, Which};
use crate::error::Result;
use crate::node::protocol::{DomainState, OwnerKind, PowerState};

/// A domain's state with libvirt's word for how it came to that.
pub struct Power {
    pub state: PowerState,
    pub reason: &'static str,
}

impl Power {
    /// Whether QEMU runs, executing the guest or not.
    pub fn has_process(&self) -> bool {
        match self.state {
            PowerState::Running | PowerState::Paused => true,
            PowerState::Off => false,
            // Died, or stands still because its disk is full.
            PowerState::Crashed => self.reason == IO_ERROR,
        }
    }
}

pub const IO_ERROR: &str = "ioerror";

/// # Errors
/// `domain-missing` when it is no longer defined.
pub fn power(domain: &Domain) -> Result<Power> {
    // The wrapper hides an error of this call as an unknown state.
    let (state, reason) = domain.state().libvirt("ask for the state of", "a domain")?;
    let Some(state) = state.known() else {
        return Err(virt::error::Error::last_error()).libvirt("ask for the state of", "a domain");
    };
    let reason = match reason {
        Enum::Known(reason) => Some(reason),
        Enum::Unknown(_) => None,
    };
    Ok(match state {
        Raw::Paused => paused(reason),
        Raw::PMSuspended => Power { state: PowerState::Paused, reason: "suspended" },
        Raw::Shutoff | Raw::NoState => off(reason),
        Raw::Crashed => Power { state: PowerState::Crashed, reason: "crashed" },
        Raw::Shutdown => Power { state: PowerState::Running, reason: "shutting-down" },
        Raw::Running | Raw::Blocked => {
            Power { state: PowerState::Running, reason: running(reason) }
        }
    })
}

fn running(reason: Option<DomainStateReason>) -> &'static str {
    let Some(DomainStateReason::Running(reason)) = reason else { return "running" };
    match reason.known() {
        Some(DomainRunningReason::Booted) => "booted",
        Some(DomainRunningReason::Unpaused) => "unpaused",
        Some(DomainRunningReason::Migrated) => "migrated",
        Some(DomainRunningReason::Wakeup) => "wakeup",
        _ => "running",
    }
}

fn paused(reason: Option<DomainStateReason>) -> Power {
    let reason = match reason {
        Some(DomainStateReason::Paused(reason)) => reason.known(),
        _ => None,
    };
    let (state, reason) = match reason {
        Some(DomainPausedReason::IOError) => (PowerState::Crashed, IO_ERROR),
        Some(DomainPausedReason::Crashed) => (PowerState::Crashed, "panicked"),
        // QEMU is on its way: libvirt shows it as paused for some milliseconds.
        Some(DomainPausedReason::StartingUp) => (PowerState::Running, "starting-up"),
        Some(DomainPausedReason::ShuttingDown) => (PowerState::Running, "shutting-down"),
        Some(DomainPausedReason::Watchdog) => (PowerState::Paused, "watchdog"),
        Some(DomainPausedReason::Migration) => (PowerState::Paused, "migration"),
        Some(DomainPausedReason::Save | DomainPausedReason::Snapshot) => {
            (PowerState::Paused, "saving")
        }
        _ => (PowerState::Paused, "user"),
    };
    Power { state, reason }
}

fn off(reason: Option<DomainStateReason>) -> Power {
    let reason = match reason {
        Some(DomainStateReason::Shutoff(reason)) => reason.known(),
        _ => None,
    };
    let (state, reason) = match reason {
        Some(DomainShutoffReason::Crashed) => (PowerState::Crashed, "crashed"),
        Some(DomainShutoffReason::Shutdown) => (PowerState::Off, "shutdown"),
        Some(DomainShutoffReason::Destroyed) => (PowerState::Off, "destroyed"),
        Some(DomainShutoffReason::Failed) => (PowerState::Off, "failed"),
        Some(DomainShutoffReason::Migrated) => (PowerState::Off, "migrated"),
        Some(DomainShutoffReason::Saved) => (PowerState::Off, "saved"),
        Some(DomainShutoffReason::Daemon) => (PowerState::Off, "daemon"),
        _ => (PowerState::Off, "off"),
    };
    Power { state, reason }
}

/// What a domain with Carrel's mark is now; `None` when it is no longer there.
///
/// # Errors
/// `stored-damaged` and `stored-newer` among others.
pub fn state(domain: &Domain, marked: Marked) -> Result<Option<DomainState>> {
    let metadata = marked.metadata?;
    let power = match power(domain) {
        Err(error) if error.kind() == crate::error::Kind::NotFound => return Ok(None),
        power => power?,
    };
    let (mut started_at, mut next, mut agent) = (None, None, false);
    if power.has_process() {
        agent = power.state == PowerState::Running && listens(domain, &metadata);
        started_at = metadata::read_started(domain)?;
        next = read(domain, Which::Stored)?.map(|marked| marked.metadata).transpose()?;
    }
    let life = match metadata.spec.is_made_anew() {
        true => started_at,
        false => metadata.life,
    };
    let next = &next.as_ref().unwrap_or(&metadata).spec;
    let (name, identity) = (next.owner.name.clone(), next.identity.clone());
    let restore = next.disks.iter().map(|disk| (disk.role, disk.restore)).collect();
    let (template, limits) = (next.owner.template, next.limits);
    Ok(Some(DomainState {
        uuid: metadata.spec.uuid,
        power: power.state,
        reason: power.reason.to_owned(),
        started_at,
        version: metadata.version,
        nics: metadata.spec.nics,
        restore,
        name,
        identity,
        template,
        limits,
        agent,
        life,
        owner: metadata.spec.owner,
    }))
}

/// Whether the agent of a desktop's guest is there. One that has just ended has none.
fn listens(domain: &Domain, metadata: &Metadata) -> bool {
    metadata.spec.owner.kind == OwnerKind::Desktop && has_agent(domain).unwrap_or(false)
}

/// `None` for a domain that is not Carrel's, or no longer there.
pub fn read(domain: &Domain, which: Which) -> Result<Option<Marked>> {
    match metadata::read(domain, which) {
        Err(error) if error.kind() == crate::error::Kind::NotFound => Ok(None),
        read => read,
    }
}

/// Whether the answer of a call on a domain only says that it is not running.
pub fn says_not_running(cause: &virt::error::Error) -> bool {
    is_code(cause, ErrorNumber::OperationInvalid)
}
