//! A template's machine goes over to another disk bus, for the console: begun, tried, confirmed and undone.

use schemars::JsonSchema;
use serde::Deserialize;
use uuid::Uuid;

use super::templates::MODULE;
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Undeclared, delete, post};
use crate::api::input::NoInput;
use crate::api::{App, words};
use crate::error::Result;
use crate::identity::Permission;
use crate::node::protocol::DiskBus;
use crate::operations::SubmittedOperation;

const PATH: &str = "/api/v1.0/templates/{template_uuid}/bus-switch";
const TRY: &str = "/api/v1.0/templates/{template_uuid}/bus-switch/try";
const CONFIRM: &str = "/api/v1.0/templates/{template_uuid}/bus-switch/confirm";

pub fn endpoints() -> Vec<Endpoint> {
    let changes = |endpoint: Undeclared, log: &'static str| {
        endpoint.needs(Permission::TemplatesManage).audited(MODULE, log)
    };
    vec![
        changes(post("carrel.template-bus-switch.begin", PATH, begin), "log-template-bus-begin")
            .summary("Give a template's machine a small disk on another bus, so that its system loads the driver"),
        changes(post("carrel.template-bus-switch.try", TRY, try_it), "log-template-bus-try")
            .summary("Shut a template's machine down and start it with all its disks on the other bus"),
        changes(
            post("carrel.template-bus-switch.confirm", CONFIRM, confirm),
            "log-template-bus-confirm",
        )
        .summary("A template's machine came up on its other bus and stays there"),
        changes(delete("carrel.template-bus-switch.undo", PATH, undo), "log-template-bus-undo")
            .summary("Put a template's machine back on the bus that it had, and take the small disk away"),
    ]
}

#[derive(Debug, Deserialize, JsonSchema)]
struct BeginInput {
    /// virtio or virtio-scsi
    #[schemars(with = "words::DiskBus")]
    to: DiskBus,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct TryInput {
    /// How long the system may take to come up: 1 to 1440. When it has not by then, all is undone.
    minutes: u32,
}

/// The template, noted for the log.
fn subject(app: &App, call: &mut Call) -> Result<Uuid> {
    let uuid = call.uuid("template_uuid")?;
    call.about(uuid);
    call.about(app.templates.find(uuid)?.name);
    Ok(uuid)
}

fn begin(app: &App, call: &mut Call, given: BeginInput) -> Result<SubmittedOperation> {
    let uuid = subject(app, call)?;
    app.templates.begin_bus_switch(&call.actor, uuid, given.to)
}

fn try_it(app: &App, call: &mut Call, given: TryInput) -> Result<SubmittedOperation> {
    let uuid = subject(app, call)?;
    app.templates.try_bus(&call.actor, uuid, given.minutes)
}

fn confirm(app: &App, call: &mut Call, _: NoInput) -> Result<SubmittedOperation> {
    let uuid = subject(app, call)?;
    app.templates.confirm_bus(&call.actor, uuid)
}

fn undo(app: &App, call: &mut Call, _: NoInput) -> Result<SubmittedOperation> {
    let uuid = subject(app, call)?;
    app.templates.undo_bus_switch(&call.actor, uuid)
}
