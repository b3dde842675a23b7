//! Who is signed in, for the console: the session, its password, the first administrator.

use std::collections::BTreeMap;

use rocket::http::{Cookie, SameSite};
use rocket::time::Duration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::answer::{Data, Done};
use super::call::Call;
use super::endpoint::{Endpoint, get, post, put};
use super::input::NoInput;
use super::{App, DEVICES_COOKIE, SESSION_COOKIE, time, words};
use crate::error::Result;
use crate::identity::{
    Attempt, Caller, DEVICES_KNOWN_FOR, Lifetime, NewSession, Password, Permission, ScopedRole,
    SignedIn, Token,
};
use crate::store::EducationGroupId;

/// Where signing in at an identity provider begins.
pub const AT_PROVIDER: &str = "/api/v1.0/identity/oidc/begin";

pub fn endpoints() -> Vec<Endpoint> {
    vec![
        get("carrel.session.get", "/api/v1.0/session", session)
            .public()
            .summary("Who is signed in and what they may do"),
        put("carrel.session.password", "/api/v1.0/session/password", change_password)
            .in_person()
            .audited("identity", "log-own-password")
            .summary("Change one's own password; other sessions end"),
        post("carrel.setup", "/api/v1.0/setup", set_up)
            .public()
            .audited("identity", "log-setup")
            .summary("Make the first administrator with the token of the set-up link, and sign in"),
    ]
}

/// The session that a request belongs to.
#[derive(Debug, Serialize, JsonSchema)]
struct SessionView {
    /// null when nobody is signed in
    user: Option<UserView>,
    /// What the user may do, for instance `desktops.view`; also what they may do within some education
    /// groups only.
    #[schemars(with = "Vec<words::Permission>")]
    permissions: Vec<&'static str>,
    /// What of it holds within these education groups only.
    scopes: Vec<ScopeView>,
    /// An administrator who may do nothing before they have set up a second factor.
    second_factor_required: bool,
    /// There is no administrator yet.
    setup_needed: bool,
    /// People may make themselves an account.
    registration: bool,
    /// Registered accounts that wait to be let in; null for who may not do that.
    to_confirm: Option<u64>,
    sign_in: SignInView,
    version: &'static str,
    /// The zone of all times that say none: a name such as `Asia/Shanghai`, or an offset such as `+08:00`.
    time_zone: String,
}

/// What somebody may do within an education group.
#[derive(Debug, Serialize, JsonSchema)]
struct ScopeView {
    /// `id` in the list of education groups.
    group_id: EducationGroupId,
    group_uuid: Uuid,
    group_name: String,
    #[schemars(with = "Vec<words::Permission>")]
    permissions: Vec<&'static str>,
}

/// The ways to sign in.
#[derive(Debug, Serialize, JsonSchema)]
struct SignInView {
    /// By `/api/account/login`.
    password: bool,
    /// null when there is no identity provider
    oidc: Option<ProviderView>,
}

/// An identity provider (OpenID Connect).
#[derive(Debug, Serialize, JsonSchema)]
struct ProviderView {
    /// For the button.
    name: String,
    /// Where the button leads.
    url: &'static str,
}

#[derive(Debug, Serialize, JsonSchema)]
struct UserView {
    uuid: String,
    name: String,
    full_name: String,
    /// Codes.
    roles: Vec<String>,
}

fn session(app: &App, call: &mut Call, _: NoInput) -> Result<Data<SessionView>> {
    let caller = call.caller.as_ref();
    let user = caller.map(|caller| UserView {
        uuid: caller.uuid.clone(),
        name: caller.name.clone(),
        full_name: caller.full_name.clone(),
        roles: caller.roles.clone(),
    });
    let permissions = caller.map(Caller::anywhere).unwrap_or_default();
    let scopes = caller.map(|caller| scopes(app, caller)).transpose()?.unwrap_or_default();
    Ok(Data(SessionView {
        user,
        permissions: permissions.iter().map(|permission| permission.word()).collect(),
        scopes,
        second_factor_required: caller.is_some_and(|caller| caller.lacks_factor),
        setup_needed: app.identity.needs_setup()?,
        registration: app.identity.policy()?.registration,
        to_confirm: match caller {
            Some(caller) if caller.may(Permission::UsersManage) => Some(app.identity.to_confirm()?),
            _ => None,
        },
        sign_in: SignInView {
            password: true,
            oidc: app
                .identity
                .provider_name()
                .map(|name| ProviderView { name: name.to_owned(), url: AT_PROVIDER }),
        },
        version: env!("CARGO_PKG_VERSION"),
        time_zone: time::zone(),
    }))
}

