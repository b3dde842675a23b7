//! 教学桌面: desktops of education desktop groups (`instance` on the wire).

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::named::{self, Named, subject};
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Handler, Scope, delete, get, post};
use crate::api::input::{List, Listed};
use crate::api::listing::listed;
use crate::api::{App, input, time, words};
use crate::desktops::{self, Desktop, DesktopPowerAction, SeatStatus};
use crate::error::Result;
use crate::identity::Permission;
use crate::operations::{BatchSubmission, SubmittedOperation};
use crate::store::list::Page;
use crate::store::now;

pub const PATH: &str = "/api/v1.0/education/instance/";
const MODULE: &str = "education";

pub fn endpoints() -> Vec<Endpoint> {
    vec![
        post("vdi.edu-instances.start", PATH, power(DesktopPowerAction::Start))
            .needs_in(Permission::DesktopsPower, Scope::Group)
            .action("start")
            .audited(MODULE, "log-desktop-start")
            .summary("Start desktops of a group"),
        post("vdi.edu-instances.stop", PATH, power(DesktopPowerAction::Stop))
            .needs_in(Permission::DesktopsPower, Scope::Group)
            .action("stop")
            .audited(MODULE, "log-desktop-stop")
            .summary("Ask desktops of a group to shut down; one that does not obey goes on and is told as failed"),
        post("vdi.edu-instances.reboot", PATH, power(DesktopPowerAction::Reboot))
            .needs_in(Permission::DesktopsPower, Scope::Group)
            .action("reboot")
            .audited(MODULE, "log-desktop-reboot")
            .summary("Reboot running desktops of a group"),
        post("carrel.edu-instances.hard-stop", PATH, power(DesktopPowerAction::HardStop))
            .needs_in(Permission::DesktopsPower, Scope::Group)
            .action("hard_stop")
            .audited(MODULE, "log-desktop-hard-stop")
            .summary("Switch desktops of a group off at once, as by the plug; what was not saved is lost"),
        post("carrel.edu-instances.hard-reboot", PATH, power(DesktopPowerAction::HardReboot))
            .needs_in(Permission::DesktopsPower, Scope::Group)
            .action("hard_reboot")
            .audited(MODULE, "log-desktop-hard-reboot")
            .summary("Switch running desktops of a group off and on at once; what was not saved is lost"),
        post("vdi.edu-instances.create", PATH, create)
            .needs_in(Permission::DesktopsManage, Scope::Group)
            .action("create")
            // The document's text, whose example has `create`.
            .action_too("action")
            .audited(MODULE, "log-desktop-create")
            .summary("Add desktops to a group"),
        delete("vdi.edu-instances.delete", PATH, remove)
            .needs_in(Permission::DesktopsManage, Scope::Group)
            .audited(MODULE, "log-desktop-delete")
            .summary("Delete desktops of a group, running ones too"),
        get("vdi.edu-instances.list", PATH, list)
            .needs_in(Permission::DesktopsView, Scope::Group)
            .summary("Desktops with their address, node and what they really do"),
    ]
}

