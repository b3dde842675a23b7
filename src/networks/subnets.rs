//! Subnets of data networks.

use std::net::Ipv4Addr;

use uuid::Uuid;

use super::changes::{Change, SavedSubnet, SubnetDeletion, Undo};
use super::checks::check;
use super::switches::in_use;
use super::{Network, Networks, Plan, Subnet, store};
use crate::error::{Error, Result};
use crate::operations::{Actor, Admitted, BatchSubmission, Lock, NewOperation, SubmittedOperation};
use crate::store::Tx;
use crate::store::list::{ListQuery, Page};

/// What is to change; the rest stays.
#[derive(Debug, Clone, Default)]
pub struct SubnetEdit {
    pub name: Option<String>,
    pub start: Option<Ipv4Addr>,
    pub end: Option<Ipv4Addr>,
    pub prefix: Option<u8>,
    pub gateway: Option<Ipv4Addr>,
    pub dns1: Option<Ipv4Addr>,
    pub dns2: Option<Option<Ipv4Addr>>,
}

impl SubnetEdit {
    fn apply(&self, subnet: &Subnet) -> Plan {
        let old = Plan::from(subnet);
        Plan {
            name: self.name.clone().unwrap_or(old.name),
            start: self.start.unwrap_or(old.start),
            end: self.end.unwrap_or(old.end),
            prefix: self.prefix.unwrap_or(old.prefix),
            gateway: self.gateway.unwrap_or(old.gateway),
            dns1: self.dns1.unwrap_or(old.dns1),
            dns2: self.dns2.unwrap_or(old.dns2),
        }
    }
}

impl Networks {
    pub fn list_subnets(&self, network: Uuid, query: ListQuery) -> Result<Page<Subnet>> {
        let network = self.find(network)?;
        store::subnets::list(&self.inner.store, &query.with("network", network.uuid))
    }

    /// # Errors
    /// `network-unknown` and those of [`Plan`].
    pub fn create_subnet(
        &self,
        actor: &Actor,
        network: Uuid,
        plan: &Plan,
    ) -> Result<(Subnet, SubmittedOperation)> {
        let uuid = Uuid::new_v4();
        self.inner.operations.submit_with(actor, |tx| {
            let network = store::networks::find(tx, network)?;
            check(tx, &network, plan, None)?;
            store::subnets::insert(tx, network.id, uuid, plan)?;
            let written = store::subnets::find(tx, uuid)?;
            let change = Change { network: network.uuid, undo: Undo::ForgetSubnet(uuid) };
            let new = NewOperation::new("subnet-create", &change, network.uuid, &plan.name)?;
            Ok((written, new.locking_only([Lock::new(network.uuid, network.name)])))
        })
    }

    /// # Errors
    /// `subnet-unknown`, `subnet-loses-address`, and those of [`Plan`].
    pub fn edit_subnet(
        &self,
        actor: &Actor,
        network: Uuid,
        uuid: Uuid,
        edit: &SubnetEdit,
    ) -> Result<(Subnet, SubmittedOperation)> {
        self.inner.operations.submit_with(actor, |tx| {
            let network = store::networks::find(tx, network)?;
            let subnet = find_in_network(tx, &network, uuid)?;
            let plan = edit.apply(&subnet);
            check(tx, &network, &plan, Some(subnet.id))?;
            plan.check_keeps(&store::addresses::of_subnet(tx, subnet.id)?)?;
            store::subnets::update(tx, uuid, &plan)?;
            let written = store::subnets::find(tx, uuid)?;
            let undo = Undo::RestoreSubnet(SavedSubnet::from(&subnet));
            let change = Change { network: network.uuid, undo };
            let new = NewOperation::new("subnet-edit", &change, network.uuid, &plan.name)?;
            Ok((written, new.locking_only([Lock::new(network.uuid, network.name)])))
        })
    }

    /// Deletes subnets that nothing uses.
    pub fn delete_subnets(
        &self,
        actor: &Actor,
        network: Uuid,
        uuids: &[Uuid],
    ) -> Result<BatchSubmission> {
        let network = self.find(network)?;
        let delete = |tx: &Tx<'_>, uuid| {
            let subnet = find_in_network(tx, &network, uuid)?;
            let users = store::subnets::users(tx, subnet.id)?;
            if !users.is_empty() {
                return Err(in_use("subnet-in-use", &subnet.name, &users));
            }
            store::subnets::delete(tx, uuid)?;
            let saved = SavedSubnet::from(&subnet);
            Ok((subnet.name, saved))
        };
        self.inner.operations.submit_batch(
            actor,
            uuids,
            |tx, batch| batch.admit_noting(|uuid| delete(tx, uuid)),
            |_, admitted| {
                let Admitted { locks, things: deleted, title, refused, .. } = admitted;
                let change = SubnetDeletion { network: network.uuid, deleted, refused };
                let new = NewOperation::new("subnet-delete", &change, network.uuid, &title)?;
                Ok(new.locking_only([Lock::new(network.uuid, &network.name)]).locking(locks))
            },
        )
    }
}

fn find_in_network(conn: &rusqlite::Connection, network: &Network, uuid: Uuid) -> Result<Subnet> {
    let subnet = store::subnets::find(conn, uuid)?;
    match subnet.network_id == network.id {
        true => Ok(subnet),
        false => Err(Error::not_found("subnet-unknown").arg("uuid", uuid)),
    }
}
