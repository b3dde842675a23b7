//! What there is for desktops before they are made: addresses, memory, and what would be refused.

use uuid::Uuid;

use super::deploy::check_template;
use super::store::education;
use super::{Desktops, Reach, templates};
use crate::error::{Error, Result};
use crate::inventory::Node;
use crate::store::visible::Visible;

/// What desktops are to be made of, and for whom.
#[derive(Debug)]
pub struct CapacityQuery {
    /// The education group.
    pub group: Uuid,
    pub template: Uuid,
    pub network: Uuid,
    pub subnet: Uuid,
}

/// As things stand now; nothing is kept for whoever asks.
#[derive(Debug)]
pub struct Capacity {
    /// Addresses of the subnet that nobody has.
    pub free_addresses: u64,
    /// Nodes that would take desktops of the template.
    pub nodes: Vec<NodeCapacity>,
    /// Why none can be made now, however many.
    pub obstacle: Option<Error>,
}

/// A node that answers and has the template.
#[derive(Debug)]
pub struct NodeCapacity {
    pub uuid: Uuid,
    pub name: String,
    /// What no single desktop can have more of, in MiB.
    pub memory_mib: u64,
    /// `None` when the node has not said yet.
    pub free_mib: Option<u64>,
}

impl Desktops {
    /// What there is for desktops of an education group. Asks no node.
    ///
    /// # Errors
    /// `education-group-unknown`, `not-in-your-groups`, and those of what else is named but not there
    pub fn capacity(
        &self,
        visible: &Visible,
        reach: &Reach,
        wanted: &CapacityQuery,
    ) -> Result<Capacity> {
        let CapacityQuery { group, template, network, subnet } = *wanted;
        let (template, network, having, free_addresses) = self.store.read(|conn| {
            education::require(conn, visible, group)?;
            reach.check_template(conn, template)?;
            reach.check_subnet(conn, network, subnet)?;
            let (_, subnet_id) = self.network_ids(conn, network, subnet)?;
            let template = templates::store::find(conn, template)?;
            let having = templates::store::nodes_with_version(conn, &template)?;
            let network = self.networks.find_in(conn, network)?;
            Ok((template, network, having, self.networks.free_addresses(conn, subnet_id)?))
        })?;
        let pool = self.inventory.pool_of(template.pool_id)?;
        let nodes = self.inventory.compute_nodes(pool.id)?;
        let (fit, unfit): (Vec<&Node>, Vec<&Node>) = nodes
            .iter()
            .filter(|node| having.contains(&node.id))
            .partition(|node| self.inventory.why_unfit(node.id).is_none());
        let missing = || {
            Error::conflict("template-version-nowhere")
                .arg("name", &template.name)
                .arg("version", template.version)
        };
        let without = || match unfit.iter().find_map(|node| self.inventory.why_unfit(node.id)) {
            // What a node is like is told to who sees nodes.
            Some(fault) if reach.sees_nodes => Err(fault.into()),
            _ if unfit.is_empty() && !nodes.is_empty() => Err(missing()),
            _ => Err(Error::conflict("pool-without-nodes").arg("name", &pool.name)),
        };
        let obstacle = check_template(&template, pool.id, &pool.name)
            .and_then(|()| self.networks.check_usable(&network))
            .and_then(|()| if fit.is_empty() { without() } else { Ok(()) });
        Ok(Capacity {
            free_addresses,
            nodes: fit.into_iter().map(|node| self.node_capacity(node)).collect(),
            obstacle: obstacle.err(),
        })
    }

    fn node_capacity(&self, node: &Node) -> NodeCapacity {
        let sample = self.inventory.sample(node.id);
        let free = sample.map(|sample| sample.memory_total.saturating_sub(sample.memory_used));
        NodeCapacity {
            uuid: node.uuid,
            name: node.name.clone(),
            memory_mib: node.memory >> 20,
            free_mib: free.map(|bytes| bytes >> 20),
        }
    }
}