#[derive(Debug, Deserialize, JsonSchema)]
struct DesktopsInput {
    /// The group.
    desktop_uuid: Uuid,
    desktop_name: String,
    /// 1 education, 2 personal
    #[serde(deserialize_with = "input::integer")]
    desktop_type: i64,
    instances: Vec<Named>,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct CreateInput {
    /// The group.
    desktop_uuid: Uuid,
    desktop_name: String,
    /// 1 education, 2 personal
    #[serde(deserialize_with = "input::integer")]
    desktop_type: i64,
    #[serde(deserialize_with = "input::integer")]
    instance_num: i64,
    /// Desktops by the address of the node; left out, they are spread by free memory.
    #[serde(default, deserialize_with = "named::create_info")]
    create_info: Option<BTreeMap<String, u32>>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[expect(dead_code, reason = "documents the parameters, which the list mechanism reads by itself")]
struct Filters {
    /// Uuid of the group.
    desktop_uuid: Option<Listed<String>>,
    /// active, inactive or error
    status: Option<Listed<String>>,
}

/// A desktop.
#[derive(Debug, Serialize, JsonSchema)]
pub struct DesktopView {
    id: i64,
    uuid: Uuid,
    name: String,
    desktop_uuid: Uuid,
    desktop_name: String,
    ipaddr: String,
    mac: String,
    /// Name of the node.
    hostname: String,
    host_name: String,
    host_ip: String,
    host_uuid: Uuid,
    #[schemars(with = "words::DesktopStatus")]
    status: &'static str,
    #[schemars(with = "words::Power")]
    power: &'static str,
    #[schemars(with = "words::Stage")]
    state: &'static str,
    /// Time of the last start.
    up_time: Option<String>,
    /// Seconds since then, while it runs.
    active_time: i64,
    /// What is wrong with it: of status error only.
    message: String,
    /// Why it is not running.
    reason: String,
    /// The operation that works on it, if one does.
    working: Option<String>,
    /// Whether it was told to go off, and has not yet.
    stopping: bool,
    /// Whether it was asked to shut down and goes on.
    disobeyed: bool,
    user_name: String,
    /// Its number in the group.
    seat: u32,
    template_version: u32,
    deleted: u8,
    deleted_at: Option<String>,
    created_at: String,
    updated_at: Option<String>,
}

pub fn view(app: &App, call: &Call, now: i64, desktop: Desktop) -> DesktopView {
    let language = call.language;
    let why = desktop.why_not_running();
    let reason = why.map(|error| app.language.error(language, &error)).unwrap_or_default();
    let working = desktop
        .work
        .as_ref()
        .map(|(kind, name)| app.language.text(language, kind, &[("name", name.as_str())]));
    let active_time = desktop.running_for(now);
    let (stopping, disobeyed) = (desktop.is_stopping(), desktop.disobeyed());
    DesktopView {
        id: desktop.id,
        uuid: desktop.uuid,
        name: desktop.name,
        desktop_uuid: desktop.group,
        desktop_name: desktop.group_name,
        ipaddr: desktop.address.as_ref().map(Ipv4Addr::to_string).unwrap_or_default(),
        mac: desktop.mac.unwrap_or_default(),
        hostname: desktop.node_name.clone(),
        host_name: desktop.node_name,
        host_ip: desktop.node_ip,
        host_uuid: desktop.node,
        status: desktop.status.word(),
        power: desktop.power.word(),
        state: desktop.stage.word(),
        up_time: time::optional(desktop.started_at),
        active_time,
        message: if desktop.status == SeatStatus::Error { reason.clone() } else { String::new() },
        reason,
        working,
        stopping,
        disobeyed,
        user_name: String::new(),
        seat: desktop.seat,
        template_version: desktop.version,
        deleted: 0,
        deleted_at: None,
        created_at: time::text(desktop.created_at),
        updated_at: time::optional(desktop.updated_at),
    }
}

/// Switches desktops so.
fn power(action: DesktopPowerAction) -> impl Handler<DesktopsInput, BatchSubmission> {
    move |app: &App, call: &mut Call, input: DesktopsInput| {
        let (group, wanted) = taken_apart(call, input)?;
        app.desktops.switch_desktops(&call.visible, &call.actor, action, Some(&group), &wanted)
    }
}

fn taken_apart(
    call: &mut Call,
    input: DesktopsInput,
) -> Result<(desktops::Named, Vec<desktops::Named>)> {
    call.about(subject(&input.instances, "instances")?);
    desktops::check_kind(input.desktop_type)?;
    Ok(((input.desktop_uuid, input.desktop_name), named::pairs(input.instances)))
}

fn create(app: &App, call: &mut Call, input: CreateInput) -> Result<SubmittedOperation> {
    call.about(&input.desktop_name);
    desktops::check_kind(input.desktop_type)?;
    let count = named::count("instance_num", input.instance_num)?;
    let group = (input.desktop_uuid, input.desktop_name);
    let told = input.create_info.as_ref();
    app.desktops.add_desktops(&call.visible, &call.reach(), &call.actor, &group, count, told)
}

fn remove(app: &App, call: &mut Call, input: DesktopsInput) -> Result<BatchSubmission> {
    let (group, wanted) = taken_apart(call, input)?;
    app.desktops.delete_desktops(&call.visible, &call.actor, Some(&group), &wanted)
}

fn list(app: &App, call: &mut Call, _: List<Filters>) -> Result<Page<DesktopView>> {
    let now = now();
    listed(call.list_query()?, |query| {
        let page = app.desktops.desktops(&call.visible, query)?;
        Ok(page.map(|desktop| view(app, call, now, desktop)))
    })
}
