//! What a desktop is: its seat in a group, and why it does not run.

use std::net::Ipv4Addr;

use uuid::Uuid;

use super::first_start::start::Outcome;
use super::group::Stage;
use super::templates::Power;
use crate::error::{Error, Fault};
use crate::node::protocol::{PowerState, Spice};

/// Power reason of a desktop whose power button Carrel pressed.
pub const STOPPING: &str = "stopping";
/// Its domain is there, but its node's agent cannot read it; the fault says why.
pub const UNREADABLE: &str = "unreadable";
/// Power reason of a desktop that went off because Carrel asked it to.
pub const STOPPED: &str = "stopped";
/// Power reason of a desktop whose plug Carrel pulls.
pub const CUTTING: &str = "cutting";
/// Power reason of a desktop whose plug Carrel pulled.
pub const CUT: &str = "cut";
/// Power reason of a desktop that goes on though Carrel asked it to shut down. It may still obey.
pub const ASKED: &str = "asked";

/// Document 002's word for how a desktop is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeatStatus {
    Active,
    Inactive,
    /// Paused, crashed, not startable, or on a node that does not answer.
    Error,
}

impl SeatStatus {
    pub const ALL: [Self; 3] = [Self::Active, Self::Inactive, Self::Error];

    pub const fn word(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Inactive => "inactive",
            Self::Error => "error",
        }
    }

    pub(super) fn parse(word: &str) -> Self {
        match word {
            "active" => Self::Active,
            "inactive" => Self::Inactive,
            _ => Self::Error,
        }
    }
}

/// A desktop as a row of the list.
#[derive(Debug, Clone)]
pub struct Desktop {
    pub id: i64,
    pub uuid: Uuid,
    pub name: String,
    pub group: Uuid,
    pub group_name: String,
    pub node: Uuid,
    pub node_name: String,
    pub node_ip: String,
    /// Why its node does not answer.
    pub node_fault: Option<Fault>,
    pub seat: u32,
    /// Template version that its disks stand on; 0 while they are of another template.
    pub version: u32,
    pub stage: Stage,
    pub power: Power,
    pub power_reason: String,
    pub status: SeatStatus,
    /// Of the last start.
    pub started_at: Option<i64>,
    /// Why the last start failed.
    pub fault: Option<Fault>,
    pub address: Option<Ipv4Addr>,
    pub mac: Option<String>,
    pub created_at: i64,
    pub updated_at: Option<i64>,
    /// The education group of its group, and its name.
    pub education: Option<(Uuid, String)>,
    pub template: Uuid,
    pub template_name: String,
    /// Newest version of the template.
    pub newest: u32,
    /// Name of the template that its disks are of until it is made anew, when its group was given another.
    pub former_template: Option<String>,
    /// Whether its system disk is made anew at every start, of the newest version then.
    pub restores_system: bool,
    /// Whether viewers may show it by SPICE.
    pub spice: Spice,
    /// How its first start went; `None` when it had none.
    pub first_start: Option<Outcome>,
    /// The operation that works on it: kind and name of its subject.
    pub work: Option<(String, String)>,
}

impl Desktop {
    /// Why it is not running; `None` when it is.
    pub fn why_not_running(&self) -> Option<Error> {
        let plain = |key| Some(Error::conflict(key).arg("name", &self.name));
        if let Some(fault) = &self.node_fault {
            return Some(fault.clone().into());
        }
        match (self.power.0, self.power_reason.as_str()) {
            (PowerState::Running, _) => None,
            (PowerState::Paused, "suspended") => plain("desktop-suspended"),
            (PowerState::Paused, _) => plain("desktop-paused"),
            (PowerState::Crashed, "ioerror") => plain("desktop-disk-failed"),
            (PowerState::Crashed, "panicked") => plain("desktop-panicked"),
            (PowerState::Crashed, UNREADABLE) => match &self.fault {
                Some(fault) => Some(fault.clone().into()),
                None => plain("desktop-crashed"),
            },
            (PowerState::Crashed, _) => plain("desktop-crashed"),
            (PowerState::Off, reason) => match &self.fault {
                Some(fault) => Some(fault.clone().into()),
                None if self.started_at.is_none() => plain("desktop-never-started"),
                None => plain(why_off(reason)),
            },
        }
    }

