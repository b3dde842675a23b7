//! Starts, stops and reboots desktops, singly or by groups.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::group::{GroupKind, Stage, template_obstacle};
use super::store::{groups, seats};
use super::templates::{Power, TemplateState};
use super::{Desktops, nodes};
use crate::error::{Error, Fault, Kind, Result};
use crate::node::cancel::cancelled;
use crate::node::protocol::{PowerAction, PowerState};
use crate::operations::{
    Action, Actor, Admitted, BatchSubmission, Execution, Item, Lane, NewOperation, Saga,
};
use crate::store::Tx;
use crate::store::visible::Visible;

/// How long an operation waits until the lists show what it has done.
const SETTLE: Duration = Duration::from_millis(1_500);
const SETTLE_POLL: Duration = Duration::from_millis(15);
/// Longer than events are gathered before they are written.
const SETTLE_REBOOT: Duration = Duration::from_millis(250);

/// What people do with desktops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Switch {
    Start,
    Stop,
    Reboot,
}

impl Switch {
    const ALL: [Self; 3] = [Self::Start, Self::Stop, Self::Reboot];

    const fn kind(self) -> &'static str {
        match self {
            Self::Start => "desktops-start",
            Self::Stop => "desktops-stop",
            Self::Reboot => "desktops-reboot",
        }
    }

    /// A guest is asked to end by itself and may take its time.
    const fn lane(self) -> Lane {
        match self {
            Self::Start => Lane::Quick,
            Self::Stop | Self::Reboot => Lane::Guests,
        }
    }

    const fn action(self) -> PowerAction {
        match self {
            Self::Start => PowerAction::Start,
            Self::Stop => PowerAction::Stop,
            Self::Reboot => PowerAction::Reboot,
        }
    }
}

/// Whether an operation of this kind, which still works on others, is done with a desktop in this state. What is
/// being rebooted looks the same before and after.
pub(super) fn is_done(kind: &str, power: Power) -> bool {
    match Switch::ALL.into_iter().find(|switch| switch.kind() == kind) {
        Some(Switch::Start) => power.0 == PowerState::Running,
        Some(Switch::Stop) => power.0 == PowerState::Off,
        Some(Switch::Reboot) | None => false,
    }
}

/// A thing as the caller sees it: uuid and name.
pub type Named = (Uuid, String);

#[derive(Debug, Serialize, Deserialize)]
struct PowerArgs {
    switch: Switch,
    desktops: Vec<Uuid>,
    refused: Vec<Item>,
}

static STEPS: [Action<Desktops, PowerArgs>; 1] = [Action::new("power", run, take_back)];

pub(super) fn register(desktops: &Desktops) {
    for switch in Switch::ALL {
        let saga = Saga::new(switch.lane(), desktops.clone(), &STEPS);
        desktops.operations.register(switch.kind(), saga);
    }
}

impl Desktops {
    /// Switches desktops of one group. `group_name` and the names are those that the caller saw.
    pub fn switch_desktops(
        &self,
        visible: &Visible,
        actor: &Actor,
        switch: Switch,
        group: &Named,
        wanted: &[Named],
    ) -> Result<BatchSubmission> {
        let (uuids, names) = split(wanted);
        self.operations.submit_batch(
            actor,
            &uuids,
            |tx, batch| {
                let group = groups::find_named(tx, visible, group.0, &group.1)?;
                let seats = seats::seen(tx, visible, batch.uuids())?;
                batch.admit(|uuid| {
                    let seat = find_seat(&seats, uuid, names.get(&uuid).copied(), group.uuid)?;
                    admit(switch, seat, &group.template_name, group.template_state)?;
                    Ok(seat.name.clone())
                })
            },
            |tx, admitted| submission(tx, switch, admitted, group.0),
        )
    }

