//! 教学桌面组: education desktop groups.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::edu_capacity;
use super::named::{self, Named, subject};
use super::template_view::TemplateStatus;
use crate::api::answer::{IntoAnswer, Outcome};
use crate::api::batch::{Batch, Made, New};
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Handler, Scope, delete, get, post, put};
use crate::api::input::{List, Listed};
use crate::api::listing::listed;
use crate::api::{App, input, time, words};
use crate::desktops::spec::Restore;
use crate::desktops::{
    Changed, DesktopGroup, DesktopGroupChange, DesktopPowerAction, GroupDisk, NewDesktopGroup,
};
use crate::error::{Error, Result};
use crate::identity::Permission;
use crate::node::protocol::Spice;
use crate::operations::{BatchSubmission, SubmittedOperation};
use crate::store::DesktopGroupId;
use crate::store::list::Page;
use crate::store::visible::Visible;

const PATH: &str = "/api/v1.0/education/desktop/";
const MODULE: &str = "education";
/// What clients of document 002 send as `data_restore` of a group without data disks.
const NO_DATA_DISK: i64 = 2;

pub fn endpoints() -> Vec<Endpoint> {
    vec![
        post("vdi.edu-desktops.create", PATH, create)
            .needs_in(Permission::DesktopsManage, Scope::Group)
            .action("create")
            .audited(MODULE, "log-desktop-group-create")
            .summary("Deploy a group of desktops made like a template"),
        post("vdi.edu-desktops.start", PATH, power(DesktopPowerAction::Start))
            .needs_in(Permission::DesktopsPower, Scope::Group)
            .action("start")
            .audited(MODULE, "log-desktop-group-start")
            .summary("Start all desktops of groups"),
        post("vdi.edu-desktops.stop", PATH, power(DesktopPowerAction::Stop))
            .needs_in(Permission::DesktopsPower, Scope::Group)
            .action("stop")
            .audited(MODULE, "log-desktop-group-stop")
            .summary("Ask all desktops of groups to shut down; one that does not obey goes on and is told as failed"),
        post("vdi.edu-desktops.reboot", PATH, power(DesktopPowerAction::Reboot))
            .needs_in(Permission::DesktopsPower, Scope::Group)
            .action("reboot")
            .audited(MODULE, "log-desktop-group-reboot")
            .summary("Reboot the running desktops of groups"),
        post("carrel.edu-desktops.hard-stop", PATH, power(DesktopPowerAction::HardStop))
            .needs_in(Permission::DesktopsPower, Scope::Group)
            .action("hard_stop")
            .audited(MODULE, "log-desktop-group-hard-stop")
            .summary("Switch all desktops of groups off at once, as by the plug; what was not saved is lost"),
        post("vdi.edu-desktops.active", PATH, activate)
            .needs_in(Permission::DesktopsManage, Scope::Group)
            .action("active")
            .audited(MODULE, "log-desktop-group-active")
            .summary("Offer groups to their terminals"),
        post("vdi.edu-desktops.inactive", PATH, deactivate)
            .needs_in(Permission::DesktopsManage, Scope::Group)
            .action("inactive")
            .audited(MODULE, "log-desktop-group-inactive")
            .summary("Offer groups to their terminals no longer"),
        put("vdi.edu-desktops.update", PATH, update)
            .needs_in(Permission::DesktopsManage, Scope::Group)
            .audited(MODULE, "log-desktop-group-update")
            .summary("Change a group; template, restoring, processors and memory change with the next start of each desktop"),
        delete("vdi.edu-desktops.delete", PATH, remove)
            .needs_in(Permission::DesktopsManage, Scope::Group)
            .audited(MODULE, "log-desktop-group-delete")
            .summary("Delete groups with all their desktops, running ones too"),
        edu_capacity::endpoint(),
        get("vdi.edu-desktops.list", PATH, list)
            .needs_in(Permission::DesktopsView, Scope::Group)
            .summary("Education desktop groups with counts of what really runs"),
    ]
}

