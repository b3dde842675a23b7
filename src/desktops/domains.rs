//! From rows to what the nodes have: addresses announced, domains defined and removed.

use std::collections::{HashMap, HashSet};

use rusqlite::Connection;
use uuid::Uuid;

use super::spec::{DiskLayer, Plan, Restore, Storages};
use super::store::groups;
use super::store::seats::{self, Build};
use super::{Desktops, nodes, templates};
use crate::error::{Error, Kind, Result};
use crate::inventory::{FIRST_CONNECTION, StorageRole, storage_in};
use crate::networks::Lease;
use crate::node::cancel::CancelFlag;
use crate::node::client::{NodeClient, Watch};
use crate::node::protocol::{DiskRole, DomainSpec, Hardware, ItemResult, NicSpec, OwnerKind};
use crate::operations::Execution;
use crate::store::NodeId;

impl Desktops {
    /// Defines the domains of these desktops as their rows say, with the disks that are missing; what was written in
    /// one that ran is not replaced by an empty disk. How it went for each node.
    pub(super) fn define_domains(
        &self,
        desktops: &[Uuid],
        execution: &Execution,
    ) -> Result<ByNode> {
        let (specs, started) = self.to_define(desktops)?;
        Ok(nodes::each(&self.inventory, execution, specs, |client, _, part, watch| {
            first_failure(define(client, part, &started, watch)?)
        }))
    }

    /// As [`Desktops::define_domains`], when something is taken back: what a node cannot do now is left to the looks at it.
    pub(super) fn define_or_look(&self, desktops: &[Uuid], execution: &Execution) -> Result<()> {
        for (node, result) in self.define_domains(desktops, execution)? {
            if let Err(error) = result {
                tracing::warn!(
                    node.id = node.number(),
                    error = error.detail(),
                    "left to a look at the node"
                );
                self.look_soon(node);
            }
        }
        Ok(())
    }

    /// As [`Desktops::define_domains`]; how it went for each desktop of a node.
    pub(super) fn define_each(
        &self,
        desktops: &[Uuid],
        execution: &Execution,
    ) -> Result<Vec<(NodeId, Result<Vec<ItemResult>>)>> {
        let (specs, started) = self.to_define(desktops)?;
        Ok(nodes::each_item(&self.inventory, execution, specs, |client, _, part, watch| {
            define(client, part, &started, watch)
        }))
    }

    /// What each node is to define, and which desktops were started at some time.
    fn to_define(&self, desktops: &[Uuid]) -> Result<(SpecsByNode, HashSet<Uuid>)> {
        self.store
            .read(|conn| Ok((self.specs(conn, desktops)?, seats::ever_started(conn, desktops)?)))
    }

    /// Switches off and removes the domains of these desktops with their disks.
    pub(super) fn remove_domains(&self, desktops: &[Uuid], execution: &Execution) -> Result<()> {
        let by_node = self.store.read(|conn| seats::nodes_of(conn, desktops))?;
        let results = nodes::each(&self.inventory, execution, by_node, |client, _, part, watch| {
            first_failure(client.remove_domains(part, watch)?)
        });
        nodes::all(results).map(drop)
    }

    /// Removes what a node that failed has made of these desktops, if it answers; else the reconciler does when it is
    /// back.
    pub(super) fn remove_left(&self, node: NodeId, desktops: Vec<Uuid>) {
        let flag = CancelFlag::new();
        let mut watch = Watch { progress: &mut |_| (), cancel: &flag };
        let client = self.inventory.client_within(node, FIRST_CONNECTION);
        let removed = client.and_then(|client| client.remove_domains(desktops, &mut watch));
        if let Err(error) = removed.and_then(first_failure) {
            tracing::warn!(
                node.id = node.number(),
                error = error.detail(),
                "left to the next look at the node"
            );
        }
    }

    /// Tells the nodes the addresses of these desktops. How it went for each node.
    pub(super) fn announce_addresses(
        &self,
        desktops: &[Uuid],
        execution: &Execution,
    ) -> Result<ByNode> {
        self.with_leases(desktops, execution, |node, network, leases| {
            match self.networks.announce(node, network, leases) {
                // It has not heard of the network yet.
                Err(error) if error.kind() == Kind::NotFound => {
                    self.networks.ensure_on(node, network)
                }
                other => other,
            }
        })
    }

    /// Takes the addresses of these desktops back from the nodes.
    pub(super) fn withdraw_addresses(
        &self,
        desktops: &[Uuid],
        execution: &Execution,
    ) -> Result<()> {
        // A node that arrives before the rows are gone must not be told of them again.
        self.store.write(|tx| self.networks.set_withdrawn(tx, desktops, true))?;
        let results = self.with_leases(desktops, execution, |node, network, leases| {
            match self.networks.withdraw(node, network, leases) {
                // Without the network there are no addresses in it.
                Err(error) if error.kind() == Kind::NotFound => Ok(()),
                other => other,
            }
        })?;
        nodes::all(results).map(drop)
    }

