//! Starts, stops and reboots desktops, singly or by groups.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::group::{DesktopGroup, GroupKind, Stage, template_obstacle};
use super::machines::{Machine, Outcomes, Settling};
use super::seat::{CUTTING, STOPPING};
use super::store::{groups, seats};
use super::templates::{Power, TemplateState};
use super::{Desktops, machines};
use crate::error::{Error, Fault, Kind, Result};
use crate::node::client::{NodeClient, Watch};
use crate::node::protocol::{DISABLED, DISOBEYED, ItemResult, PowerAction, PowerState};
use crate::operations::{
    Action, Actor, Admitted, BatchSubmission, Execution, Item, Lane, NewOperation, Saga, Unit,
};
use crate::store::visible::Visible;
use crate::store::{NodeId, Topic, Tx};

/// Key of the error of a desktop whose domain is not there.
const MISSING: &str = "domain-missing";

/// What people do with desktops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum DesktopPowerAction {
    Start,
    /// Asks the guest. One that does not obey goes on.
    Stop,
    /// Pulls the plug.
    HardStop,
    /// As `Stop`, and started again. One that does not obey goes on.
    Reboot,
    HardReboot,
}

impl DesktopPowerAction {
    const ALL: [Self; 5] =
        [Self::Start, Self::Stop, Self::HardStop, Self::Reboot, Self::HardReboot];

    /// Off is what is wanted.
    const fn ends(self) -> bool {
        matches!(self, Self::Stop | Self::HardStop)
    }

    const fn kind(self) -> &'static str {
        match self {
            Self::Start => "desktops-start",
            Self::Stop => "desktops-stop",
            Self::HardStop => "desktops-hard-stop",
            Self::Reboot => "desktops-reboot",
            Self::HardReboot => "desktops-hard-reboot",
        }
    }

    /// A guest is asked to end by itself and may take its time.
    const fn lane(self) -> Lane {
        match self {
            Self::Start | Self::HardStop | Self::HardReboot => Lane::Quick,
            Self::Stop | Self::Reboot => Lane::Guests,
        }
    }

    const fn power(self) -> PowerAction {
        match self {
            Self::Start => PowerAction::Start,
            Self::Stop => PowerAction::Stop,
            Self::HardStop => PowerAction::HardStop,
            Self::Reboot => PowerAction::Reboot,
            Self::HardReboot => PowerAction::HardReboot,
        }
    }
}

/// Whether an operation of this kind, which still works on others, is done with a desktop in this state. What is
/// being rebooted looks the same before and after.
pub(super) fn is_done(kind: &str, power: Power) -> bool {
    match DesktopPowerAction::ALL.into_iter().find(|action| action.kind() == kind) {
        Some(DesktopPowerAction::Start) => power.0 == PowerState::Running,
        Some(action) => action.ends() && power.0 == PowerState::Off,
        None => false,
    }
}

/// A thing as the caller sees it: uuid and name.
pub type Named = (Uuid, String);

#[derive(Debug, Serialize, Deserialize)]
struct PowerArgs {
    #[serde(alias = "switch")]
    action: DesktopPowerAction,
    desktops: Vec<Uuid>,
    refused: Vec<Item>,
}

static STEPS: [Action<Desktops, PowerArgs>; 1] = [Action::new("power", run, take_back)];

pub(super) fn register(desktops: &Desktops) {
    for action in DesktopPowerAction::ALL {
        let saga = Saga::new(action.lane(), desktops.clone(), &STEPS).counting(Unit::Items);
        desktops.operations.register(action.kind(), saga);
    }
}

impl Desktops {
    /// Switches desktops, of one group when it is given. The names are those that the caller saw.
    pub fn switch_desktops(
        &self,
        visible: &Visible,
        actor: &Actor,
        action: DesktopPowerAction,
        group: Option<&Named>,
        wanted: &[Named],
    ) -> Result<BatchSubmission> {
        let (uuids, names) = split(wanted);
        self.operations.submit_batch(
            actor,
            &uuids,
            |tx, batch| {
                if let Some((group, name)) = group {
                    groups::find_named(tx, visible, *group, name)?;
                }
                let seats = seats::seen(tx, visible, batch.uuids())?;
                let groups = groups::by_uuid(tx, &groups_of(&seats))?;
                batch.admit(|uuid| {
                    let name = names.get(&uuid).copied();
                    let seat = find_seat(&seats, uuid, name, group.map(|(uuid, _)| *uuid))?;
                    let of = groups.get(&seat.group).ok_or_else(|| Error::internal("no group"))?;
                    admit(action, seat, &of.template_name, of.template_state)?;
                    Ok(seat.name.clone())
                })
            },
            |tx, admitted| {
                let subject = subject_of(tx, &admitted.uuids)?;
                submission(tx, action, admitted, subject)
            },
        )
    }

