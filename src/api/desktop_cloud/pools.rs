//! 资源池管理: resource pools.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::api::answer::Data;
use crate::api::batch::Batch;
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, delete, get, post, put};
use crate::api::input::List;
use crate::api::listing::listed;
use crate::api::uuids::Uuids;
use crate::api::{App, input, time};
use crate::error::Result;
use crate::identity::Permission;
use crate::inventory::{NewPool, Pool, PoolLine};
use crate::store::PoolId;
use crate::store::list::Page;

const PATH: &str = "/api/v1.0/resource_mgr/resource_pools";
const ONE: &str = "/api/v1.0/resource_mgr/resource_pools/{resource_pool_uuid}";
const MODULE: &str = "resource_pool";

pub fn endpoints() -> Vec<Endpoint> {
    vec![
        get("vdi.resource-pools.list", PATH, list)
            .needs(Permission::PoolsView)
            .summary("Resource pools with the number of their nodes"),
        post("vdi.resource-pools.create", PATH, create)
            .needs(Permission::PoolsManage)
            .audited(MODULE, "log-pool-create")
            .summary("Make a resource pool"),
        put("vdi.resource-pools.edit", ONE, edit)
            .needs(Permission::PoolsManage)
            .audited(MODULE, "log-pool-edit")
            .summary("Change name and description of a resource pool"),
        delete("vdi.resource-pools.delete", PATH, remove)
            .needs(Permission::PoolsManage)
            .audited(MODULE, "log-pool-delete")
            .summary("Delete empty resource pools"),
    ]
}

#[derive(Debug, Deserialize, JsonSchema)]
struct CreateInput {
    name: String,
    /// May be empty.
    desc: String,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct EditInput {
    name: Option<String>,
    desc: Option<String>,
}

/// A resource pool.
#[derive(Debug, Serialize, JsonSchema)]
struct PoolView {
    id: PoolId,
    uuid: Uuid,
    name: String,
    desc: Option<String>,
    /// 1 for the pool that every installation has.
    default: u8,
    /// Its nodes.
    host_count: u32,
    /// 0 good, 1 images are being copied to its nodes, 2 a node does not answer.
    status: u8,
    /// Why the status is not 0.
    reason: Option<String>,
    deleted: u8,
    deleted_at: Option<String>,
    created_at: String,
    updated_at: Option<String>,
}

fn view(app: &App, call: &Call, line: PoolLine) -> PoolView {
    let PoolLine { pool, host_count, nodes_down, is_copying } = line;
    let Pool { id, uuid, name, desc, is_default, created_at, updated_at } = pool;
    let text = |key, args: &[(&str, &str)]| Some(app.language.text(call.language, key, args));
    let (status, reason) = match (nodes_down, is_copying) {
        (Some(nodes), _) => (2, text("pool-nodes-down", &[("nodes", &nodes)])),
        (None, true) => (1, text("pool-copying", &[])),
        (None, false) => (0, None),
    };
    PoolView {
        id,
        uuid,
        name,
        desc,
        default: is_default.into(),
        host_count,
        status,
        reason,
        deleted: 0,
        deleted_at: None,
        created_at: time::text(created_at),
        updated_at: time::optional(updated_at),
    }
}

fn list(app: &App, call: &mut Call, _: List) -> Result<Page<PoolView>> {
    listed(call.list_query()?, |query| {
        let page = app.inventory.list_pools(&query)?;
        Ok(page.map(|line| view(app, call, line)))
    })
}

fn create(app: &App, call: &mut Call, given: CreateInput) -> Result<Data<PoolView>> {
    call.about(&given.name);
    let desc = input::text("desc", &given.desc)?;
    let new = NewPool { name: input::name("name", &given.name)?, desc: Some(desc) };
    let pool = app.inventory.create_pool(&new)?;
    let line = PoolLine { pool, host_count: 0, nodes_down: None, is_copying: false };
    Ok(Data(view(app, call, line)))
}

fn edit(app: &App, call: &mut Call, given: EditInput) -> Result<Data<PoolView>> {
    let uuid = call.uuid("resource_pool_uuid")?;
    call.about(uuid.to_string());
    call.about(app.inventory.pool(uuid)?.name);
    let name = given.name.map(|name| input::name("name", &name)).transpose()?;
    let desc = given.desc.map(|desc| input::text("desc", &desc)).transpose()?;
    let line = app.inventory.edit_pool(uuid, name, desc)?;
    Ok(Data(view(app, call, line)))
}

fn remove(app: &App, call: &mut Call, given: Uuids) -> Result<Batch> {
    let uuids = given.about(call, |uuid| Ok(app.inventory.pool(uuid)?.name))?;
    Ok(Batch::from(app.inventory.delete_pools(&uuids)?))
}
