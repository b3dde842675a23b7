//! What desktops do when their system disk begins as their template's: the host names of a group, the script of a template,
//! and how it went.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::named::{self, Named, subject};
use super::templates;
use crate::api::answer::{Data, Done};
use crate::api::batch::Batch;
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Scope, get, post, put};
use crate::api::input::NoInput;
use crate::api::{App, time, words};
use crate::desktops::{FirstStart, StartScript};
use crate::error::Result;
use crate::identity::Permission;
use crate::node::protocol::Shell;

const OF_DESKTOP: &str = "/api/v1.0/desktops/{desktop_uuid}/first-start";
const AGAIN: &str = "/api/v1.0/first-starts";
const HOST_NAMES: &str = "/api/v1.0/desktop-groups/{group_uuid}/host-names";
const SCRIPT: &str = "/api/v1.0/templates/{template_uuid}/first-start";
const MODULE: &str = "education";

pub fn endpoints() -> Vec<Endpoint> {
    vec![
        get("carrel.desktops.first-start", OF_DESKTOP, detail)
            .needs_in(Permission::DesktopsView, Scope::Group)
            .summary("How a desktop's first start with its present system disk went, and what its script printed"),
        post("carrel.desktops.first-start-again", AGAIN, again)
            .needs_in(Permission::DesktopsManage, Scope::Group)
            .audited(MODULE, "log-first-start-again")
            .summary("Set clock and host name of desktops that run, and run their template's script, once more"),
        get("carrel.desktop-group-host-names.detail", HOST_NAMES, host_names)
            .needs_in(Permission::DesktopsView, Scope::Group)
            .summary("The pattern of a group's host names, and what each desktop gets by it or by another"),
        put("carrel.desktop-group-host-names.update", HOST_NAMES, set_host_names)
            .needs_in(Permission::DesktopsManage, Scope::Group)
            .audited(MODULE, "log-host-names")
            .summary("Give the desktops of a group host names, each from its next first start on"),
        get("carrel.template-first-start.detail", SCRIPT, script)
            .needs(Permission::TemplatesView)
            .summary("What desktops of a template run at their first start"),
        put("carrel.template-first-start.change", SCRIPT, set_script)
            .needs(Permission::TemplatesManage)
            .audited(templates::MODULE, "log-template-first-start")
            .summary("Change what desktops of a template run at their first start"),
    ]
}

/// A first start: clock, host name and script, when a system disk begins as its template's.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "FirstStart")]
struct FirstStartView {
    /// Null for a desktop that had none yet.
    #[schemars(with = "Option<words::FirstStartState>")]
    state: Option<&'static str>,
    began_at: Option<String>,
    ended_at: Option<String>,
    /// That the guest was given; empty for none.
    host_name: String,
    /// Of the script; null while it runs, when there is none, and for one that was killed.
    exit_code: Option<i32>,
    /// What the script printed: its beginning, bytes that are no text replaced.
    output: String,
    /// It printed more.
    output_cut: bool,
    /// What went wrong.
    message: String,
}

fn detail(app: &App, call: &mut Call, _: NoInput) -> Result<Data<FirstStartView>> {
    let found = app.desktops.first_start(&call.visible, call.uuid("desktop_uuid")?)?;
    let fault = found.as_ref().and_then(|start| start.fault.clone());
    let message = fault.map(|fault| app.language.error(call.language, &fault.into()));
    Ok(Data(view(found, message.unwrap_or_default())))
}

