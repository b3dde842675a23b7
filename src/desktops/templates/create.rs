//! Making a template, out of a base image or as a copy of another template.

use std::collections::HashSet;
use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::layers::new_copy;
use super::limits::{DISK_LIMIT, check_disk_size, check_memory, check_size};
use super::machine::watched;
use super::store::{self, Layer};
use super::{Classify, Power, Template, TemplateDisk, TemplateState, Templates, ready};
use crate::error::{Error, Result};
use crate::images::{self, BaseImage, ImageState};
use crate::inventory::{FIRST_CONNECTION, Node, StorageRole};
use crate::networks::Subnet;
use crate::node::protocol::{DiskRole, LayerKind, LayerRef, PowerState};
use crate::operations::{
    Action, Actor, Execution, Lane, Lock, NewOperation, PERCENT, Saga, SubmittedOperation, nothing,
};
use crate::store::{DiskId, PoolId, TemplateId, Tx, now};

const CREATE: &str = "template-create";
const COPY: &str = "template-copy";

/// The first version of every template.
const FIRST: u32 = 1;

/// Where a template is to be and how it is reached.
#[derive(Debug, Clone)]
pub struct Place {
    pub pool: Uuid,
    pub network: Uuid,
    pub subnet: Uuid,
    /// `None`: any free address.
    pub address: Option<Ipv4Addr>,
}

/// A data disk to be made. Bytes.
#[derive(Debug, Clone, Copy)]
pub struct NewDisk {
    /// Order among the data disks.
    pub index: i64,
    pub size: u64,
}

/// A template to be made of a base image. Bytes.
#[derive(Debug, Clone)]
pub struct NewTemplate {
    pub name: String,
    pub desc: String,
    pub os_type: String,
    pub classify: Classify,
    pub place: Place,
    pub vcpu: u32,
    pub memory_mib: u64,
    pub image: Uuid,
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

#[derive(Debug, Serialize, Deserialize)]
struct Args {
    template: Uuid,
    source: Option<Source>,
}

/// What a copy is made of, disk by disk.
#[derive(Debug, Serialize, Deserialize)]
struct Source {
    template: Uuid,
    layers: Vec<Origin>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Origin {
    position: u32,
    uuid: Uuid,
    storage: String,
}

pub(super) fn register(templates: &Templates) {
    const STEPS: &[Action<Templates, Args>] = &[
        Action::new("rows", nothing, remove_rows),
        Action::new("image", image, nothing),
        Action::new("layers", layers, remove_layers),
        Action::new("domain", domain, remove_domain),
        Action::new("publish", publish, withdraw),
        Action::new("ready", finish, nothing),
    ];
    for kind in [CREATE, COPY] {
        let saga = Saga::new(Lane::Copy, templates.clone(), STEPS);
        templates.operations.register(kind, saga);
    }
}

impl Templates {
    /// Makes a template out of a base image.
    ///
    /// # Errors
    /// What does not fit names its field; nothing was changed then.
    pub fn create(&self, actor: &Actor, new: &NewTemplate) -> Result<(Uuid, SubmittedOperation)> {
        check_size("vcpu", new.vcpu, new.memory_mib)?;
        let image = self.images.base_image(new.image)?;
        let site = self.site(&new.place, Some(&image))?;
        check_memory(&site.node, new.memory_mib)?;
        let disks = disk_plans(new, &image)?;
        let template = Template {
            name: new.name.clone(),
            desc: new.desc.clone(),
            os_type: new.os_type.clone(),
            classify: new.classify,
            vcpu: new.vcpu,
            memory_mib: new.memory_mib,
            base_image: new.image,
            ..site.template(actor)
        };
        let args = Args { template: template.uuid, source: None };
        let submitted = self.operations.submit(actor, |tx| {
            let image = self.images.base_image_in(tx, new.image)?;
            if image.pool_id != site.pool_id {
                return Err(Error::not_found("image-unknown").arg("uuid", new.image));
            }
            if image.state != ImageState::Ready {
                return Err(Error::busy("image-not-ready").arg("name", image.name));
            }
            self.insert(tx, &template, &site, &disks, new.place.address)?;
            let operation = NewOperation::new(CREATE, &args, template.uuid, &template.name)?;
            Ok(operation.counting_to(PERCENT))
        })?;
        Ok((template.uuid, submitted))
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
                base_image: source.base_image,
                ..site.template(actor)
            };
            let origin = store::version_layers(tx, &source, source.version, source.node_id)?;
            let plan = |layer: &crate::desktops::spec::DiskLayer| DiskPlan {
                role: layer.role,
                position: layer.index,
                size: layer.size,
                below: None,
            };
            let plans: Vec<DiskPlan> = origin.iter().map(plan).collect();
            self.insert(tx, &template, &site, &plans, new.place.address)?;
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