#[derive(Debug, Deserialize, JsonSchema)]
struct CreateInput {
    name: String,
    /// The education group that it belongs to.
    group_uuid: Uuid,
    template_uuid: Uuid,
    pool_uuid: Uuid,
    network_uuid: Uuid,
    subnet_uuid: Uuid,
    #[serde(deserialize_with = "input::integer")]
    vcpu: i64,
    /// GiB
    #[serde(deserialize_with = "input::number")]
    ram: f64,
    /// 1: the system disk is made anew at every start and reboot.
    #[serde(deserialize_with = "named::flag")]
    #[schemars(with = "u8")]
    sys_restore: bool,
    /// 0, 1, or 2: desktops get no data disks, also where the template has some.
    #[serde(deserialize_with = "input::integer")]
    #[schemars(with = "u8")]
    data_restore: i64,
    #[serde(deserialize_with = "input::integer")]
    instance_num: i64,
    /// Desktops are named by this and a number.
    prefix: String,
    /// Digits of the number.
    #[serde(deserialize_with = "input::integer")]
    postfix: i64,
    /// First number; 1 when left out.
    #[serde(default, deserialize_with = "input::optional_integer")]
    postfix_start: Option<i64>,
    /// Desktops by the address of the node; left out, they are spread by free memory.
    #[serde(default, deserialize_with = "named::create_info")]
    create_info: Option<BTreeMap<String, u32>>,
    /// 1: they are offered to the terminals as soon as they are made. Beyond document 002.
    #[serde(default, deserialize_with = "input::optional_flag")]
    #[schemars(with = "Option<u8>")]
    activate: Option<bool>,
    /// 1: they are started as soon as they are made. Beyond document 002.
    #[serde(default, deserialize_with = "input::optional_flag")]
    #[schemars(with = "Option<u8>")]
    start: Option<bool>,
}

impl IntoAnswer for Changed {
    fn into_answer(self, app: &App, call: &Call) -> Result<Outcome> {
        match self {
            Self::Done => crate::api::answer::Done.into_answer(app, call),
            Self::Running(operation) => operation.into_answer(app, call),
        }
    }

