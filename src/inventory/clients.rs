//! The ways to a node's agent: at once, or after waiting for its first connection.
//!
//! While the server starts, no node is connected yet, and who comes then would be refused for no reason. So requests and
//! operations wait a little. Nobody waits within a transaction: all other changes would wait too.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::Inventory;
use crate::error::{Error, Fault, Result};
use crate::node::client::NodeClient;
use crate::store::{NodeId, outside_transaction};

/// How long requests and operations wait for the first connection after the start of the server.
pub const FIRST_CONNECTION: Duration = Duration::from_secs(5);

/// By node, that it answered or why not.
pub struct Answering(HashMap<NodeId, Result<(), Fault>>);

impl Answering {
    /// # Errors
    /// `node-unreachable` naming the node. `None` for one that was not asked.
    pub fn of(&self, node_id: NodeId) -> Option<Result<()>> {
        self.0.get(&node_id).map(|link| link.clone().map_err(Error::from))
    }
}

impl Inventory {
    /// The link to a node's agent, at once.
    ///
    /// # Errors
    /// `node-unreachable` naming the node, also while its first connection is being made.
    pub fn client_now(&self, node_id: NodeId) -> Result<NodeClient> {
        self.inner.links.client_now(node_id).or_else(|fault| self.unreachable(node_id, fault))
    }

    /// The link to a node's agent. While its very first connection is being made it blocks for that, at most so long;
    /// otherwise it answers at once. Not within a transaction.
    ///
    /// # Errors
    /// `node-unreachable` naming the node.
    pub fn client_within(&self, node_id: NodeId, patience: Duration) -> Result<NodeClient> {
        outside_transaction("waiting for a node");
        let client = self.inner.links.client_within(node_id, patience);
        client.or_else(|fault| self.unreachable(node_id, fault))
    }

    /// Which of these nodes answer, as [`Inventory::client_within`] for all of them together. One that lacks a storage
    /// does not: what is begun there cannot be ended.
    pub fn answering_within(
        &self,
        nodes: impl IntoIterator<Item = NodeId>,
        patience: Duration,
    ) -> Answering {
        let deadline = Instant::now() + patience;
        let link = |node| {
            let left = deadline.saturating_duration_since(Instant::now());
            let linked = self.client_within(node, left).map(drop).map_err(Fault::from);
            let storage = self.inner.links.storage_fault(node).map_or(Ok(()), Err);
            (node, linked.and(storage))
        };
        Answering(nodes.into_iter().map(link).collect())
    }

    fn unreachable(&self, node_id: NodeId, fault: Fault) -> Result<NodeClient> {
        let node = self.node_by_id(node_id)?;
        let error = Error::unreachable("node-unreachable").arg("name", node.name);
        Err(error.because(Error::from(fault)))
    }
}
