//! Accounts as an administrator sees and changes them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::PEOPLE;
use crate::api::App;
use crate::api::answer::Data;
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, delete, get, patch};
use crate::api::input;
use crate::error::{Error, Result};
use crate::identity::{AccountChange, Permission, User};
use crate::store::UserId;
use crate::store::list::ListQuery;

const PATH: &str = "/account/manager";
/// Names in the subject of an audit entry; more are counted only.
const NAMED: usize = 3;

pub fn endpoints() -> Vec<Endpoint> {
    vec![
        delete("analysis.account.manager-delete", PATH, remove)
            .needs(Permission::UsersManage)
            .refused_as("manager-delete-refused")
            .audited(PEOPLE, "log-user-delete")
            .summary("Delete users, all of them or none; answers their number"),
        get("analysis.account.manager-list", PATH, list)
            .needs(Permission::UsersView)
            .refused_as("manager-list-refused")
            .summary("Users by number"),
        patch("analysis.account.manager-update", PATH, update)
            .needs(Permission::UsersManage)
            .refused_as("manager-update-refused")
            .audited(PEOPLE, "log-user-edit")
            .summary("Give a user other roles, switch a user off or on; on also confirms a registered one"),
    ]
}

/// A number that may come as text.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(transparent)]
struct Id(#[serde(deserialize_with = "input::integer")] i64);

#[derive(Debug, Deserialize, JsonSchema)]
struct DeleteInput {
    ids: Vec<Id>,
}

fn remove(app: &App, call: &mut Call, input: DeleteInput) -> Result<Data<usize>> {
    let mut ids: Vec<UserId> = Vec::with_capacity(input.ids.len());
    for Id(id) in input.ids {
        let id = UserId::new(id);
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    if ids.is_empty() {
        return Err(Error::bad_input("batch-empty").arg("field", "ids"));
    }
    let name =
        |id: &UserId| app.identity.user(*id).map_or_else(|_| id.to_string(), |user| user.name);
    let names: Vec<String> = ids.iter().take(NAMED).map(name).collect();
    let more = ids.len().saturating_sub(NAMED);
    let names = names.join(", ");
    call.about(if more == 0 { names } else { format!("{names} (+{more})") });
    Ok(Data(app.identity.delete_users(call.authority()?, &ids)?.len()))
}

#[derive(Debug, Deserialize, JsonSchema)]
struct ListInput {
    #[serde(default, deserialize_with = "input::optional_integer")]
    page: Option<i64>,
    /// Rows of a page.
    #[serde(default, deserialize_with = "input::optional_integer")]
    size: Option<i64>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct UserView {
    id: UserId,
    username: String,
    email: String,
    /// Whether one can sign in.
    is_active: bool,
    role: Vec<String>,
}

impl From<User> for UserView {
    fn from(user: User) -> Self {
        Self {
            id: user.id,
            is_active: user.enabled && user.awaits.is_none(),
            username: user.name,
            email: user.email.unwrap_or_default(),
            role: user.roles,
        }
    }
}

#[derive(Debug, Serialize, JsonSchema)]
struct UsersView {
    item_list: Vec<UserView>,
    total_count: u64,
}

fn list(app: &App, _: &mut Call, input: ListInput) -> Result<Data<UsersView>> {
    let number = |field: &'static str, given: Option<i64>| {
        let wrong = || Error::bad_input("field-not-a-number").arg("field", field);
        u32::try_from(given.unwrap_or(0)).map_err(|_| wrong())
    };
    let query = ListQuery {
        page: number("page", input.page)?,
        page_size: number("size", input.size)?,
        sort: Some("id".into()),
        ..ListQuery::default()
    };
    let page = app.identity.users_page(&query)?;
    let total_count = page.count;
    Ok(Data(UsersView { item_list: page.map(Into::into).results, total_count }))
}

#[derive(Debug, Deserialize, JsonSchema)]
struct UpdateInput {
    #[serde(deserialize_with = "input::integer")]
    userid: i64,
    /// Codes; they take the place of those that the user has.
    role: Option<Vec<String>>,
    #[serde(default, deserialize_with = "input::optional_flag", alias = "active")]
    is_active: Option<bool>,
}

fn update(app: &App, call: &mut Call, input: UpdateInput) -> Result<Data<bool>> {
    call.about(input.userid.to_string());
    let user = app.identity.user(UserId::new(input.userid))?;
    call.about(&user.name);
    let change = AccountChange {
        roles: input.role,
        enabled: input.is_active,
        confirmed: input.is_active == Some(true),
        ..AccountChange::default()
    };
    app.identity.change_user(call.authority()?, user.id, change)?;
    Ok(Data(true))
}
