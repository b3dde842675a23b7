//! Users out of a list that a spreadsheet saved.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::MODULE;
use crate::api::answer::Data;
use crate::api::batch::Made;
use crate::api::call::{Call, several};
use crate::api::endpoint::{Endpoint, post};
use crate::api::{App, words};
use crate::error::{Error, Result};
use crate::identity::{Checked, HandedPassword, ImportOptions, Permission};

const PATH: &str = "/api/v1.0/identity/user_import";
const CHECK: &str = "/api/v1.0/identity/user_import/check";

pub fn endpoints() -> Vec<Endpoint> {
    vec![
        post("carrel.users.import-check", CHECK, check)
            .needs(Permission::UsersManage)
            .summary("What would become of a list of users, line by line; changes nothing"),
        post("carrel.users.import", PATH, import)
            .needs(Permission::UsersManage)
            .audited(MODULE, "log-user-import")
            .summary("Make the users of a list. Passwords that are made up are told in this answer alone"),
    ]
}

/// A list and what holds for all in it.
#[derive(Deserialize, JsonSchema)]
struct ListInput {
    /// CSV in UTF-8 with a line of headings (name, full_name, email, phone, department, roles, groups, password), in
    /// base64.
    content: String,
    /// Codes of roles for those whose line names none; `normal` when left out.
    #[serde(default = "crate::identity::default_roles")]
    roles: Vec<String>,
    /// Make up a password for those whose line has none.
    #[serde(default)]
    make_passwords: bool,
    /// A new password has to be chosen at the first sign-in.
    #[serde(default)]
    force_reset: bool,
}

#[derive(Deserialize, JsonSchema)]
struct ImportInput {
    #[serde(flatten)]
    list: ListInput,
    /// Leave out those whose lines are wrong; else nobody is made when one is.
    #[serde(default)]
    skip_wrong: bool,
}

impl ListInput {
    fn read(self) -> Result<(Vec<u8>, ImportOptions)> {
        let wrong = |cause: base64::DecodeError| {
            Error::bad_input("field-wrong").arg("field", "content").arg("cause", cause)
        };
        let content = STANDARD.decode(self.content.trim()).map_err(wrong)?;
        let Self { roles, make_passwords, force_reset, .. } = self;
        Ok((content, ImportOptions { roles, make_passwords, force_reset }))
    }
}

#[derive(Serialize, JsonSchema)]
struct CheckView {
    lines: Vec<LineView>,
    /// How many of them can be made.
    good: usize,
}

/// Somebody in the list.
#[derive(Serialize, JsonSchema)]
struct LineView {
    /// As editors count them.
    line: u64,
    name: String,
    full_name: String,
    email: String,
    department: String,
    roles: Vec<String>,
    groups: Vec<String>,
    /// The line has one.
    password: bool,
    faults: Vec<FaultView>,
}

#[derive(Serialize, JsonSchema)]
struct FaultView {
    /// null when it is none of them alone.
    #[schemars(with = "Option<words::ImportColumn>")]
    column: Option<&'static str>,
    message: String,
}

#[derive(Serialize, JsonSchema)]
struct ImportView {
    /// How many are made.
    count: usize,
    /// Those that were made up; they are kept nowhere.
    passwords: Vec<HandedView>,
}

#[derive(Serialize, JsonSchema)]
struct HandedView {
    name: String,
    full_name: String,
    password: String,
}

impl From<HandedPassword> for HandedView {
    fn from(handed: HandedPassword) -> Self {
        let HandedPassword { name, full_name, password } = handed;
        Self { name, full_name, password: password.text().to_owned() }
    }
}

fn view(app: &App, call: &Call, checked: Checked) -> LineView {
    let faults = checked.faults.into_iter().map(|(column, fault)| FaultView {
        column: column.map(|column| column.word()),
        message: app.language.error(call.language, &fault),
    });
    LineView {
        line: checked.line,
        name: checked.name,
        full_name: checked.full_name,
        email: checked.email,
        department: checked.department,
        roles: checked.roles,
        groups: checked.groups,
        password: checked.has_password,
        faults: faults.collect(),
    }
}

fn check(app: &App, call: &mut Call, input: ListInput) -> Result<Data<CheckView>> {
    let (content, options) = input.read()?;
    let checked = app.identity.check_import(call.authority()?, &content, &options)?;
    let good = checked.iter().filter(|one| one.faults.is_empty()).count();
    let lines = checked.into_iter().map(|one| view(app, call, one)).collect();
    Ok(Data(CheckView { lines, good }))
}

fn import(app: &App, call: &mut Call, input: ImportInput) -> Result<Made<ImportView>> {
    let ImportInput { list, skip_wrong } = input;
    let (content, options) = list.read()?;
    let by = (&call.actor, call.authority()?);
    let import = app.identity.import_users(&app.operations, by, &content, &options, skip_wrong)?;
    call.about(several(&import.names, import.count));
    let passwords = import.passwords.into_iter().map(HandedView::from).collect();
    Ok(Made(import.operation, ImportView { count: import.count, passwords }))
}
