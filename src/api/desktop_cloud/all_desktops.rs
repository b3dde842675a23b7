//! Desktops of all groups, for the console: what document 002 says of them, and where they belong.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::edu_instances::{self, DesktopView};
use super::named::{self, Named, subject};
use crate::api::answer::Data;
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Handler, Scope, delete, get, post, put};
use crate::api::input::{self, List, Listed, NoInput};
use crate::api::listing::listed;
use crate::api::{App, words};
use crate::desktops::{Changed, Desktop, DesktopPowerAction, Outcome};
use crate::error::Result;
use crate::identity::Permission;
use crate::node::protocol::{DomainUse, GuestMemory, Spice};
use crate::operations::BatchSubmission;
use crate::store::list::Page;
use crate::store::now;

const PATH: &str = "/api/v1.0/desktops";
const ONE: &str = "/api/v1.0/desktops/{desktop_uuid}";
const MODULE: &str = "education";

pub fn endpoints() -> Vec<Endpoint> {
    vec![
        get("carrel.desktops.list", PATH, list)
            .needs_in(Permission::DesktopsView, Scope::Group)
            .summary("Desktops of all groups with their group, template, version, node and state"),
        post("carrel.desktops.start", PATH, power(DesktopPowerAction::Start))
            .needs_in(Permission::DesktopsPower, Scope::Group)
            .action("start")
            .audited(MODULE, "log-desktop-start")
            .summary("Start desktops of any groups"),
        post("carrel.desktops.stop", PATH, power(DesktopPowerAction::Stop))
            .needs_in(Permission::DesktopsPower, Scope::Group)
            .action("stop")
            .audited(MODULE, "log-desktop-stop")
            .summary("Shut down desktops of any groups"),
        post("carrel.desktops.reboot", PATH, power(DesktopPowerAction::Reboot))
            .needs_in(Permission::DesktopsPower, Scope::Group)
            .action("reboot")
            .audited(MODULE, "log-desktop-reboot")
            .summary("Reboot running desktops of any groups"),
        post("carrel.desktops.hard-stop", PATH, power(DesktopPowerAction::HardStop))
            .needs_in(Permission::DesktopsPower, Scope::Group)
            .action("hard_stop")
            .audited(MODULE, "log-desktop-hard-stop")
            .summary("Switch desktops of any groups off at once; what was not saved is lost"),
        post("carrel.desktops.hard-reboot", PATH, power(DesktopPowerAction::HardReboot))
            .needs_in(Permission::DesktopsPower, Scope::Group)
            .action("hard_reboot")
            .audited(MODULE, "log-desktop-hard-reboot")
            .summary("Switch running desktops of any groups off and on at once"),
        get("carrel.desktops.get", ONE, one)
            .needs_in(Permission::DesktopsView, Scope::Group)
            .summary("A desktop, and the memory that it uses now"),
        put("carrel.desktops.rename", ONE, rename)
            .needs_in(Permission::DesktopsManage, Scope::Group)
            .audited(MODULE, "log-desktop-rename")
            .summary("Give a desktop another name; a guest that runs goes on"),
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
    /// running, succeeded or failed
    first_start: Option<Listed<String>>,
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
    /// The template has a newer version than the desktop's disks, or these are of another template.
    outdated: bool,
    /// Name of the template that its disks are of until its next start, when its group was given another; else empty.
    former_template: String,
    /// Kind of the operation that works on it, if one does.
    working_kind: Option<String>,
    /// 1: the system disk is made anew at every start and reboot, of the newest version then.
    sys_restore: u8,
    /// Whether viewers may show it by SPICE.
    #[schemars(with = "words::Spice")]
    spice: Spice,
    /// How its first start with its present system disk went; null when it had none yet.
    #[schemars(with = "Option<words::FirstStartState>")]
    first_start: Option<&'static str>,
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
        former_template: desktop.former_template.clone().unwrap_or_default(),
        working_kind: desktop.work.as_ref().map(|(kind, _)| kind.clone()),
        sys_restore: desktop.restores_system.into(),
        spice: desktop.spice,
        first_start: desktop.first_start.map(Outcome::word),
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

/// A desktop with what it uses.
#[derive(Debug, Serialize, JsonSchema)]
struct DesktopDetail {
    #[serde(flatten)]
    line: DesktopLine,
    /// While it runs, once its node has told.
    memory: Option<MemoryView>,
}

/// Memory in bytes.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "DesktopMemory")]
struct MemoryView {
    /// What its node holds for it, caches of the guest too.
    host_used: u64,
    /// What its system uses, without caches; null where the guest does not tell.
    guest_used: Option<u64>,
    /// What its system has; null where the guest does not tell.
    guest_total: Option<u64>,
}

impl From<DomainUse> for MemoryView {
    fn from(DomainUse { memory, guest, .. }: DomainUse) -> Self {
        let (guest_used, guest_total) =
            guest.map(|GuestMemory { used, total }| (used, total)).unzip();
        Self { host_used: memory, guest_used, guest_total }
    }
}

fn one(app: &App, call: &mut Call, _: NoInput) -> Result<Data<DesktopDetail>> {
    let (desktop, used) = app.desktops.desktop(&call.visible, call.uuid("desktop_uuid")?)?;
    let line = view(app, call, now(), desktop);
    Ok(Data(DesktopDetail { line, memory: used.map(MemoryView::from) }))
}

#[derive(Debug, Deserialize, JsonSchema)]
struct RenameInput {
    /// Unlike all others in its group.
    name: String,
}

fn rename(app: &App, call: &mut Call, given: RenameInput) -> Result<Changed> {
    let uuid = call.uuid("desktop_uuid")?;
    call.about(uuid);
    let (desktop, _) = app.desktops.desktop(&call.visible, uuid)?;
    call.about(&desktop.name);
    let name = input::name("name", &given.name)?;
    call.about(format!("{} → {name}", desktop.name));
    app.desktops.rename_desktop(&call.visible, &call.actor, uuid, &name)
}

/// Switches desktops so.
fn power(action: DesktopPowerAction) -> impl Handler<DesktopsInput, BatchSubmission> {
    move |app: &App, call: &mut Call, input: DesktopsInput| {
        call.about(subject(&input.desktops, "desktops")?);
        let wanted = named::pairs(input.desktops);
        app.desktops.switch_desktops(&call.visible, &call.actor, action, None, &wanted)
    }
}

fn remove(app: &App, call: &mut Call, input: DesktopsInput) -> Result<BatchSubmission> {
    call.about(subject(&input.desktops, "desktops")?);
    let wanted = named::pairs(input.desktops);
    app.desktops.delete_desktops(&call.visible, &call.actor, None, &wanted)
}
