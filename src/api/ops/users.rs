//! Users, by their names.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{PEOPLE, Rows, by_numbers, is_own, need, numbers};
use crate::api::App;
use crate::api::answer::Data;
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, delete, get, post};
use crate::api::input;
use crate::error::{Error, Result};
use crate::identity::{AccountChange, NewAccount, Password, Permission, Permissions, User};
use crate::store::UserId;
use crate::store::list::{PAGE_LIMIT, PAGE_SIZE};

const PATH: &str = "/api/user";
/// Accounts made by one call: each password takes time to hash.
const AT_ONCE: usize = 100;
/// Names in the subject of an audit entry; more are counted only.
const NAMED: usize = 3;

pub fn endpoints() -> Vec<Endpoint> {
    vec![
        get("ops.user.get", PATH, read)
            .signed_in()
            .summary("Oneself, with users.view also the user of a name, or users from a number on"),
        post("ops.user.add", PATH, add)
            .needs(Permission::UsersManage)
            .action("add")
            .audited(PEOPLE, "log-user-create")
            .summary("Make a user or several, all of them or none"),
        post("ops.user.update", PATH, update)
            .signed_in()
            .action("update")
            .audited(PEOPLE, "log-user-edit")
            .summary("Change oneself, with users.manage also others; what is left out stays"),
        delete("ops.user.delete", PATH, remove)
            .needs(Permission::UsersManage)
            .audited(PEOPLE, "log-user-delete")
            .summary("Delete a user with sessions and keys"),
    ]
}

#[derive(Debug, Deserialize, JsonSchema)]
struct GetInput {
    /// Smallest number.
    #[serde(default, deserialize_with = "input::optional_integer")]
    start: Option<i64>,
    /// Rows at most.
    #[serde(default, deserialize_with = "input::optional_integer")]
    count: Option<i64>,
    /// With it the other two count for nothing.
    #[serde(default, deserialize_with = "input::optional_text")]
    username: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct UserView {
    id: UserId,
    mail: String,
    username: String,
    nickname: String,
    department: String,
    /// Numbers of everything the user may do, for instance `1,2,3`.
    permissions: String,
}

impl From<User> for UserView {
    fn from(user: User) -> Self {
        Self {
            id: user.id,
            mail: user.email.unwrap_or_default(),
            username: user.name,
            nickname: user.full_name,
            department: user.department,
            permissions: numbers(&user.permissions),
        }
    }
}

/// One user or some.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
enum Found {
    One(UserView),
    Some(Rows<UserView>),
}

fn read(app: &App, call: &mut Call, input: GetInput) -> Result<Data<Found>> {
    if !input.username.as_ref().is_some_and(|username| is_own(call, username)) {
        need(call, Permission::UsersView)?;
    }
    if let Some(username) = input.username {
        return Ok(Data(Found::One(app.identity.user_named(&username)?.into())));
    }
    let wanted = input.count.unwrap_or(PAGE_SIZE.into()).clamp(0, PAGE_LIMIT.into());
    let limit = u32::try_from(wanted).unwrap_or(PAGE_LIMIT);
    let (users, count) = app.identity.users_from(input.start.unwrap_or(0), limit)?;
    Ok(Data(Found::Some(Rows { data: users.into_iter().map(Into::into).collect(), count })))
}

#[derive(Deserialize, JsonSchema)]
struct NewUser {
    mail: String,
    username: String,
    passwd: String,
    department: String,
    /// Numbers, for instance `1,2,3`.
    permissions: String,
    #[serde(default)]
    nickname: String,
}

#[derive(Deserialize, JsonSchema)]
struct AddInput {
    /// One or a list.
    #[schemars(with = "OneOrMany")]
    data: Value,
}

/// As the OpenAPI document shows it; read one by one, so that a refusal names the field.
#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "describes the form of a request")]
enum OneOrMany {
    Many(Vec<NewUser>),
    One(NewUser),
}

fn add(app: &App, call: &mut Call, input: AddInput) -> Result<Data<&'static str>> {
    let given = match input.data {
        Value::Array(many) => many,
        one => vec![one],
    };
    let users = given.into_iter().map(input::read).collect::<Result<Vec<NewUser>>>()?;
    let names: Vec<&str> = users.iter().map(|user| user.username.trim()).take(NAMED).collect();
    let more = users.len().saturating_sub(names.len());
    let names = names.join(", ");
    call.about(if more == 0 { names } else { format!("{names} (+{more})") });
    match users.len() {
        0 => return Err(Error::bad_input("batch-empty").arg("field", "data")),
        count if count > AT_ONCE => {
            return Err(Error::bad_input("batch-too-large")
                .arg("field", "data")
                .arg("limit", AT_ONCE));
        }
        _ => {}
    }
    let account = |user: NewUser| {
        let account = NewAccount {
            name: user.username,
            email: Some(user.mail),
            full_name: user.nickname,
            department: user.department,
            granted: by_numbers(&user.permissions)?,
            ..NewAccount::default()
        };
        Ok((account, Password::new(user.passwd)))
    };
    let accounts = users.into_iter().map(account).collect::<Result<_>>()?;
    app.identity.add_users(call.authority()?, accounts)?;
    Ok(Data("add user ok"))
}

