//! Changing a template: name, network, CPUs, memory, larger and further disks.
//!
//! Desktops get the change with the template's next version; its own machine has it at once.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::bus_switch::require_none;
use super::layers::new_copy;
use super::limits::{DISK_LIMIT, check_disk_size, check_memory, check_size};
use super::store::{self, Layer, PlacedLayer};
use super::template::Noted;
use super::{Template, TemplateDisk, TemplateState, Templates, ready};
use crate::error::{Error, Fault, Kind, Result};
use crate::images;
use crate::inventory::FIRST_CONNECTION;
use crate::networks::Subnet;
use crate::node::protocol::{DiskRole, FileKind, FirmwareState, Hardware, StoredFile};
use crate::operations::{
    Action, Actor, Execution, Lane, NewOperation, Saga, SubmittedOperation, nothing,
};
use crate::store::{DiskId, NetworkId, SubnetId, Tx};

const KIND: &str = "template-change";

/// What shall be different; `None` stays as it is.
#[derive(Debug, Clone, Default)]
pub struct Change {
    pub name: Option<String>,
    pub desc: Option<String>,
    /// Network and subnet.
    pub subnet: Option<(Uuid, Uuid)>,
    /// `Some(None)`: any free address.
    pub address: Option<Option<Ipv4Addr>>,
    pub vcpu: Option<u32>,
    pub memory_mib: Option<u64>,
    pub hardware: Option<Hardware>,
    pub disks: Vec<DiskChange>,
}

/// Bytes.
#[derive(Debug, Clone)]
pub enum DiskChange {
    Size { disk: Uuid, size: u64 },
    Add { index: i64, size: u64 },
}

#[derive(Debug, Serialize, Deserialize)]
struct Args {
    template: Uuid,
    before: Before,
    /// Ids of disks that were added.
    added: Vec<DiskId>,
}

/// What an undo goes back to.
#[derive(Debug, Serialize, Deserialize)]
struct Before {
    name: String,
    desc: String,
    network_id: NetworkId,
    subnet_id: SubnetId,
    address: Option<Ipv4Addr>,
    vcpu: u32,
    memory_mib: u64,
    #[serde(default = "Hardware::first")]
    hardware: Hardware,
    sizes: Vec<(DiskId, u64)>,
    /// When disks or hardware change: no version has that before a save.
    #[serde(default)]
    noted: Option<Noted>,
}

pub(super) fn register(templates: &Templates) {
    const STEPS: &[Action<Templates, Args>] = &[
        Action::new("rows", nothing, restore_rows),
        Action::new("disks", make_layers, remove_added),
        Action::new("domain", define, nothing),
        Action::new("ready", finish, nothing),
    ];
    templates.operations.register(KIND, Saga::new(Lane::Build, templates.clone(), STEPS));
}

impl Templates {
    /// Changes a template. Name and description may change at any time, the machine only while it is off.
    ///
    /// # Errors
    /// What does not fit names its field; nothing was changed then.
    pub fn change(&self, actor: &Actor, uuid: Uuid, change: &Change) -> Result<SubmittedOperation> {
        let node_id = self.find(uuid)?.node_id;
        self.inventory.client_within(node_id, FIRST_CONNECTION)?;
        let node = self.inventory.node_by_id(node_id)?;
        if let Some(memory_mib) = change.memory_mib {
            check_memory(&node, memory_mib)?;
        }
        let subnet = match change.subnet {
            Some((network, subnet)) => Some(self.subnet_of(network, subnet)?),
            None => None,
        };
        let data_storage = self.storages(node_id)?.data;
        self.operations.submit(actor, |tx| {
            let template = ready(tx, uuid)?;
            let disks = store::disks(tx, template.id)?;
            let lease = self.networks.lease(tx, uuid)?;
            let mut before = before(&template, &disks, lease.as_ref().map(|lease| lease.address));
            let changed = changed(&template, change, subnet.as_ref());
            let touches = touches_machine(&template, &changed, change, &before, &disks);
            if touches && template.power.is_on() {
                return Err(Error::conflict("template-must-be-off").arg("name", &template.name));
            }
            check_size("vcpu", changed.vcpu, changed.memory_mib)?;
            let added = change.disks.iter().filter(|disk| matches!(disk, DiskChange::Add { .. }));
            changed.hardware.check(disks.len() + added.count())?;
            store::require_free_name(tx, &changed.name, Some(uuid))?;
            store::update(tx, &changed)?;
            self.move_address(tx, &changed, change, &before)?;
            let added = change_disks(tx, &changed, &disks, change, &data_storage)?;
            let is_unsaved = !change.disks.iter().all(|wanted| is_so(&disks, wanted))
                || changed.hardware != template.hardware;
            if is_unsaved {
                require_none(tx, &template)?;
                let Template { changed, editing, .. } = template;
                before.noted = Some(Noted { template: uuid, changed, editing });
                store::set_changed(tx, uuid, false)?;
            }
            store::set_state(tx, uuid, TemplateState::Updating, None)?;
            let args = Args { template: uuid, before, added };
            NewOperation::new(KIND, &args, uuid, &changed.name)
        })
    }

