//! How far a template's machine is on its way.

use serde::{Deserialize, Serialize};

use crate::node::protocol::DiskBus;

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// The small disk is there.
    Preparing,
    /// All disks are on the new bus.
    Trying,
}

impl Phase {
    pub const ALL: &'static [Self] = &[Self::Preparing, Self::Trying];

    pub const fn word(self) -> &'static str {
        match self {
            Self::Preparing => "preparing",
            Self::Trying => "trying",
        }
    }

    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|phase| phase.word() == word)
    }
}

/// A switch that is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BusSwitch {
    pub phase: Phase,
    pub from: DiskBus,
    pub to: DiskBus,
    /// Unix seconds: what was not confirmed by then is undone.
    pub deadline: i64,
}

impl BusSwitch {
    /// On which bus the machine has the small disk: behind the move the system's own disk does what it was for.
    pub fn driver_disk(&self) -> Option<DiskBus> {
        (self.phase == Phase::Preparing).then_some(self.to)
    }
}
