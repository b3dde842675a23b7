//! 模板接口: templates.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::consoles;
use super::named::{self, Named, subject};
use super::template_input::{CopyInput, CreateInput, SaveInput, UpdateInput};
use super::template_view;
use crate::api::App;
use crate::api::answer::{Answer, Done, IntoAnswer, Outcome, to_value};
use crate::api::batch::{Made, New};
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Undeclared, delete, get, post, put};
use crate::api::input::{List, Listed};
use crate::api::listing::listed;
use crate::desktops::Screen;
use crate::desktops::templates::TemplatePowerAction;
use crate::error::Result;
use crate::identity::Permission;
use crate::operations::{BatchSubmission, SubmittedOperation};
use crate::store::list::Page;
use template_view::{NodeView, TemplateView};

pub const PATH: &str = "/api/v1.0/education/template/";
const IMAGES: &str = "/api/v1.0/education/template/image/";
pub const MODULE: &str = "templates";

pub fn endpoints() -> Vec<Endpoint> {
    let changes = |endpoint: Undeclared, log: &'static str| {
        endpoint.needs(Permission::TemplatesManage).audited(MODULE, log)
    };
    vec![
        changes(post("vdi.templates.create", PATH, create), "log-template-create")
            .action("create")
            .summary("Make a template out of a base image, or an empty one that boots from an ISO"),
        changes(post("vdi.templates.start", PATH, start), "log-template-start")
            .action("start")
            .summary("Start templates' own machines"),
        changes(post("vdi.templates.stop", PATH, stop), "log-template-stop")
            .action("stop")
            .summary("Shut templates' own machines down"),
        changes(post("vdi.templates.hard-stop", PATH, hard_stop), "log-template-hard-stop")
            .action("hard_stop")
            .summary("Switch templates' own machines off"),
        changes(post("vdi.templates.reboot", PATH, reboot), "log-template-reboot")
            .action("reboot")
            .summary("Shut templates' own machines down and start them"),
        changes(post("vdi.templates.hard-reboot", PATH, hard_reboot), "log-template-hard-reboot")
            .action("hard_reboot")
            .summary("Switch templates' own machines off and start them"),
        changes(post("vdi.templates.reset", PATH, reset), "log-template-reset")
            .action("reset")
            .summary("Press the reset button of templates' own machines"),
        changes(post("vdi.templates.edit", PATH, edit), "log-template-edit")
            .action("edit")
            .summary("Start a template's own machine in order to change it, and get a WebSocket URL of its screen"),
        changes(post("vdi.templates.save", PATH, save), "log-template-save")
            .action("save")
            .summary("Make what was changed the next version, now or at a time"),
        changes(post("vdi.templates.copy", PATH, copy), "log-template-copy")
            .action("copy")
            .summary("Make a template with the disks of another one's newest version"),
        changes(post("vdi.templates.send-key", PATH, send_key), "log-template-send-key")
            .action("send_key")
            .summary("Send Ctrl-Alt-Del to a template's own machine"),
        changes(post("vdi.templates.attach-source", PATH, attach), "log-template-attach")
            .action("attach_source")
            .summary("Put an ISO into a CD drive of a template's own machine, also while it runs"),
        changes(post("vdi.templates.detach-source", PATH, detach), "log-template-detach")
            .action("detach_source")
            .summary("Take an ISO, or all, out of the CD drives of a template's own machine"),
        changes(put("vdi.templates.update", PATH, update), "log-template-update")
            .summary("Change name, network, CPUs, memory and disks of a template"),
        changes(delete("vdi.templates.delete", PATH, remove), "log-template-delete")
            .summary("Delete templates that no desktop group uses"),
        get("vdi.templates.list", PATH, list)
            .needs(Permission::TemplatesView)
            .summary("Templates with their disks, network, state and how many desktops they have"),
        get("vdi.templates.images", IMAGES, images)
            .needs(Permission::TemplatesView)
            .summary("On which nodes of a pool a template's newest version is"),
    ]
}

