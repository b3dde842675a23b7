//! A template's own machine on its node: what its working disks stand on, and which version is published.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::store::PlacedDisc;
use super::{Template, Templates, store};
use crate::desktops::spec::{Plan, Restore, Storages};
use crate::error::{Error, Result};
use crate::inventory::{FIRST_CONNECTION, StorageRole};
use crate::node::cancel::CancelFlag;
use crate::node::client::{NodeClient, Watch};
use crate::node::protocol::{
    DiskRole, DomainSpec, FirmwareState, Hardware, ItemResult, LayerKind, LayerRef, Limits,
    NicSpec, OwnerKind, Progress, Spice, TemplateLayers,
};
use crate::operations::Execution;
use crate::store::NodeId;

impl Templates {
    pub(super) fn client_of(&self, template: &Template) -> Result<NodeClient> {
        self.inventory.client_within(template.node_id, FIRST_CONNECTION)
    }

    /// The template's storages on a node.
    pub(super) fn storages(&self, node_id: NodeId) -> Result<Storages> {
        Ok(Storages {
            system: self.inventory.storage_for(node_id, StorageRole::TemplateSystem)?,
            data: self.inventory.storage_for(node_id, StorageRole::TemplateData)?,
        })
    }

    /// Its own domain as the rows say.
    pub(super) fn own_spec(&self, template: &Template) -> Result<DomainSpec> {
        let storages = self.storages(template.node_id)?;
        let (disks, discs, switch, lease) = self.store.read(|conn| {
            let disks = store::own_layers(conn, template)?;
            let discs = store::placed_discs(conn, template.id, template.node_id)?;
            let switch = store::bus_switch(conn, template.id)?;
            Ok((disks, discs, switch, self.networks.lease(conn, template.uuid)?))
        })?;
        let disc = |placed: PlacedDisc| {
            let storage = placed.storage.unwrap_or_else(|| storages.system.clone());
            (placed.drive, LayerRef { uuid: placed.iso, kind: LayerKind::Iso, storage })
        };
        let discs: Vec<(u32, LayerRef)> = discs.into_iter().map(disc).collect();
        let no_address =
            || Error::internal(format_args!("template {} has no address", template.uuid));
        let lease = lease.ok_or_else(no_address)?;
        let nic =
            NicSpec { mac: lease.mac, network: lease.network_uuid, address: Some(lease.address) };
        let plan = Plan {
            installation: self.inventory.installation(),
            uuid: template.uuid,
            kind: OwnerKind::Template,
            name: &template.name,
            group: None,
            template: template.uuid,
            vcpus: template.vcpu,
            memory_mib: template.memory_mib,
            hardware: &template.hardware,
            disks: &disks,
            discs: &discs,
            driver_disk: switch.and_then(|switch| switch.driver_disk()),
            storages: &storages,
            restore: Restore::NEVER,
            nic: &nic,
            identity: None,
            // Who builds a template looks at it in the console.
            spice: Spice::Off,
            limits: Limits::NONE,
        };
        Ok(plan.spec())
    }

    /// Makes network, domain and missing working disks on the node as the rows say.
    pub(super) fn define(&self, template: &Template, execution: &Execution) -> Result<()> {
        watched(execution, |watch| self.define_with(template, watch))
    }

    /// As [`Templates::define`], when nobody looks on.
    pub(super) fn define_unwatched(&self, template: &Template) -> Result<()> {
        self.define_with(template, &mut Watch { progress: &mut |_| (), cancel: &CancelFlag::new() })
    }

    /// As [`Templates::define`], as this says.
    pub(super) fn define_spec(
        &self,
        template: &Template,
        spec: DomainSpec,
        execution: &Execution,
    ) -> Result<()> {
        watched(execution, |watch| self.define_spec_with(template, spec, watch))
    }

    fn define_with(&self, template: &Template, watch: &mut Watch<'_>) -> Result<()> {
        self.define_spec_with(template, self.own_spec(template)?, watch)
    }

    fn define_spec_with(
        &self,
        template: &Template,
        spec: DomainSpec,
        watch: &mut Watch<'_>,
    ) -> Result<()> {
        let networks: BTreeSet<Uuid> = spec.nics.iter().map(|nic| nic.network).collect();
        for network in networks {
            self.networks.ensure_on(template.node_id, network)?;
        }
        let client = self.client_of(template)?;
        all_done(client.define_domains(vec![spec], Vec::new(), watch)?)
    }