    /// Switches all desktops of the groups for which it has a meaning: `Reboot` leaves alone what is off. `Stop` goes
    /// to all: what a row says may be older than the guest, and off is what was wanted.
    pub fn switch_groups(
        &self,
        visible: &Visible,
        actor: &Actor,
        switch: Switch,
        wanted: &[Named],
    ) -> Result<BatchSubmission> {
        let (mut uuids, mut refused) = (Vec::new(), Vec::new());
        for (uuid, name) in wanted {
            match self.meant_by(visible, switch, *uuid, name) {
                Ok(found) => uuids.extend(found),
                Err(error) if error.kind() == Kind::Internal || wanted.len() == 1 => {
                    return Err(error);
                }
                Err(error) => {
                    refused.push(Item {
                        uuid: *uuid,
                        name: name.clone(),
                        fault: Some(error.into()),
                    });
                }
            }
        }
        if uuids.is_empty() {
            return Ok(BatchSubmission::Refused(refused));
        }
        let is_meant = |uuid: &Uuid| refused.iter().all(|item| item.uuid != *uuid);
        let meant: Vec<&Named> = wanted.iter().filter(|(uuid, _)| is_meant(uuid)).collect();
        let title =
            meant.iter().take(3).map(|(_, name)| name.as_str()).collect::<Vec<_>>().join(", ");
        let subject = meant.first().map_or_else(Uuid::nil, |(uuid, _)| *uuid);
        self.operations.submit_batch(
            actor,
            &uuids,
            |tx, batch| {
                let seats = seats::by_uuid(tx, batch.uuids())?;
                batch.admit(|uuid| ready_name(&seats, uuid))
            },
            |tx, mut admitted| {
                admitted.refused.extend(refused);
                submission(tx, switch, Admitted { title, ..admitted }, subject)
            },
        )
    }

    fn meant_by(
        &self,
        visible: &Visible,
        switch: Switch,
        uuid: Uuid,
        name: &str,
    ) -> Result<Vec<Uuid>> {
        self.store.read(|conn| {
            let group = groups::find_named(conn, visible, uuid, name)?;
            if switch != Switch::Stop
                && let Some(obstacle) = group.obstacle()
            {
                return Err(obstacle);
            }
            let all = seats::of_group(conn, uuid)?;
            let meant = all.into_iter().filter(|seat| match switch {
                Switch::Start | Switch::Stop => true,
                Switch::Reboot => seat.power.is_on(),
            });
            Ok(meant.map(|seat| seat.uuid).collect())
        })
    }

    /// Waits a moment until the nodes' events have reached the rows, so that who asks next sees what was done.
    fn settle(&self, switch: Switch, done: &[Uuid]) -> Result<()> {
        let on = match switch {
            Switch::Start => true,
            Switch::Stop => false,
            Switch::Reboot => {
                // The rows still say "on" from before: the news of the end must have come first.
                std::thread::sleep(SETTLE_REBOOT);
                true
            }
        };
        let until = Instant::now() + SETTLE;
        while self.store.read(|conn| seats::count_power(conn, done, on))? < done.len() {
            if Instant::now() >= until {
                // The next look at the node corrects what events did not tell.
                break;
            }
            std::thread::sleep(SETTLE_POLL);
        }
        Ok(())
    }
}

/// The uuids, and the name of each.
pub(super) fn split(things: &[Named]) -> (Vec<Uuid>, HashMap<Uuid, &str>) {
    let uuids = things.iter().map(|(uuid, _)| *uuid).collect();
    (uuids, things.iter().map(|(uuid, name)| (*uuid, name.as_str())).collect())
}

/// Desktops that were read together.
pub(super) type Seats = HashMap<Uuid, seats::Seat>;

fn known(seats: &Seats, uuid: Uuid) -> Result<&seats::Seat> {
    seats.get(&uuid).ok_or_else(|| Error::not_found("desktop-unknown").arg("uuid", uuid))
}

/// The desktop, if it belongs to the group and is called so.
pub(super) fn find_seat<'a>(
    seats: &'a Seats,
    uuid: Uuid,
    name: Option<&str>,
    group: Uuid,
) -> Result<&'a seats::Seat> {
    let seat = known(seats, uuid)?;
    if seat.group != group {
        return Err(Error::bad_input("desktop-of-another-group").arg("name", &seat.name));
    }
    if let Some(name) = name
        && *name != seat.name
    {
        let error = Error::conflict("desktop-renamed").arg("given", name);
        return Err(error.arg("name", &seat.name));
    }
    Ok(seat)
}

/// The name of a desktop that is neither being made nor deleted.
pub(super) fn ready_name(seats: &Seats, uuid: Uuid) -> Result<String> {
    let seat = known(seats, uuid)?;
    match seat.stage {
        Stage::Ready => Ok(seat.name.clone()),
        stage => Err(not_ready(stage, &seat.name)),
    }
}

/// Whether a desktop can be switched now.
fn admit(
    switch: Switch,
    seat: &seats::Seat,
    template: &str,
    template_state: TemplateState,
) -> Result<()> {
    if seat.stage != Stage::Ready {
        return Err(not_ready(seat.stage, &seat.name));
    }
    if switch != Switch::Stop && template_state != TemplateState::Ready {
        return Err(template_obstacle(template_state, template));
    }
    if switch == Switch::Reboot && !seat.power.is_on() {
        return Err(Error::conflict("desktop-not-running").arg("name", &seat.name));
    }
    Ok(())
}

