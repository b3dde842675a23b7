//! Making a template, out of a base image, to be installed from an ISO, or as a copy of another template: what is asked for, and its rows. The rest
//! is done on the node, in `make.rs`.

use std::net::Ipv4Addr;

use rusqlite::Connection;
use uuid::Uuid;

use super::layers::new_copy;
use super::limits::{DISK_LIMIT, check_disk_size, check_memory, check_size};
use super::make::{Args, COPY, CREATE, FIRST, Origin, Source};
use super::site::{Place, Site};
use super::store::{self, Layer};
use super::{Classify, Template, TemplateDisk, Templates, ready};
use crate::desktops::hardware;
use crate::desktops::store::first_starts;
use crate::error::{Error, Result};
use crate::images::{self, Image, ImageKind, os_type, require_ready};
use crate::inventory::FIRST_CONNECTION;
use crate::node::protocol::{BootDevice, DiskRole, FirmwareState, Hardware};
use crate::operations::{Actor, Lock, NewOperation, PERCENT, SubmittedOperation};
use crate::store::{DiskId, TemplateId, Tx};

/// A data disk to be made. Bytes.
#[derive(Debug, Clone, Copy)]
pub struct NewDisk {
    /// Order among the data disks.
    pub index: i64,
    pub size: u64,
}

/// What is on the system disk of a new template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NewSystem {
    /// That of this base image.
    Image(Uuid),
    /// Nothing: the machine boots from this ISO, which installs it.
    Iso(Uuid),
}

/// A template to be made of a base image or to be installed. Bytes.
#[derive(Debug, Clone)]
pub struct NewTemplate {
    pub name: String,
    pub desc: String,
    pub os_type: String,
    pub classify: Classify,
    pub place: Place,
    pub vcpu: u32,
    pub memory_mib: u64,
    /// What fits its system, when nobody says otherwise.
    pub hardware: Option<Hardware>,
    pub system: NewSystem,
    pub system_size: u64,
    pub data_disks: Vec<NewDisk>,
}

/// A template to be made of another one's newest version.
#[derive(Debug, Clone)]
pub struct CopyTemplate {
    pub source: Uuid,
    pub name: String,
    pub desc: String,
    pub place: Place,
}

impl Templates {
    /// Makes a template out of a base image, or an empty one with an ISO in its CD drive.
    ///
    /// # Errors
    /// What does not fit names its field; nothing was changed then.
    pub fn create(&self, actor: &Actor, new: &NewTemplate) -> Result<(Uuid, SubmittedOperation)> {
        check_size("vcpu", new.vcpu, new.memory_mib)?;
        let image = self.store.read(|conn| self.system_in(conn, new.system))?;
        let site = self.site(&new.place, Some(&image))?;
        check_memory(&site.node, new.memory_mib)?;
        let disks = disk_plans(new, &image)?;
        let hardware = new.hardware.clone().unwrap_or_else(|| fitting(new, &image));
        hardware.check(disks.len())?;
        let template = Template {
            name: new.name.clone(),
            desc: new.desc.clone(),
            os_type: new.os_type.clone(),
            classify: new.classify,
            vcpu: new.vcpu,
            memory_mib: new.memory_mib,
            hardware,
            base_image: matches!(new.system, NewSystem::Image(_)).then_some(image.uuid),
            ..site.template(actor)
        };
        let args = Args { template: template.uuid, source: None };
        let submitted = self.operations.submit(actor, |tx| {
            let image = self.system_in(tx, new.system)?;
            if matches!(image.kind, ImageKind::Base(pool) if pool != site.pool_id) {
                return Err(Error::not_found("image-unknown").arg("uuid", image.uuid));
            }
            require_ready(&image)?;
            let id = self.insert(tx, &template, &site, &disks, new.place.address)?;
            if let NewSystem::Iso(iso) = new.system {
                store::insert_disc(tx, id, 0, iso)?;
            }
            let operation = NewOperation::new(CREATE, &args, template.uuid, &template.name)?;
            Ok(operation.counting_to(PERCENT))
        })?;
        Ok((template.uuid, submitted))
    }

    fn system_in(&self, conn: &Connection, system: NewSystem) -> Result<Image> {
        match system {
            NewSystem::Image(uuid) => self.images.base_image_in(conn, uuid),
            NewSystem::Iso(uuid) => self.images.iso_in(conn, uuid),
        }
    }

