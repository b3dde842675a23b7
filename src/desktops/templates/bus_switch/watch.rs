//! Looks whether what is tried has come up, and at deadlines.

use std::time::Duration;

use super::By;
use super::state::{BusSwitch, Phase};
use crate::desktops::templates::{Template, Templates, store};
use crate::error::{Error, Kind, Result};
use crate::inventory::{Duty, FIRST_CONNECTION};
use crate::node::client::NodeClient;
use crate::operations::{Actor, SubmittedOperation};
use crate::store::{NodeId, now};

/// How often a guest is asked whether it is up.
const PACE: Duration = Duration::from_secs(5);

/// When its end was begun: one that failed is tried again.
const AGAIN: Duration = Duration::from_secs(60);
const AGAIN_AT_MOST: Duration = Duration::from_secs(3600);

/// What is to be done with a switch.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    Confirm,
    Undo,
    LookAfter(Duration),
}

impl BusSwitch {
    /// Who comes up late has come up.
    fn next(&self, is_up: bool, now: i64) -> Next {
        let left = u64::try_from(self.deadline - now).unwrap_or(0);
        match self.phase {
            Phase::Trying if is_up => Next::Confirm,
            _ if left == 0 => Next::Undo,
            Phase::Trying => Next::LookAfter(PACE.min(Duration::from_secs(left))),
            Phase::Preparing => Next::LookAfter(Duration::from_secs(left)),
        }
    }
}

impl Templates {
    /// Has the node's attendant look after the switch of one of its templates.
    pub(super) fn follow_bus_switch(&self, template: &Template) {
        self.inventory.ask_after(Duty::BusSwitches, template.node_id, PACE);
    }

    /// Ends the switches of this node's templates whose guests are up or whose time is over.
    pub(in crate::desktops::templates) fn follow_bus_switches(&self, node: NodeId) -> Result<()> {
        let client = self.inventory.client_within(node, FIRST_CONNECTION)?;
        let mut pause = None;
        for (template, switch) in self.store.read(|conn| store::bus_switches_on(conn, node))? {
            let is_up = switch.phase == Phase::Trying && answers(&client, &template)?;
            let uuid = template.uuid;
            let ended = match switch.next(is_up, now()) {
                Next::Confirm => self.confirm_bus_by(&Actor::system(), uuid, By::Guest),
                Next::Undo => self.undo_bus_switch_by(&Actor::system(), uuid, By::Deadline),
                Next::LookAfter(after) => {
                    pause = Some(pause.map_or(after, |pause: Duration| pause.min(after)));
                    continue;
                }
            };
            let after = if settled(ended)? { again(now() - switch.deadline) } else { PACE };
            pause = Some(pause.map_or(after, |pause: Duration| pause.min(after)));
        }
        if let Some(pause) = pause {
            self.inventory.ask_after(Duty::BusSwitches, node, pause);
        }
        Ok(())
    }
}

/// When an end is looked at that was begun: what fails is tried more and more seldom. `overdue`: seconds.
fn again(overdue: i64) -> Duration {
    let overdue = Duration::from_secs(u64::try_from(overdue).unwrap_or(0));
    overdue.clamp(AGAIN, AGAIN_AT_MOST)
}

fn answers(client: &NodeClient, template: &Template) -> Result<bool> {
    if !template.power.is_on() {
        return Ok(false);
    }
    match client.ask_guest(template.uuid) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == Kind::NodeUnreachable => Err(error),
        Err(_) => Ok(false),
    }
}

/// Whether its end was begun. Somebody else works on it, or was faster, or it is broken: that is no fault of its node.
fn settled(ended: Result<SubmittedOperation>) -> Result<bool> {
    let is_theirs =
        |error: &Error| matches!(error.kind(), Kind::Busy | Kind::Conflict | Kind::NotFound);
    match ended {
        Ok(_) => Ok(true),
        Err(error) if is_theirs(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::protocol::DiskBus;

    #[test]
    fn an_end_that_fails_is_tried_more_and_more_seldom() {
        for (overdue, seconds) in [(-1_000, 60), (0, 60), (600, 600), (1 << 40, 3_600)] {
            assert_eq!(again(overdue), Duration::from_secs(seconds), "{overdue}");
        }
    }

    #[test]
    fn a_switch_ends_when_its_guest_is_up_or_its_time_is_over() {
        let at =
            |phase| BusSwitch { phase, from: DiskBus::Sata, to: DiskBus::Virtio, deadline: 1_000 };
        let seconds = |seconds| Next::LookAfter(Duration::from_secs(seconds));
        for (phase, is_up, now, next) in [
            (Phase::Preparing, false, 900, seconds(100)),
            // What answers runs from its old bus.
            (Phase::Preparing, true, 999, seconds(1)),
            (Phase::Preparing, true, 1_000, Next::Undo),
            (Phase::Trying, false, 900, seconds(5)),
            (Phase::Trying, false, 998, seconds(2)),
            (Phase::Trying, false, 1_000, Next::Undo),
            (Phase::Trying, false, 5_000, Next::Undo),
            (Phase::Trying, true, 900, Next::Confirm),
            (Phase::Trying, true, 5_000, Next::Confirm),
        ] {
            assert_eq!(at(phase).next(is_up, now), next, "{phase:?} {is_up} {now}");
        }
    }

    #[test]
    fn the_small_disk_is_there_until_the_system_moves() {
        let at =
            |phase| BusSwitch { phase, from: DiskBus::Sata, to: DiskBus::VirtioScsi, deadline: 0 };
        assert_eq!(at(Phase::Preparing).driver_disk(), Some(DiskBus::VirtioScsi));
        assert_eq!(at(Phase::Trying).driver_disk(), None);
        for phase in Phase::ALL {
            assert_eq!(Phase::parse(phase.word()), Some(*phase));
        }
    }
}
