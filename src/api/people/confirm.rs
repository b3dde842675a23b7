//! Confirming the address of a new account with the link that was mailed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::MODULE;
use crate::api::App;
use crate::api::answer::Data;
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, post};
use crate::api::session::name_caller;
use crate::error::Result;

pub fn endpoints() -> Vec<Endpoint> {
    vec![
        post("carrel.mail.confirm", "/api/v1.0/identity/confirm", confirm)
            .public()
            .audited(MODULE, "log-mail-confirm")
            .summary(
                "Confirm the e-mail address of a new account with the token of the mailed link",
            ),
    ]
}

#[derive(Deserialize, JsonSchema)]
struct ConfirmInput {
    /// That of the link.
    token: String,
}

#[derive(Debug, Serialize, JsonSchema)]
struct ConfirmedView {
    username: String,
}

fn confirm(app: &App, call: &mut Call, input: ConfirmInput) -> Result<Data<ConfirmedView>> {
    let user = app.identity.confirm(input.token.trim())?;
    name_caller(call, &user.name);
    Ok(Data(ConfirmedView { username: user.name }))
}
