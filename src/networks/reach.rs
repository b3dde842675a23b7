//! What nodes are told about networks and reservations.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::broadcast::error::RecvError;
use tokio::task::spawn_blocking;
use uuid::Uuid;

use super::{Lease, Network, Networks, Subnet, SwitchKind, store};
use crate::error::{Error, Kind, Result, logged};
use crate::node::protocol::{DhcpHost, Forward, NetworkSpec, SubnetSpec};

/// What a node refused is tried again this often, while it is up.
const RETRY: Duration = Duration::from_secs(10);

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Networks {
    /// Makes the network on the node as the rows say, with all reservations.
    ///
    /// # Errors
    /// `network-unknown`, `network-without-uplink`, `node-unreachable`, and what the node answers.
    pub fn ensure_on(&self, node_id: i64, network: Uuid) -> Result<()> {
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

    fn ensure_in_turn(&self, node_id: i64, network: Uuid) -> Result<()> {
        let (network, subnets, leases) = self.inner.store.read(|conn| {
            let network = store::networks::find(conn, network)?;
            let subnets = store::subnets::of_network(conn, network.id)?;
            let leases = store::addresses::of_network(conn, network.id)?;
            Ok((network, subnets, leases))
        })?;
        self.check_usable(&network)?;
        let client = self.inner.inventory.client(node_id)?;
        client.ensure_network(spec(&network, &subnets, &leases))
    }

    /// Tells a node about reservations that were just made. They must be committed.
    pub fn announce(&self, node_id: i64, network: Uuid, leases: &[Lease]) -> Result<()> {
        if leases.is_empty() {
            return Ok(());
        }
        let turn = self.turn(node_id);
        let _turn = lock(&turn);
        self.inner.inventory.client(node_id)?.reserve(network, hosts(leases))
    }

    /// Tells a node that reservations are no more; they must be gone from the rows.
    pub fn withdraw(&self, node_id: i64, network: Uuid, leases: &[Lease]) -> Result<()> {
        if leases.is_empty() {
            return Ok(());
        }
        let turn = self.turn(node_id);
        let _turn = lock(&turn);
        self.inner.inventory.client(node_id)?.release(network, hosts(leases))
    }

    fn turn(&self, node_id: i64) -> Arc<Mutex<()>> {
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
                    node.id = node,
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
            self.inner.inventory.client(node)?.remove_network(network)?;
            lock(&self.inner.problems).remove(&(node, network));
            Ok(())
        })
    }

    /// One thread for each node; the first error.
    fn on_all_nodes(&self, work: impl Fn(i64) -> Result<()> + Sync) -> Result<()> {
        let nodes = self.inner.inventory.nodes()?;
        std::thread::scope(|scope| {
            let threads: Vec<_> = nodes.iter().map(|node| scope.spawn(|| work(node.id))).collect();
            let results = threads.into_iter().map(|thread| {
                let panicked = |_| Err(Error::internal("telling a node panicked"));
                thread.join().unwrap_or_else(panicked)
            });
            // All are joined before the first error is given back.
            results.collect::<Vec<_>>().into_iter().collect()
        })
    }

    /// From now on tells every node that arrives about its networks. Call it before nodes are
    /// connected, in the runtime.
    pub fn keep_nodes_told(&self) {
        let networks = self.clone();
        let mut arrivals = self.inner.inventory.arrivals();
        tokio::spawn(async move {
            let mut retry = tokio::time::interval(RETRY);
            loop {
                let arrived = tokio::select! {
                    arrived = arrivals.recv() => match arrived {
                        Ok(node) => Some(vec![node]),
                        Err(RecvError::Lagged(_)) => networks.node_ids(),
                        Err(RecvError::Closed) => return,
                    },
                    _ = retry.tick() => None,
                };
                let networks = networks.clone();
                let told = spawn_blocking(move || match arrived {
                    Some(nodes) => nodes.into_iter().try_for_each(|node| networks.arrived(node)),
                    None => networks.try_again(),
                });
                logged("telling nodes of networks", told.await);
            }
        });
    }

    fn node_ids(&self) -> Option<Vec<i64>> {
        let nodes = self.inner.inventory.nodes().ok()?;
        Some(nodes.into_iter().map(|node| node.id).collect())
    }

    fn arrived(&self, node: i64) -> Result<()> {
        self.make_default_if_missing()?;
        for network in self.inner.store.read(store::networks::all)? {
            if network.kind == SwitchKind::Nat {
                self.ensure_or_log(node, &network.name, network.uuid);
            }
        }
        self.remove_strays(node)
    }

    /// Takes networks away that no row knows: left by a database that was put back, perhaps. Rows are
    /// there before a node learns of a network and go after it, so that none is taken by mistake.
    fn remove_strays(&self, node: i64) -> Result<()> {
        let client = self.inner.inventory.client(node)?;
        for uuid in client.list_networks()? {
            let turn = self.turn(node);
            let _turn = lock(&turn);
            if self.inner.store.read(|conn| store::networks::maybe(conn, uuid))?.is_none() {
                tracing::warn!(node.id = node, network.uuid = %uuid, "removing a network without owner");
                client.remove_network(uuid)?;
            }
        }
        Ok(())
    }

    fn make_default_if_missing(&self) -> Result<()> {
        if self.lacks_default()?
            && let Err(error) = self.make_default()
        {
            tracing::warn!(error = error.detail(), "the default network has to wait");
        }
        Ok(())
    }

    fn try_again(&self) -> Result<()> {
        let inventory = &self.inner.inventory;
        if self.lacks_default()? && inventory.is_up(inventory.local_node()?.id) {
            return self.arrived(inventory.local_node()?.id);
        }
        let failed: Vec<(i64, Uuid)> = lock(&self.inner.problems).keys().copied().collect();
        for (node, network) in failed {
            if inventory.is_up(node) {
                self.ensure_or_log(node, "", network);
            }
        }
        Ok(())
    }

    fn ensure_or_log(&self, node: i64, name: &str, network: Uuid) {
        if let Err(error) = self.ensure_on(node, network)
            // Somebody deleted it meanwhile.
            && error.key() != "network-unknown"
        {
            tracing::warn!(node.id = node, network.uuid = %network, name, error = error.detail(),
                "network not made on a node");
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
