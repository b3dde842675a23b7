//! What the processors of a pool have in common: a machine that has no more runs on each of its nodes.

use super::{Template, Templates};
use crate::error::{Error, Result};
use crate::inventory::{FIRST_CONNECTION, side_by_side};
use crate::node::protocol::CpuModel;

impl Templates {
    /// The largest processor that all nodes of the template's pool have, asked now.
    ///
    /// # Errors
    /// `cpu-untold`; what a node that does not answer says, with its name.
    pub fn pool_cpu(&self, template: &Template) -> Result<CpuModel> {
        let nodes = self.inventory.compute_nodes(template.pool_id)?;
        let asked = nodes.iter().map(|node| (node.id, node));
        let told = side_by_side(asked, |node, _| {
            self.inventory.client_within(node, FIRST_CONNECTION)?.host_cpu()
        });
        let cpus = told.into_iter().map(|(_, told)| told).collect::<Result<Vec<String>>>()?;
        let node = nodes.first().ok_or_else(|| Error::conflict("cpu-untold"))?;
        self.inventory.client_within(node.id, FIRST_CONNECTION)?.baseline_cpu(cpus)
    }
}
