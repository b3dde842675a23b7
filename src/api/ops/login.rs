//! Signing in, and whether somebody is.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{PEOPLE, is_own, need};
use crate::api::App;
use crate::api::answer::Data;
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, get, post};
use crate::api::session::{self, Login};
use crate::error::Result;
use crate::identity::{Lifetime, Permission};

const PATH: &str = "/api/login";
/// The document's words.
const SIGNED_IN: &str = "login";
const OVER: &str = "login timeout";

pub fn endpoints() -> Vec<Endpoint> {
    vec![
        get("ops.login.check", PATH, check)
            .public()
            .summary("Whether one is signed in: `login` or `login timeout`. Of others it is told with users.view only"),
        post("ops.login.login", PATH, login)
            .public()
            .audited(PEOPLE, "log-sign-in")
            .summary("Sign in; the token goes into the header Authorization of later requests"),
    ]
}

#[derive(Debug, Deserialize, JsonSchema)]
struct CheckInput {
    username: String,
}

/// Without a credential that is good the caller is not signed in, whoever they ask about: they learn
/// neither who there is nor who is at work.
fn check(app: &App, call: &mut Call, input: CheckInput) -> Result<Data<&'static str>> {
    if call.caller.is_none() {
        return Ok(Data(OVER));
    }
    if !is_own(call, &input.username) {
        need(call, Permission::UsersView)?;
    }
    let is_in = match app.identity.user_named(&input.username) {
        Ok(user) => !app.identity.sessions_of(user.id)?.is_empty(),
        Err(error) if error.key() == "user-unknown" => false,
        Err(error) => return Err(error),
    };
    Ok(Data(if is_in { SIGNED_IN } else { OVER }))
}

#[derive(Deserialize, JsonSchema)]
struct LoginInput {
    /// User name or e-mail address; also as `username`.
    #[serde(alias = "username")]
    name: String,
    password: String,
    /// Of the second factor, or a recovery code; for those who have one.
    code: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct TokenView {
    access_token: String,
}

fn login(app: &App, call: &mut Call, input: LoginInput) -> Result<Data<TokenView>> {
    let LoginInput { name, password, code } = input;
    let session = session::sign_in(app, call, Login { name, password, code }, Lifetime::Short)?;
    let session = session.session()?;
    Ok(Data(TokenView { access_token: session.token.text().to_owned() }))
}
