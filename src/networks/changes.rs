//! Operations that tell the nodes what changed in the rows, and put the rows back when a node refuses.

use std::net::Ipv4Addr;

use rusqlite::Transaction;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::data_networks::check_deletable;
use super::store::networks::Values;
use super::{Network, Networks, Plan, Subnet, SwitchKind, store};
use crate::error::{Fault, Result};
use crate::operations::{Item, Job, Recipe, Step};

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

static CHANGE: [Step<Networks, Change>; 1] =
    [Step { name: "tell the nodes", run: apply, undo: revert }];
static DELETE: [Step<Networks, Deletion>; 1] =
    [Step { name: "take the networks away", run: remove, undo: put_back }];
static DELETE_SUBNETS: [Step<Networks, SubnetDeletion>; 1] =
    [Step { name: "tell the nodes", run: apply_deletion, undo: revert_deletion }];

/// Makes the kinds known; each is also the message key of its title.
pub fn register(networks: &Networks) {
    let operations = &networks.inner.operations;
    for kind in ["network-create", "network-edit", "subnet-create", "subnet-edit"] {
        operations.register(kind, Recipe { domain: networks.clone(), steps: &CHANGE });
    }
    operations.register("network-delete", Recipe { domain: networks.clone(), steps: &DELETE });
    let recipe = Recipe { domain: networks.clone(), steps: &DELETE_SUBNETS };
    operations.register("subnet-delete", recipe);
}

fn apply(networks: &Networks, change: &Change, _: &Job) -> Result<()> {
    networks.ensure_everywhere(&networks.find(change.network)?)
}

fn revert(networks: &Networks, change: &Change, _: &Job) -> Result<()> {
    let uuid = change.network;
    if matches!(change.undo, Undo::Forget) {
        networks.remove_everywhere(uuid)?;
    }
    networks.inner.store.write(|tx| revert_rows(tx, uuid, &change.undo))?;
    tell_if_there(networks, uuid)
}

fn revert_rows(tx: &Transaction<'_>, network: Uuid, undo: &Undo) -> Result<()> {
    match undo {
        Undo::Forget => store::networks::delete(tx, network),
        Undo::Restore(Saved { name, desc, vlan }) => {
            let values = Values { name, desc: desc.as_deref(), vlan: *vlan };
            store::networks::update(tx, network, &values)
        }
        Undo::ForgetSubnet(subnet) => store::subnets::delete(tx, *subnet),
        Undo::RestoreSubnet(saved) => store::subnets::update(tx, saved.uuid, &saved.plan()),
    }
}

fn tell_if_there(networks: &Networks, uuid: Uuid) -> Result<()> {
    let network = networks.inner.store.read(|conn| store::networks::maybe(conn, uuid))?;
    network.map_or(Ok(()), |network| networks.ensure_everywhere(&network))
}

fn remove(networks: &Networks, deletion: &Deletion, job: &Job) -> Result<()> {
    job.note_refused(&deletion.refused);
    for (done, (uuid, name)) in deletion.networks.iter().enumerate() {
        job.check_cancelled()?;
        let result = remove_one(networks, *uuid);
        if result.is_err() {
            // Half taken away is not deleted: it stays whole.
            tell_if_there(networks, *uuid)?;
        }
        job.item(*uuid, name, result.map_err(Fault::from));
        job.progress(done as u64 + 1, deletion.networks.len() as u64);
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

fn put_back(networks: &Networks, deletion: &Deletion, _: &Job) -> Result<()> {
    deletion.networks.iter().try_for_each(|(uuid, _)| tell_if_there(networks, *uuid))
}

fn apply_deletion(networks: &Networks, deletion: &SubnetDeletion, job: &Job) -> Result<()> {
    job.note_refused(&deletion.refused);
    tell_if_there(networks, deletion.network)?;
    for subnet in &deletion.deleted {
        job.item(subnet.uuid, &subnet.name, Ok(()));
    }
    Ok(())
}

fn revert_deletion(networks: &Networks, deletion: &SubnetDeletion, _: &Job) -> Result<()> {
    networks.inner.store.write(|tx| {
        let Some(network) = store::networks::maybe(tx, deletion.network)? else { return Ok(()) };
        for subnet in &deletion.deleted {
            if !store::subnets::exists(tx, subnet.uuid)? {
                store::subnets::insert(tx, network.id, subnet.uuid, &subnet.plan())?;
            }
        }
        Ok(())
    })?;
    tell_if_there(networks, deletion.network)
}
