//! What there is for more desktops of an education desktop group.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::api::App;
use crate::api::answer::Data;
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Scope, get};
use crate::desktops::{CapacityQuery, NodeCapacity};
use crate::error::Result;
use crate::identity::Permission;

const PATH: &str = "/api/v1.0/education/desktop/capacity/";

pub fn endpoint() -> Endpoint {
    get("carrel.edu-desktops.capacity", PATH, capacity)
        .needs_in(Permission::DesktopsManage, Scope::Group)
        .summary("What there is for more desktops: addresses, memory, and what stands in the way")
}

#[derive(Debug, Deserialize, JsonSchema)]
struct CapacityInput {
    /// The education group that they are for.
    group_uuid: Uuid,
    template_uuid: Uuid,
    network_uuid: Uuid,
    subnet_uuid: Uuid,
}

#[derive(Debug, Serialize, JsonSchema)]
struct CapacityView {
    /// Addresses of the subnet that nobody has.
    free_addresses: u64,
    /// Nodes that would take desktops of the template; null for who may not see nodes.
    nodes: Option<Vec<NodeCapacityView>>,
    /// Why none can be made now, however many; empty when nothing stands in the way.
    obstacle: String,
}

#[derive(Debug, Serialize, JsonSchema)]
struct NodeCapacityView {
    uuid: Uuid,
    name: String,
    /// GiB; no single desktop can have more.
    ram: f64,
    /// GiB that nobody uses now; null when the node has not said yet.
    free_ram: Option<f64>,
}

impl From<NodeCapacity> for NodeCapacityView {
    fn from(node: NodeCapacity) -> Self {
        let NodeCapacity { uuid, name, memory_mib, free_mib } = node;
        let gibibytes = |mebibytes: u64| mebibytes as f64 / 1024.0;
        Self { uuid, name, ram: gibibytes(memory_mib), free_ram: free_mib.map(gibibytes) }
    }
}

fn capacity(app: &App, call: &mut Call, input: CapacityInput) -> Result<Data<CapacityView>> {
    let reach = call.reach();
    let wanted = CapacityQuery {
        group: input.group_uuid,
        template: input.template_uuid,
        network: input.network_uuid,
        subnet: input.subnet_uuid,
    };
    let found = app.desktops.capacity(&call.visible, &reach, &wanted)?;
    let nodes = found.nodes.into_iter().map(NodeCapacityView::from);
    let obstacle = found.obstacle.map(|error| app.language.error(call.language, &error));
    Ok(Data(CapacityView {
        free_addresses: found.free_addresses,
        nodes: reach.sees_nodes.then(|| nodes.collect()),
        obstacle: obstacle.unwrap_or_default(),
    }))
}