    /// Looks up the place and chooses the node.
    fn site(&self, place: &Place, image: Option<&BaseImage>) -> Result<Site> {
        let pool = self.inventory.pool(place.pool)?;
        let subnet = self.subnet_of(place.network, place.subnet)?;
        let mut nodes = self.inventory.compute_nodes(pool.id)?;
        let with_image = match image {
            Some(image) => self.store.read(|conn| images::ready_nodes(conn, image.uuid))?,
            None => HashSet::new(),
        };
        let has_image = |node: &Node| image.is_none() || with_image.contains(&node.id);
        // A node that is up before one that is not, then one that has the image, then the oldest.
        nodes
            .sort_by_cached_key(|node| (!self.inventory.is_up(node.id), !has_image(node), node.id));
        let node = nodes.into_iter().next();
        let node = node.ok_or_else(|| {
            Error::conflict("pool-without-node").arg("field", "pool_uuid").arg("name", &pool.name)
        })?;
        self.inventory.client_within(node.id, FIRST_CONNECTION)?;
        let storages = self.storages(node.id)?;
        Ok(Site { pool_id: pool.id, node, subnet, storages })
    }

    /// The subnet, which must belong to the network.
    pub(super) fn subnet_of(&self, network: Uuid, subnet: Uuid) -> Result<Subnet> {
        let network = self.networks.find(network)?;
        let subnet = self.networks.subnet(subnet)?;
        if subnet.network_id != network.id {
            let error = Error::bad_input("subnet-of-other-network").arg("field", "subnet_uuid");
            return Err(error.arg("name", subnet.name).arg("network", network.name));
        }
        self.networks.check_usable(&network)?;
        Ok(subnet)
    }

    /// Rows of the template, its disks, their first layers and its address.
    fn insert(
        &self,
        tx: &Tx<'_>,
        template: &Template,
        site: &Site,
        disks: &[DiskPlan],
        address: Option<Ipv4Addr>,
    ) -> Result<()> {
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
            };
            store::insert_layer(tx, &layer)?;
            let copy = new_copy(top, site.node.id, site.storages.of(plan.role));
            images::note_copy(tx, &copy)?;
        }
        self.networks.reserve(tx, site.subnet.id, template.uuid, address)?;
        Ok(())
    }
}

/// A disk and what its first layer stands on.
struct DiskPlan {
    role: DiskRole,
    position: u32,
    size: u64,
    below: Option<Uuid>,
}

struct Site {
    pool_id: PoolId,
    node: Node,
    subnet: Subnet,
    storages: crate::desktops::spec::Storages,
}

impl Site {
    /// What the place says of a new template.
    fn template(&self, actor: &Actor) -> Template {
        Template {
            id: TemplateId::UNWRITTEN,
            uuid: Uuid::new_v4(),
            name: String::new(),
            desc: String::new(),
            os_type: String::new(),
            classify: Classify::Education,
            pool_id: self.pool_id,
            node_id: self.node.id,
            network_id: self.subnet.network_id,
            subnet_id: self.subnet.id,
            vcpu: 1,
            memory_mib: 0,
            base_image: Uuid::nil(),
            version: 0,
            state: TemplateState::Creating,
            fault: None,
            editing: false,
            changed: false,
            power: Power(PowerState::Off),
            power_reason: String::new(),
            owner_name: actor.name.clone(),
            saved_at: None,
            created_at: now(),
            updated_at: None,
        }
    }
}

fn disk_plans(new: &NewTemplate, image: &BaseImage) -> Result<Vec<DiskPlan>> {
    check_disk_size(new.system_size)?;
    if new.system_size < image.virtual_size {
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
        below: Some(new.image),
    }];
    for (position, disk) in (1..).zip(data) {
        check_disk_size(disk.size)?;
        plans.push(DiskPlan { role: DiskRole::Data, position, size: disk.size, below: None });
    }
    Ok(plans)
}