    /// Switches all desktops of the groups for which it has a meaning: `Reboot` leaves alone what is off. `Stop` goes
    /// to all: what a row says may be older than the guest, and off is what was wanted.
    pub fn switch_groups(
        &self,
        visible: &Visible,
        actor: &Actor,
        action: DesktopPowerAction,
        wanted: &[Named],
    ) -> Result<BatchSubmission> {
        let (named, _) = split(wanted);
        let (groups, mut seats) = self
            .store
            .read(|conn| Ok((groups::by_uuid(conn, &named)?, seats::of_groups(conn, &named)?)))?;
        let (mut uuids, mut refused) = (Vec::new(), Vec::new());
        for (uuid, name) in wanted {
            let group = groups::named(&groups, visible, *uuid, name);
            let found = group.and_then(|group| may_switch(action, group));
            match found {
                Ok(()) => {
                    let seats = seats.remove(uuid).unwrap_or_default().into_iter();
                    uuids.extend(seats.filter(|seat| is_meant(action, seat)).map(|seat| seat.uuid));
                }
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
        let out: HashSet<Uuid> = refused.iter().map(|item| item.uuid).collect();
        let meant: Vec<&Named> = wanted.iter().filter(|(uuid, _)| !out.contains(uuid)).collect();
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
                submission(tx, action, Admitted { title, ..admitted }, subject)
            },
        )
    }
}

/// Whether the group's template lets its desktops be switched so.
fn may_switch(action: DesktopPowerAction, group: &DesktopGroup) -> Result<()> {
    match group.obstacle() {
        Some(obstacle) if !action.ends() => Err(obstacle),
        _ => Ok(()),
    }
}

