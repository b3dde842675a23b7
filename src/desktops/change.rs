//! Changes a desktop group: name and order at once, restoring, processors, memory and network with the nodes' consent.

use std::net::Ipv4Addr;

use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::deploy::{check_machine, check_template};
use super::group::DesktopGroup;
use super::power::Named;
use super::reach::Reach;
use super::spec::Restore;
use super::store::groups::GroupValues;
use super::store::{groups, seats};
use super::{Desktops, nodes, templates};
use crate::error::{Error, Kind, Result};
use crate::inventory::Duty;
use crate::node::protocol::{DiskRole, Limits, Spice};
use crate::operations::{
    Action, Actor, Execution, Item, Lane, Lock, NewOperation, Saga, SubmittedOperation, Unit,
    nothing,
};
use crate::store::visible::Visible;
use crate::store::{NetworkId, SubnetId, TemplateId, Tx};

/// Of the time when only restoring could be changed.
const CHANGE: &str = "desktop-group-restore";

/// What is `None` stays.
#[derive(Debug, Default)]
pub struct DesktopGroupChange {
    pub name: Option<String>,
    pub sys_restore: Option<bool>,
    pub data_restore: Option<bool>,
    /// To be, as it was made, a group whose desktops have no data disks.
    pub without_data_disks: bool,
    pub order_num: Option<i64>,
    pub vcpu: Option<u32>,
    pub memory_mib: Option<u64>,
    /// Network and subnet.
    pub subnet: Option<(Uuid, Uuid)>,
    pub template: Option<Uuid>,
    pub spice: Option<Spice>,
    /// At once, also of desktops that run.
    pub limits: Option<Limits>,
}

/// A change that was made, or one that the nodes are being told.
#[derive(Debug)]
pub enum Changed {
    Done,
    Running(SubmittedOperation),
}

#[derive(Debug, Serialize, Deserialize)]
struct ChangeArgs {
    group: Uuid,
    old: Values,
}

/// The values before the change, for taking it back. Those of an operation that an older release began lack what it
/// could not change.
#[derive(Debug, Serialize, Deserialize)]
struct Values {
    name: String,
    sys_restore: bool,
    data_restore: bool,
    order_num: i64,
    #[serde(default)]
    machine: Option<MachineValues>,
    /// Where the desktops were, when they move.
    #[serde(default)]
    place: Option<Place>,
    /// What they were made like, when that is another template.
    #[serde(default)]
    template: Option<OldTemplate>,
    #[serde(default)]
    spice: Option<Spice>,
    /// When they are what changes.
    #[serde(default)]
    limits: Option<Limits>,
}

#[derive(Debug, Serialize, Deserialize)]
struct MachineValues {
    vcpu: u32,
    memory_mib: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct Place {
    network: NetworkId,
    subnet: SubnetId,
    addresses: Vec<(Uuid, Ipv4Addr)>,
}

#[derive(Debug, Serialize, Deserialize)]
struct OldTemplate {
    template: TemplateId,
    desktops: Vec<seats::Standing>,
}

static STEPS: [Action<Desktops, ChangeArgs>; 3] = [
    Action::new("rows", nothing, take_back),
    Action::new("addresses", announce, nothing),
    Action::new("domains", tell_nodes, nothing),
];

pub(super) fn register(desktops: &Desktops) {
    desktops
        .operations
        .register(CHANGE, Saga::new(Lane::Build, desktops.clone(), &STEPS).counting(Unit::Items));
}

impl Desktops {
    /// Changes a group. What is restored, processors, memory and template change with the next start of each desktop;
    /// another network only while all of them are off.
    ///
    /// # Errors
    /// `desktop-group-unknown`, `desktop-group-renamed`, `desktop-group-must-be-off`, `subnet-full`, `not-in-your-groups`,
    /// `desktop-group-keeps-disks`, and what does not fit with its field; nothing was changed then
    pub fn change_desktop_group(
        &self,
        visible: &Visible,
        reach: &Reach,
        actor: &Actor,
        (uuid, name): &Named,
        change: &DesktopGroupChange,
    ) -> Result<Changed> {
        // What changes is told by the row that is written: another change may come between a look at it and that.
        let done = self.store.write(|tx| {
            let (group, values) = self.asked_for(tx, visible, reach, (*uuid, name), change)?;
            if touches_machines(&group, &values) {
                return Ok(false);
            }
            groups::update(tx, *uuid, &values)?;
            Ok(true)
        })?;
        if done {
            if change.name.is_some() {
                // The guests are told the group's name.
                self.look_again(&uuids_of(self, *uuid)?)?;
            }
            return Ok(Changed::Done);
        }
        let submitted = self.operations.submit(actor, |tx| {
            let (group, values) = self.asked_for(tx, visible, reach, (*uuid, name), change)?;
            if let Some(obstacle) = group.obstacle() {
                return Err(obstacle);
            }
            let seats = seats::of_group(tx, *uuid)?;
            let place = match values.network == group.network_ids {
                true => None,
                false => Some(self.move_desktops(tx, &group, &values, &seats)?),
            };
            groups::update(tx, *uuid, &values)?;
            let template = (values.template != group.template_id)
                .then(|| seats::turn_away(tx, group.id, group.template_id))
                .transpose()?
                .map(|desktops| OldTemplate { template: group.template_id, desktops });
            let old = Values {
                name: group.name,
                sys_restore: group.restore.system,
                data_restore: group.restore.data,
                order_num: group.order_num,
                machine: Some(MachineValues { vcpu: group.vcpu, memory_mib: group.memory_mib }),
                place,
                template,
                spice: Some(group.spice),
                limits: change.limits.map(|_| group.limits),
            };
            let args = ChangeArgs { group: *uuid, old };
            // Nobody may delete a desktop while its domain is written anew: it would appear again.
            let seats = seats.into_iter().map(|seat| Lock::new(seat.uuid, seat.name));
            Ok(NewOperation::new(CHANGE, &args, *uuid, &values.name)?.locking(seats))
        })?;
        Ok(Changed::Running(submitted))
    }