#[derive(Deserialize, JsonSchema)]
struct Change {
    /// Whose account it is.
    username: String,
    mail: Option<String>,
    nickname: Option<String>,
    /// Has to be given, and right, with a new password for oneself.
    old_passwd: Option<String>,
    new_passwd: Option<String>,
    department: Option<String>,
    /// Numbers, for instance `1,2,3`; they take the place of those that the user has.
    permissions: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
struct UpdateInput {
    data: Change,
}

fn update(app: &App, call: &mut Call, input: UpdateInput) -> Result<Data<&'static str>> {
    let input = input.data;
    call.about(&input.username);
    let own = is_own(call, &input.username);
    match own {
        // An API key must not change whose it is.
        true if call.caller()?.session_id().is_none() => {
            return Err(Error::forbidden("session-needed"));
        }
        true => {}
        false => need(call, Permission::UsersManage)?,
    }
    let user = app.identity.user_named(&input.username)?;
    let granted = input.permissions.as_deref().map(by_numbers).transpose()?;
    let granted = granted.map(|asked| beside_roles(&user, asked)).transpose()?;
    let change = AccountChange {
        email: input.mail,
        full_name: input.nickname,
        department: input.department.filter(|text| *text != user.department),
        granted: granted.filter(|granted| *granted != user.granted),
        password: input.new_passwd.map(Password::new),
        ..AccountChange::default()
    };
    let old = input.old_passwd.map(Password::new);
    if !own {
        // Before the old password is compared: the answer would tell it of somebody who may do more.
        app.identity.touchable_user(call.authority()?, &user.uuid)?;
        if let Some(old) = &old {
            app.identity.prove(&user, old, &call.visitor())?;
        }
        app.identity.change_user(call.authority()?, user.id, change)?;
        return Ok(Data("update user ok"));
    }
    if change.department.is_some() || change.granted.is_some() {
        need(call, Permission::UsersManage)?;
    }
    if change.password.is_some() && old.is_none() {
        return Err(input::missing("old_passwd"));
    }
    app.identity.change_own(call.caller()?, old.as_ref(), change, &call.visitor())?;
    Ok(Data("update user ok"))
}

/// What has to be given to a user beside roles and groups, so that they may do what is asked.
///
/// # Errors
/// `permission-by-role`, when they would keep one that is not asked for
fn beside_roles(user: &User, asked: Permissions) -> Result<Permissions> {
    let others: Permissions = user.permissions.difference(&user.granted).copied().collect();
    match others.difference(&asked).next() {
        Some(kept) => Err(Error::conflict("permission-by-role")
            .arg("field", "permissions")
            .arg("name", &user.name)
            .arg("permission", kept.word())
            .arg("code", kept.code())),
        None => Ok(asked.difference(&others).copied().collect()),
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
struct DeleteInput {
    username: String,
}

fn remove(app: &App, call: &mut Call, input: DeleteInput) -> Result<Data<&'static str>> {
    call.about(&input.username);
    let user = app.identity.user_named(&input.username)?;
    app.identity.delete_user(call.authority()?, user.id)?;
    Ok(Data("delete user ok"))
}