fn view(start: Option<FirstStart>, message: String) -> FirstStartView {
    let is_text = |character: &char| !character.is_control() || matches!(character, '\n' | '\t');
    let output = start.as_ref().map(|start| String::from_utf8_lossy(&start.output));
    FirstStartView {
        state: start.as_ref().map(|start| start.state.word()),
        began_at: time::optional(start.as_ref().map(|start| start.began_at)),
        ended_at: time::optional(start.as_ref().and_then(|start| start.ended_at)),
        host_name: start.as_ref().map(|start| start.host_name.clone()).unwrap_or_default(),
        exit_code: start.as_ref().and_then(|start| start.exit_code),
        output: output.unwrap_or_default().chars().filter(is_text).collect(),
        output_cut: start.is_some_and(|start| start.is_cut),
        message,
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
struct AgainInput {
    desktops: Vec<Named>,
}

fn again(app: &App, call: &mut Call, given: AgainInput) -> Result<Batch> {
    call.about(subject(&given.desktops, "desktops")?);
    let wanted = named::pairs(given.desktops);
    Ok(Batch { items: app.desktops.first_start_again(&call.visible, &wanted)? })
}

#[derive(Debug, Deserialize, JsonSchema)]
struct PatternQuery {
    /// To see what it would give; without, the group's own.
    #[serde(default)]
    pattern: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "HostNames")]
struct HostNamesView {
    /// The group's own: text with `{name}`, `{group}`, `{number}`, or `{number:3}` for at least three digits. Empty: guests
    /// keep the names that their images have.
    pattern: String,
    desktops: Vec<HostNameView>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "HostName")]
struct HostNameView {
    /// Of the desktop.
    name: String,
    /// Empty for a desktop that cannot have it.
    host_name: String,
    /// Why not.
    message: String,
}

fn host_names(app: &App, call: &mut Call, given: PatternQuery) -> Result<Data<HostNamesView>> {
    let (group, wanted) = (call.uuid("group_uuid")?, given.pattern.as_deref().map(str::trim));
    let (pattern, names) = app.desktops.host_names(&call.visible, group, wanted)?;
    let language = call.language;
    let line = |(name, found): (String, Result<String>)| match found {
        Ok(host_name) => HostNameView { name, host_name, message: String::new() },
        Err(error) => {
            let message = app.language.error(language, &error);
            HostNameView { name, host_name: String::new(), message }
        }
    };
    Ok(Data(HostNamesView { pattern, desktops: names.into_iter().map(line).collect() }))
}

#[derive(Debug, Deserialize, JsonSchema)]
struct PatternInput {
    /// Empty for none.
    pattern: String,
}

fn set_host_names(app: &App, call: &mut Call, given: PatternInput) -> Result<Done> {
    let uuid = call.uuid("group_uuid")?;
    call.about(uuid);
    let group = app.desktops.limited(&call.visible, uuid)?;
    call.about(&group.name);
    app.desktops.set_host_names(&call.visible, &group, given.pattern.trim())?;
    Ok(Done)
}

/// What desktops of a template run at their first start.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "FirstStartScript")]
struct ScriptView {
    #[schemars(extend("enum" = Shell::WORDS))]
    shell: String,
    /// At most 64 KiB; empty for none.
    script: String,
    /// After so many it is ended: 1 to 240.
    minutes: u32,
}

fn script(app: &App, call: &mut Call, _: NoInput) -> Result<Data<ScriptView>> {
    let template = app.templates.find(call.uuid("template_uuid")?)?;
    let StartScript { shell, text, minutes } = app.desktops.start_script(&template)?;
    Ok(Data(ScriptView { shell: shell.word().to_owned(), script: text, minutes }))
}

fn set_script(app: &App, call: &mut Call, given: ScriptView) -> Result<Done> {
    let uuid = call.uuid("template_uuid")?;
    call.about(uuid);
    let template = app.templates.find(uuid)?;
    call.about(&template.name);
    let ScriptView { shell, script, minutes } = given;
    let shell = Shell::parse(&shell)
        .ok_or_else(|| crate::error::Error::bad_input("first-start-shell").arg("field", "shell"))?;
    // As browsers and Windows write lines; a shell would take the rest of each for a part of its words.
    let text = if shell == Shell::Sh { script.replace("\r\n", "\n") } else { script };
    let text = if text.trim().is_empty() { String::new() } else { text };
    app.desktops.set_start_script(&template, &StartScript { shell, text, minutes })?;
    Ok(Done)
}