fn remove_rows(templates: &Templates, args: &Args, _: &Execution) -> Result<()> {
    templates.forget(args.template)
}

fn image(templates: &Templates, args: &Args, execution: &Execution) -> Result<()> {
    execution.span(0, 40);
    if args.source.is_some() {
        return Ok(());
    }
    let template = templates.find(args.template)?;
    let image = templates.images.base_image(template.base_image)?;
    let node = templates.inventory.node_by_id(template.node_id)?;
    let mut told = |done, total| execution.progress(done, total);
    templates.images.ensure_on(&image, &node, execution.cancel_flag(), &mut told).map(drop)
}

fn layers(templates: &Templates, args: &Args, execution: &Execution) -> Result<()> {
    // A copy's disks are written here, which for a new template is nothing.
    execution.span(40, 70);
    let template = templates.find(args.template)?;
    let client = templates.client_of(&template)?;
    let made = templates.store.read(|conn| store::placed_layers(conn, &template))?;
    for placed in &made {
        let layer = placed.layer_ref();
        match &args.source {
            None => {
                let below = placed.layer.below.map(|uuid| base_layer(templates, &template, uuid));
                client.create_layer(layer, below.transpose()?, placed.layer.size)?;
            }
            Some(source) => {
                let origin = source.layers.iter().find(|from| from.position == placed.position);
                let origin = origin.ok_or_else(|| Error::internal("a disk without its origin"))?;
                let from = LayerRef {
                    uuid: origin.uuid,
                    kind: LayerKind::TemplateVersion,
                    storage: origin.storage.clone(),
                };
                watched(execution, |watch| client.flatten(from, layer, watch))?;
            }
        }
    }
    templates.note_made(template.node_id, &made)
}

fn base_layer(templates: &Templates, template: &Template, image: Uuid) -> Result<LayerRef> {
    let copy = templates.store.read(|conn| images::ready_copy(conn, image, template.node_id))?;
    match copy {
        Some(copy) => Ok(copy.layer_ref(LayerKind::BaseImage)),
        None => {
            let storage =
                templates.inventory.storage_for(template.node_id, StorageRole::TemplateSystem)?;
            Ok(LayerRef { uuid: image, kind: LayerKind::BaseImage, storage })
        }
    }
}

impl Templates {
    /// Removes all rows, and tells the node that the address is free.
    pub(super) fn forget(&self, template: Uuid) -> Result<()> {
        let removed = self.store.write(|tx| {
            let Some(found) = store::find_if_there(tx, template)? else { return Ok(None) };
            let leases = self.networks.release(tx, &[template])?;
            store::delete(tx, found.id)?;
            Ok(Some((found.node_id, leases)))
        })?;
        let Some((node_id, leases)) = removed else { return Ok(()) };
        for lease in leases {
            let network = lease.network_uuid;
            if let Err(error) = self.networks.withdraw(node_id, network, &[lease]) {
                // The node learns of it when it is told its networks again.
                tracing::warn!(
                    node.id = node_id.number(),
                    error = error.detail(),
                    "address not withdrawn"
                );
            }
        }
        Ok(())
    }
}

fn remove_layers(templates: &Templates, args: &Args, _: &Execution) -> Result<()> {
    let template = templates.find(args.template)?;
    let layers = templates.store.read(|conn| store::placed_layers(conn, &template))?;
    let layers = layers.iter().map(store::PlacedLayer::layer_ref).collect();
    templates.remove_files(template.node_id, layers)
}

fn domain(templates: &Templates, args: &Args, execution: &Execution) -> Result<()> {
    execution.span(70, 90);
    templates.define(&templates.find(args.template)?, execution)
}

fn remove_domain(templates: &Templates, args: &Args, _: &Execution) -> Result<()> {
    templates.undefine(&templates.find(args.template)?)
}

fn publish(templates: &Templates, args: &Args, execution: &Execution) -> Result<()> {
    execution.span(90, 95);
    templates.publish(&templates.find(args.template)?, FIRST)
}

fn withdraw(templates: &Templates, args: &Args, _: &Execution) -> Result<()> {
    templates.withdraw(&templates.find(args.template)?)
}

fn finish(templates: &Templates, args: &Args, execution: &Execution) -> Result<()> {
    execution.span(95, PERCENT);
    let template = templates.find(args.template)?;
    templates.measure(&template, execution)?;
    templates.store.write(|tx| store::set_created(tx, args.template, FIRST))
}
