//! Operations that tell the nodes what changed in the rows, and put the rows back when a node refuses.

use std::net::Ipv4Addr;

use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::checks::{check, check_deletable};
use super::store::networks::Values;
use super::{Network, Networks, Plan, Subnet, SwitchKind, store};
use crate::error::{Error, Fault, Kind, Result};
use crate::operations::{Action, Execution, Item, Lane, Saga, Unit};
use crate::store::Tx;

/// The rows of a network have changed.
#[derive(Serialize, Deserialize)]
pub struct Change {
    pub network: Uuid,
    pub undo: Undo,
}

/// How the rows become what they were.
#[derive(Serialize, Deserialize)]
pub enum Undo {
    /// The network is new.
    Forget,
    Restore(Saved),
    ForgetSubnet(Uuid),
    RestoreSubnet(SavedSubnet),
}

/// What can be changed of a network, as it was.
#[derive(Serialize, Deserialize)]
pub struct Saved {
    name: String,
    desc: Option<String>,
    vlan: Option<u16>,
}

impl From<&Network> for Saved {
    fn from(network: &Network) -> Self {
        let Network { name, desc, vlan, .. } = network.clone();
        Self { name, desc, vlan }
    }
}

/// A subnet as it was.
#[derive(Serialize, Deserialize)]
pub struct SavedSubnet {
    uuid: Uuid,
    name: String,
    start: Ipv4Addr,
    end: Ipv4Addr,
    prefix: u8,
    gateway: Ipv4Addr,
    dns1: Ipv4Addr,
    dns2: Option<Ipv4Addr>,
}

impl From<&Subnet> for SavedSubnet {
    fn from(subnet: &Subnet) -> Self {
        let Plan { name, start, end, prefix, gateway, dns1, dns2 } = Plan::from(subnet);
        Self { uuid: subnet.uuid, name, start, end, prefix, gateway, dns1, dns2 }
    }
}

impl SavedSubnet {
    fn plan(&self) -> Plan {
        let Self { uuid: _, name, start, end, prefix, gateway, dns1, dns2 } = self;
        Plan {
            name: name.clone(),
            start: *start,
            end: *end,
            prefix: *prefix,
            gateway: *gateway,
            dns1: *dns1,
            dns2: *dns2,
        }
    }
}

/// Networks that are to go.
#[derive(Serialize, Deserialize)]
pub struct Deletion {
    pub networks: Vec<(Uuid, String)>,
    pub refused: Vec<Item>,
}

/// Subnets whose rows are gone.
#[derive(Serialize, Deserialize)]
pub struct SubnetDeletion {
    pub network: Uuid,
    pub deleted: Vec<SavedSubnet>,
    pub refused: Vec<Item>,
}

static CHANGE: [Action<Networks, Change>; 1] = [Action::new("tell the nodes", apply, revert)];
static DELETE: [Action<Networks, Deletion>; 1] =
    [Action::new("take the networks away", remove, put_back)];
static DELETE_SUBNETS: [Action<Networks, SubnetDeletion>; 1] =
    [Action::new("tell the nodes", apply_deletion, revert_deletion)];

/// Makes the kinds known; each is also the message key of its title.
pub fn register(networks: &Networks) {
    let operations = &networks.inner.operations;
    for kind in ["network-create", "network-edit", "subnet-create", "subnet-edit"] {
        operations.register(kind, Saga::new(Lane::Quick, networks.clone(), &CHANGE));
    }
    operations.register(
        "network-delete",
        Saga::new(Lane::Quick, networks.clone(), &DELETE).counting(Unit::Items),
    );
    let saga = Saga::new(Lane::Quick, networks.clone(), &DELETE_SUBNETS);
    operations.register("subnet-delete", saga);
}

fn apply(networks: &Networks, change: &Change, _: &Execution) -> Result<()> {
    networks.ensure_everywhere(&networks.find(change.network)?)
}

fn revert(networks: &Networks, change: &Change, _: &Execution) -> Result<()> {
    let (uuid, store) = (change.network, &networks.inner.store);
    if matches!(change.undo, Undo::Forget) && store.read(|conn| is_unused(conn, uuid))? {
        networks.remove_everywhere(uuid)?;
    }
    store.write(|tx| revert_rows(tx, uuid, &change.undo))?;
    tell_again(networks, uuid);
    Ok(())
}

/// What others rely on by now stays changed: a name, VLAN or range that somebody took meanwhile cannot come back,
/// and what somebody uses cannot go.
fn revert_rows(tx: &Tx<'_>, uuid: Uuid, undo: &Undo) -> Result<()> {
    let Some(network) = store::networks::maybe(tx, uuid)? else { return Ok(()) };
    match undo {
        Undo::Forget if is_unused(tx, uuid)? => store::networks::delete(tx, uuid),
        Undo::Restore(saved) => restore(tx, &network, saved),
        Undo::ForgetSubnet(subnet) => match store::subnets::maybe(tx, *subnet)? {
            Some(row) if store::subnets::users(tx, row.id)?.is_empty() => {
                store::subnets::delete(tx, *subnet)
            }
            _ => Ok(()),
        },
        Undo::RestoreSubnet(saved) => restore_subnet(tx, &network, saved),
        Undo::Forget => Ok(()),
    }
}

