//! What an account's owner set.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{MODULE, fields};
use crate::api::App;
use crate::api::answer::Data;
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, get, patch};
use crate::api::input::NoInput;
use crate::error::Result;
use crate::identity::{Preferences, Workflow};

const PATH: &str = "/api/account/settings";

pub fn endpoints() -> Vec<Endpoint> {
    vec![
        get("virtool.settings.get", PATH, read)
            .signed_in()
            .summary("Settings of one's own account"),
        patch("virtool.settings.update", PATH, edit)
            .signed_in()
            .audited(MODULE, "log-own-settings")
            .summary("Change settings of one's own account; what is left out stays"),
    ]
}

/// What an account's owner set.
#[derive(Debug, Serialize, JsonSchema)]
pub struct SettingsView {
    quick_analyze_workflow: Word,
    show_ids: bool,
    show_versions: bool,
    skip_quick_analyze_dialog: bool,
}

impl From<Preferences> for SettingsView {
    fn from(settings: Preferences) -> Self {
        Self {
            quick_analyze_workflow: settings.quick_analyze_workflow.into(),
            show_ids: settings.show_ids,
            show_versions: settings.show_versions,
            skip_quick_analyze_dialog: settings.skip_quick_analyze_dialog,
        }
    }
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Word {
    Aodp,
    Iimi,
    Nuvs,
    PathoscopeBowtie,
}

impl From<Workflow> for Word {
    fn from(workflow: Workflow) -> Self {
        match workflow {
            Workflow::Aodp => Self::Aodp,
            Workflow::Iimi => Self::Iimi,
            Workflow::Nuvs => Self::Nuvs,
            Workflow::PathoscopeBowtie => Self::PathoscopeBowtie,
        }
    }
}

impl From<Word> for Workflow {
    fn from(word: Word) -> Self {
        match word {
            Word::Aodp => Self::Aodp,
            Word::Iimi => Self::Iimi,
            Word::Nuvs => Self::Nuvs,
            Word::PathoscopeBowtie => Self::PathoscopeBowtie,
        }
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
struct EditInput {
    #[serde(default, deserialize_with = "fields::workflow")]
    quick_analyze_workflow: Option<Word>,
    #[serde(default, deserialize_with = "fields::flag")]
    show_ids: Option<bool>,
    #[serde(default, deserialize_with = "fields::flag")]
    show_versions: Option<bool>,
    #[serde(default, deserialize_with = "fields::flag")]
    skip_quick_analyze_dialog: Option<bool>,
}

fn read(app: &App, call: &mut Call, _: NoInput) -> Result<Data<SettingsView>> {
    Ok(Data(app.identity.preferences(call.caller()?)?.into()))
}

fn edit(app: &App, call: &mut Call, input: EditInput) -> Result<Data<SettingsView>> {
    call.about(call.caller()?.name.clone());
    let changed = app.identity.change_preferences(call.caller()?, |settings| {
        let EditInput {
            quick_analyze_workflow,
            show_ids,
            show_versions,
            skip_quick_analyze_dialog,
        } = input;
        let flag = |field: &mut bool, given: Option<bool>| *field = given.unwrap_or(*field);
        if let Some(word) = quick_analyze_workflow {
            settings.quick_analyze_workflow = word.into();
        }
        flag(&mut settings.show_ids, show_ids);
        flag(&mut settings.show_versions, show_versions);
        flag(&mut settings.skip_quick_analyze_dialog, skip_quick_analyze_dialog);
    })?;
    Ok(Data(changed.into()))
}
