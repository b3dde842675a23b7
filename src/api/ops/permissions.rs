//! The permissions that there are, and those of a user.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Rows, is_own, need};
use crate::api::App;
use crate::api::answer::Data;
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, get};
use crate::api::input;
use crate::api::people::description;
use crate::error::Result;
use crate::identity::Permission;

pub fn endpoints() -> Vec<Endpoint> {
    vec![get("ops.permission.list", "/api/permission", list).signed_in().summary(
        "Permissions by number; with `username` those of a user, which needs users.view for others",
    )]
}

#[derive(Debug, Deserialize, JsonSchema)]
struct ListInput {
    /// Smallest number.
    #[serde(default, deserialize_with = "input::optional_integer")]
    start: Option<i64>,
    /// Rows at most.
    #[serde(default, deserialize_with = "input::optional_integer")]
    count: Option<i64>,
    #[serde(default, deserialize_with = "input::optional_text")]
    username: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct PermissionView {
    permission: &'static str,
    /// In the reader's language.
    permission_desc: String,
    permission_code: u32,
}

fn list(app: &App, call: &mut Call, input: ListInput) -> Result<Data<Rows<PermissionView>>> {
    let mut known: Vec<Permission> = match &input.username {
        None => Permission::ALL.to_vec(),
        Some(username) => {
            if !is_own(call, username) {
                need(call, Permission::UsersView)?;
            }
            app.identity.user_named(username)?.permissions.into_iter().collect()
        }
    };
    known.sort_unstable_by_key(|permission| permission.code());
    let all = known.len() as u64;
    let count = usize::try_from(input.count.unwrap_or(i64::MAX).max(0)).unwrap_or(usize::MAX);
    let from = known.into_iter().filter(|p| i64::from(p.code()) >= input.start.unwrap_or(0));
    let view = |permission: Permission| PermissionView {
        permission: permission.word(),
        permission_desc: description(app, call, permission),
        permission_code: permission.code(),
    };
    Ok(Data(Rows { data: from.take(count).map(view).collect(), count: all }))
}
