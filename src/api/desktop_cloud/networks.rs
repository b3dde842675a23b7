//! 数据网络: data networks.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::subnets::SubnetInput;
use crate::api::batch::Made;
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, delete, get, post, put};
use crate::api::input::{List, Listed};
use crate::api::listing::listed;
use crate::api::uuids::Uuids;
use crate::api::{App, input, time, words};
use crate::error::{Error, Result};
use crate::identity::Permission;
use crate::networks::{Network, NetworkEdit, NewNetwork};
use crate::operations::BatchSubmission;
use crate::store::NetworkId;
use crate::store::list::Page;

const PATH: &str = "/api/v1.0/resource_mgr/data_networks";
const ONE: &str = "/api/v1.0/resource_mgr/data_networks/{data_network_uuid}";
const MODULE: &str = "data_network";

pub fn endpoints() -> Vec<Endpoint> {
    vec![
        get("vdi.data-networks.list", PATH, list)
            .needs(Permission::NetworksView)
            .summary("Data networks with their switch"),
        post("vdi.data-networks.create", PATH, create)
            .needs(Permission::NetworksManage)
            .audited(MODULE, "log-network-create")
            .summary("Make a data network, with a first subnet if wanted"),
        put("vdi.data-networks.edit", ONE, edit)
            .needs(Permission::NetworksManage)
            .audited(MODULE, "log-network-edit")
            .summary("Change name or VLAN of a data network"),
        delete("vdi.data-networks.delete", PATH, remove)
            .needs(Permission::NetworksManage)
            .audited(MODULE, "log-network-delete")
            .summary("Delete data networks that nothing uses, with their subnets"),
    ]
}

#[derive(Debug, Deserialize, JsonSchema)]
#[expect(dead_code, reason = "documents the parameters, which the list mechanism reads by itself")]
struct Filters {
    switch_name: Option<Listed<String>>,
    switch_type: Option<Listed<String>>,
    vlan_id: Option<Listed<String>>,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct CreateInput {
    name: String,
    desc: Option<String>,
    switch_uuid: Uuid,
    /// 1 to 4094, for a switch of type vlan only.
    #[serde(default, deserialize_with = "input::optional_integer")]
    vlan_id: Option<i64>,
    subnet_info: Option<SubnetInput>,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct EditInput {
    name: Option<String>,
    desc: Option<String>,
    /// 0: as it is.
    #[serde(default, deserialize_with = "input::optional_integer")]
    vlan_id: Option<i64>,
}

/// A data network.
#[derive(Debug, Serialize, JsonSchema)]
struct NetworkView {
    id: NetworkId,
    uuid: Uuid,
    name: String,
    desc: Option<String>,
    subnet_count: u32,
    /// Uuid of its switch.
    switch: Uuid,
    switch_name: String,
    /// nat, flat or vlan
    #[schemars(with = "words::SwitchType")]
    switch_type: &'static str,
    vlan_id: Option<u16>,
    default: u8,
    /// What keeps guests from being connected to it.
    reason: Option<String>,
    deleted: u8,
    deleted_at: Option<String>,
    created_at: String,
    updated_at: Option<String>,
}

fn view(app: &App, call: &Call, network: Network) -> NetworkView {
    let why = app.networks.why_unusable(&network);
    let Network {
        id,
        uuid,
        name,
        desc,
        switch_id: _,
        switch_uuid,
        switch_name,
        kind,
        vlan,
        is_default,
        subnet_count,
        created_at,
        updated_at,
    } = network;
    NetworkView {
        id,
        uuid,
        name,
        desc,
        subnet_count,
        switch: switch_uuid,
        switch_name,
        switch_type: kind.word(),
        vlan_id: vlan,
        default: is_default.into(),
        reason: why.map(|fault| app.language.error(call.language, &Error::from(fault))),
        deleted: 0,
        deleted_at: None,
        created_at: time::text(created_at),
        updated_at: time::optional(updated_at),
    }
}

fn list(app: &App, call: &mut Call, _: List<Filters>) -> Result<Page<NetworkView>> {
    listed(call.list_query()?, |query| {
        let page = app.networks.list(&query)?;
        Ok(page.map(|network| view(app, call, network)))
    })
}

fn create(app: &App, call: &mut Call, given: CreateInput) -> Result<Made<NetworkView>> {
    call.about(&given.name);
    let new = NewNetwork {
        name: input::name("name", &given.name)?,
        desc: given.desc.map(|desc| input::text("desc", &desc)).transpose()?,
        switch: given.switch_uuid,
        vlan: given.vlan_id,
        subnet: given.subnet_info.map(SubnetInput::plan).transpose()?,
    };
    let (network, operation) = app.networks.create(&call.actor, &new)?;
    Ok(Made(operation, view(app, call, network)))
}

fn edit(app: &App, call: &mut Call, given: EditInput) -> Result<Made<NetworkView>> {
    let uuid = call.uuid("data_network_uuid")?;
    call.about(uuid.to_string());
    call.about(app.networks.find(uuid)?.name);
    let edit = NetworkEdit {
        name: given.name.map(|name| input::name("name", &name)).transpose()?,
        desc: given.desc.map(|desc| input::text("desc", &desc)).transpose()?,
        vlan: given.vlan_id.filter(|vlan| *vlan != 0),
    };
    let (network, operation) = app.networks.edit(&call.actor, uuid, &edit)?;
    Ok(Made(operation, view(app, call, network)))
}

fn remove(app: &App, call: &mut Call, given: Uuids) -> Result<BatchSubmission> {
    let uuids = given.about(call, |uuid| Ok(app.networks.find(uuid)?.name))?;
    app.networks.delete(&call.actor, &uuids)
}
