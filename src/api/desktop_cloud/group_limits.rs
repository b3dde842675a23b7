//! How much of its node each desktop of a group may use.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::App;
use crate::api::answer::Data;
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Scope, get, put};
use crate::api::input::NoInput;
use crate::desktops::Changed;
use crate::error::Result;
use crate::identity::Permission;
use crate::node::protocol::Limits;

const PATH: &str = "/api/v1.0/desktop-groups/{group_uuid}/limits";
const MODULE: &str = "education";

pub fn endpoints() -> Vec<Endpoint> {
    vec![
        get("carrel.desktop-group-limits.detail", PATH, detail)
            .needs_in(Permission::DesktopsView, Scope::Group)
            .summary("How much of its node's disks and network each desktop of a group may use"),
        put("carrel.desktop-group-limits.update", PATH, change)
            .needs_in(Permission::DesktopsManage, Scope::Group)
            .audited(MODULE, "log-desktop-group-limits")
            .summary(
                "Limit the disks and the network of a group's desktops, also of those that run",
            ),
    ]
}

/// Of each desktop; 0 is no limit.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Limits")]
struct LimitsView {
    /// Megabytes that its disks together read and write in a second: 0, or from 5 on.
    disk_mb: u32,
    /// Reads and writes of its disks together in a second: 0, or from 50 on.
    disk_iops: u32,
    /// Mbit/s that its network brings it.
    receive_mbit: u32,
    /// Mbit/s that it sends to its network.
    send_mbit: u32,
}

impl From<Limits> for LimitsView {
    fn from(limits: Limits) -> Self {
        let Limits { disk_mb, disk_iops, receive_mbit, send_mbit } = limits;
        Self { disk_mb, disk_iops, receive_mbit, send_mbit }
    }
}

impl From<LimitsView> for Limits {
    fn from(given: LimitsView) -> Self {
        let LimitsView { disk_mb, disk_iops, receive_mbit, send_mbit } = given;
        Self { disk_mb, disk_iops, receive_mbit, send_mbit }
    }
}

fn detail(app: &App, call: &mut Call, _: NoInput) -> Result<Data<LimitsView>> {
    let group = app.desktops.limited(&call.visible, call.uuid("group_uuid")?)?;
    Ok(Data(group.limits.into()))
}

fn change(app: &App, call: &mut Call, given: LimitsView) -> Result<Changed> {
    let uuid = call.uuid("group_uuid")?;
    call.about(uuid);
    let group = app.desktops.limited(&call.visible, uuid)?;
    call.about(&group.name);
    app.desktops.limit(&call.visible, &call.reach(), &call.actor, &group, given.into())
}