    /// The group as it is, and its values with the change.
    fn asked_for(
        &self,
        conn: &Connection,
        visible: &Visible,
        reach: &Reach,
        (uuid, name): (Uuid, &str),
        change: &DesktopGroupChange,
    ) -> Result<(DesktopGroup, GroupValues)> {
        let group = groups::find_named(conn, visible, uuid, name)?;
        if let Some((network, subnet)) = change.subnet
            && (subnet != group.subnet || network != group.network)
        {
            reach.check_subnet(conn, network, subnet)?;
        }
        if let Some(template) = change.template.filter(|template| *template != group.template) {
            reach.check_template(conn, template)?;
        }
        let values = self.changed(conn, &group, change)?;
        Ok((group, values))
    }

    /// The group's values with the change.
    fn changed(
        &self,
        conn: &Connection,
        group: &DesktopGroup,
        change: &DesktopGroupChange,
    ) -> Result<GroupValues> {
        if change.without_data_disks && group.has_data_disks {
            let error =
                Error::conflict("desktop-group-has-data-disks").arg("field", "data_restore");
            return Err(error.arg("name", &group.name));
        }
        let network = match change.subnet {
            Some((network, subnet)) => self.network_ids(conn, network, subnet)?,
            None => group.network_ids,
        };
        if network.0 != group.network_ids.0
            && let Some((network, _)) = change.subnet
        {
            self.networks.check_usable(&self.networks.find_in(conn, network)?)?;
        }
        let values = GroupValues {
            name: change.name.clone().unwrap_or_else(|| group.name.clone()),
            restore: Restore {
                system: change.sys_restore.unwrap_or(group.restore.system),
                data: change.data_restore.unwrap_or(group.restore.data),
            },
            order_num: change.order_num.unwrap_or(group.order_num),
            vcpu: change.vcpu.unwrap_or(group.vcpu),
            memory_mib: change.memory_mib.unwrap_or(group.memory_mib),
            network,
            template: match change.template {
                Some(template) => templates::store::find(conn, template)?.id,
                None => group.template_id,
            },
            spice: change.spice.unwrap_or(group.spice),
            limits: change.limits.unwrap_or(group.limits),
        };
        check_machine(values.vcpu, values.memory_mib)?;
        if values.template != group.template_id
            && let Some(template) = change.template
        {
            check_new_template(conn, group, values.restore, template)?;
        }
        Ok(values)
    }

    /// Gives the desktops addresses in the new subnet; gives where they were. A guest that runs would go on with an
    /// address that is another's by then.
    fn move_desktops(
        &self,
        tx: &Tx<'_>,
        group: &DesktopGroup,
        values: &GroupValues,
        seats: &[seats::Seat],
    ) -> Result<Place> {
        let on = seats.iter().filter(|seat| seat.power.is_on()).count();
        if on > 0 {
            let error = Error::conflict("desktop-group-must-be-off").arg("field", "network_uuid");
            return Err(error.arg("name", &group.name).arg("count", on));
        }
        let uuids: Vec<Uuid> = seats.iter().map(|seat| seat.uuid).collect();
        let (network, subnet) = group.network_ids;
        let before = self.networks.release(tx, &uuids)?;
        self.networks.reserve_many(tx, values.network.1, &uuids)?;
        let addresses = before.into_iter().map(|lease| (lease.owner, lease.address)).collect();
        Ok(Place { network, subnet, addresses })
    }

