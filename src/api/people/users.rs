//! Users as an administrator sees them.

use std::collections::HashMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{MODULE, permission_words, permissions};
use crate::api::answer::{Data, Done};
use crate::api::batch::Batch;
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, delete, get, post, put};
use crate::api::input::NoInput;
use crate::api::input::{List, Listed};
use crate::api::listing::listed;
use crate::api::uuids::Uuids;
use crate::api::{App, time, words};
use crate::error::Result;
use crate::identity::{
    AccountChange, GroupMembership, NewAccount, Password, Permission, ScopedRole, User,
};
use crate::store::list::Page;
use crate::store::{UserGroupId, UserId};

const PATH: &str = "/api/v1.0/identity/user";
const ONE: &str = "/api/v1.0/identity/user/{user_uuid}";

pub fn endpoints() -> Vec<Endpoint> {
    vec![
        get("carrel.users.list", PATH, list)
            .needs(Permission::UsersView)
            .summary("Users with their roles"),
        get("carrel.users.detail", ONE, detail)
            .needs(Permission::UsersView)
            .summary("A user with groups and everything they may do"),
        post("carrel.users.create", PATH, create)
            .needs(Permission::UsersManage)
            .audited(MODULE, "log-user-create")
            .summary("Make a user"),
        put("carrel.users.edit", ONE, edit)
            .needs(Permission::UsersManage)
            .audited(MODULE, "log-user-edit")
            .summary("Change a user; what is left out stays. A new password or switching off ends their sessions"),
        delete("carrel.users.delete", PATH, remove)
            .needs(Permission::UsersManage)
            .audited(MODULE, "log-user-delete")
            .summary("Delete users with their sessions and keys"),
        post("carrel.users.unlock", "/api/v1.0/identity/user/{user_uuid}/unlock", unlock)
            .needs(Permission::UsersManage)
            .audited(MODULE, "log-user-unlock")
            .summary("Lift the lock that failed sign-ins put on a user and on addresses"),
    ]
}

#[derive(Debug, Deserialize, JsonSchema)]
#[expect(dead_code, reason = "documents the parameters, which the list mechanism reads by itself")]
struct Filters {
    email: Option<Listed<String>>,
    department: Option<Listed<String>>,
    enabled: Option<Listed<u8>>,
    /// `mail` or `administrator`: registered and not yet confirmed
    awaits: Option<Listed<String>>,
    source: Option<Listed<String>>,
}

/// A user.
#[derive(Debug, Serialize, JsonSchema)]
pub struct UserView {
    id: UserId,
    uuid: String,
    name: String,
    email: Option<String>,
    full_name: String,
    phone: String,
    department: String,
    enabled: bool,
    /// What a registered account waits for; null when it is ready.
    #[schemars(with = "Option<words::Awaits>")]
    awaits: Option<&'static str>,
    /// A new password has to be chosen at the next sign-in.
    force_reset: bool,
    /// Who checks the password: local, ldap or oidc.
    #[schemars(with = "words::UserSource")]
    source: &'static str,
    /// Codes of roles.
    roles: Vec<String>,
    /// Roles that hold for one education group only.
    scoped_roles: Vec<ScopedRoleView>,
    /// Permissions given beside the roles.
    #[schemars(with = "Vec<words::Permission>")]
    granted: Vec<&'static str>,
    /// Everything they may do, whatever it is done to.
    #[schemars(with = "Vec<words::Permission>")]
    permissions: Vec<&'static str>,
    /// Has a second factor.
    second_factor: bool,
    /// Failed sign-ins lock the account for somebody until then; null when it is not locked.
    locked_until: Option<String>,
    password_changed_at: Option<String>,
    last_login_at: Option<String>,
    created_at: String,
}