/// Whether the action has a meaning for a desktop of a group that is switched as a whole.
fn is_meant(action: DesktopPowerAction, seat: &seats::Seat) -> bool {
    match action {
        DesktopPowerAction::Reboot | DesktopPowerAction::HardReboot => seat.power.is_on(),
        DesktopPowerAction::Start | DesktopPowerAction::Stop | DesktopPowerAction::HardStop => true,
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

/// The groups of desktops that were read together, each once.
fn groups_of(seats: &Seats) -> Vec<Uuid> {
    let groups: HashSet<Uuid> = seats.values().map(|seat| seat.group).collect();
    groups.into_iter().collect()
}

/// What an operation on desktops is about: their group, and none where they are of several.
pub(super) fn subject_of(tx: &Tx<'_>, desktops: &[Uuid]) -> Result<Uuid> {
    match groups_of(&seats::by_uuid(tx, desktops)?).as_slice() {
        [group] => Ok(*group),
        _ => Ok(Uuid::nil()),
    }
}

/// The desktop, if it belongs to the group that was named and is called so.
pub(super) fn find_seat<'a>(
    seats: &'a Seats,
    uuid: Uuid,
    name: Option<&str>,
    group: Option<Uuid>,
) -> Result<&'a seats::Seat> {
    let seat = known(seats, uuid)?;
    if group.is_some_and(|group| seat.group != group) {
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
    action: DesktopPowerAction,
    seat: &seats::Seat,
    template: &str,
    template_state: TemplateState,
) -> Result<()> {
    if seat.stage != Stage::Ready {
        return Err(not_ready(seat.stage, &seat.name));
    }
    if !action.ends() && template_state != TemplateState::Ready {
        return Err(template_obstacle(template_state, template));
    }
    if matches!(action, DesktopPowerAction::Reboot | DesktopPowerAction::HardReboot)
        && !seat.power.is_on()
    {
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
    action: DesktopPowerAction,
    admitted: Admitted,
    subject: Uuid,
) -> Result<NewOperation> {
    let Admitted { uuids: desktops, locks, title, refused, .. } = admitted;
    if action.ends() {
        let reason = if action == DesktopPowerAction::HardStop { CUTTING } else { STOPPING };
        seats::note_stopping(tx, &desktops, reason)?;
    }
    let total = locks.len() as u64;
    let nodes = seats::nodes_of(tx, &desktops)?.into_iter().map(|(node, part)| (node, part.len()));
    let nodes: Vec<(NodeId, usize)> = nodes.collect();
    let args = PowerArgs { action, desktops, refused };
    let new = NewOperation::new(action.kind(), &args, subject, &title)?;
    Ok(new.locking_only(locks).counting_to(total).on(nodes))
}

fn run(desktops: &Desktops, args: &PowerArgs, execution: &Execution) -> Result<()> {
    execution.note_refused(&args.refused);
    carry_out(desktops, args.action, &args.desktops, execution).map(drop)
}

/// Starts those of these desktops that there are, within an operation that holds them.
///
/// # Errors
/// Why the first was not started, when none was: the operation itself has done more than that.
pub(super) fn start(desktops: &Desktops, uuids: &[Uuid], execution: &Execution) -> Result<()> {
    let outcomes = carry_out(desktops, DesktopPowerAction::Start, uuids, execution)?;
    match outcomes.failed.into_iter().next() {
        Some((_, fault)) if outcomes.done.is_empty() => Err(fault.into()),
        _ => Ok(()),
    }
}

fn carry_out(
    desktops: &Desktops,
    wanted: DesktopPowerAction,
    uuids: &[Uuid],
    execution: &Execution,
) -> Result<Outcomes> {
    let seats = desktops.store.read(|conn| seats::seats(conn, uuids))?;
    let machine =
        |seat: seats::Seat| Machine { uuid: seat.uuid, name: seat.name, node_id: seat.node_id };
    let machines: Vec<Machine> = seats.into_iter().map(machine).collect();
    let action = wanted.power();
    let Desktops { store, runtime, .. } = desktops;
    let of = (action, machines.as_slice());
    let settling = Settling::of(store, runtime, Topic::Desktops, seats::on_since, of)?;
    let how = (action, desktops.live.now()?.shutdown_patience());
    let missing = Mutex::new(Vec::new());
    let power = |client: &NodeClient, _, part, watch: &mut Watch<'_>| {
        let mut items = client.power(how, part, watch)?;
        let found = desktops.explain_missing(&mut items);
        missing.lock().unwrap_or_else(PoisonError::into_inner).extend(found);
        Ok(items)
    };
    let outcomes = machines::carry_out(&desktops.inventory, execution, &machines, power);
    note(desktops, wanted, &outcomes)?;
    settling.wait(&outcomes.done)?;
    // Else it would be made anew at the next look of its own, which these desktops may be held from again.
    desktops.look_again(&missing.into_inner().unwrap_or_else(PoisonError::into_inner))?;
    outcomes.require_all_begun()?;
    Ok(outcomes)
}

impl Desktops {
    /// Those whose domain is missing; where it cannot be made anew the item says why.
    fn explain_missing(&self, items: &mut [ItemResult]) -> Vec<Uuid> {
        let mut missing = Vec::new();
        for item in items {
            if item.result.as_ref().is_err_and(|fault| fault.key == MISSING) {
                missing.push(item.uuid);
                if let Some(fault) = self.hopeless.why(item.uuid) {
                    item.result = Err(fault);
                }
            }
        }
        missing
    }
}

/// Writes what became of desktops into their rows.
fn note(desktops: &Desktops, action: DesktopPowerAction, outcomes: &Outcomes) -> Result<()> {
    if action.ends() {
        let asked = outcomes.failed_of(DISOBEYED);
        let not_done = outcomes.not_done();
        return desktops.store.write(|tx| {
            seats::note_asked(tx, &asked)?;
            seats::unnote_stopping(tx, &not_done)
        });
    }
    let good = outcomes.done.iter().map(|uuid| (*uuid, None));
    // One that was to be rebooted and goes on was not started in vain.
    let goes_on = |fault: &Fault| [DISOBEYED, DISABLED].contains(&fault.key.as_str());
    let bad = outcomes.failed.iter().filter(|(_, fault)| !goes_on(fault));
    let bad = bad.map(|(uuid, fault)| (*uuid, Some(fault.clone())));
    let starts: Vec<(Uuid, Option<Fault>)> = good.chain(bad).collect();
    desktops.store.write_in_parts(&starts, seats::note_starts)?;
    let asked = outcomes.failed_of(DISOBEYED);
    if asked.is_empty() {
        return Ok(());
    }
    // One that obeys later was asked to.
    desktops.store.write(|tx| seats::note_asked_to_reboot(tx, &asked))
}

/// Guests that were asked to stop and still run are no longer being stopped.
fn take_back(desktops: &Desktops, args: &PowerArgs, execution: &Execution) -> Result<()> {
    if !args.action.ends() {
        return Ok(());
    }
    // What has gone off was stopped, also when its row does not know yet.
    let done = execution.done_items();
    let left: Vec<Uuid> =
        args.desktops.iter().copied().filter(|uuid| !done.contains(uuid)).collect();
    desktops.store.write(|tx| seats::unnote_stopping(tx, &left))
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
        let done = |action: DesktopPowerAction, state| is_done(action.kind(), Power(state));
        assert!(
            done(DesktopPowerAction::Start, PowerState::Running)
                && !done(DesktopPowerAction::Start, PowerState::Off)
        );
        assert!(
            done(DesktopPowerAction::Stop, PowerState::Off)
                && !done(DesktopPowerAction::Stop, PowerState::Running)
        );
        assert!(done(DesktopPowerAction::HardStop, PowerState::Off));
        assert!(!done(DesktopPowerAction::Reboot, PowerState::Running));
        assert!(!done(DesktopPowerAction::HardReboot, PowerState::Off));
        assert!(!done(DesktopPowerAction::Start, PowerState::Paused));
        assert!(!is_done("desktop-group-create", Power(PowerState::Running)));
    }
}