#[derive(Debug, Deserialize, JsonSchema)]
struct BatchInput {
    templates: Vec<Named>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[expect(dead_code, reason = "documents the parameters, which the list mechanism reads by itself")]
struct Filters {
    /// 1 education, 2 personal
    classify: Option<Listed<String>>,
    pool_uuid: Option<Listed<String>>,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct AttachInput {
    uuid: Uuid,
    name: String,
    iso_uuid: Uuid,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct DetachInput {
    uuid: Uuid,
    name: String,
    /// All that there are when it is left out.
    #[serde(default)]
    iso_uuid: Option<Uuid>,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct ImagesInput {
    pool_uuid: Uuid,
    template_uuid: Uuid,
}

fn create(app: &App, call: &mut Call, given: CreateInput) -> Result<Made<New>> {
    call.about(given.name.clone());
    let (uuid, operation) = app.templates.create(&call.actor, &given.checked()?)?;
    Ok(Made(operation, New { uuid }))
}

fn copy(app: &App, call: &mut Call, given: CopyInput) -> Result<Made<New>> {
    call.about(given.name.clone());
    let (uuid, operation) = app.templates.copy(&call.actor, &given.checked()?)?;
    Ok(Made(operation, New { uuid }))
}

fn power(
    app: &App,
    call: &mut Call,
    action: TemplatePowerAction,
    given: &[Named],
) -> Result<BatchSubmission> {
    call.about(subject(given, "templates")?);
    let uuids: Vec<Uuid> = given.iter().map(|template| template.uuid).collect();
    app.templates.power(&call.actor, action, &uuids)
}

fn start(app: &App, call: &mut Call, given: BatchInput) -> Result<BatchSubmission> {
    power(app, call, TemplatePowerAction::Start, &given.templates)
}

fn stop(app: &App, call: &mut Call, given: BatchInput) -> Result<BatchSubmission> {
    power(app, call, TemplatePowerAction::Stop, &given.templates)
}

fn hard_stop(app: &App, call: &mut Call, given: BatchInput) -> Result<BatchSubmission> {
    power(app, call, TemplatePowerAction::HardStop, &given.templates)
}

fn reboot(app: &App, call: &mut Call, given: BatchInput) -> Result<BatchSubmission> {
    power(app, call, TemplatePowerAction::Reboot, &given.templates)
}

fn hard_reboot(app: &App, call: &mut Call, given: BatchInput) -> Result<BatchSubmission> {
    power(app, call, TemplatePowerAction::HardReboot, &given.templates)
}

fn reset(app: &App, call: &mut Call, given: BatchInput) -> Result<BatchSubmission> {
    power(app, call, TemplatePowerAction::Reset, &given.templates)
}

/// A template that is being started to be changed: its screen comes with the answer.
struct Edited {
    template: Uuid,
    attach: String,
    start: BatchSubmission,
}

impl IntoAnswer for Edited {
    fn into_answer(self, app: &App, call: &Call) -> Result<Outcome> {
        let Self { template, attach, start } = self;
        let with_screen = move |app: &App, call: &Call, answer: Answer| {
            let websockify_url =
                match consoles::screen_url(app, call, Screen::Template(template), None) {
                    Ok(url) => Some(url),
                    Err(error) if error.key() == "screen-off" => None,
                    Err(error) => return Err(error),
                };
            Ok(answer.and(to_value(&EditedView { websockify_url, attach })?))
        };
        start.into_answer(app, call)?.then(app, call, with_screen)
    }

    fn schema(generator: &mut SchemaGenerator) -> Option<Schema> {
        let outcome = BatchSubmission::schema(generator);
        let screen = generator.subschema_for::<EditedView>();
        Some(json_schema!({"allOf": [outcome, screen]}))
    }
}

#[derive(Debug, Serialize, JsonSchema)]
struct EditedView {
    /// Good once and for 30 seconds; null while it is not on, then `get_console` gives one.
    websockify_url: Option<String>,
    /// Uuid of the ISO that is in its first drive with one; empty when there is none.
    attach: String,
}

fn edit(app: &App, call: &mut Call, given: Named) -> Result<Edited> {
    let template = given.uuid;
    let start = power(app, call, TemplatePowerAction::Edit, &[given])?;
    let first = app.templates.discs(template)?.into_iter().next();
    let attach = first.map_or_else(String::new, |disc| disc.iso.to_string());
    Ok(Edited { template, attach, start })
}

fn save(app: &App, call: &mut Call, given: SaveInput) -> Result<SubmittedOperation> {
    call.about(given.name.clone());
    app.templates.save(&call.actor, given.uuid, given.time()?, &given.note()?)
}

fn attach(app: &App, call: &mut Call, given: AttachInput) -> Result<SubmittedOperation> {
    call.about(given.name);
    app.templates.attach(&call.actor, given.uuid, given.iso_uuid)
}

fn detach(app: &App, call: &mut Call, given: DetachInput) -> Result<SubmittedOperation> {
    call.about(given.name);
    app.templates.detach(&call.actor, given.uuid, given.iso_uuid)
}

fn send_key(app: &App, call: &mut Call, given: Named) -> Result<Done> {
    call.about(given.name);
    let template = app.templates.send_ctrl_alt_del(given.uuid)?;
    call.about(template.name);
    Ok(Done)
}

fn update(app: &App, call: &mut Call, given: UpdateInput) -> Result<SubmittedOperation> {
    call.about(given.name.clone());
    app.templates.change(&call.actor, given.uuid, &given.value.checked()?)
}

fn remove(app: &App, call: &mut Call, given: BatchInput) -> Result<BatchSubmission> {
    call.about(subject(&given.templates, "templates")?);
    let uuids: Vec<Uuid> = given.templates.iter().map(|template| template.uuid).collect();
    app.templates.delete(&call.actor, &uuids)
}

fn list(app: &App, call: &mut Call, _: List<Filters>) -> Result<Page<TemplateView>> {
    listed(named::os_query(call)?, |query| {
        let page = app.templates.list(&query)?;
        Ok(page.map(|line| TemplateView::of(app, call, line)))
    })
}

fn images(app: &App, call: &mut Call, given: ImagesInput) -> Result<Page<NodeView>> {
    let nodes = app.templates.images_in_pool(given.pool_uuid, given.template_uuid)?;
    let mut query = call.list_query()?;
    query.filters.retain(|(name, _)| !matches!(name.as_str(), "pool_uuid" | "template_uuid"));
    listed(query, |query| {
        let skipped = (query.page() - 1) as usize * query.page_size() as usize;
        let shown = nodes.iter().skip(skipped).take(query.page_size() as usize);
        Ok(Page {
            count: nodes.len() as u64,
            page: query.page(),
            page_size: query.page_size(),
            search: query.search,
            results: shown.cloned().map(|node| NodeView::of(app, call, node)).collect(),
            left: query.filters,
        })
    })
}