    fn with_leases(
        &self,
        desktops: &[Uuid],
        execution: &Execution,
        tell: impl Fn(NodeId, Uuid, &[Lease]) -> Result<()> + Sync,
    ) -> Result<ByNode> {
        let by_node = self.store.read(|conn| {
            let mut leases: HashMap<Uuid, Lease> = self
                .networks
                .leases(conn, desktops)?
                .into_iter()
                .map(|lease| (lease.owner, lease))
                .collect();
            let mut by_node: HashMap<NodeId, Vec<Lease>> = HashMap::new();
            for (node, uuids) in seats::nodes_of(conn, desktops)? {
                let part = uuids.iter().filter_map(|uuid| leases.remove(uuid));
                by_node.insert(node, part.collect());
            }
            Ok(by_node)
        })?;
        Ok(nodes::each(&self.inventory, execution, by_node, |_, node, leases, _| {
            let mut by_network: HashMap<Uuid, Vec<Lease>> = HashMap::new();
            for lease in leases {
                by_network.entry(lease.network_uuid).or_default().push(lease);
            }
            by_network.iter().try_for_each(|(network, leases)| tell(node, *network, leases))
        }))
    }

    /// What each node is to define.
    pub(super) fn specs(&self, conn: &Connection, desktops: &[Uuid]) -> Result<SpecsByNode> {
        let mut makings =
            Makings { desktops: self, conn, versions: HashMap::new(), storages: HashMap::new() };
        let mut specs = SpecsByNode::new();
        for build in seats::builds(conn, desktops)? {
            specs.entry(build.node_id).or_default().push(makings.spec(&build)?);
        }
        Ok(specs)
    }

    /// Deletes rows and gives addresses back.
    pub(super) fn forget(&self, whole: &[Uuid], desktops: &[Uuid]) -> Result<()> {
        self.store.write_in_parts(desktops, |tx, part| {
            self.networks.release(tx, part)?;
            seats::delete(tx, part)
        })?;
        self.store.write(|tx| groups::delete(tx, whole))
    }
}

/// What each node is to define.
pub(super) type SpecsByNode = HashMap<NodeId, Vec<DomainSpec>>;

fn define(
    client: &NodeClient,
    specs: Vec<DomainSpec>,
    started: &HashSet<Uuid>,
    watch: &mut Watch<'_>,
) -> Result<Vec<ItemResult>> {
    let ran = specs.iter().map(|spec| spec.uuid).filter(|uuid| started.contains(uuid)).collect();
    client.define_domains(specs, ran, watch)
}

/// How it went for each node.
pub(super) type ByNode = Vec<(NodeId, Result<()>)>;

pub(super) fn first_failure(items: impl IntoIterator<Item = ItemResult>) -> Result<()> {
    items.into_iter().try_for_each(|item| item.result.map_err(Error::from))
}

/// What many desktops share, read once.
struct Makings<'a> {
    desktops: &'a Desktops,
    conn: &'a Connection,
    /// By template, version, node, and whether data disks are among them.
    versions: HashMap<(Uuid, u32, NodeId, bool), VersionThere>,
    storages: HashMap<NodeId, Storages>,
}

/// A template's version on a node.
struct VersionThere {
    layers: Vec<DiskLayer>,
    hardware: Hardware,
}

impl Makings<'_> {
    fn spec(&mut self, build: &Build) -> Result<DomainSpec> {
        let key = (build.template, build.version, build.node_id, build.has_data_disks);
        if !self.versions.contains_key(&key) {
            let template = templates::store::find(self.conn, build.template)?;
            let mut layers = templates::store::version_layers(
                self.conn,
                &template,
                build.version,
                build.node_id,
            )?;
            layers.retain(|layer| build.has_data_disks || layer.role == DiskRole::System);
            let hardware =
                templates::store::version_hardware(self.conn, template.id, build.version)?;
            self.versions.insert(key, VersionThere { layers, hardware });
        }
        if !self.storages.contains_key(&build.node_id) {
            let storages = self.storages_of(build.node_id)?;
            self.storages.insert(build.node_id, storages);
        }
        let nic = NicSpec {
            mac: build.mac.clone(),
            network: build.network,
            address: Some(build.address),
        };
        let plan = Plan {
            installation: self.desktops.inventory.installation(),
            uuid: build.uuid,
            kind: OwnerKind::Desktop,
            name: &build.name,
            group: Some(build.group),
            template: build.template,
            vcpus: build.vcpu,
            memory_mib: build.memory_mib,
            hardware: &self.versions[&key].hardware,
            disks: &self.versions[&key].layers,
            discs: &[],
            driver_disk: None,
            storages: &self.storages[&build.node_id],
            restore: Restore { system: build.sys_restore, data: build.data_restore },
            nic: &nic,
            identity: build.identity.as_ref(),
            spice: build.spice,
            limits: build.limits,
        };
        Ok(plan.spec())
    }

    fn storages_of(&self, node: NodeId) -> Result<Storages> {
        Ok(Storages {
            system: storage_in(self.conn, node, StorageRole::DesktopSystem)?,
            data: storage_in(self.conn, node, StorageRole::DesktopData)?,
        })
    }
}
