//! 控制节点管理, 计算节点: controller nodes and the nodes of a pool.

use schemars::JsonSchema;
use serde::Deserialize;

use super::node_view::NodeView;
use crate::api::answer::{Data, Done};
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, get, put};
use crate::api::input::NoInput;
use crate::api::input::{List, Listed};
use crate::api::listing::listed;
use crate::api::{App, input};
use crate::error::Result;
use crate::identity::Permission;
use crate::store::list::{ListQuery, Page};

const CONTROLLERS: &str = "/api/v1.0/resource_mgr/controller_nodes";
const CONTROLLER: &str = "/api/v1.0/resource_mgr/controller_nodes/{controller_node_uuid}";
const IN_POOL: &str = "/api/v1.0/resource_mgr/resource_pools/{resource_pool_uuid}/nodes";
const ALL: &str = "/api/v1.0/nodes";
const ONE: &str = "/api/v1.0/nodes/{node_uuid}";
const MODULE: &str = "node";

pub fn endpoints() -> Vec<Endpoint> {
    vec![
        get("vdi.controller-nodes.list", CONTROLLERS, list_controllers)
            .needs(Permission::NodesView)
            .summary("Controller nodes with their hardware and figures"),
        put("vdi.controller-nodes.rename", CONTROLLER, rename)
            .needs(Permission::NodesManage)
            .audited(MODULE, "log-node-rename")
            .summary("Rename a controller node; it may also begin to run desktops"),
        get("vdi.compute-nodes.list", IN_POOL, list_pool)
            .needs(Permission::NodesView)
            .also(&["vdi.compute-nodes.detail"])
            .summary("Nodes of a pool; `searchtype=single&uuid=…` gives one object"),
    ]
}

pub fn own_endpoints() -> Vec<Endpoint> {
    vec![
        get("carrel.nodes.list", ALL, list_all)
            .needs(Permission::NodesView)
            .summary("Nodes of every kind and pool with their hardware and figures"),
        get("carrel.nodes.detail", ONE, one).needs(Permission::NodesView).summary("A node"),
    ]
}

#[derive(Debug, Deserialize, JsonSchema)]
#[expect(dead_code, reason = "documents the parameters, which the list mechanism reads by itself")]
struct Filters {
    ip: Option<Listed<String>>,
    /// active, error or shutdown; also 0, 1 or 2
    status: Option<Listed<String>>,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct RenameInput {
    name: Option<String>,
    #[serde(default, deserialize_with = "input::optional_flag")]
    #[schemars(with = "Option<bool>")]
    add_compute_function: Option<bool>,
}

/// The document's tables number the states, its examples name them.
fn node_query(call: &Call) -> Result<ListQuery> {
    let mut query = call.list_query()?;
    for (name, value) in &mut query.filters {
        if name == "status" {
            let word = match value.as_str() {
                "0" => "active",
                "1" => "error",
                "2" => "shutdown",
                other => other,
            };
            *value = word.to_owned();
        }
    }
    Ok(query)
}

fn list_controllers(app: &App, call: &mut Call, _: List<Filters>) -> Result<Page<NodeView>> {
    listed(node_query(call)?, |query| {
        let page = app.inventory.list_controllers(query)?;
        Ok(page.map(|detail| NodeView::of(app, call, detail)))
    })
}

fn list_all(app: &App, call: &mut Call, _: List<Filters>) -> Result<Page<NodeView>> {
    listed(node_query(call)?, |query| {
        let page = app.inventory.list_nodes(&query)?;
        Ok(page.map(|detail| NodeView::of(app, call, detail)))
    })
}

fn list_pool(app: &App, call: &mut Call, _: List<Filters>) -> Result<Page<NodeView>> {
    let pool = app.inventory.pool(call.uuid("resource_pool_uuid")?)?;
    listed(node_query(call)?, |query| {
        let page = app.inventory.list_nodes_of(&pool, query)?;
        Ok(page.map(|detail| NodeView::of(app, call, detail)))
    })
}

fn one(app: &App, call: &mut Call, _: NoInput) -> Result<Data<NodeView>> {
    let detail = app.inventory.node_detail(call.uuid("node_uuid")?)?;
    Ok(Data(NodeView::of(app, call, detail)))
}

fn rename(app: &App, call: &mut Call, given: RenameInput) -> Result<Done> {
    let uuid = call.uuid("controller_node_uuid")?;
    call.about(uuid.to_string());
    call.about(app.inventory.node(uuid)?.name);
    let name = given.name.map(|name| input::name("name", &name)).transpose()?;
    let add_compute = given.add_compute_function.unwrap_or(false);
    if name.is_none() && !add_compute {
        return Err(input::missing("name"));
    }
    app.inventory.edit_controller(uuid, name, add_compute)?;
    Ok(Done)
}
