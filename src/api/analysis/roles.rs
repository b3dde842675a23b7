//! The roles that there are.

use schemars::JsonSchema;
use serde::Serialize;

use crate::api::App;
use crate::api::answer::Data;
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, get};
use crate::api::input::NoInput;
use crate::api::people::permission_words;
use crate::error::Result;
use crate::store::RoleId;
use crate::store::list::{ListQuery, PAGE_LIMIT};

pub fn endpoints() -> Vec<Endpoint> {
    vec![
        get("analysis.role.list", "/role", list).signed_in().summary("Roles with what they may do"),
    ]
}

#[derive(Debug, Serialize, JsonSchema)]
struct RoleView {
    id: RoleId,
    /// Its name.
    code: String,
    /// Permissions.
    permission2action: Vec<&'static str>,
}

fn list(app: &App, _: &mut Call, _: NoInput) -> Result<Data<Vec<RoleView>>> {
    let query = ListQuery { page_size: PAGE_LIMIT, ..ListQuery::default() };
    let view = |role: crate::identity::Role| RoleView {
        id: role.id,
        permission2action: permission_words(&role.permissions),
        code: role.code,
    };
    Ok(Data(app.identity.roles(&query)?.map(view).results))
}