    fn schema(generator: &mut schemars::SchemaGenerator) -> Option<schemars::Schema> {
        SubmittedOperation::schema(generator)
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
struct GroupsInput {
    desktops: Vec<Named>,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct UpdateInput {
    uuid: Uuid,
    name: String,
    value: UpdateValue,
}

/// `data_restore` of a change.
#[derive(Debug, Clone, Copy)]
enum DataRestore {
    Flag(bool),
    NoDataDisk,
}

/// As `input::optional_flag`, and 2.
fn optional_restore<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> std::result::Result<Option<DataRestore>, D::Error> {
    let given = Value::deserialize(deserializer)?;
    let text = given.as_str().map(str::parse);
    if given == NO_DATA_DISK || text == Some(Ok(NO_DATA_DISK)) {
        return Ok(Some(DataRestore::NoDataDisk));
    }
    let flag = input::optional_flag(given).map_err(D::Error::custom)?;
    Ok(flag.map(DataRestore::Flag))
}

#[derive(Debug, Deserialize, JsonSchema)]
struct UpdateValue {
    #[serde(default)]
    name: Option<String>,
    #[serde(default, deserialize_with = "input::optional_flag")]
    #[schemars(with = "Option<u8>")]
    sys_restore: Option<bool>,
    /// 0, 1, or 2 for a group that has no data disks, which it stays.
    #[serde(default, deserialize_with = "optional_restore")]
    #[schemars(with = "Option<u8>")]
    data_restore: Option<DataRestore>,
    #[serde(default, deserialize_with = "input::optional_integer")]
    order_num: Option<i64>,
    /// Processors of each desktop, from its next start on.
    #[serde(default, deserialize_with = "input::optional_integer")]
    vcpu: Option<i64>,
    /// GiB of each desktop, from its next start on.
    #[serde(default, deserialize_with = "input::optional_number")]
    ram: Option<f64>,
    /// Together with `subnet_uuid`, while all desktops are off: they get other addresses.
    #[serde(default)]
    network_uuid: Option<Uuid>,
    #[serde(default)]
    subnet_uuid: Option<Uuid>,
    /// What each desktop is made like from its next start on; only where all of its disks are restored.
    #[serde(default)]
    template_uuid: Option<Uuid>,
    /// Whether viewers may show the desktops by SPICE, from each one's next start on: off, on, or usb for USB devices too.
    #[serde(default)]
    #[schemars(with = "Option<words::Spice>")]
    spice: Option<Spice>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[expect(dead_code, reason = "documents the parameters, which the list mechanism reads by itself")]
struct Filters {
    /// Uuid of an education group.
    group: Option<Listed<String>>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct DesktopGroupView {
    id: DesktopGroupId,
    uuid: Uuid,
    name: String,
    owner: String,
    group: Option<Uuid>,
    group_name: String,
    template: Uuid,
    template_name: String,
    /// As in the list of templates; updating while the template is worked on and the group must wait.
    template_status: TemplateStatus,
    /// Newest version of the template.
    template_version: u32,
    /// Desktops that are made of an older one.
    outdated_count: u64,
    /// Desktops whose first start failed.
    first_start_failed_count: u64,
    pool: Uuid,
    pool_name: String,
    network: Uuid,
    network_name: String,
    subnet: Uuid,
    subnet_name: String,
    sys_restore: u8,
    data_restore: u8,
    /// Whether viewers may show its desktops by SPICE.
    #[schemars(with = "words::Spice")]
    spice: Spice,
    instance_num: u64,
    active_count: u64,
    inactive_count: u64,
    active: bool,
    vcpu: u32,
    /// GiB
    ram: f64,
    os_type: String,
    prefix: String,
    postfix: u32,
    postfix_start: u32,
    order_num: i64,
    #[schemars(with = "words::Stage")]
    state: &'static str,
    /// What stands in the way of working with the group; empty when nothing does.
    reason: String,
    devices: Vec<DeviceView>,
    deleted: u8,
    deleted_at: Option<String>,
    created_at: String,
    updated_at: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct DeviceView {
    /// system or data
    #[serde(rename = "type")]
    role: &'static str,
    boot_index: u32,
    /// GiB
    size: u64,
}

impl From<GroupDisk> for DeviceView {
    fn from(disk: GroupDisk) -> Self {
        let size = disk.size.div_ceil(1 << 30);
        Self { role: disk.role.word(), boot_index: disk.position, size }
    }
}

fn view(app: &App, call: &Call, group: DesktopGroup) -> DesktopGroupView {
    let unknown = (group.counts.unknown > 0).then(|| {
        Error::unreachable("desktop-group-nodes-silent")
            .arg("name", &group.name)
            .arg("count", group.counts.unknown)
    });
    let reason = group.obstacle().or(unknown);
    let (education, education_name) = group.group.unzip();
    DesktopGroupView {
        id: group.id,
        uuid: group.uuid,
        name: group.name,
        owner: group.owner_name,
        group: education,
        group_name: education_name.unwrap_or_default(),
        template: group.template,
        template_name: group.template_name,
        template_status: TemplateStatus::of(
            group.template_state,
            group.template_power,
            group.template_node_is_down,
        ),
        template_version: group.template_version,
        outdated_count: group.counts.outdated,
        first_start_failed_count: group.counts.first_start_failed,
        pool: group.pool,
        pool_name: group.pool_name,
        network: group.network,
        network_name: group.network_name,
        subnet: group.subnet,
        subnet_name: group.subnet_name,
        sys_restore: group.restore.system.into(),
        data_restore: group.restore.data.into(),
        spice: group.spice,
        instance_num: group.counts.total,
        active_count: group.counts.running,
        inactive_count: group.counts.total - group.counts.running,
        active: group.is_active,
        vcpu: group.vcpu,
        ram: group.memory_mib as f64 / 1024.0,
        os_type: group.os_type,
        prefix: group.prefix,
        postfix: group.digits,
        postfix_start: group.first_number,
        order_num: group.order_num,
        state: group.stage.word(),
        reason: reason.map(|error| app.language.error(call.language, &error)).unwrap_or_default(),
        devices: group.disks.into_iter().map(DeviceView::from).collect(),
        deleted: 0,
        deleted_at: None,
        created_at: time::text(group.created_at),
        updated_at: time::optional(group.updated_at),
    }
}

fn create(app: &App, call: &mut Call, input: CreateInput) -> Result<Made<New>> {
    call.about(&input.name);
    if !(0..=NO_DATA_DISK).contains(&input.data_restore) {
        let error = Error::bad_input("number-out-of-range").arg("field", "data_restore");
        return Err(error.arg("low", 0).arg("high", NO_DATA_DISK));
    }
    let new = NewDesktopGroup {
        name: input::name("name", &input.name)?,
        group: input.group_uuid,
        template: input.template_uuid,
        pool: input.pool_uuid,
        network: input.network_uuid,
        subnet: input.subnet_uuid,
        vcpu: named::count("vcpu", input.vcpu)?,
        memory_mib: named::mebibytes("ram", input.ram)?,
        restore: Restore { system: input.sys_restore, data: input.data_restore == 1 },
        has_data_disks: input.data_restore != NO_DATA_DISK,
        count: named::count("instance_num", input.instance_num)?,
        prefix: input::name("prefix", &input.prefix)?,
        digits: named::count("postfix", input.postfix)?,
        first_number: named::count("postfix_start", input.postfix_start.unwrap_or(1))?,
        told: input.create_info,
        activate: input.activate.unwrap_or(false),
        start: input.start.unwrap_or(false).then(|| starter(call)).transpose()?,
    };
    let (uuid, operation) =
        app.desktops.create_desktop_group(&call.visible, &call.reach(), &call.actor, &new)?;
    Ok(Made(operation, New { uuid }))
}

/// Where the caller may start desktops.
fn starter(call: &Call) -> Result<Visible> {
    let permission = Permission::DesktopsPower;
    call.caller()?
        .visible(permission)
        .ok_or_else(|| Error::forbidden("permission-missing").arg("permission", permission.word()))
}

/// Switches desktops so.
fn power(action: DesktopPowerAction) -> impl Handler<GroupsInput, BatchSubmission> {
    move |app: &App, call: &mut Call, input: GroupsInput| {
        call.about(subject(&input.desktops, "desktops")?);
        app.desktops.switch_groups(
            &call.visible,
            &call.actor,
            action,
            &named::pairs(input.desktops),
        )
    }
}

fn activate(app: &App, call: &mut Call, input: GroupsInput) -> Result<Batch> {
    set_active(app, call, input, true)
}

fn deactivate(app: &App, call: &mut Call, input: GroupsInput) -> Result<Batch> {
    set_active(app, call, input, false)
}

fn set_active(app: &App, call: &mut Call, input: GroupsInput, active: bool) -> Result<Batch> {
    call.about(subject(&input.desktops, "desktops")?);
    Ok(Batch {
        items: app.desktops.set_active(&call.visible, &named::pairs(input.desktops), active),
    })
}

fn update(app: &App, call: &mut Call, input: UpdateInput) -> Result<Changed> {
    call.about(&input.name);
    let UpdateInput { uuid, name, value } = input;
    let change = DesktopGroupChange {
        name: value.name.map(|name| input::name("value.name", &name)).transpose()?,
        sys_restore: value.sys_restore,
        data_restore: match value.data_restore {
            Some(DataRestore::Flag(restore)) => Some(restore),
            Some(DataRestore::NoDataDisk) | None => None,
        },
        without_data_disks: matches!(value.data_restore, Some(DataRestore::NoDataDisk)),
        order_num: value.order_num,
        vcpu: value.vcpu.map(|vcpu| named::count("value.vcpu", vcpu)).transpose()?,
        memory_mib: value.ram.map(|ram| named::mebibytes("value.ram", ram)).transpose()?,
        subnet: match (value.network_uuid, value.subnet_uuid) {
            (Some(network), Some(subnet)) => Some((network, subnet)),
            (None, None) => None,
            (Some(_), None) => return Err(input::missing("value.subnet_uuid")),
            (None, Some(_)) => return Err(input::missing("value.network_uuid")),
        },
        template: value.template_uuid,
        spice: value.spice,
        ..DesktopGroupChange::default()
    };
    let (reach, actor) = (call.reach(), &call.actor);
    app.desktops.change_desktop_group(&call.visible, &reach, actor, &(uuid, name), &change)
}

fn remove(app: &App, call: &mut Call, input: GroupsInput) -> Result<BatchSubmission> {
    call.about(subject(&input.desktops, "desktops")?);
    app.desktops.delete_desktop_groups(&call.visible, &call.actor, &named::pairs(input.desktops))
}

fn list(app: &App, call: &mut Call, _: List<Filters>) -> Result<Page<DesktopGroupView>> {
    listed(named::os_query(call)?, |query| {
        let page = app.desktops.desktop_groups(&call.visible, query)?;
        Ok(page.map(|group| view(app, call, group)))
    })
}
