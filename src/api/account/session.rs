//! Signing in and out.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{MODULE, fields, reset};
use crate::api::App;
use crate::api::answer::{NoContent, WithStatus};
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, get, post};
use crate::api::input::NoInput;
use crate::api::session::{self, Login};
use crate::error::Result;
use crate::identity::{Lifetime, SignedIn};

const LOGOUT: &str = "/api/account/logout";

pub fn endpoints() -> Vec<Endpoint> {
    vec![
        post("virtool.session.login", "/api/account/login", login)
            .public()
            .audited(MODULE, "log-sign-in")
            .summary("Sign in; the session's token comes as a cookie. Status 200 with a reset code when a new password has to be chosen first"),
        get("virtool.session.logout", LOGOUT, logout)
            .public()
            .audited(MODULE, "log-sign-out")
            .summary("Sign out; a new session that nobody is signed in with comes as a cookie"),
        post("carrel.session.logout", LOGOUT, leave)
            .public()
            .audited(MODULE, "log-sign-out")
            .summary("Sign out; the session's cookie is taken back"),
    ]
}

#[derive(Deserialize, JsonSchema)]
struct LoginInput {
    /// Account name or e-mail address.
    #[schemars(length(min = 1))]
    #[serde(deserialize_with = "fields::needed_text")]
    username: String,
    #[schemars(length(min = 1))]
    #[serde(deserialize_with = "fields::needed_text")]
    password: String,
    /// Of the second factor, or a recovery code; asked for with the error `second-factor-needed`.
    code: Option<String>,
    /// The session lasts for a month instead of an hour.
    #[serde(default, deserialize_with = "fields::flag")]
    remember: Option<bool>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct LoginView {
    /// A new password has to be chosen first, with the code and the cookie of this answer.
    reset: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reset_code: Option<String>,
}

fn login(app: &App, call: &mut Call, input: LoginInput) -> Result<WithStatus<LoginView>> {
    let remember = input.remember.unwrap_or(false);
    let lifetime = if remember { Lifetime::Remembered } else { Lifetime::Short };
    let LoginInput { username: name, password, code, .. } = input;
    let signed_in = session::sign_in(app, call, Login { name, password, code }, lifetime)?;
    // Sessions are replaced, not changed: the one that came along ends.
    end(app, call)?;
    match signed_in {
        SignedIn::Session(session) => {
            session::welcome(call, &session);
            Ok(WithStatus(201, LoginView { reset: false, reset_code: None }))
        }
        SignedIn::ResetNeeded { token, code, .. } => {
            reset::begin(call, &token);
            let reset_code = Some(code.text().to_owned());
            Ok(WithStatus(200, LoginView { reset: true, reset_code }))
        }
    }
}

fn logout(app: &App, call: &mut Call, _: NoInput) -> Result<NoContent> {
    call.about(call.actor.name.clone());
    end(app, call)?;
    session::be_nobody(call)?;
    Ok(NoContent)
}

fn leave(app: &App, call: &mut Call, _: NoInput) -> Result<NoContent> {
    call.about(call.actor.name.clone());
    end(app, call)?;
    session::farewell(call);
    Ok(NoContent)
}

fn end(app: &App, call: &Call) -> Result<()> {
    match (&call.caller, &call.token) {
        (Some(_), Some(token)) => app.identity.sign_out(token),
        _ => Ok(()),
    }
}
