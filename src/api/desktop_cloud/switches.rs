//! 分布式虚拟交换机: virtual switches.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::api::answer::Data;
use crate::api::batch::Batch;
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, delete, get, post, put};
use crate::api::input::{List, Listed};
use crate::api::listing::listed;
use crate::api::uuids::Uuids;
use crate::api::{App, input, time, words};
use crate::error::{Error, Result};
use crate::identity::Permission;
use crate::networks::{NewSwitch, Switch, SwitchEdit, SwitchKind};
use crate::store::SwitchId;
use crate::store::list::Page;

const PATH: &str = "/api/v1.0/resource_mgr/vswitchs";
const ONE: &str = "/api/v1.0/resource_mgr/vswitchs/{vswitch_uuid}";
const MODULE: &str = "vswitch";

pub fn endpoints() -> Vec<Endpoint> {
    vec![
        get("vdi.vswitchs.list", PATH, list)
            .needs(Permission::NetworksView)
            .summary("Virtual switches"),
        post("vdi.vswitchs.create", PATH, create)
            .needs(Permission::NetworksManage)
            .audited(MODULE, "log-switch-create")
            .summary("Make a virtual switch of type nat, flat or vlan"),
        put("vdi.vswitchs.edit", ONE, edit)
            .needs(Permission::NetworksManage)
            .audited(MODULE, "log-switch-edit")
            .summary("Change a virtual switch; its type only while it has no networks"),
        delete("vdi.vswitchs.delete", PATH, remove)
            .needs(Permission::NetworksManage)
            .audited(MODULE, "log-switch-delete")
            .summary("Delete virtual switches without networks"),
    ]
}

#[derive(Debug, Deserialize, JsonSchema)]
#[expect(dead_code, reason = "documents the parameters, which the list mechanism reads by itself")]
struct Filters {
    r#type: Option<Listed<String>>,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct CreateInput {
    name: String,
    /// nat, flat or vlan
    r#type: String,
    desc: Option<String>,
    /// Must be empty in this version.
    #[serde(default)]
    uplinks: Option<Vec<Uplink>>,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct EditInput {
    name: Option<String>,
    r#type: Option<String>,
    desc: Option<String>,
    /// Must be empty in this version.
    #[serde(default)]
    uplinks: Option<Vec<Uplink>>,
}

/// A network card that a switch is bound to.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
struct Uplink {
    node_uuid: Uuid,
    nic_uuid: Uuid,
}

/// A virtual switch.
#[derive(Debug, Serialize, JsonSchema)]
struct SwitchView {
    id: SwitchId,
    uuid: Uuid,
    name: String,
    /// nat: a network of its own on each node, behind the node's address; flat, vlan: bridged
    #[schemars(with = "words::SwitchType")]
    r#type: &'static str,
    desc: Option<String>,
    default: u8,
    network_count: u32,
    uplinks: Vec<Uplink>,
    /// What keeps it from being used.
    reason: Option<String>,
    deleted: u8,
    deleted_at: Option<String>,
    created_at: String,
    updated_at: Option<String>,
}

fn view(app: &App, call: &Call, switch: Switch) -> SwitchView {
    let Switch { id, uuid, name, kind, desc, is_default, network_count, created_at, updated_at } =
        switch;
    let reason = (kind != SwitchKind::Nat)
        .then(|| app.language.text(call.language, "switch-without-uplink", &[]));
    SwitchView {
        id,
        uuid,
        name,
        r#type: kind.word(),
        desc,
        default: is_default.into(),
        network_count,
        uplinks: Vec::new(),
        reason,
        deleted: 0,
        deleted_at: None,
        created_at: time::text(created_at),
        updated_at: time::optional(updated_at),
    }
}

fn kind(word: &str) -> Result<SwitchKind> {
    let wrong = || Error::bad_input("switch-type-wrong").arg("field", "type").arg("value", word);
    SwitchKind::parse(word).ok_or_else(wrong)
}

/// Uplinks that would be ignored are refused instead.
fn refuse_uplinks(uplinks: Option<Vec<Uplink>>) -> Result<()> {
    match uplinks.is_none_or(|uplinks| uplinks.is_empty()) {
        true => Ok(()),
        false => Err(Error::bad_input("switch-uplinks-unsupported").arg("field", "uplinks")),
    }
}

fn list(app: &App, call: &mut Call, _: List<Filters>) -> Result<Page<SwitchView>> {
    let mut query = call.list_query()?;
    for (_, value) in query.filters.iter_mut().filter(|(name, _)| name == "type") {
        *value = value.to_ascii_lowercase();
    }
    listed(query, |query| {
        let page = app.networks.list_switches(&query)?;
        Ok(page.map(|switch| view(app, call, switch)))
    })
}

fn create(app: &App, call: &mut Call, given: CreateInput) -> Result<Data<SwitchView>> {
    call.about(&given.name);
    refuse_uplinks(given.uplinks)?;
    let new = NewSwitch {
        name: input::name("name", &given.name)?,
        kind: kind(&given.r#type)?,
        desc: given.desc.map(|desc| input::text("desc", &desc)).transpose()?,
    };
    let switch = app.networks.create_switch(&new)?;
    Ok(Data(view(app, call, switch)))
}

fn edit(app: &App, call: &mut Call, given: EditInput) -> Result<Data<SwitchView>> {
    let uuid = call.uuid("vswitch_uuid")?;
    call.about(uuid.to_string());
    call.about(app.networks.switch(uuid)?.name);
    refuse_uplinks(given.uplinks)?;
    let edit = SwitchEdit {
        name: given.name.map(|name| input::name("name", &name)).transpose()?,
        kind: given.r#type.map(|word| kind(&word)).transpose()?,
        desc: given.desc.map(|desc| input::text("desc", &desc)).transpose()?,
    };
    let switch = app.networks.edit_switch(uuid, edit)?;
    Ok(Data(view(app, call, switch)))
}

fn remove(app: &App, call: &mut Call, given: Uuids) -> Result<Batch> {
    let uuids = given.about(call, |uuid| Ok(app.networks.switch(uuid)?.name))?;
    Ok(Batch::of(uuids.into_iter().map(|uuid| (uuid, ())), |uuid, ()| {
        app.networks.delete_switch(uuid)
    }))
}