    /// Removes the domain with its working disks.
    pub(super) fn undefine(&self, template: &Template) -> Result<()> {
        let mut watch = Watch { progress: &mut |_| (), cancel: &CancelFlag::new() };
        all_done(self.client_of(template)?.remove_domains(vec![template.uuid], &mut watch)?)
    }

    /// The hardware of its newest version.
    ///
    /// # Errors
    /// Those of the database.
    pub fn saved_hardware(&self, template: &Template) -> Result<Hardware> {
        self.store.read(|conn| store::version_hardware(conn, template.id, template.version))
    }

    /// From now on desktops of the template on its node get this version.
    pub(super) fn publish(&self, template: &Template, version: u32) -> Result<()> {
        let (layers, hardware, state) = self.store.read(|conn| {
            let layers = store::version_layers(conn, template, version, template.node_id)?;
            let hardware = store::version_hardware(conn, template.id, version)?;
            Ok((layers, hardware, store::version_state(conn, template.id, version)?))
        })?;
        let disks = layers.into_iter().map(|layer| (layer.disk, layer.layer)).collect();
        let current = TemplateLayers { version, disks, hardware, state };
        self.client_of(template)?.publish_template(template.uuid, current)
    }

    /// Desktops can no longer be made of it on its node.
    pub(super) fn withdraw(&self, template: &Template) -> Result<()> {
        let none = TemplateLayers {
            version: 0,
            disks: BTreeMap::new(),
            hardware: Hardware::first(),
            state: FirmwareState::default(),
        };
        self.client_of(template)?.publish_template(template.uuid, none)
    }

    /// Removes files of layers; absent ones count as removed.
    pub(super) fn remove_files(&self, node_id: NodeId, layers: Vec<LayerRef>) -> Result<()> {
        if layers.is_empty() {
            return Ok(());
        }
        all_done(self.inventory.client_within(node_id, FIRST_CONNECTION)?.remove_layers(layers)?)
    }

    /// Asks the node how much its disks take, and keeps it: lists do not ask.
    pub(super) fn measure(&self, template: &Template, execution: &Execution) -> Result<()> {
        let (disks, layers, base) = self.store.read(|conn| {
            let disks = store::disks(conn, template.id)?;
            let layers = store::placed_layers(conn, template)?;
            let base = template.base_image.map(|image| self.images.base_image_in(conn, image));
            let base = base.transpose()?;
            Ok((disks, layers, base))
        })?;
        let refs: Vec<LayerRef> = layers.iter().map(store::PlacedLayer::layer_ref).collect();
        let client = self.client_of(template)?;
        let facts = watched(execution, |watch| client.inspect_layers(refs, false, watch))?;
        let size_of = |uuid: Uuid| {
            facts.iter().find(|facts| facts.uuid == uuid).map_or(0, |facts| facts.disk_size)
        };
        self.store.write(|tx| {
            for facts in facts.iter().filter(|facts| facts.exists) {
                store::set_layer_used(tx, facts.uuid, facts.disk_size)?;
            }
            for disk in &disks {
                let chain = store::chain(&layers, disk.top);
                let own: u64 = chain.iter().map(|placed| size_of(placed.layer.uuid)).sum();
                let on_base = chain.last().is_some_and(|placed| placed.layer.below.is_some());
                let base = base.as_ref().filter(|_| on_base && disk.role == DiskRole::System);
                let below = base.map_or(0, |base| base.disk_size);
                store::set_disk_used(tx, disk.id, own + below)?;
            }
            Ok(())
        })
    }
}

/// Does a long call to a node with the operation's progress and its wish to stop.
pub(super) fn watched<T>(
    execution: &Execution,
    call: impl FnOnce(&mut Watch<'_>) -> Result<T>,
) -> Result<T> {
    let mut progress = |progress: Progress| execution.progress(progress.done, progress.total);
    call(&mut Watch { progress: &mut progress, cancel: execution.cancel_flag() })
}

/// The first failure of a batch.
pub(super) fn all_done(items: Vec<ItemResult>) -> Result<()> {
    items.into_iter().try_for_each(|item| item.result.map_err(Error::from))
}
