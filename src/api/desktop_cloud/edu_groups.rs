//! 教学分组: education groups.

use std::net::Ipv4Addr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::named::{Named, subject};
use crate::api::answer::{Data, Done};
use crate::api::batch::Batch;
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Scope, delete, get, post, put};
use crate::api::input::{List, Listed};
use crate::api::listing::listed;
use crate::api::{App, input, time};
use crate::desktops::{EducationGroup, EducationGroupChange, NewEducationGroup};
use crate::error::{Error, Result};
use crate::identity::Permission;
use crate::store::EducationGroupId;
use crate::store::list::Page;

const PATH: &str = "/api/v1.0/education/group/";
const MODULE: &str = "education";
/// `group_type` of an education group; the others are user groups.
const EDUCATION: i64 = 1;

pub fn endpoints() -> Vec<Endpoint> {
    vec![
        post("vdi.edu-groups.create", PATH, create)
            .needs(Permission::GroupsManage)
            .audited(MODULE, "log-education-group-create")
            .summary("Make an education group"),
        delete("vdi.edu-groups.delete", PATH, remove)
            .needs_in(Permission::GroupsManage, Scope::Group)
            .audited(MODULE, "log-education-group-delete")
            .summary("Delete education groups that no desktop group belongs to"),
        put("vdi.edu-groups.update", PATH, update)
            .needs_in(Permission::GroupsManage, Scope::Group)
            .audited(MODULE, "log-education-group-update")
            .summary("Change an education group"),
        get("vdi.edu-groups.list", PATH, list)
            .needs_in(Permission::GroupsView, Scope::Group)
            .also(&["vdi.common-query.search"])
            .summary("Education groups with their network and how much is in them"),
    ]
}

#[derive(Debug, Deserialize, JsonSchema)]
struct CreateInput {
    name: String,
    /// 1
    #[serde(default, deserialize_with = "input::optional_integer")]
    group_type: Option<i64>,
    #[serde(default, deserialize_with = "input::optional_text")]
    desc: Option<String>,
    network_uuid: Uuid,
    subnet_uuid: Uuid,
    /// First address of the terminals.
    start_ip: Ipv4Addr,
    end_ip: Ipv4Addr,
}

/// The new group.
#[derive(Debug, Serialize, JsonSchema)]
struct Created {
    uuid: Uuid,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct DeleteInput {
    groups: Vec<Named>,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct UpdateInput {
    uuid: Uuid,
    name: String,
    value: UpdateValue,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct UpdateValue {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    desc: Option<String>,
    #[serde(default)]
    network_uuid: Option<Uuid>,
    #[serde(default)]
    subnet_uuid: Option<Uuid>,
    #[serde(default)]
    start_ip: Option<Ipv4Addr>,
    #[serde(default)]
    end_ip: Option<Ipv4Addr>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[expect(dead_code, reason = "documents the parameters, which the list mechanism reads by itself")]
struct Filters {
    group_type: Option<Listed<u32>>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct EducationGroupView {
    id: EducationGroupId,
    uuid: Uuid,
    name: String,
    desc: String,
    group_type: i64,
    network: Uuid,
    network_uuid: Uuid,
    network_name: String,
    subnet: Uuid,
    subnet_uuid: Uuid,
    subnet_name: String,
    subnet_start_ip: Ipv4Addr,
    subnet_end_ip: Ipv4Addr,
    start_ip: Ipv4Addr,
    end_ip: Ipv4Addr,
    /// Terminals do not register in this version: 0.
    terminal_count: u32,
    /// Addresses for terminals.
    seat_count: u32,
    /// Desktop groups.
    desktop_count: u64,
    /// Desktops in them.
    instance_count: u64,
    deleted: u8,
    deleted_at: Option<String>,
    created_at: String,
    updated_at: Option<String>,
}

impl From<EducationGroup> for EducationGroupView {
    fn from(group: EducationGroup) -> Self {
        let EducationGroup {
            id,
            uuid,
            name,
            desc,
            network,
            network_name,
            subnet,
            subnet_name,
            subnet_start,
            subnet_end,
            start,
            end,
            desktop_count,
            instance_count,
            created_at,
            updated_at,
        } = group;
        Self {
            id,
            uuid,
            name,
            desc,
            group_type: EDUCATION,
            network,
            network_uuid: network,
            network_name,
            subnet,
            subnet_uuid: subnet,
            subnet_name,
            subnet_start_ip: subnet_start,
            subnet_end_ip: subnet_end,
            start_ip: start,
            end_ip: end,
            terminal_count: 0,
            seat_count: u32::from(end) - u32::from(start) + 1,
            desktop_count,
            instance_count,
            deleted: 0,
            deleted_at: None,
            created_at: time::text(created_at),
            updated_at: time::optional(updated_at),
        }
    }
}

fn create(app: &App, call: &mut Call, input: CreateInput) -> Result<Data<Created>> {
    call.about(&input.name);
    if input.group_type.is_some_and(|kind| kind != EDUCATION) {
        return Err(Error::bad_input("group-type-wrong").arg("field", "group_type"));
    }
    let new = NewEducationGroup {
        name: input::name("name", &input.name)?,
        desc: input::text("desc", &input.desc.unwrap_or_default())?,
        network: input.network_uuid,
        subnet: input.subnet_uuid,
        start: input.start_ip,
        end: input.end_ip,
    };
    let uuid = app.desktops.create_education_group(&new)?;
    Ok(Data(Created { uuid }))
}

fn update(app: &App, call: &mut Call, input: UpdateInput) -> Result<Done> {
    call.about(&input.name);
    let UpdateValue { name, desc, network_uuid, subnet_uuid, start_ip, end_ip } = input.value;
    let change = EducationGroupChange {
        name: name.map(|name| input::name("value.name", &name)).transpose()?,
        desc: desc.map(|desc| input::text("value.desc", &desc)).transpose()?,
        network: network_uuid,
        subnet: subnet_uuid,
        start: start_ip,
        end: end_ip,
    };
    app.desktops.change_education_group(
        &call.visible,
        &call.reach(),
        input.uuid,
        &input.name,
        &change,
    )?;
    Ok(Done)
}

fn remove(app: &App, call: &mut Call, input: DeleteInput) -> Result<Batch> {
    call.about(subject(&input.groups, "groups")?);
    let things = input.groups.into_iter().map(|group| (group.uuid, group.name));
    Ok(Batch::of(things, |uuid, name| {
        app.desktops.delete_education_group(&call.visible, uuid, name)?;
        Ok(name.clone())
    }))
}

fn list(app: &App, call: &mut Call, _: List<Filters>) -> Result<Page<EducationGroupView>> {
    listed(call.list_query()?, |query| {
        let page = app.desktops.education_groups(&call.visible, query)?;
        Ok(page.map(EducationGroupView::from))
    })
}