impl UserView {
    /// `locks`: of [`crate::identity::Identity::locks`]
    fn of(user: User, locks: &HashMap<String, i64>) -> Self {
        Self {
            locked_until: time::optional(locks.get(&user.name).copied()),
            id: user.id,
            uuid: user.uuid,
            name: user.name,
            email: user.email,
            full_name: user.full_name,
            phone: user.phone,
            department: user.department,
            enabled: user.enabled,
            awaits: user.awaits.map(|awaits| awaits.word()),
            force_reset: user.force_reset,
            source: user.source.word(),
            roles: user.roles,
            scoped_roles: user.scoped.into_iter().map(Into::into).collect(),
            granted: permission_words(&user.granted),
            permissions: permission_words(&user.permissions),
            second_factor: user.second_factor,
            password_changed_at: time::optional(user.password_changed_at),
            last_login_at: time::optional(user.last_login_at),
            created_at: time::text(user.created_at),
        }
    }
}

/// A role that holds for what is in an education group.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ScopedRoleView {
    /// Code of the role.
    role: String,
    group_uuid: Uuid,
    group_name: String,
}

impl From<ScopedRole> for ScopedRoleView {
    fn from(role: ScopedRole) -> Self {
        Self { role: role.code, group_uuid: role.group, group_name: role.group_name }
    }
}

/// A role that is to hold for what is in an education group.
#[derive(Debug, Deserialize, JsonSchema)]
struct ScopedRoleInput {
    /// Code of the role.
    role: String,
    group_uuid: Uuid,
}

fn scoped(roles: Vec<ScopedRoleInput>) -> Vec<(String, Uuid)> {
    roles.into_iter().map(|ScopedRoleInput { role, group_uuid }| (role, group_uuid)).collect()
}

/// A user's place in a group.
#[derive(Debug, Serialize, JsonSchema)]
pub struct MembershipView {
    id: UserGroupId,
    name: String,
    /// At most one of a user.
    primary: bool,
}

impl From<GroupMembership> for MembershipView {
    fn from(membership: GroupMembership) -> Self {
        let GroupMembership { group_id, name, is_primary } = membership;
        Self { id: group_id, name, primary: is_primary }
    }
}

/// The place in a group that a user is to have.
#[derive(Debug, Deserialize, JsonSchema)]
struct MembershipInput {
    id: UserGroupId,
    /// At most one of a user.
    #[serde(default)]
    primary: bool,
}

impl From<MembershipInput> for GroupMembership {
    fn from(MembershipInput { id, primary }: MembershipInput) -> Self {
        Self { group_id: id, name: String::new(), is_primary: primary }
    }
}

/// A user and what belongs to them.
#[derive(Debug, Serialize, JsonSchema)]
pub struct UserDetail {
    #[serde(flatten)]
    user: UserView,
    groups: Vec<MembershipView>,
}

impl UserDetail {
    pub fn of(app: &App, user: User) -> Result<Self> {
        let groups = app.identity.memberships(user.id)?.into_iter().map(Into::into).collect();
        let locks = app.identity.locks(std::slice::from_ref(&user))?;
        Ok(Self { user: UserView::of(user, &locks), groups })
    }
}

#[derive(Deserialize, JsonSchema)]
struct CreateInput {
    name: String,
    /// Without one nobody can sign in by password.
    password: Option<String>,
    email: Option<String>,
    #[serde(default)]
    full_name: String,
    #[serde(default)]
    phone: String,
    #[serde(default)]
    department: String,
    enabled: Option<bool>,
    /// The user has to choose a new password at the first sign-in.
    #[serde(default)]
    force_reset: bool,
    /// Codes of roles.
    #[serde(default)]
    roles: Vec<String>,
    /// Roles that hold for one education group only.
    #[serde(default)]
    scoped_roles: Vec<ScopedRoleInput>,
    /// Permissions beside the roles.
    #[serde(default)]
    #[schemars(with = "Vec<words::Permission>")]
    granted: Vec<String>,
    #[serde(default)]
    groups: Vec<MembershipInput>,
}