fn is_unused(conn: &Connection, uuid: Uuid) -> Result<bool> {
    match store::networks::maybe(conn, uuid)? {
        Some(network) => Ok(store::networks::users(conn, network.id)?.is_empty()),
        None => Ok(true),
    }
}

fn restore(tx: &Tx<'_>, network: &Network, saved: &Saved) -> Result<()> {
    let uuid = network.uuid;
    let is_free = store::networks::is_free_name(tx, &saved.name, uuid)?;
    let name = if is_free { &saved.name } else { &network.name };
    let user = match saved.vlan {
        Some(vlan) => store::networks::vlan_user(tx, network.switch_id, vlan, Some(uuid))?,
        None => None,
    };
    let vlan = if user.is_none() { saved.vlan } else { network.vlan };
    store::networks::update(tx, uuid, &Values { name, desc: saved.desc.as_deref(), vlan })
}

fn restore_subnet(tx: &Tx<'_>, network: &Network, saved: &SavedSubnet) -> Result<()> {
    let Some(subnet) = store::subnets::maybe(tx, saved.uuid)? else { return Ok(()) };
    let plan = saved.plan();
    let used = store::addresses::of_subnet(tx, subnet.id)?;
    let fits = check(tx, network, &plan, Some(subnet.id)).and_then(|()| plan.check_keeps(&used));
    match fits {
        Ok(()) => store::subnets::update(tx, saved.uuid, &plan),
        Err(error) if error.kind() == Kind::Internal => Err(error),
        Err(error) => {
            stays_changed(network, &error);
            Ok(())
        }
    }
}

fn stays_changed(network: &Network, why: &Error) {
    let (name, why) = (&network.name, why.detail());
    tracing::warn!(network.uuid = %network.uuid, name, why, "a change of subnets cannot be taken back");
}

/// The rows are as they were. What a node refuses now is shown and tried again until it agrees.
fn tell_again(networks: &Networks, uuid: Uuid) {
    if let Err(error) = tell_if_there(networks, uuid) {
        tracing::warn!(network.uuid = %uuid, error = error.detail(), "a node is not told of what was taken back");
    }
}

fn tell_if_there(networks: &Networks, uuid: Uuid) -> Result<()> {
    let network = networks.inner.store.read(|conn| store::networks::maybe(conn, uuid))?;
    network.map_or(Ok(()), |network| networks.ensure_everywhere(&network))
}

fn remove(networks: &Networks, deletion: &Deletion, execution: &Execution) -> Result<()> {
    execution.note_refused(&deletion.refused);
    for (done, (uuid, name)) in deletion.networks.iter().enumerate() {
        execution.check_cancelled()?;
        let result = remove_one(networks, *uuid);
        if result.is_err() {
            // Half taken away is not deleted: it stays whole.
            tell_if_there(networks, *uuid)?;
        }
        execution.item(*uuid, name, result.map_err(Fault::from));
        execution.progress(done as u64 + 1, deletion.networks.len() as u64);
    }
    Ok(())
}

/// A network that is gone already counts as removed.
fn remove_one(networks: &Networks, uuid: Uuid) -> Result<()> {
    let store = &networks.inner.store;
    let Some(network) = store.read(|conn| store::networks::maybe(conn, uuid))? else {
        return Ok(());
    };
    if network.kind == SwitchKind::Nat {
        networks.remove_everywhere(network.uuid)?;
    }
    store.write(|tx| {
        // Somebody may have begun to use it meanwhile.
        check_deletable(tx, &network)?;
        store::networks::delete(tx, uuid)
    })
}

fn put_back(networks: &Networks, deletion: &Deletion, _: &Execution) -> Result<()> {
    deletion.networks.iter().try_for_each(|(uuid, _)| tell_if_there(networks, *uuid))
}

fn apply_deletion(
    networks: &Networks,
    deletion: &SubnetDeletion,
    execution: &Execution,
) -> Result<()> {
    execution.note_refused(&deletion.refused);
    tell_if_there(networks, deletion.network)?;
    for subnet in &deletion.deleted {
        execution.item(subnet.uuid, &subnet.name, Ok(()));
    }
    Ok(())
}

fn revert_deletion(networks: &Networks, deletion: &SubnetDeletion, _: &Execution) -> Result<()> {
    networks.inner.store.write(|tx| {
        let Some(network) = store::networks::maybe(tx, deletion.network)? else { return Ok(()) };
        deletion.deleted.iter().try_for_each(|subnet| put_subnet_back(tx, &network, subnet))
    })?;
    tell_again(networks, deletion.network);
    Ok(())
}

/// Unless its range belongs to somebody else by now.
fn put_subnet_back(tx: &Tx<'_>, network: &Network, saved: &SavedSubnet) -> Result<()> {
    if store::subnets::maybe(tx, saved.uuid)?.is_some() {
        return Ok(());
    }
    let plan = saved.plan();
    match check(tx, network, &plan, None) {
        Ok(()) => store::subnets::insert(tx, network.id, saved.uuid, &plan).map(drop),
        Err(error) if error.kind() == Kind::Internal => Err(error),
        Err(error) => {
            stays_changed(network, &error);
            Ok(())
        }
    }
}
