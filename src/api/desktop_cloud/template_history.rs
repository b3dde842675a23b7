//! The versions of a template, for the console: who saved them and why, who runs them, and the way back.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::templates::MODULE;
use crate::api::answer::{Data, Done};
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Scope, delete, get, post};
use crate::api::input::NoInput;
use crate::api::{App, input, time};
use crate::desktops::templates::Version;
use crate::error::{Error, Result};
use crate::identity::Permission;
use crate::operations::SubmittedOperation;
use crate::store::visible::Visible;

const PATH: &str = "/api/v1.0/templates/{template_uuid}/versions";

pub fn endpoints() -> Vec<Endpoint> {
    vec![
        get("carrel.template-versions.list", PATH, list).needs(Permission::TemplatesView).summary(
            "The versions of a template, newest first: when, by whom, why, and who runs them",
        ),
        post("carrel.template-versions.revert", PATH, revert)
            .needs(Permission::TemplatesManage)
            .audited(MODULE, "log-template-revert")
            .summary(
                "Go back to an older version, which becomes the newest one under the next number",
            ),
        delete("carrel.template-versions.delete", PATH, remove)
            .needs(Permission::TemplatesManage)
            .audited(MODULE, "log-template-versions-delete")
            .summary("Remove older versions; what nothing else stands on is deleted on the node"),
    ]
}

/// A version of a template.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "TemplateVersion")]
struct VersionView {
    version: u32,
    /// What was changed, in the words of who saved it.
    note: String,
    /// Who saved it; empty where that was not noted.
    author: String,
    /// The older version that it was made of.
    origin: Option<u32>,
    /// Null for one that was removed and that desktops still run.
    created_at: Option<String>,
    /// The one that desktops get.
    newest: bool,
    /// It was removed from the history; desktops still run it.
    removed: bool,
    /// Bytes that it added to the versions before it; null while they are not measured.
    used: Option<u64>,
    /// Bytes that come back when it alone is removed and no desktop runs it any more.
    frees: Option<u64>,
    /// Desktops that run it.
    desktop_count: u32,
    /// Desktop groups whose desktops run it, of those that the caller may see.
    groups: Vec<GroupView>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "TemplateVersionGroup")]
struct GroupView {
    uuid: Uuid,
    name: String,
    /// Its desktops that run the version.
    desktops: u32,
}

fn view(version: Version, visible: Option<&Visible>) -> VersionView {
    let Version { version, saved, is_newest, used, frees, users } = version;
    let desktop_count = users.iter().map(|user| user.desktops).sum();
    let seen = |group| visible.is_some_and(|visible| visible.has(group));
    let groups = users.into_iter().filter(|user| seen(user.education_group)).map(|user| {
        let (uuid, name, desktops) = (user.group, user.group_name, user.desktops);
        GroupView { uuid, name, desktops }
    });
    VersionView {
        version,
        newest: is_newest,
        removed: saved.is_none(),
        used,
        frees,
        desktop_count,
        groups: groups.collect(),
        created_at: saved.as_ref().map(|saved| time::text(saved.created_at)),
        origin: saved.as_ref().and_then(|saved| saved.origin),
        author: saved.as_ref().map(|saved| saved.author.clone()).unwrap_or_default(),
        note: saved.map(|saved| saved.note).unwrap_or_default(),
    }
}

fn list(app: &App, call: &mut Call, _: NoInput) -> Result<Data<Vec<VersionView>>> {
    let visible = Scope::Group.of(call.caller()?, Permission::DesktopsView);
    let (_, versions) = app.templates.history(call.uuid("template_uuid")?)?;
    Ok(Data(versions.into_iter().map(|version| view(version, visible.as_ref())).collect()))
}

#[derive(Debug, Deserialize, JsonSchema)]
struct RevertInput {
    /// The older version.
    version: u32,
    /// What is changed by it, for the history.
    #[serde(default, deserialize_with = "input::optional_text")]
    note: Option<String>,
}

fn revert(app: &App, call: &mut Call, given: RevertInput) -> Result<SubmittedOperation> {
    let uuid = call.uuid("template_uuid")?;
    call.about(uuid);
    call.about(app.templates.find(uuid)?.name);
    let note = input::text("note", given.note.as_deref().unwrap_or_default())?;
    app.templates.revert(&call.actor, uuid, given.version, &note)
}

#[derive(Debug, Deserialize, JsonSchema)]
struct RemoveInput {
    versions: Vec<u32>,
}

fn remove(app: &App, call: &mut Call, given: RemoveInput) -> Result<Done> {
    let uuid = call.uuid("template_uuid")?;
    call.about(uuid);
    call.about(app.templates.find(uuid)?.name);
    if given.versions.is_empty() {
        return Err(Error::bad_input("batch-empty").arg("field", "versions"));
    }
    app.templates.remove_versions(uuid, &given.versions)?;
    Ok(Done)
}
