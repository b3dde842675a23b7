//! One's own account.

use schemars::JsonSchema;
use serde::Deserialize;

use super::MODULE;
use super::users::UserDetail;
use crate::api::App;
use crate::api::answer::Data;
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, get, put};
use crate::api::input::NoInput;
use crate::error::Result;
use crate::identity::AccountChange;

const PATH: &str = "/api/v1.0/identity/own";

pub fn endpoints() -> Vec<Endpoint> {
    vec![
        get("carrel.own.get", PATH, read)
            .signed_in()
            .before_factor()
            .summary("One's own account with everything one may do"),
        put("carrel.own.edit", PATH, edit)
            .in_person()
            .audited(MODULE, "log-own-account")
            .summary("Change one's own account; what is left out stays"),
    ]
}

#[derive(Debug, Deserialize, JsonSchema)]
struct EditInput {
    /// Empty takes it away.
    email: Option<String>,
    full_name: Option<String>,
    phone: Option<String>,
}

fn read(app: &App, call: &mut Call, _: NoInput) -> Result<Data<UserDetail>> {
    UserDetail::of(app, app.identity.user_of(call.caller()?)?).map(Data)
}

fn edit(app: &App, call: &mut Call, input: EditInput) -> Result<Data<UserDetail>> {
    call.about(call.caller()?.name.clone());
    let EditInput { email, full_name, phone } = input;
    let change = AccountChange { email, full_name, phone, ..AccountChange::default() };
    let id = call.caller()?.user_id;
    UserDetail::of(app, app.identity.change_user(call.authority()?, id, change)?).map(Data)
}
