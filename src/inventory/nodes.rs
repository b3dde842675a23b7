//! Nodes as people see them: the row, what is in it, what runs on it, and its newest figures.

use std::collections::HashMap;
use std::sync::Arc;

use uuid::Uuid;

use super::{Inventory, Node, NodeStatus, Pool, Problem, store};
use crate::error::{Error, Result};
use crate::node::protocol::Sample;
use crate::store::NodeId;
use crate::store::list::{ListQuery, Page};

pub use super::store::facts::{Address, Nic, StorageUse};
pub use super::store::nodes::Usage;

/// Everything that a list shows of a node.
#[derive(Debug, Clone)]
pub struct NodeDetail {
    pub node: Node,
    pub usage: Usage,
    pub nics: Vec<Nic>,
    pub storages: Vec<StorageUse>,
    pub sample: Option<Arc<Sample>>,
    /// What could not be done on it.
    pub problems: Vec<Problem>,
}

impl Inventory {
    pub fn list_controllers(&self, query: ListQuery) -> Result<Page<NodeDetail>> {
        self.list_nodes(&query.with("is_controller", 1))
    }

    pub fn list_nodes_of(&self, pool: &Pool, query: ListQuery) -> Result<Page<NodeDetail>> {
        self.list_nodes(&query.with("pool_id", pool.id))
    }

    /// Nodes of every role and pool.
    pub fn list_nodes(&self, query: &ListQuery) -> Result<Page<NodeDetail>> {
        let Page { count, page, page_size, search, results, left } =
            store::nodes::list(&self.inner.store, query)?;
        Ok(Page { count, page, page_size, search, results: self.details(results)?, left })
    }

    pub fn node_detail(&self, uuid: Uuid) -> Result<NodeDetail> {
        let details = self.details(vec![self.node(uuid)?])?;
        details.into_iter().next().ok_or_else(|| Error::internal("a node without detail"))
    }

    /// The nodes that answer.
    pub fn active_details(&self) -> Result<Vec<NodeDetail>> {
        let nodes = self.nodes()?.into_iter().filter(|node| node.status == NodeStatus::Active);
        self.details(nodes.collect())
    }

    /// Three queries for all of them together.
    fn details(&self, nodes: Vec<Node>) -> Result<Vec<NodeDetail>> {
        let ids: Vec<NodeId> = nodes.iter().map(|node| node.id).collect();
        let (mut usage, nics, storages) = self.inner.store.read(|conn| {
            let usage = store::nodes::usage(conn, &ids)?;
            let nics = store::facts::nics(conn, &ids)?;
            Ok((usage, nics, store::facts::storages(conn, &ids)?))
        })?;
        let mut nics = by_node(nics, |nic| nic.node_id);
        let mut storages = by_node(storages, |storage| storage.node_id);
        let detail = |node: Node| {
            let id = node.id;
            let sample = self.sample(id);
            let mut storages = storages.remove(&id).unwrap_or_default();
            if let Some(sample) = &sample {
                refresh(&mut storages, sample);
            }
            NodeDetail {
                usage: usage.remove(&id).unwrap_or_default(),
                nics: nics.remove(&id).unwrap_or_default(),
                storages,
                sample,
                problems: self.inner.attendants.problems(id),
                node,
            }
        };
        Ok(nodes.into_iter().map(detail).collect())
    }

    /// Renames a controller; `add_compute` lets it run desktops as well.
    ///
    /// # Errors
    /// `node-unknown`, `node-not-a-controller`, `node-name-taken`
    pub fn edit_controller(
        &self,
        uuid: Uuid,
        name: Option<String>,
        add_compute: bool,
    ) -> Result<Node> {
        self.inner.store.write(|tx| {
            let node = store::nodes::find(tx, uuid)?;
            if !node.role.controls() {
                return Err(Error::not_found("node-not-a-controller").arg("name", node.name));
            }
            let role = if add_compute { node.role.with_compute() } else { node.role };
            store::nodes::rename(tx, node.id, &name.unwrap_or(node.name), role)?;
            store::nodes::by_id(tx, node.id)
        })
    }
}

fn by_node<T>(things: Vec<T>, node: impl Fn(&T) -> NodeId) -> HashMap<NodeId, Vec<T>> {
    let mut groups: HashMap<NodeId, Vec<T>> = HashMap::new();
    for thing in things {
        groups.entry(node(&thing)).or_default().push(thing);
    }
    groups
}

/// The row has what the node said when it was connected; the sample is seconds old.
fn refresh(storages: &mut [StorageUse], sample: &Sample) {
    for storage in storages {
        if let Some(now) = sample.storages.iter().find(|now| now.path == storage.path) {
            (storage.total, storage.used) = (now.total, now.used);
        }
    }
}