    /// The addresses from before, or others of that subnet where somebody has them by now.
    fn move_back(&self, tx: &Tx<'_>, place: &Place) -> Result<()> {
        let uuids: Vec<Uuid> = place.addresses.iter().map(|(uuid, _)| *uuid).collect();
        self.networks.release(tx, &uuids)?;
        let mut without = Vec::new();
        for (uuid, address) in &place.addresses {
            match self.networks.reserve(tx, place.subnet, *uuid, Some(*address)) {
                Err(error) if error.kind() == Kind::Internal => return Err(error),
                Err(_) => without.push(*uuid),
                Ok(_) => {}
            }
        }
        // When all others have theirs: the lowest that is free could be one of them.
        self.networks.reserve_many(tx, place.subnet, &without).map(drop)
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

/// Whether desktops of the group can be made like this template from their next start on: it must be where they are, and
/// nothing of theirs may be kept, which stands on the template that they have.
fn check_new_template(
    conn: &Connection,
    group: &DesktopGroup,
    restore: Restore,
    template: Uuid,
) -> Result<()> {
    let template = templates::store::find(conn, template)?;
    check_template(&template, group.pool_id, &group.pool_name)?;
    let mut roles = vec![DiskRole::System];
    if group.has_data_disks {
        for one in [group.template_id, template.id] {
            roles.extend(templates::store::disks(conn, one)?.into_iter().map(|disk| disk.role));
        }
    }
    let is_kept = |role: &&DiskRole| !(group.restore.covers(**role) && restore.covers(**role));
    if let Some(kept) = roles.iter().find(is_kept) {
        let key = match kept {
            DiskRole::System => "desktop-group-keeps-system-disks",
            DiskRole::Data => "desktop-group-keeps-data-disks",
        };
        let error = Error::conflict(key).arg("field", "template_uuid").arg("name", &group.name);
        return Err(error.arg("template", &group.template_name));
    }
    let seats = seats::of_group(conn, group.uuid)?;
    for node in seats::by_node(&seats).into_keys() {
        templates::store::version_layers(conn, &template, template.version, node)
            .map_err(|error| error.arg("field", "template_uuid"))?;
    }
    Ok(())
}

fn uuids_of(desktops: &Desktops, group: Uuid) -> Result<Vec<Uuid>> {
    let seats = desktops.store.read(|conn| seats::of_group(conn, group))?;
    Ok(seats.into_iter().map(|seat| seat.uuid).collect())
}

/// Tells the nodes the new addresses, and that the old ones are free.
fn announce(desktops: &Desktops, args: &ChangeArgs, execution: &Execution) -> Result<()> {
    if args.old.place.is_none() {
        return Ok(());
    }
    let uuids = uuids_of(desktops, args.group)?;
    nodes::all(desktops.announce_addresses(&uuids, execution)?)?;
    desktops.inventory.ask_all(Duty::Networks);
    Ok(())
}

fn tell_nodes(desktops: &Desktops, args: &ChangeArgs, execution: &Execution) -> Result<()> {
    let uuids = uuids_of(desktops, args.group)?;
    let mut results = desktops.define_domains(&uuids, execution)?;
    if args.old.limits.is_some() {
        // A node that is away gets the limits when it is back: a look at it finds others.
        let is_away = |result: &Result<()>| matches!(result, Err(error) if error.kind() == Kind::NodeUnreachable);
        results.retain(|(_, result)| !is_away(result));
    }
    nodes::all(results)?;
    match args.old.template {
        // Those that are off have its disks already.
        Some(_) => desktops.look_again(&uuids),
        None => Ok(()),
    }
}

/// Whether the nodes have to be told.
fn touches_machines(group: &DesktopGroup, values: &GroupValues) -> bool {
    values.restore != group.restore
        || values.vcpu != group.vcpu
        || values.memory_mib != group.memory_mib
        || values.network != group.network_ids
        || values.template != group.template_id
        || values.spice != group.spice
        || values.limits != group.limits
}

/// The old values, for the rows and then for the nodes that were told the new ones already. What a node cannot do now, of
/// a desktop whose disk is lost perhaps, is left to the looks at it. Where another group took the old name meanwhile, this
/// one keeps the new name.
fn take_back(desktops: &Desktops, args: &ChangeArgs, execution: &Execution) -> Result<()> {
    let Values {
        name,
        sys_restore,
        data_restore,
        order_num,
        machine,
        place,
        template,
        spice,
        limits,
    } = &args.old;
    desktops.store.write(|tx| {
        let now = groups::find(tx, args.group)?;
        let name = match groups::is_free_name(tx, name, args.group)? {
            true => name.clone(),
            false => now.name,
        };
        let machine = machine.as_ref();
        let back = place.as_ref().filter(|place| (place.network, place.subnet) != now.network_ids);
        if let Some(place) = back {
            desktops.move_back(tx, place)?;
        }
        let values = GroupValues {
            name,
            restore: Restore { system: *sys_restore, data: *data_restore },
            order_num: *order_num,
            vcpu: machine.map_or(now.vcpu, |machine| machine.vcpu),
            memory_mib: machine.map_or(now.memory_mib, |machine| machine.memory_mib),
            network: back.map_or(now.network_ids, |place| (place.network, place.subnet)),
            template: template.as_ref().map_or(now.template_id, |old| old.template),
            spice: spice.unwrap_or(now.spice),
            limits: limits.unwrap_or(now.limits),
        };
        groups::update(tx, args.group, &values)?;
        match template.as_ref().filter(|old| old.template != now.template_id) {
            Some(old) => seats::turn_back(tx, now.id, now.template_id, &old.desktops),
            None => Ok(()),
        }
    })?;
    announce(desktops, args, execution)?;
    desktops.define_or_look(&uuids_of(desktops, args.group)?, execution)
}
