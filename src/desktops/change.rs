//! Changes a desktop group: name and order at once, restoring with the nodes' consent.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::power::Named;
use super::spec::Restore;
use super::store::groups::GroupValues;
use super::store::{groups, seats};
use super::{Desktops, nodes};
use crate::error::Result;
use crate::operations::{
    Action, Actor, Execution, Item, Lane, Lock, NewOperation, Saga, SubmittedOperation, Unit,
    nothing,
};
use crate::store::visible::Visible;

const RESTORE: &str = "desktop-group-restore";

/// What is `None` stays.
#[derive(Debug, Default)]
pub struct DesktopGroupChange {
    pub name: Option<String>,
    pub sys_restore: Option<bool>,
    pub data_restore: Option<bool>,
    pub order_num: Option<i64>,
}

/// A change that was made, or one that the nodes are being told.
#[derive(Debug)]
pub enum Changed {
    Done,
    Running(SubmittedOperation),
}

#[derive(Debug, Serialize, Deserialize)]
struct RestoreArgs {
    group: Uuid,
    old: Values,
}

/// The values before the change, for taking it back.
#[derive(Debug, Serialize, Deserialize)]
struct Values {
    name: String,
    sys_restore: bool,
    data_restore: bool,
    order_num: i64,
}

static STEPS: [Action<Desktops, RestoreArgs>; 2] =
    [Action::new("rows", nothing, take_back), Action::new("domains", tell_nodes, nothing)];

pub(super) fn register(desktops: &Desktops) {
    desktops
        .operations
        .register(RESTORE, Saga::new(Lane::Build, desktops.clone(), &STEPS).counting(Unit::Items));
}

impl Desktops {
    /// Changes a group. What is restored changes with the next start of each desktop.
    pub fn change_desktop_group(
        &self,
        visible: &Visible,
        actor: &Actor,
        (uuid, name): &Named,
        change: &DesktopGroupChange,
    ) -> Result<Changed> {
        let group = self.store.read(|conn| groups::find_named(conn, visible, *uuid, name))?;
        let restore = Restore {
            system: change.sys_restore.unwrap_or(group.restore.system),
            data: change.data_restore.unwrap_or(group.restore.data),
        };
        let values = GroupValues {
            name: change.name.clone().unwrap_or_else(|| group.name.clone()),
            restore,
            order_num: change.order_num.unwrap_or(group.order_num),
        };
        if restore == group.restore {
            self.store.write(|tx| {
                groups::find_named(tx, visible, *uuid, name)?;
                groups::update(tx, *uuid, &values)
            })?;
            return Ok(Changed::Done);
        }
        let submitted = self.operations.submit(actor, |tx| {
            let group = groups::find_named(tx, visible, *uuid, name)?;
            if let Some(obstacle) = group.obstacle() {
                return Err(obstacle);
            }
            groups::update(tx, *uuid, &values)?;
            let old = Values {
                name: group.name,
                sys_restore: group.restore.system,
                data_restore: group.restore.data,
                order_num: group.order_num,
            };
            let args = RestoreArgs { group: *uuid, old };
            // Nobody may delete a desktop while its domain is written anew: it would appear again.
            let seats =
                seats::of_group(tx, *uuid)?.into_iter().map(|seat| Lock::new(seat.uuid, seat.name));
            Ok(NewOperation::new(RESTORE, &args, *uuid, &values.name)?.locking(seats))
        })?;
        Ok(Changed::Running(submitted))
    }

    /// Offers groups to their terminals, or no longer. Gives how it went for each.
    pub fn set_active(&self, visible: &Visible, wanted: &[Named], active: bool) -> Vec<Item> {
        let one = |uuid: Uuid, name: &str| {
            self.store.write(|tx| {
                groups::find_named(tx, visible, uuid, name)?;
                groups::set_active(tx, uuid, active)
            })
        };
        let items = wanted.iter().map(|(uuid, name)| {
            let fault = one(*uuid, name).err().map(Into::into);
            Item { uuid: *uuid, name: name.clone(), fault }
        });
        items.collect()
    }
}

fn tell_nodes(desktops: &Desktops, args: &RestoreArgs, execution: &Execution) -> Result<()> {
    let seats = desktops.store.read(|conn| seats::of_group(conn, args.group))?;
    let uuids: Vec<Uuid> = seats.into_iter().map(|seat| seat.uuid).collect();
    nodes::all(desktops.define_domains(&uuids, execution)?).map(drop)
}

/// The old values, for the rows and then for the nodes that were told the new ones already. What a node cannot do now, of
/// a desktop whose disk is lost perhaps, is left to the looks at it. Where another group took the old name meanwhile, this
/// one keeps the new name.
fn take_back(desktops: &Desktops, args: &RestoreArgs, execution: &Execution) -> Result<()> {
    let Values { name, sys_restore, data_restore, order_num } = &args.old;
    desktops.store.write(|tx| {
        let name = match groups::is_free_name(tx, name, args.group)? {
            true => name.clone(),
            false => groups::find(tx, args.group)?.name,
        };
        let restore = Restore { system: *sys_restore, data: *data_restore };
        let values = GroupValues { name, restore, order_num: *order_num };
        groups::update(tx, args.group, &values)
    })?;
    let seats = desktops.store.read(|conn| seats::of_group(conn, args.group))?;
    let uuids: Vec<Uuid> = seats.into_iter().map(|seat| seat.uuid).collect();
    for (node, result) in desktops.define_domains(&uuids, execution)? {
        if let Err(error) = result {
            tracing::warn!(
                node.id = node.number(),
                error = error.detail(),
                "left to a look at the node"
            );
            desktops.look_soon(node);
        }
    }
    Ok(())
}