    /// Makes a template with the disks of another one's newest version. The copy stands alone.
    ///
    /// # Errors
    /// As [`Templates::create`]; `template-on-other-node` when the pool does not have the source's node.
    pub fn copy(&self, actor: &Actor, new: &CopyTemplate) -> Result<(Uuid, SubmittedOperation)> {
        let source = self.find(new.source)?;
        let mut site = self.site(&new.place, None)?;
        let pool = self.inventory.pool(new.place.pool)?;
        let nodes = self.inventory.compute_nodes(pool.id)?;
        let node = nodes.into_iter().find(|node| node.id == source.node_id);
        site.node = node.ok_or_else(|| {
            let error = Error::conflict("template-on-other-node").arg("field", "pool_uuid");
            error.arg("name", &source.name).arg("pool", &pool.name)
        })?;
        self.inventory.client_within(site.node.id, FIRST_CONNECTION)?;
        site.storages = self.storages(site.node.id)?;
        let uuid = Uuid::new_v4();
        let submitted = self.operations.submit(actor, |tx| {
            let source = ready(tx, new.source)?;
            let template = Template {
                uuid,
                name: new.name.clone(),
                desc: new.desc.clone(),
                os_type: source.os_type.clone(),
                classify: source.classify,
                vcpu: source.vcpu,
                memory_mib: source.memory_mib,
                hardware: store::version_hardware(tx, source.id, source.version)?,
                base_image: source.base_image,
                ..site.template(actor)
            };
            let origin = store::version_layers(tx, &source, source.version, source.node_id)?;
            let state = store::version_state(tx, source.id, source.version)?;
            let plan = |layer: &crate::desktops::spec::DiskLayer| DiskPlan {
                role: layer.role,
                position: layer.index,
                size: layer.size,
                below: None,
                state: match layer.role {
                    DiskRole::System => state.clone(),
                    DiskRole::Data => FirmwareState::default(),
                },
            };
            let plans: Vec<DiskPlan> = origin.iter().map(plan).collect();
            let copy = self.insert(tx, &template, &site, &plans, new.place.address)?;
            first_starts::copy_script(tx, source.id, copy)?;
            let layers = origin.into_iter().map(|layer| Origin {
                position: layer.index,
                uuid: layer.layer.uuid,
                storage: layer.layer.storage,
            });
            let held = Lock::new(source.uuid, source.name);
            let source = Source { template: source.uuid, layers: layers.collect() };
            let args = Args { template: uuid, source: Some(source) };
            let operation = NewOperation::new(COPY, &args, uuid, &template.name)?;
            Ok(operation.locking([held]).counting_to(PERCENT))
        })?;
        Ok((uuid, submitted))
    }

    /// Rows of the template, its disks, their first layers and its address.
    fn insert(
        &self,
        tx: &Tx<'_>,
        template: &Template,
        site: &Site,
        disks: &[DiskPlan],
        address: Option<Ipv4Addr>,
    ) -> Result<TemplateId> {
        store::require_free_name(tx, &template.name, None)?;
        let template_id = store::insert(tx, template)?;
        for plan in disks {
            let top = Uuid::new_v4();
            let disk = TemplateDisk {
                id: DiskId::UNWRITTEN,
                uuid: Uuid::new_v4(),
                template_id,
                role: plan.role,
                position: plan.position,
                size: plan.size,
                used: 0,
                top,
            };
            let disk_id = store::insert_disk(tx, &disk)?;
            let layer = Layer {
                uuid: top,
                template_id,
                disk_id,
                version: Some(FIRST),
                below: plan.below,
                size: plan.size,
                hardware: template.hardware.clone(),
                state: plan.state.clone(),
            };
            store::insert_layer(tx, &layer)?;
            let copy = new_copy(top, site.node.id, site.storages.of(plan.role));
            images::note_copy(tx, &copy)?;
        }
        self.networks.reserve(tx, site.subnet.id, template.uuid, address)?;
        Ok(template_id)
    }
}

/// A disk and what its first layer stands on.
struct DiskPlan {
    role: DiskRole,
    position: u32,
    size: u64,
    below: Option<Uuid>,
    /// What the firmware begins with.
    state: FirmwareState,
}

/// What fits its system; one that is to be installed boots from its CD first.
fn fitting(new: &NewTemplate, image: &Image) -> Hardware {
    let simple = os_type::simple(&new.os_type);
    let mut hardware = hardware::fitting_disk(&simple, image.boots, image.hints.virtio);
    if matches!(new.system, NewSystem::Iso(_)) {
        hardware.boot = vec![BootDevice::Cd, BootDevice::Disk];
    }
    hardware
}

fn disk_plans(new: &NewTemplate, image: &Image) -> Result<Vec<DiskPlan>> {
    check_disk_size(new.system_size)?;
    let below = matches!(new.system, NewSystem::Image(_)).then_some(image.uuid);
    if below.is_some() && new.system_size < image.virtual_size {
        return Err(Error::bad_input("disk-smaller-than-image")
            .arg("field", "system_disk.size")
            .arg("name", &image.name)
            .arg("least", image.virtual_size.div_ceil(1 << 30)));
    }
    if new.data_disks.len() >= DISK_LIMIT {
        let error = Error::bad_input("too-many-disks").arg("field", "data_disks");
        return Err(error.arg("limit", DISK_LIMIT - 1));
    }
    let mut data = new.data_disks.clone();
    data.sort_by_key(|disk| disk.index);
    if data.windows(2).any(|pair| pair[0].index == pair[1].index) {
        return Err(Error::bad_input("disk-order-twice").arg("field", "data_disks"));
    }
    let mut plans = vec![DiskPlan {
        role: DiskRole::System,
        position: 0,
        size: new.system_size,
        below,
        state: FirmwareState::default(),
    }];
    for (position, disk) in (1..).zip(data) {
        check_disk_size(disk.size)?;
        let (role, size, state) = (DiskRole::Data, disk.size, FirmwareState::default());
        plans.push(DiskPlan { role, position, size, below: None, state });
    }
    Ok(plans)
}
