//! Desktops of all groups, for the console: what document 002 says of them, and where they belong.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::edu_instances::{self, DesktopView};
use super::named::{self, Named, subject};
use crate::api::App;
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Scope, delete, get, post};
use crate::api::input::{List, Listed};
use crate::api::listing::listed;
use crate::desktops::{Desktop, DesktopPowerAction};
use crate::error::Result;
use crate::identity::Permission;
use crate::operations::BatchSubmission;
use crate::store::list::Page;
use crate::store::now;

const PATH: &str = "/api/v1.0/desktops";
const MODULE: &str = "education";

pub fn endpoints() -> Vec<Endpoint> {
    vec![
        get("carrel.desktops.list", PATH, list)
            .needs_in(Permission::DesktopsView, Scope::Group)
            .summary("Desktops of all groups with their group, template, version, node and state"),
        post("carrel.desktops.start", PATH, start)
            .needs_in(Permission::DesktopsPower, Scope::Group)
            .action("start")
            .audited(MODULE, "log-desktop-start")
            .summary("Start desktops of any groups"),
        post("carrel.desktops.stop", PATH, stop)
            .needs_in(Permission::DesktopsPower, Scope::Group)
            .action("stop")
            .audited(MODULE, "log-desktop-stop")
            .summary("Shut down desktops of any groups"),
        post("carrel.desktops.reboot", PATH, reboot)
            .needs_in(Permission::DesktopsPower, Scope::Group)
            .action("reboot")
            .audited(MODULE, "log-desktop-reboot")
            .summary("Reboot running desktops of any groups"),
        post("carrel.desktops.hard-stop", PATH, hard_stop)
            .needs_in(Permission::DesktopsPower, Scope::Group)
            .action("hard_stop")
            .audited(MODULE, "log-desktop-hard-stop")
            .summary("Switch desktops of any groups off at once; what was not saved is lost"),
        post("carrel.desktops.hard-reboot", PATH, hard_reboot)
            .needs_in(Permission::DesktopsPower, Scope::Group)
            .action("hard_reboot")
            .audited(MODULE, "log-desktop-hard-reboot")
            .summary("Switch running desktops of any groups off and on at once"),
        delete("carrel.desktops.delete", PATH, remove)
            .needs_in(Permission::DesktopsManage, Scope::Group)
            .audited(MODULE, "log-desktop-delete")
            .summary("Delete desktops of any groups, running ones too"),
    ]
}

#[derive(Debug, Deserialize, JsonSchema)]
struct DesktopsInput {
    desktops: Vec<Named>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[expect(dead_code, reason = "documents the parameters, which the list mechanism reads by itself")]
struct Filters {
    /// Name, address or MAC address; with `searchtype=contain` a part of one.
    search: Option<Listed<String>>,
    /// active, inactive or error
    status: Option<Listed<String>>,
    /// Uuid of a desktop group.
    desktop_uuid: Option<Listed<String>>,
    /// Uuid of an education group.
    group_uuid: Option<Listed<String>>,
    /// Uuid of a node.
    host_uuid: Option<Listed<String>>,
    /// 1: the template has a newer version.
    outdated: Option<Listed<u8>>,
}

/// A desktop and where it belongs.
#[derive(Debug, Serialize, JsonSchema)]
pub struct DesktopLine {
    #[serde(flatten)]
    desktop: DesktopView,
    /// The education group.
    group_uuid: Option<Uuid>,
    group_name: String,
    template: Uuid,
    template_name: String,
    /// Newest version of the template.
    newest_version: u32,
    /// The template has a newer version than the desktop's disks.
    outdated: bool,
    /// Kind of the operation that works on it, if one does.
    working_kind: Option<String>,
    /// 1: the system disk is made anew at every start and reboot, of the newest version then.
    sys_restore: u8,
}

pub fn view(app: &App, call: &Call, now: i64, desktop: Desktop) -> DesktopLine {
    let (group_uuid, group_name) = desktop.education.clone().unzip();
    DesktopLine {
        group_uuid,
        group_name: group_name.unwrap_or_default(),
        template: desktop.template,
        template_name: desktop.template_name.clone(),
        newest_version: desktop.newest,
        outdated: desktop.version < desktop.newest,
        working_kind: desktop.work.as_ref().map(|(kind, _)| kind.clone()),
        sys_restore: desktop.restores_system.into(),
        desktop: edu_instances::view(app, call, now, desktop),
    }
}

fn list(app: &App, call: &mut Call, _: List<Filters>) -> Result<Page<DesktopLine>> {
    let now = now();
    listed(call.list_query()?, |query| {
        let page = app.desktops.desktops(&call.visible, query)?;
        Ok(page.map(|desktop| view(app, call, now, desktop)))
    })
}

fn start(app: &App, call: &mut Call, input: DesktopsInput) -> Result<BatchSubmission> {
    power(app, call, DesktopPowerAction::Start, input)
}

fn stop(app: &App, call: &mut Call, input: DesktopsInput) -> Result<BatchSubmission> {
    power(app, call, DesktopPowerAction::Stop, input)
}

fn reboot(app: &App, call: &mut Call, input: DesktopsInput) -> Result<BatchSubmission> {
    power(app, call, DesktopPowerAction::Reboot, input)
}

fn hard_stop(app: &App, call: &mut Call, input: DesktopsInput) -> Result<BatchSubmission> {
    power(app, call, DesktopPowerAction::HardStop, input)
}

fn hard_reboot(app: &App, call: &mut Call, input: DesktopsInput) -> Result<BatchSubmission> {
    power(app, call, DesktopPowerAction::HardReboot, input)
}

fn power(
    app: &App,
    call: &mut Call,
    action: DesktopPowerAction,
    input: DesktopsInput,
) -> Result<BatchSubmission> {
    call.about(subject(&input.desktops, "desktops")?);
    let wanted = named::pairs(input.desktops);
    app.desktops.switch_desktops(&call.visible, &call.actor, action, None, &wanted)
}

fn remove(app: &App, call: &mut Call, input: DesktopsInput) -> Result<BatchSubmission> {
    call.about(subject(&input.desktops, "desktops")?);
    let wanted = named::pairs(input.desktops);
    app.desktops.delete_desktops(&call.visible, &call.actor, None, &wanted)
}