#[derive(Deserialize, JsonSchema)]
struct EditInput {
    name: Option<String>,
    password: Option<String>,
    /// Empty takes it away.
    email: Option<String>,
    full_name: Option<String>,
    phone: Option<String>,
    department: Option<String>,
    enabled: Option<bool>,
    /// Lets a registered account in.
    #[serde(default)]
    confirmed: bool,
    force_reset: Option<bool>,
    roles: Option<Vec<String>>,
    /// All roles that are to hold for one education group only.
    scoped_roles: Option<Vec<ScopedRoleInput>>,
    #[schemars(with = "Option<Vec<words::Permission>>")]
    granted: Option<Vec<String>>,
    groups: Option<Vec<MembershipInput>>,
}

fn list(app: &App, call: &mut Call, _: List<Filters>) -> Result<Page<UserView>> {
    listed(call.list_query()?, |query| {
        let page = app.identity.users_page(&query)?;
        let locks = app.identity.locks(&page.results)?;
        Ok(page.map(|user| UserView::of(user, &locks)))
    })
}

fn detail(app: &App, call: &mut Call, _: NoInput) -> Result<Data<UserDetail>> {
    UserDetail::of(app, asked(app, call)?).map(Data)
}

fn create(app: &App, call: &mut Call, input: CreateInput) -> Result<Data<UserDetail>> {
    call.about(&input.name);
    let password = input.password.filter(|text| !text.is_empty()).map(Password::new);
    let account = NewAccount {
        name: input.name,
        email: input.email.filter(|text| !text.trim().is_empty()),
        full_name: input.full_name,
        phone: input.phone,
        department: input.department,
        enabled: input.enabled.unwrap_or(true),
        force_reset: input.force_reset,
        roles: input.roles,
        granted: permissions(&input.granted)?,
        groups: input.groups.into_iter().map(Into::into).collect(),
        scoped: scoped(input.scoped_roles),
        ..NewAccount::default()
    };
    let user = app.identity.add_user(call.authority()?, account, password.as_ref())?;
    UserDetail::of(app, user).map(Data)
}

fn edit(app: &App, call: &mut Call, input: EditInput) -> Result<Data<UserDetail>> {
    let user = asked(app, call)?;
    let change = AccountChange {
        name: input.name,
        email: input.email,
        full_name: input.full_name,
        phone: input.phone,
        department: input.department,
        enabled: input.enabled,
        confirmed: input.confirmed,
        force_reset: input.force_reset,
        password: input.password.map(Password::new),
        roles: input.roles,
        granted: input.granted.as_deref().map(permissions).transpose()?,
        groups: input.groups.map(|groups| groups.into_iter().map(Into::into).collect()),
        scoped: input.scoped_roles.map(scoped),
    };
    let user = app.identity.change_user(call.authority()?, user.id, change)?;
    UserDetail::of(app, user).map(Data)
}

fn remove(app: &App, call: &mut Call, input: Uuids) -> Result<Batch> {
    let named = |uuid: Uuid| Ok(app.identity.user_by_uuid(&uuid.to_string())?.name);
    let uuids = input.about(call, named)?;
    let by = call.authority()?;
    Ok(Batch::of(uuids.into_iter().map(|uuid| (uuid, ())), |uuid, ()| {
        let user = app.identity.user_by_uuid(&uuid.to_string())?;
        Ok(app.identity.delete_user(by, user.id)?.name)
    }))
}

fn unlock(app: &App, call: &mut Call, _: NoInput) -> Result<Done> {
    let user = asked(app, call)?;
    app.identity.unlock(call.authority()?, &user.name)?;
    Ok(Done)
}

pub fn asked(app: &App, call: &mut Call) -> Result<User> {
    let uuid = call.uuid("user_uuid")?.to_string();
    call.about(&uuid);
    let user = app.identity.user_by_uuid(&uuid)?;
    call.about(&user.name);
    Ok(user)
}
