//! The new password that a sign-in asks for.

use rocket::time::Duration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{MODULE, fields};
use crate::api::answer::Data;
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, post};
use crate::api::session::{name_caller, protected, welcome};
use crate::api::{App, RESET_COOKIE};
use crate::error::Result;
use crate::identity::{Password, Token};

const PATH: &str = "/api/account/reset";

pub fn endpoints() -> Vec<Endpoint> {
    vec![
        post("virtool.session.reset", PATH, reset)
            .public()
            .audited(MODULE, "log-own-password")
            .summary("Choose the new password that a sign-in asked for, and sign in"),
    ]
}

#[derive(Deserialize, JsonSchema)]
struct ResetInput {
    #[serde(deserialize_with = "fields::needed_text")]
    password: String,
    /// That of the answer to the sign-in.
    #[serde(deserialize_with = "fields::needed_text")]
    reset_code: String,
}

#[derive(Debug, Serialize, JsonSchema)]
struct ResetView {
    /// One has to sign in again.
    login: bool,
    /// A new password has still to be chosen.
    reset: bool,
}

/// Sends the token of a forced change as a cookie, to this route only.
pub fn begin(call: &mut Call, token: &Token) {
    let mut cookie = protected(call, RESET_COOKIE, token.text().to_owned());
    cookie.set_path(PATH);
    call.cookies.push(cookie);
}

fn reset(app: &App, call: &mut Call, input: ResetInput) -> Result<Data<ResetView>> {
    let token = call.reset_token.clone().unwrap_or_default();
    let (password, visitor) = (Password::new(input.password), call.visitor());
    let session = app.identity.reset_password(&token, &input.reset_code, &password, &visitor)?;
    name_caller(call, &session.user.name);
    welcome(call, &session);
    let mut over = protected(call, RESET_COOKIE, String::new());
    over.set_path(PATH);
    over.set_max_age(Duration::ZERO);
    call.cookies.push(over);
    Ok(Data(ResetView { login: false, reset: false }))
}