    /// Whether it was asked to shut down, or is being cut off, and has not gone off yet.
    pub fn is_stopping(&self) -> bool {
        self.power.is_on() && matches!(self.power_reason.as_str(), STOPPING | CUTTING)
    }

    /// Whether it goes on though it was asked to shut down.
    pub fn disobeyed(&self) -> bool {
        self.power.is_on() && self.power_reason == ASKED
    }

    /// Seconds since it was started, when it runs.
    pub fn running_for(&self, now: i64) -> i64 {
        match (self.power.is_on(), self.started_at) {
            (true, Some(started)) => (now - started).max(0),
            _ => 0,
        }
    }
}

fn why_off(reason: &str) -> &'static str {
    match reason {
        STOPPED | STOPPING | ASKED => "desktop-stopped",
        CUT | CUTTING => "desktop-cut",
        "shutdown" => "desktop-shut-down-inside",
        "destroyed" => "desktop-switched-off",
        "failed" => "desktop-start-failed",
        _ => "desktop-off",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn desktop(power: PowerState, reason: &str, started_at: Option<i64>) -> Desktop {
        Desktop {
            id: 1,
            uuid: Uuid::nil(),
            name: "pc1".into(),
            group: Uuid::nil(),
            group_name: "room".into(),
            node: Uuid::nil(),
            node_name: "n".into(),
            node_ip: "10.0.0.1".into(),
            node_fault: None,
            seat: 1,
            version: 1,
            stage: Stage::Ready,
            power: Power(power),
            power_reason: reason.into(),
            status: SeatStatus::Inactive,
            started_at,
            fault: None,
            address: None,
            mac: None,
            created_at: 0,
            updated_at: None,
            education: None,
            template: Uuid::nil(),
            template_name: String::new(),
            newest: 1,
            former_template: None,
            restores_system: true,
            spice: Spice::Off,
            first_start: None,
            work: None,
        }
    }

    fn why(desktop: &Desktop) -> String {
        desktop.why_not_running().map(|error| error.key().to_owned()).unwrap_or_default()
    }

    #[test]
    fn what_does_not_run_says_why() {
        assert_eq!(why(&desktop(PowerState::Running, "booted", Some(5))), "");
        assert_eq!(why(&desktop(PowerState::Off, "", None)), "desktop-never-started");
        assert_eq!(why(&desktop(PowerState::Off, STOPPED, Some(5))), "desktop-stopped");
        assert_eq!(why(&desktop(PowerState::Off, CUT, Some(5))), "desktop-cut");
        assert_eq!(why(&desktop(PowerState::Off, "shutdown", Some(5))), "desktop-shut-down-inside");
        assert_eq!(why(&desktop(PowerState::Off, "destroyed", Some(5))), "desktop-switched-off");
        assert_eq!(why(&desktop(PowerState::Crashed, "ioerror", Some(5))), "desktop-disk-failed");
        assert_eq!(why(&desktop(PowerState::Paused, "user", Some(5))), "desktop-paused");
    }

    #[test]
    fn a_failed_start_and_a_silent_node_come_first() {
        let mut off = desktop(PowerState::Off, "", None);
        off.fault = Some(Error::no_room("node-memory-short").into());
        assert_eq!(why(&off), "node-memory-short");
        off.node_fault = Some(Error::unreachable("node-link-lost").into());
        assert_eq!(why(&off), "node-link-lost");
    }

    #[test]
    fn time_counts_only_while_it_runs() {
        assert_eq!(desktop(PowerState::Running, "booted", Some(100)).running_for(160), 60);
        assert_eq!(desktop(PowerState::Off, "shutdown", Some(100)).running_for(160), 0);
    }
}
