//! Deletes desktops and groups: what runs is switched off, and nothing is left.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::group::Stage;
use super::power::{find_seat, not_ready, split, subject_of};
use super::store::{groups, seats};
use super::{Desktops, Named};
use crate::error::{Error, Result};
use crate::inventory::{Answering, Duty, FIRST_CONNECTION};
use crate::operations::{
    Action, Actor, Admitted, BatchSubmission, Execution, Item, Lane, Lock, NewOperation, Saga,
    Unit, nothing,
};
use crate::store::NodeId;
use crate::store::visible::Visible;

const DELETE_GROUPS: &str = "desktop-groups-delete";
const DELETE: &str = "desktops-delete";

#[derive(Debug, Serialize, Deserialize)]
struct RemoveArgs {
    /// Groups that go with their desktops, and their names.
    groups: Vec<Named>,
    desktops: Vec<Named>,
    refused: Vec<Item>,
}

impl RemoveArgs {
    fn uuids(&self) -> Vec<Uuid> {
        self.desktops.iter().map(|(uuid, _)| *uuid).collect()
    }

    /// The desktops, to be locked.
    fn seats(&self) -> Vec<Lock> {
        self.desktops.iter().map(|(uuid, name)| Lock::new(*uuid, name)).collect()
    }

    fn groups(&self) -> Vec<Uuid> {
        self.groups.iter().map(|(uuid, _)| *uuid).collect()
    }
}

static STEPS: [Action<Desktops, RemoveArgs>; 4] = [
    Action::new("stage", nothing, back_to_ready),
    Action::new("domains", remove_domains, nothing),
    Action::new("addresses", withdraw, nothing),
    Action::new("rows", remove_rows, nothing),
];

pub(super) fn register(desktops: &Desktops) {
    for kind in [DELETE_GROUPS, DELETE] {
        desktops
            .operations
            .register(kind, Saga::new(Lane::Build, desktops.clone(), &STEPS).counting(Unit::Items));
    }
}

impl Desktops {
    /// Deletes desktops, of one group when it is given.
    pub fn delete_desktops(
        &self,
        visible: &Visible,
        actor: &Actor,
        group: Option<&Named>,
        wanted: &[Named],
    ) -> Result<BatchSubmission> {
        let (uuids, names) = split(wanted);
        let nodes = self.store.read(|conn| {
            if let Some((group, name)) = group {
                groups::find_named(conn, visible, *group, name)?;
            }
            seats::nodes_of(conn, &uuids)
        })?;
        let answering = self.answering(nodes.into_keys());
        self.operations.submit_batch(
            actor,
            &uuids,
            |tx, batch| {
                let seats = seats::seen(tx, visible, batch.uuids())?;
                batch.admit(|uuid| {
                    let name = names.get(&uuid).copied();
                    let seat = find_seat(&seats, uuid, name, group.map(|(uuid, _)| *uuid))?;
                    if seat.stage != Stage::Ready {
                        return Err(not_ready(seat.stage, &seat.name));
                    }
                    self.require_link(&answering, seat.node_id)?;
                    Ok(seat.name.clone())
                })
            },
            |tx, admitted| {
                let Admitted { uuids, locks, things: desktops, title, refused } = admitted;
                let subject = subject_of(tx, &uuids)?;
                seats::set_stage(tx, &uuids, Stage::Deleting)?;
                let args = RemoveArgs { groups: Vec::new(), desktops, refused };
                Ok(NewOperation::new(DELETE, &args, subject, &title)?.locking_only(locks))
            },
        )
    }

    /// Deletes groups with all of their desktops.
    pub fn delete_desktop_groups(
        &self,
        visible: &Visible,
        actor: &Actor,
        wanted: &[Named],
    ) -> Result<BatchSubmission> {
        let (uuids, names) = split(wanted);
        let nodes = self.store.read(|conn| seats::nodes_of_groups(conn, &uuids))?;
        let answering = self.answering(nodes);
        self.operations.submit_batch(
            actor,
            &uuids,
            |tx, batch| {
                let groups = groups::by_uuid(tx, batch.uuids())?;
                let mut seats = seats::of_groups(tx, batch.uuids())?;
                batch.admit_noting(|uuid| {
                    let name = names.get(&uuid).copied().unwrap_or_default();
                    let group = groups::named(&groups, visible, uuid, name)?;
                    if group.stage != Stage::Ready {
                        let error = Error::busy("desktop-group-busy");
                        return Err(error.arg("name", &group.name));
                    }
                    let seats = seats.remove(&uuid).unwrap_or_default();
                    let nodes: HashSet<NodeId> = seats.iter().map(|seat| seat.node_id).collect();
                    nodes.into_iter().try_for_each(|node| self.require_link(&answering, node))?;
                    let desktops = seats.into_iter().map(|seat| (seat.uuid, seat.name));
                    let things: (Named, Vec<Named>) = ((uuid, name.to_owned()), desktops.collect());
                    Ok((name.to_owned(), things))
                })
            },
            |tx, admitted| {
                let Admitted { uuids, locks, things, title, refused } = admitted;
                groups::set_stage(tx, &uuids, Stage::Deleting)?;
                let (groups, desktops): (Vec<Named>, Vec<Vec<Named>>) = things.into_iter().unzip();
                let desktops = desktops.into_iter().flatten().collect();
                let args = RemoveArgs { groups, desktops, refused };
                let (desktops, seats) = (args.uuids(), args.seats());
                seats::set_stage(tx, &desktops, Stage::Deleting)?;
                let new = NewOperation::new(DELETE_GROUPS, &args, uuids[0], &title)?;
                Ok(new.locking_only(locks).locking(seats))
            },
        )
    }

    /// Which of these nodes answer. Asked before the transaction: a node that is being connected is waited for.
    fn answering(&self, nodes: impl IntoIterator<Item = NodeId>) -> Answering {
        self.inventory.answering_within(nodes, FIRST_CONNECTION)
    }

    /// What is on a node that does not answer cannot be deleted: it would come back with the node.
    fn require_link(&self, answering: &Answering, node: NodeId) -> Result<()> {
        // Desktops may have been added a moment ago, on further nodes.
        answering.of(node).unwrap_or_else(|| self.inventory.client_now(node).map(drop))
    }
}

fn remove_domains(desktops: &Desktops, args: &RemoveArgs, execution: &Execution) -> Result<()> {
    execution.note_refused(&args.refused);
    desktops.remove_domains(&args.uuids(), execution)
}

fn withdraw(desktops: &Desktops, args: &RemoveArgs, execution: &Execution) -> Result<()> {
    desktops.withdraw_addresses(&args.uuids(), execution)
}

fn remove_rows(desktops: &Desktops, args: &RemoveArgs, execution: &Execution) -> Result<()> {
    desktops.forget(&args.groups(), &args.uuids())?;
    let things = if args.groups.is_empty() { &args.desktops } else { &args.groups };
    for (uuid, name) in things {
        execution.item(*uuid, name, Ok(()));
    }
    Ok(())
}

/// A removal that ended half way leaves usable rows; the next look at the node makes their domains anew.
fn back_to_ready(desktops: &Desktops, args: &RemoveArgs, _: &Execution) -> Result<()> {
    desktops.store.write(|tx| {
        desktops.networks.set_withdrawn(tx, &args.uuids(), false)?;
        seats::set_stage(tx, &args.uuids(), Stage::Ready)?;
        groups::set_stage(tx, &args.groups(), Stage::Ready)
    })?;
    desktops.inventory.ask_all(Duty::Networks);
    desktops.look_again(&args.uuids())
}
