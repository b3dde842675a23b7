//! Document 000, the analysis platform: `/account`, `/role`, `/project`, `/task`, `/config`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::App;
use super::answer::Data;
use super::call::Call;
use super::endpoint::{Endpoint, get, post};
use super::envelope::Dialect;
use super::session::{self, Login, NoInput};
use crate::error::Result;
use crate::identity::Lifetime;

const ACCOUNT: &str = "/account/";

pub fn endpoints() -> Vec<Endpoint> {
    vec![
        post("analysis.account.login", ACCOUNT, login)
            .public()
            .dialect(Dialect::Analysis)
            .action("login")
            .audited("identity", "log-sign-in")
            .summary("Sign in; the token goes into the header Authorization of later requests"),
        get("analysis.account.me", ACCOUNT, current)
            .signed_in()
            .dialect(Dialect::Analysis)
            .summary("The user who is signed in"),
    ]
}

#[derive(Deserialize, JsonSchema)]
struct LoginInput {
    /// E-mail address or user name.
    email: String,
    password: String,
    /// Of the second factor, or a recovery code; for those who have one.
    code: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct TokenView {
    access_token: String,
    token_type: &'static str,
}

fn login(app: &App, call: &mut Call, input: LoginInput) -> Result<Data<TokenView>> {
    let LoginInput { email: name, password, code } = input;
    let session = session::sign_in(app, call, Login { name, password, code }, Lifetime::Short)?;
    let session = session.session()?;
    Ok(Data(TokenView { access_token: session.token.text().to_owned(), token_type: "bearer" }))
}

#[derive(Debug, Serialize, JsonSchema)]
struct UserView {
    id: i64,
    username: String,
    email: String,
    role_list: Vec<String>,
}

fn current(app: &App, call: &mut Call, _: NoInput) -> Result<Data<UserView>> {
    let user = app.identity.user_of(call.caller()?)?;
    Ok(Data(UserView {
        id: user.id,
        username: user.name,
        email: user.email.unwrap_or_default(),
        role_list: user.roles,
    }))
}