    /// Gives the old address back and takes the new one, when there is another.
    fn move_address(
        &self,
        tx: &Tx<'_>,
        template: &Template,
        change: &Change,
        before: &Before,
    ) -> Result<()> {
        let moves = template.subnet_id != before.subnet_id;
        let wanted = match change.address {
            Some(Some(address)) if moves || before.address != Some(address) => Some(address),
            Some(Some(_)) => return Ok(()),
            Some(None) | None if moves => None,
            Some(None) | None => return Ok(()),
        };
        self.networks.release(tx, &[template.uuid])?;
        self.networks.reserve(tx, template.subnet_id, template.uuid, wanted)?;
        Ok(())
    }
}

fn before(template: &Template, disks: &[TemplateDisk], address: Option<Ipv4Addr>) -> Before {
    Before {
        name: template.name.clone(),
        desc: template.desc.clone(),
        network_id: template.network_id,
        subnet_id: template.subnet_id,
        address,
        vcpu: template.vcpu,
        memory_mib: template.memory_mib,
        hardware: template.hardware.clone(),
        sizes: disks.iter().map(|disk| (disk.id, disk.size)).collect(),
        noted: None,
    }
}

fn changed(template: &Template, change: &Change, subnet: Option<&Subnet>) -> Template {
    Template {
        name: change.name.clone().unwrap_or_else(|| template.name.clone()),
        desc: change.desc.clone().unwrap_or_else(|| template.desc.clone()),
        network_id: subnet.map_or(template.network_id, |subnet| subnet.network_id),
        subnet_id: subnet.map_or(template.subnet_id, |subnet| subnet.id),
        vcpu: change.vcpu.unwrap_or(template.vcpu),
        memory_mib: change.memory_mib.unwrap_or(template.memory_mib),
        hardware: change.hardware.clone().unwrap_or_else(|| template.hardware.clone()),
        ..template.clone()
    }
}

/// Whether more than name and description differ.
fn touches_machine(
    old: &Template,
    new: &Template,
    change: &Change,
    before: &Before,
    disks: &[TemplateDisk],
) -> bool {
    let other_address =
        matches!(change.address, Some(Some(address)) if before.address != Some(address));
    old.vcpu != new.vcpu
        || old.memory_mib != new.memory_mib
        || old.hardware != new.hardware
        || old.subnet_id != new.subnet_id
        || other_address
        || !change.disks.iter().all(|wanted| is_so(disks, wanted))
}

/// Whether a disk is as it is wanted already.
fn is_so(disks: &[TemplateDisk], wanted: &DiskChange) -> bool {
    match wanted {
        DiskChange::Size { disk, size } => {
            disks.iter().any(|known| known.uuid == *disk && known.size == *size)
        }
        DiskChange::Add { .. } => false,
    }
}

/// Rows of larger and further disks; gives the ids of the latter.
fn change_disks(
    tx: &Tx<'_>,
    template: &Template,
    disks: &[TemplateDisk],
    change: &Change,
    storage: &str,
) -> Result<Vec<DiskId>> {
    let mut added = Vec::new();
    let mut new: Vec<(i64, u64)> = Vec::new();
    for wanted in &change.disks {
        match wanted {
            DiskChange::Size { disk, size } => grow(tx, template, disks, *disk, *size)?,
            DiskChange::Add { index, size } => new.push((*index, *size)),
        }
    }
    if disks.len() + new.len() > DISK_LIMIT {
        let error = Error::bad_input("too-many-disks").arg("field", "devices");
        return Err(error.arg("limit", DISK_LIMIT - 1));
    }
    new.sort_by_key(|(index, _)| *index);
    let next = disks.iter().map(|disk| disk.position + 1).max().unwrap_or(0);
    for (position, (_, size)) in (next..).zip(new) {
        check_disk_size(size)?;
        added.push(add_disk(tx, template, position, size, storage)?);
    }
    Ok(added)
}

fn grow(
    tx: &Tx<'_>,
    template: &Template,
    disks: &[TemplateDisk],
    uuid: Uuid,
    size: u64,
) -> Result<()> {
    let disk = disks.iter().find(|disk| disk.uuid == uuid).ok_or_else(|| {
        let error = Error::bad_input("disk-unknown").arg("field", "devices.uuid");
        error.arg("object", &template.name).arg("uuid", uuid)
    })?;
    check_disk_size(size)?;
    if size < disk.size {
        return Err(Error::bad_input("disk-cannot-shrink")
            .arg("field", "devices.size")
            .arg("disk", super::device_name(disk.position))
            .arg("size", disk.size >> 30));
    }
    store::set_disk_size(tx, disk.id, size)
}

fn add_disk(
    tx: &Tx<'_>,
    template: &Template,
    position: u32,
    size: u64,
    storage: &str,
) -> Result<DiskId> {
    let top = Uuid::new_v4();
    let disk = TemplateDisk {
        id: DiskId::UNWRITTEN,
        uuid: Uuid::new_v4(),
        template_id: template.id,
        role: DiskRole::Data,
        position,
        size,
        used: 0,
        top,
    };
    let disk_id = store::insert_disk(tx, &disk)?;
    // In no version before the template is saved.
    let layer = Layer {
        uuid: top,
        template_id: template.id,
        disk_id,
        version: None,
        below: None,
        size,
        hardware: template.hardware.clone(),
        state: FirmwareState::default(),
    };
    store::insert_layer(tx, &layer)?;
    images::note_copy(tx, &new_copy(top, template.node_id, storage))?;
    Ok(disk_id)
}

