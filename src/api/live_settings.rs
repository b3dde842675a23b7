//! Settings of the server that hold at once, for the console.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use super::App;
use super::answer::Data;
use super::call::Call;
use super::endpoint::{Endpoint, get, put};
use super::input::NoInput;
use crate::error::Result;
use crate::identity::Permission;
use crate::operations::Chosen;
use crate::settings::LiveValues;

const PATH: &str = "/api/v1.0/settings";
const MODULE: &str = "settings";

pub fn endpoints() -> Vec<Endpoint> {
    vec![
        get("carrel.settings.get", PATH, read)
            .needs(Permission::SettingsManage)
            .summary("Settings of the server: what was set here, and what the settings file says"),
        put("carrel.settings.edit", PATH, edit)
            .needs(Permission::SettingsManage)
            .audited(MODULE, "log-settings-edit")
            .summary(
                "Change settings of the server, at once; what is left out stays, null is as the settings file says",
            ),
    ]
}

/// Settings of the server.
#[derive(Debug, Serialize, JsonSchema)]
struct SettingsView {
    /// What was set; null: as the settings file says.
    chosen: ChosenView,
    /// What the settings file says, or else the default.
    file: ValuesView,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ChosenSettings")]
struct ChosenView {
    shutdown_seconds: Option<u32>,
    audit_days: Option<u32>,
    upload_limit_gib: Option<u64>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "FileSettings")]
struct ValuesView {
    /// Seconds that a guest gets to shut itself down when it is asked to.
    shutdown_seconds: u32,
    /// Days that the operation log is kept; 0 keeps all of it.
    audit_days: u32,
    /// Largest upload, in GiB.
    upload_limit_gib: u64,
}

fn view(chosen: Chosen, file: LiveValues) -> SettingsView {
    let Chosen { shutdown_seconds, audit_days, upload_limit_gib } = chosen;
    let chosen = ChosenView { shutdown_seconds, audit_days, upload_limit_gib };
    let LiveValues { shutdown_seconds, audit_days, upload_limit_gib } = file;
    SettingsView { chosen, file: ValuesView { shutdown_seconds, audit_days, upload_limit_gib } }
}

#[derive(Debug, Deserialize, JsonSchema)]
struct EditInput {
    /// 5 to 3,600.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "Option<u32>")]
    shutdown_seconds: Option<Option<u32>>,
    /// 0 to 36,500.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "Option<u32>")]
    audit_days: Option<Option<u32>>,
    /// 1 to 65,536.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "Option<u64>")]
    upload_limit_gib: Option<Option<u64>>,
}

/// Null is something that was given.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

fn read(app: &App, _: &mut Call, _: NoInput) -> Result<Data<SettingsView>> {
    Ok(Data(view(app.live.chosen()?, app.live.of_file())))
}

fn edit(app: &App, call: &mut Call, input: EditInput) -> Result<Data<SettingsView>> {
    let told = told(&input);
    if !told.is_empty() {
        call.about(told);
    }
    let chosen = app.live.choose(|chosen| {
        chosen.shutdown_seconds = input.shutdown_seconds.unwrap_or(chosen.shutdown_seconds);
        chosen.audit_days = input.audit_days.unwrap_or(chosen.audit_days);
        chosen.upload_limit_gib = input.upload_limit_gib.unwrap_or(chosen.upload_limit_gib);
    })?;
    Ok(Data(view(chosen, app.live.of_file())))
}

/// What is changed and to what, for the log; `–` is as the settings file says.
fn told(input: &EditInput) -> String {
    let EditInput { shutdown_seconds, audit_days, upload_limit_gib } = input;
    let number = |given: &Option<u32>| given.map(u64::from);
    let given = [
        ("shutdown_seconds", shutdown_seconds.as_ref().map(number)),
        ("audit_days", audit_days.as_ref().map(number)),
        ("upload_limit_gib", *upload_limit_gib),
    ];
    let told = given.into_iter().filter_map(|(name, value)| {
        let value = value?.map_or_else(|| "–".to_owned(), |value| value.to_string());
        Some(format!("{name} = {value}"))
    });
    told.collect::<Vec<_>>().join(", ")
}
