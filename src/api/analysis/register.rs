//! Registering.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use super::PEOPLE;
use super::accounts::{PATH, twice};
use crate::api::answer::Sentence;
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, post};
use crate::api::session::name_caller;
use crate::api::{App, letters};
use crate::error::{Error, Message, Result};
use crate::identity::{Awaits, Registration};

/// How long an answer waits to say whether the mail was sent.
const PATIENCE: Duration = Duration::from_secs(10);

pub fn endpoints() -> Vec<Endpoint> {
    vec![
        post("analysis.account.register", PATH, register)
            .public()
            .action("register")
            .audited(PEOPLE, "log-register")
            .summary("Ask for an account; the mailed link or an administrator confirms it"),
    ]
}

#[derive(Deserialize, JsonSchema)]
struct RegisterInput {
    username: String,
    email: String,
    password: String,
    /// Has to be the same as `password`.
    password_again: String,
}

fn register(app: &App, call: &mut Call, input: RegisterInput) -> Result<Sentence> {
    name_caller(call, &input.username);
    let password = twice(Some(input.password), Some(input.password_again))?;
    let password = password.ok_or_else(|| Error::internal("a password vanished"))?;
    let awaits = if app.mail.is_some() { Awaits::Mail } else { Awaits::Administrator };
    let registration = Registration {
        name: &input.username,
        email: &input.email,
        password: &password,
        language: call.language.tag(),
        address: call.actor.address,
    };
    let user = app.identity.register(&registration, awaits)?;
    if awaits == Awaits::Administrator {
        return Ok(Sentence(Message::new("register-awaits-administrator")));
    }
    Ok(Sentence(Message::new(match letters::confirm(app, user.id)?.recv_timeout(PATIENCE) {
        Ok(true) => "register-mail-sent",
        Ok(false) => "register-mail-failed",
        // A slow mail server: it goes on.
        Err(_) => "register-mail-under-way",
    })))
}
