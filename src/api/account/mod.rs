//! Document 001, the account: `/api/account/…`, bare JSON and real status codes.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::App;
use super::answer::{Data, WithStatus};
use super::call::Call;
use super::endpoint::{Endpoint, get, post};
use super::envelope::Dialect;
use super::session::{self, Login, NoInput};
use crate::error::{Error, Result};
use crate::identity::Lifetime;

const LOGOUT: &str = "/api/account/logout";

pub fn endpoints() -> Vec<Endpoint> {
    vec![
        get("virtool.account.get", "/api/account", current)
            .signed_in()
            .dialect(Dialect::Account)
            .summary("The account that is signed in"),
        post("virtool.session.login", "/api/account/login", login)
            .public()
            .dialect(Dialect::Account)
            .audited("identity", "log-sign-in")
            .summary("Sign in; the session's token comes as a cookie"),
        get("virtool.session.logout", LOGOUT, logout)
            .public()
            .dialect(Dialect::Account)
            .audited("identity", "log-sign-out")
            .summary("Sign out"),
        post("carrel.session.logout", LOGOUT, logout)
            .public()
            .dialect(Dialect::Account)
            .audited("identity", "log-sign-out")
            .summary("Sign out"),
    ]
}

#[derive(Deserialize, JsonSchema)]
struct LoginInput {
    /// Account name or e-mail address.
    #[schemars(length(min = 1))]
    username: String,
    #[schemars(length(min = 1))]
    password: String,
    /// Of the second factor, or a recovery code; asked for with the error `second-factor-needed`.
    code: Option<String>,
    /// The session lasts for a month instead of an hour.
    #[serde(default)]
    remember: bool,
}

#[derive(Debug, Serialize, JsonSchema)]
struct LoginView {
    /// A new password has to be chosen first.
    reset: bool,
}

fn login(app: &App, call: &mut Call, input: LoginInput) -> Result<WithStatus<LoginView>> {
    let lifetime = if input.remember { Lifetime::Remembered } else { Lifetime::Short };
    let LoginInput { username: name, password, code, .. } = input;
    let session = session::sign_in(app, call, Login { name, password, code }, lifetime)?;
    let session = session.session()?;
    // Sessions are replaced, not changed: the one that came along ends.
    end(app, call)?;
    session::welcome(app, call, &session);
    Ok(WithStatus(201, LoginView { reset: false }))
}

fn logout(app: &App, call: &mut Call, _: NoInput) -> Result<WithStatus<()>> {
    call.about(call.actor.name.clone());
    end(app, call)?;
    session::farewell(app, call);
    Ok(WithStatus(204, ()))
}

fn end(app: &App, call: &Call) -> Result<()> {
    match (&call.caller, &call.token) {
        (Some(_), Some(token)) => app.identity.sign_out(token),
        _ => Ok(()),
    }
}

/// An account as its owner sees it.
#[derive(Debug, Serialize, JsonSchema)]
struct AccountView {
    /// `full` or null
    administrator_role: Option<&'static str>,
    email: Option<String>,
    groups: Vec<String>,
    handle: String,
    id: String,
    last_password_change: Option<String>,
    permissions: Permissions,
    primary_group: Option<String>,
    settings: Settings,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Permissions {
    cancel_job: bool,
    create_ref: bool,
    create_sample: bool,
    modify_hmm: bool,
    modify_subtraction: bool,
    remove_file: bool,
    remove_job: bool,
    upload_file: bool,
}

impl Permissions {
    /// An administrator is not limited; others get theirs from groups.
    const fn of(administrator: bool) -> Self {
        Self {
            cancel_job: administrator,
            create_ref: administrator,
            create_sample: administrator,
            modify_hmm: administrator,
            modify_subtraction: administrator,
            remove_file: administrator,
            remove_job: administrator,
            upload_file: administrator,
        }
    }
}

#[derive(Debug, Serialize, JsonSchema)]
struct Settings {
    quick_analyze_workflow: &'static str,
    show_ids: bool,
    show_versions: bool,
    skip_quick_analyze_dialog: bool,
}

/// Those of an account that changed none.
const DEFAULT_SETTINGS: Settings = Settings {
    quick_analyze_workflow: "pathoscope_bowtie",
    show_ids: true,
    show_versions: true,
    skip_quick_analyze_dialog: true,
};

fn current(app: &App, call: &mut Call, _: NoInput) -> Result<Data<AccountView>> {
    let user = app.identity.user_of(call.caller()?)?;
    let administrator = user.is_administrator();
    Ok(Data(AccountView {
        administrator_role: administrator.then_some("full"),
        email: user.email,
        groups: Vec::new(),
        handle: user.name,
        id: user.uuid,
        last_password_change: user.password_changed_at.map(utc).transpose()?,
        permissions: Permissions::of(administrator),
        primary_group: None,
        settings: DEFAULT_SETTINGS,
    }))
}

/// Times of this document are UTC and end in `Z`.
fn utc(seconds: i64) -> Result<String> {
    let time = Timestamp::from_second(seconds);
    Ok(time.map_err(|cause| Error::internal("a time in the store").because(cause))?.to_string())
}
