//! What nodes are told about networks and reservations.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use uuid::Uuid;

use super::{Lease, Network, Networks, Subnet, SwitchKind, store};
use crate::error::{Kind, Result};
use crate::inventory::{Duty, FIRST_CONNECTION, side_by_side};
use crate::node::protocol::{DhcpHost, Forward, NetworkSpec, SubnetSpec};
use crate::store::NodeId;

/// What a node refused is tried again after this time.
const RETRY: Duration = Duration::from_secs(10);

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Networks {
    /// Makes the network on the node as the rows say, with all reservations.
    ///
    /// # Errors
    /// `network-unknown`, `network-without-uplink`, `node-unreachable`, and what the node answers. It is tried again
    /// until the node has it.
    pub fn ensure_on(&self, node_id: NodeId, network: Uuid) -> Result<()> {
        let result = self.ensure_noted(node_id, network);
        if result.is_err() {
            self.inner.inventory.ask_after(Duty::Networks, node_id, RETRY);
        }
        result
    }

    fn ensure_noted(&self, node_id: NodeId, network: Uuid) -> Result<()> {
        let turn = self.turn(node_id);
        let _turn = lock(&turn);
        let result = self.ensure_in_turn(node_id, network);
        let mut problems = lock(&self.inner.problems);
        match &result {
            Ok(()) => problems.remove(&(node_id, network)),
            Err(error) if error.key() == "network-unknown" => problems.remove(&(node_id, network)),
            Err(error) => problems.insert((node_id, network), error.into()),
        };
        result
    }

    fn ensure_in_turn(&self, node_id: NodeId, network: Uuid) -> Result<()> {
        let (network, subnets, leases) = self.inner.store.read(|conn| {
            let network = store::networks::find(conn, network)?;
            let subnets = store::subnets::of_network(conn, network.id)?;
            let leases = store::addresses::told_of_network(conn, network.id)?;
            Ok((network, subnets, leases))
        })?;
        self.check_usable(&network)?;
        let client = self.inner.inventory.client_within(node_id, FIRST_CONNECTION)?;
        client.ensure_network(spec(&network, &subnets, &leases))
    }

    /// Tells a node about reservations that were just made. They must be committed.
    pub fn announce(&self, node_id: NodeId, network: Uuid, leases: &[Lease]) -> Result<()> {
        if leases.is_empty() {
            return Ok(());
        }
        let turn = self.turn(node_id);
        let _turn = lock(&turn);
        self.inner
            .inventory
            .client_within(node_id, FIRST_CONNECTION)?
            .reserve(network, hosts(leases))
    }

    /// Tells a node that reservations are no more; they must be gone from the rows, or withdrawn there with
    /// [`Networks::set_withdrawn`], so that nobody tells it of them again.
    pub fn withdraw(&self, node_id: NodeId, network: Uuid, leases: &[Lease]) -> Result<()> {
        if leases.is_empty() {
            return Ok(());
        }
        let turn = self.turn(node_id);
        let _turn = lock(&turn);
        self.inner
            .inventory
            .client_within(node_id, FIRST_CONNECTION)?
            .release(network, hosts(leases))
    }

    fn turn(&self, node_id: NodeId) -> Arc<Mutex<()>> {
        Arc::clone(lock(&self.inner.telling).entry(node_id).or_default())
    }

    /// Makes the network on all nodes side by side. A node that does not answer learns of it when it
    /// arrives; what another refuses is an error.
    pub(super) fn ensure_everywhere(&self, network: &Network) -> Result<()> {
        if network.kind != SwitchKind::Nat {
            return Ok(());
        }
        self.on_all_nodes(|node| match self.ensure_on(node, network.uuid) {
            Err(error) if error.kind() == Kind::NodeUnreachable => {
                tracing::warn!(
                    node.id = node.number(),
                    network = network.name,
                    error = error.detail(),
                    "network waits for its node"
                );
                Ok(())
            }
            other => other,
        })
    }

    /// Takes the network away from all nodes. One that does not answer is an error: nobody would
    /// take it away later.
    pub(super) fn remove_everywhere(&self, network: Uuid) -> Result<()> {
        self.on_all_nodes(|node| {
            let turn = self.turn(node);
            let _turn = lock(&turn);
            self.inner.inventory.client_within(node, FIRST_CONNECTION)?.remove_network(network)?;
            lock(&self.inner.problems).remove(&(node, network));
            Ok(())
        })
    }

    /// On all nodes side by side; the first error.
    fn on_all_nodes(&self, work: impl Fn(NodeId) -> Result<()> + Sync) -> Result<()> {
        let nodes = self.inner.inventory.nodes()?;
        let done = side_by_side(nodes.iter().map(|node| (node.id, ())), |node, ()| work(node));
        done.into_iter().try_for_each(|(_, result)| result)
    }

    /// From now on tells every node that arrives about its networks. Within the runtime; returns at once.
    pub fn keep_nodes_told(&self) {
        let networks = self.clone();
        self.inner.inventory.attend(Duty::Networks, move |node| networks.tell(node));
    }

    /// Everything that can be told is; the first error.
    fn tell(&self, node: NodeId) -> Result<()> {
        let default = self.make_default_if_missing(node);
        let networks = self.inner.store.read(store::networks::all)?;
        let networks = networks.into_iter().filter(|network| network.kind == SwitchKind::Nat);
        let told: Vec<Result<()>> =
            networks.map(|network| self.ensure_unless_deleted(node, network.uuid)).collect();
        told.into_iter().fold(default, Result::and).and(self.remove_strays(node))
    }

    /// Takes networks away that no row knows: left by a database that was put back, perhaps. Rows are
    /// there before a node learns of a network and go after it, so that none is taken by mistake.
    fn remove_strays(&self, node: NodeId) -> Result<()> {
        let client = self.inner.inventory.client_now(node)?;
        for uuid in client.list_networks()? {
            let turn = self.turn(node);
            let _turn = lock(&turn);
            if self.inner.store.read(|conn| store::networks::maybe(conn, uuid))?.is_none() {
                tracing::warn!(node.id = node.number(), network.uuid = %uuid, "removing a network without owner");
                client.remove_network(uuid)?;
            }
        }
        Ok(())
    }

    /// Only this machine's agent can tell which addresses are in use.
    fn make_default_if_missing(&self, node: NodeId) -> Result<()> {
        if self.lacks_default()? && self.inner.inventory.local_node()?.id == node {
            self.make_default()?;
            // Others that arrived before did not hear of it.
            self.inner.inventory.ask_all(Duty::Networks);
        }
        Ok(())
    }

    fn ensure_unless_deleted(&self, node: NodeId, network: Uuid) -> Result<()> {
        match self.ensure_noted(node, network) {
            Err(error) if error.key() == "network-unknown" => Ok(()),
            other => other,
        }
    }
}

fn spec(network: &Network, subnets: &[Subnet], leases: &[Lease]) -> NetworkSpec {
    let subnets = subnets.iter().map(|subnet| SubnetSpec {
        gateway: subnet.gateway,
        prefix: subnet.prefix,
        start: subnet.start,
        end: subnet.end,
        dns: subnet.dns(),
    });
    NetworkSpec {
        uuid: network.uuid,
        name: network.name.clone(),
        forward: Forward::Nat,
        subnets: subnets.collect(),
        hosts: hosts(leases),
    }
}

fn hosts(leases: &[Lease]) -> Vec<DhcpHost> {
    let host = |lease: &Lease| DhcpHost {
        mac: lease.mac.clone(),
        address: lease.address,
        name: String::new(),
    };
    leases.iter().map(host).collect()
}