pub(super) fn not_ready(stage: Stage, name: &str) -> Error {
    let key = match stage {
        Stage::Deleting => "desktop-deleting",
        Stage::Creating | Stage::Ready => "desktop-creating",
    };
    Error::busy(key).arg("name", name)
}

fn submission(
    tx: &Tx<'_>,
    switch: Switch,
    admitted: Admitted,
    subject: Uuid,
) -> Result<NewOperation> {
    let Admitted { uuids: desktops, title, refused, .. } = admitted;
    if switch == Switch::Stop {
        seats::note_stopping(tx, &desktops)?;
    }
    let locks = desktops.clone();
    let total = locks.len() as u64;
    let nodes = seats::nodes_of(tx, &desktops)?.into_iter().map(|(node, part)| (node, part.len()));
    let nodes: Vec<(i64, usize)> = nodes.collect();
    let args = PowerArgs { switch, desktops, refused };
    let new = NewOperation::new(switch.kind(), &args, subject, &title)?;
    Ok(new.locking_only(locks).counting_to(total).on(nodes))
}

fn run(desktops: &Desktops, args: &PowerArgs, execution: &Execution) -> Result<()> {
    execution.note_refused(&args.refused);
    let seats = desktops.store.read(|conn| seats::by_uuid(conn, &args.desktops))?;
    let by_node = seats::by_node(seats.values());
    let action = args.switch.action();
    let asked = by_node.clone();
    let results = nodes::each(&desktops.inventory, execution, asked, |client, _, part, watch| {
        client.power(action, part, watch)
    });
    let mut outcomes: Vec<(Uuid, Option<Fault>)> = Vec::with_capacity(seats.len());
    for (node, result) in results {
        match result {
            Ok(items) => {
                outcomes.extend(items.into_iter().map(|item| (item.uuid, item.result.err())));
            }
            Err(error) => {
                let fault = Fault::from(&error);
                let part = by_node.get(&node).into_iter().flatten();
                outcomes.extend(part.map(|uuid| (*uuid, Some(fault.clone()))));
            }
        }
    }
    for (uuid, fault) in &outcomes {
        let name = seats.get(uuid).map(|seat| seat.name.as_str()).unwrap_or_default();
        execution.item(*uuid, name, fault.clone().map_or(Ok(()), Err));
    }
    if args.switch != Switch::Stop {
        desktops.store.write_in_parts(&outcomes, seats::note_starts)?;
    }
    // Only now: what became of the others is noted.
    let is_cancelled = |fault: &Fault| fault.kind == Kind::Cancelled;
    if outcomes.iter().any(|(_, fault)| fault.as_ref().is_some_and(is_cancelled)) {
        return Err(cancelled());
    }
    let done: Vec<Uuid> =
        outcomes.iter().filter(|(_, fault)| fault.is_none()).map(|(uuid, _)| *uuid).collect();
    desktops.settle(args.switch, &done)
}

/// Guests that were asked to stop and still run are no longer being stopped.
fn take_back(desktops: &Desktops, args: &PowerArgs, _: &Execution) -> Result<()> {
    match args.switch {
        Switch::Stop => desktops.store.write(|tx| seats::unnote_stopping(tx, &args.desktops)),
        Switch::Start | Switch::Reboot => Ok(()),
    }
}

/// What a client calls `desktop_type`; desktops of either kind are switched alike.
pub fn check_kind(number: i64) -> Result<()> {
    let known = [GroupKind::Education, GroupKind::Personal];
    match known.into_iter().any(|kind| kind.number() == number) {
        true => Ok(()),
        false => Err(Error::bad_input("desktop-type-wrong").arg("field", "desktop_type")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn desktops_that_are_up_are_no_longer_being_started() {
        let done = |switch: Switch, state| is_done(switch.kind(), Power(state));
        assert!(done(Switch::Start, PowerState::Running) && !done(Switch::Start, PowerState::Off));
        assert!(done(Switch::Stop, PowerState::Off) && !done(Switch::Stop, PowerState::Running));
        assert!(!done(Switch::Reboot, PowerState::Running));
        assert!(!done(Switch::Start, PowerState::Paused));
        assert!(!is_done("desktop-group-create", Power(PowerState::Running)));
    }
}