/// What somebody may do within education groups and not everywhere.
fn scopes(app: &App, caller: &Caller) -> Result<Vec<ScopeView>> {
    if caller.within.is_empty() {
        return Ok(Vec::new());
    }
    let roles = app.identity.user_of(caller)?.scoped;
    let groups: BTreeMap<EducationGroupId, &ScopedRole> =
        roles.iter().map(|r| (r.group_id, r)).collect();
    let scope = |(id, role): (EducationGroupId, &ScopedRole)| {
        let held = caller.within.get(&id)?.iter().filter(|one| !caller.may(**one));
        Some(ScopeView {
            group_id: id,
            group_uuid: role.group,
            group_name: role.group_name.clone(),
            permissions: held.map(|permission| permission.word()).collect(),
        })
    };
    Ok(groups.into_iter().filter_map(scope).collect())
}

#[derive(Deserialize, JsonSchema)]
struct PasswordInput {
    old_password: String,
    /// At least 8 characters.
    password: String,
}

fn change_password(app: &App, call: &mut Call, input: PasswordInput) -> Result<Done> {
    let (old, new) = (Password::new(input.old_password), Password::new(input.password));
    call.about(call.caller()?.name.clone());
    app.identity.change_password(call.caller()?, &old, &new, &call.visitor())?;
    Ok(Done)
}

#[derive(Deserialize, JsonSchema)]
struct SetupInput {
    token: String,
    username: String,
    /// At least 8 characters.
    password: String,
}

fn set_up(app: &App, call: &mut Call, input: SetupInput) -> Result<Done> {
    name_caller(call, &input.username);
    let password = Password::new(input.password);
    let session = app.identity.set_up(&input.token, &input.username, &password, &call.visitor())?;
    welcome(call, &session);
    Ok(Done)
}

/// What somebody types to sign in.
pub struct Login {
    pub name: String,
    pub password: String,
    /// Of the second factor, or a recovery code; empty is none.
    pub code: Option<String>,
}

/// Signs in; good and bad attempts get their name in the audit log. Every dialect's login comes here.
pub fn sign_in(app: &App, call: &mut Call, login: Login, lifetime: Lifetime) -> Result<SignedIn> {
    let Login { name, password, code } = login;
    name_caller(call, &name);
    let signed_in = app.identity.sign_in(&Attempt {
        login: &name,
        password: &Password::new(password),
        code: code.as_deref(),
        lifetime,
        visitor: call.visitor(),
    })?;
    let (SignedIn::Session(NewSession { user, .. }) | SignedIn::ResetNeeded { user, .. }) =
        &signed_in;
    call.actor.user_id = Some(user.id);
    name_caller(call, &user.name);
    Ok(signed_in)
}

/// Sends the session's token as a cookie.
pub fn welcome(call: &mut Call, session: &NewSession) {
    call.actor.user_id = Some(session.user.id);
    let mut cookie = cookie(call, session.token.text().to_owned());
    // A session that is not remembered goes with the browser.
    if session.lifetime == Lifetime::Remembered {
        cookie.set_max_age(Duration::seconds(session.seconds));
    }
    call.cookies.push(cookie);
    if let Some(devices) = &session.devices {
        let mut cookie = protected(call, DEVICES_COOKIE, devices.to_string());
        cookie.set_max_age(Duration::seconds(DEVICES_KNOWN_FOR));
        call.cookies.push(cookie);
    }
}

/// Sends the token of a new session that nobody is signed in with: no row knows it.
pub fn be_nobody(call: &mut Call) -> Result<()> {
    let cookie = cookie(call, Token::random()?.text().to_owned());
    call.cookies.push(cookie);
    Ok(())
}

/// Takes the cookie back.
pub fn farewell(call: &mut Call) {
    let mut cookie = cookie(call, String::new());
    cookie.set_max_age(Duration::ZERO);
    call.cookies.push(cookie);
}

fn cookie(call: &Call, value: String) -> Cookie<'static> {
    protected(call, SESSION_COOKIE, value)
}

/// A cookie that no script reads and no other site sends.
pub fn protected(call: &Call, name: &'static str, value: String) -> Cookie<'static> {
    Cookie::build((name, value))
        .path("/")
        .http_only(true)
        .same_site(SameSite::Strict)
        .secure(call.origin.is_secure())
        .build()
}

/// The name that the audit entry shows: what was typed, bounded.
pub fn name_caller(call: &mut Call, name: &str) {
    let name: String = name.trim().chars().filter(|c| !c.is_control()).take(64).collect();
    call.actor.name.clone_from(&name);
    call.about(name);
}