/// The first layers of added disks.
fn added_layers(templates: &Templates, args: &Args) -> Result<(Template, Vec<PlacedLayer>)> {
    templates.store.read(|conn| {
        let template = store::find(conn, args.template)?;
        let mut layers = store::placed_layers(conn, &template)?;
        layers.retain(|placed| args.added.contains(&placed.layer.disk_id));
        Ok((template, layers))
    })
}

fn make_layers(templates: &Templates, args: &Args, _: &Execution) -> Result<()> {
    let (template, layers) = added_layers(templates, args)?;
    let client = templates.client_of(&template)?;
    for placed in &layers {
        client.create_layer(placed.layer_ref(), None, placed.layer.size)?;
    }
    templates.note_made(template.node_id, &layers)
}

/// The working disks on the added layers, then these.
fn remove_added(templates: &Templates, args: &Args, _: &Execution) -> Result<()> {
    let (template, layers) = added_layers(templates, args)?;
    if layers.is_empty() {
        return Ok(());
    }
    let disks = templates.store.read(|conn| store::disks(conn, template.id))?;
    let overlay = |disk: &TemplateDisk| {
        let storage = layers.iter().find(|placed| placed.layer.disk_id == disk.id)?;
        Some(StoredFile {
            storage: storage.storage.clone(),
            kind: FileKind::Overlay,
            uuid: template.uuid,
            path: format!("desktops/{}/{}.qcow2", template.uuid, disk.uuid),
        })
    };
    let overlays = disks.iter().filter_map(overlay).collect();
    templates.client_of(&template)?.remove_files(overlays)?;
    templates.remove_files(template.node_id, layers.iter().map(PlacedLayer::layer_ref).collect())
}

fn define(templates: &Templates, args: &Args, execution: &Execution) -> Result<()> {
    templates.define(&templates.find(args.template)?, execution)
}

fn finish(templates: &Templates, args: &Args, _: &Execution) -> Result<()> {
    templates.store.write(|tx| store::set_state(tx, args.template, TemplateState::Ready, None))
}

/// As it was before, on the node too. A disk that has grown keeps its room, and its row the old size.
fn restore_rows(templates: &Templates, args: &Args, execution: &Execution) -> Result<()> {
    let before = &args.before;
    templates.store.write(|tx| {
        let template = store::find(tx, args.template)?;
        for disk in &args.added {
            store::delete_disk(tx, *disk)?;
        }
        for (disk, size) in &before.sizes {
            store::set_disk_size(tx, *disk, *size)?;
        }
        if let Some(noted) = &before.noted {
            store::note_again(tx, noted)?;
        }
        let (network_id, subnet_id) = templates.take_back(tx, &template, before)?;
        let old = Template {
            name: old_name(tx, &template, before)?,
            desc: before.desc.clone(),
            network_id,
            subnet_id,
            vcpu: before.vcpu,
            memory_mib: before.memory_mib,
            hardware: before.hardware.clone(),
            ..template
        };
        store::update(tx, &old)?;
        let fault = Fault::from(&Error::conflict("template-change-failed").arg("name", &old.name));
        store::set_state(tx, args.template, TemplateState::Ready, Some(&fault))
    })?;
    templates.define(&templates.find(args.template)?, execution)
}

/// The name from before, or the present one when another template took that meanwhile.
fn old_name(tx: &Tx<'_>, template: &Template, before: &Before) -> Result<String> {
    match store::require_free_name(tx, &before.name, Some(template.uuid)) {
        Ok(()) => Ok(before.name.clone()),
        Err(error) if error.kind() == Kind::Conflict => Ok(template.name.clone()),
        Err(error) => Err(error),
    }
}

impl Templates {
    /// Gives network and subnet: those from before, with the address from before or another one. Where that subnet
    /// is gone or full by now, the template stays where it is.
    fn take_back(
        &self,
        tx: &Tx<'_>,
        template: &Template,
        before: &Before,
    ) -> Result<(NetworkId, SubnetId)> {
        let old = (before.network_id, before.subnet_id);
        let now = self.networks.lease(tx, template.uuid)?.map(|lease| lease.address);
        if template.subnet_id == before.subnet_id && now == before.address {
            return Ok(old);
        }
        self.networks.release(tx, &[template.uuid])?;
        for wanted in [before.address, None] {
            match self.networks.reserve(tx, before.subnet_id, template.uuid, wanted) {
                Ok(_) => return Ok(old),
                Err(error) if error.kind() == Kind::Internal => return Err(error),
                Err(_) => {}
            }
        }
        self.networks.reserve(tx, template.subnet_id, template.uuid, now)?;
        Ok((template.network_id, template.subnet_id))
    }
}
