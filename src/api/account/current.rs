//! The account that is signed in.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Flags, MODULE, fields, flags, utc};
use crate::api::App;
use crate::api::answer::Data;
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, get, patch};
use crate::api::input::NoInput;
use crate::error::Result;
use crate::identity::{AccountChange, GroupMembership, Password, User};
use crate::store::UserGroupId;

use super::settings::SettingsView;

const PATH: &str = "/api/account";

pub fn endpoints() -> Vec<Endpoint> {
    vec![
        get("virtool.account.get", PATH, read)
            .signed_in()
            .summary("The account that is signed in"),
        patch("virtool.account.update", PATH, edit)
            .in_person()
            .audited(MODULE, "log-own-account")
            .summary("Change one's own e-mail address or password; with a new password other sessions end"),
    ]
}

/// A user group.
#[derive(Debug, Serialize, JsonSchema)]
pub struct GroupView {
    pub id: UserGroupId,
    pub name: String,
}

impl From<GroupMembership> for GroupView {
    fn from(membership: GroupMembership) -> Self {
        Self { id: membership.group_id, name: membership.name }
    }
}

/// An account as its owner sees it.
#[derive(Debug, Serialize, JsonSchema)]
struct AccountView {
    active: bool,
    /// `full` or null
    administrator_role: Option<&'static str>,
    email: Option<String>,
    force_reset: bool,
    groups: Vec<GroupView>,
    handle: String,
    id: String,
    last_password_change: Option<String>,
    permissions: Flags,
    primary_group: Option<GroupView>,
    settings: SettingsView,
}

#[derive(Deserialize, JsonSchema)]
struct EditInput {
    #[serde(default, deserialize_with = "fields::text")]
    email: Option<String>,
    /// Has to be given for a new password.
    #[serde(default, deserialize_with = "fields::text")]
    old_password: Option<String>,
    #[serde(default, deserialize_with = "fields::text")]
    password: Option<String>,
}

fn read(app: &App, call: &mut Call, _: NoInput) -> Result<Data<AccountView>> {
    let user = app.identity.user_of(call.caller()?)?;
    view(app, call, user).map(Data)
}

fn edit(app: &App, call: &mut Call, input: EditInput) -> Result<Data<AccountView>> {
    call.about(call.caller()?.name.clone());
    match (&input.password, &input.old_password) {
        (Some(_), None) => return Err(fields::together("account-old-password-needed")),
        (None, Some(_)) => return Err(fields::together("account-new-password-needed")),
        _ => {}
    }
    let change = AccountChange {
        email: input.email,
        password: input.password.map(Password::new),
        ..AccountChange::default()
    };
    let old = input.old_password.map(Password::new);
    let caller = call.caller()?;
    let user = app.identity.change_own(caller, old.as_ref(), change, &call.visitor())?;
    view(app, call, user).map(Data)
}

fn view(app: &App, call: &Call, user: User) -> Result<AccountView> {
    let memberships = app.identity.memberships(user.id)?;
    let primary = memberships.iter().find(|group| group.is_primary).cloned();
    Ok(AccountView {
        active: user.enabled,
        administrator_role: user.is_administrator().then_some("full"),
        email: user.email,
        force_reset: user.force_reset,
        groups: memberships.into_iter().map(Into::into).collect(),
        handle: user.name,
        id: user.uuid,
        last_password_change: user.password_changed_at.map(utc).transpose()?,
        permissions: flags(&user.permissions),
        primary_group: primary.map(Into::into),
        settings: app.identity.preferences(call.caller()?)?.into(),
    })
}
