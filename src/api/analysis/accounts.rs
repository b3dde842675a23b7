//! One's own account: signing in, reading and changing it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::PEOPLE;
use crate::api::App;
use crate::api::answer::{Data, Sentence};
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, get, patch, post};
use crate::api::input;
use crate::api::input::NoInput;
use crate::api::session::{self, Login};
use crate::error::{Error, Message, Result};
use crate::identity::{AccountChange, Lifetime, Password};
use crate::store::UserId;

pub const PATH: &str = "/account/";

pub fn endpoints() -> Vec<Endpoint> {
    vec![
        post("analysis.account.login", PATH, login)
            .public()
            .action("login")
            .audited(PEOPLE, "log-sign-in")
            .summary("Sign in; the token goes into the header Authorization of later requests"),
        get("analysis.account.me", PATH, current).signed_in().summary("The user who is signed in"),
        patch("analysis.account.update", PATH, update)
            .in_person()
            .audited(PEOPLE, "log-own-account")
            .summary("Change one's own name, e-mail address or password; what is left out stays"),
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
    id: UserId,
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

#[derive(Deserialize, JsonSchema)]
struct UpdateInput {
    #[serde(default, deserialize_with = "input::optional_text")]
    username: Option<String>,
    #[serde(default, deserialize_with = "input::optional_text")]
    email: Option<String>,
    password: Option<String>,
    /// Has to be the same as `password`.
    password_again: Option<String>,
    /// Compared when it is given; the document does not have it.
    old_password: Option<String>,
}

fn update(app: &App, call: &mut Call, input: UpdateInput) -> Result<Sentence> {
    call.about(call.caller()?.name.clone());
    let change = AccountChange {
        name: input.username,
        email: input.email,
        password: twice(input.password, input.password_again)?,
        ..AccountChange::default()
    };
    let old = input.old_password.map(Password::new);
    app.identity.change_own(call.caller()?, old.as_ref(), change, &call.visitor())?;
    Ok(Sentence(Message::new("account-updated")))
}

/// A password that was typed twice.
///
/// # Errors
/// `passwords-differ`
pub fn twice(one: Option<String>, again: Option<String>) -> Result<Option<Password>> {
    match one == again {
        true => Ok(one.map(Password::new)),
        false => Err(Error::bad_input("passwords-differ").arg("field", "password_again")),
    }
}
