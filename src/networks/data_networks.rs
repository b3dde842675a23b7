//! Data networks.

use uuid::Uuid;

use super::changes::{Change, Deletion, Saved, Undo};
use super::checks::check_deletable;
use super::store::networks::Values;
use super::{Network, Networks, Plan, Switch, SwitchKind, store};
use crate::error::{Error, Result};
use crate::operations::{Actor, Admitted, BatchSubmission, NewOperation, SubmittedOperation};
use crate::store::Tx;
use crate::store::list::{ListQuery, Page};

/// The VLAN tags that a switch carries.
const VLANS: std::ops::RangeInclusive<i64> = 1..=4094;

/// A network to be made, its fields checked.
#[derive(Debug, Clone)]
pub struct NewNetwork {
    pub name: String,
    pub desc: Option<String>,
    pub switch: Uuid,
    pub vlan: Option<i64>,
    /// A first subnet.
    pub subnet: Option<Plan>,
}

/// What is to change; the rest stays.
#[derive(Debug, Clone, Default)]
pub struct NetworkEdit {
    pub name: Option<String>,
    pub desc: Option<String>,
    pub vlan: Option<i64>,
}

impl Networks {
    pub fn list(&self, query: &ListQuery) -> Result<Page<Network>> {
        store::networks::list(&self.inner.store, query)
    }

    /// Writes the network and its first subnet, and makes it on the nodes.
    ///
    /// # Errors
    /// `switch-unknown`, `network-name-taken`, those of VLANs and of [`Plan`].
    pub fn create(&self, actor: &Actor, new: &NewNetwork) -> Result<(Network, SubmittedOperation)> {
        let uuid = Uuid::new_v4();
        self.inner.operations.submit_with(actor, |tx| {
            let switch = store::switches::find(tx, new.switch)?;
            let vlan = self.vlan(tx, &switch, new.vlan, None)?;
            let values = Values { name: &new.name, desc: new.desc.as_deref(), vlan };
            let id = store::networks::insert(tx, uuid, switch.id, &values, false)?;
            if let Some(plan) = &new.subnet {
                plan.check()?;
                plan.check_apart(switch.kind, &store::subnets::of_other_nat(tx, Some(id))?)?;
                store::subnets::insert(tx, id, Uuid::new_v4(), plan)?;
            }
            let written = store::networks::find(tx, uuid)?;
            let change = Change { network: uuid, undo: Undo::Forget };
            Ok((written, NewOperation::new("network-create", &change, uuid, &new.name)?))
        })
    }

    /// # Errors
    /// `network-unknown`, `network-name-taken`, those of VLANs.
    pub fn edit(
        &self,
        actor: &Actor,
        uuid: Uuid,
        edit: &NetworkEdit,
    ) -> Result<(Network, SubmittedOperation)> {
        self.inner.operations.submit_with(actor, |tx| {
            let network = store::networks::find(tx, uuid)?;
            let switch = store::switches::by_id(tx, network.switch_id)?;
            let wanted = edit.vlan.or(network.vlan.map(i64::from));
            let vlan = self.vlan(tx, &switch, wanted, Some(uuid))?;
            let name = edit.name.as_deref().unwrap_or(&network.name);
            let desc = edit.desc.as_deref().or(network.desc.as_deref());
            store::networks::update(tx, uuid, &Values { name, desc, vlan })?;
            let written = store::networks::find(tx, uuid)?;
            let undo = Undo::Restore(Saved::from(&network));
            let change = Change { network: uuid, undo };
            Ok((written, NewOperation::new("network-edit", &change, uuid, name)?))
        })
    }

    /// Deletes networks without users, with their subnets.
    pub fn delete(&self, actor: &Actor, uuids: &[Uuid]) -> Result<BatchSubmission> {
        let admit = |tx: &Tx<'_>, uuid| {
            let network = store::networks::find(tx, uuid)?;
            check_deletable(tx, &network)?;
            Ok(network.name)
        };
        self.inner.operations.submit_batch(
            actor,
            uuids,
            |tx, batch| batch.admit(|uuid| admit(tx, uuid)),
            |_, admitted| {
                let Admitted { uuids, locks, things: networks, title, refused } = admitted;
                let args = Deletion { networks, refused };
                let new = NewOperation::new("network-delete", &args, uuids[0], &title)?;
                Ok(new.locking_only(locks))
            },
        )
    }

    /// The VLAN that a network on this switch may have.
    fn vlan(
        &self,
        tx: &Tx<'_>,
        switch: &Switch,
        wanted: Option<i64>,
        but: Option<Uuid>,
    ) -> Result<Option<u16>> {
        let field = |error: Error| error.arg("field", "vlan_id").arg("name", &switch.name);
        match (switch.kind, wanted) {
            (SwitchKind::Vlan, None) => Err(field(Error::bad_input("network-vlan-missing"))),
            (SwitchKind::Vlan, Some(vlan)) => {
                let wrong = || Error::bad_input("network-vlan-wrong").arg("field", "vlan_id");
                let vlan = Some(vlan).filter(|vlan| VLANS.contains(vlan));
                let vlan = vlan.and_then(|vlan| u16::try_from(vlan).ok()).ok_or_else(wrong)?;
                match store::networks::vlan_user(tx, switch.id, vlan, but)? {
                    None => Ok(Some(vlan)),
                    Some(user) => Err(Error::conflict("network-vlan-taken")
                        .arg("field", "vlan_id")
                        .arg("vlan", vlan)
                        .arg("name", user)),
                }
            }
            (_, None) => Ok(None),
            (_, Some(_)) => Err(field(Error::bad_input("network-vlan-unwanted"))),
        }
    }
}
