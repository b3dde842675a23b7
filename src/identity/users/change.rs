//! Making, changing and deleting accounts. What those who do it may give and whom they may touch stands in
//! `authority.rs`.

use rusqlite::Connection;
use unicode_normalization::UnicodeNormalization;
use uuid::Uuid;

use super::account::{NewAccount, Source, User};
use super::authority::{grant, grant_within, join, keep_an_administrator, not_oneself, touchable};
use super::names::{email_address, outsider_name, user_name};
use super::unknown;
use crate::error::{Error, Result};
use crate::identity::groups::GroupMembership;
use crate::identity::password::{Password, StoredPassword};
use crate::identity::permission::{BuiltinRole, Permissions};
use crate::identity::store::{keys, sessions, users};
use crate::identity::{Authority, Caller, Identity, Visitor};
use crate::store::text::{is_hidden, lookalike, shown};
use crate::store::{Tx, UserId, now};

/// Longest full name, phone number or department, in characters.
const TEXT_LIMIT: usize = 100;

/// What is to be changed of an account; `None` stays.
#[derive(Debug, Default)]
pub struct AccountChange {
    pub name: Option<String>,
    /// Empty takes the address away.
    pub email: Option<String>,
    pub full_name: Option<String>,
    pub phone: Option<String>,
    pub department: Option<String>,
    pub enabled: Option<bool>,
    /// Lets a registered account in.
    pub confirmed: bool,
    pub force_reset: Option<bool>,
    pub password: Option<Password>,
    pub roles: Option<Vec<String>>,
    pub granted: Option<Permissions>,
    pub groups: Option<Vec<GroupMembership>>,
    /// Code of a role, and the education group for which it holds.
    pub scoped: Option<Vec<(String, Uuid)>>,
}

impl Identity {
    /// Makes an account. Without a password nobody can sign in to it by password.
    ///
    /// # Errors
    /// `user-exists`, `user-name-alike`, `email-taken`, `email-wrong`, `role-unknown`,
    /// `grant-beyond-own`, and those of passwords and names
    pub fn add_user(
        &self,
        by: Authority<'_>,
        account: NewAccount,
        password: Option<&Password>,
    ) -> Result<User> {
        let about = [account.name.as_str(), account.email.as_deref().unwrap_or_default()];
        let hash = password.map(|password| self.hash_new(password, &about)).transpose()?;
        self.store.write(|tx| insert(tx, by, account, hash))
    }

    /// Makes several accounts, or none when one of them cannot be made.
    pub fn add_users(
        &self,
        by: Authority<'_>,
        accounts: Vec<(NewAccount, Password)>,
    ) -> Result<Vec<User>> {
        let hashed = accounts.into_iter().map(|(account, password)| {
            let about = [account.name.as_str(), account.email.as_deref().unwrap_or_default()];
            Ok((self.hash_new(&password, &about)?, account))
        });
        let hashed = hashed.collect::<Result<Vec<_>>>()?;
        self.store.write(|tx| {
            hashed.into_iter().map(|(hash, account)| insert(tx, by, account, Some(hash))).collect()
        })
    }

    /// Changes an account. A new password, given or demanded, ends its sessions and API keys; switching off its sessions.
    ///
    /// # Errors
    /// As of [`Identity::add_user`], and `user-unknown`, `user-has-more-rights`, `last-administrator`,
    /// `own-account` for switching oneself off
    pub fn change_user(
        &self,
        by: Authority<'_>,
        id: UserId,
        change: AccountChange,
    ) -> Result<User> {
        let found = self.user(id)?;
        let about = [found.name.as_str(), found.email.as_deref().unwrap_or_default()];
        let hash = match &change.password {
            Some(_) if found.source != Source::Local => return Err(elsewhere(&found)),
            Some(password) => Some(self.hash_new(password, &about)?),
            None => None,
        };
        self.store.write(|tx| {
            let user = touchable(tx, by, id)?;
            update(tx, by, &user, &change)?;
            if let Some(hash) = &hash {
                users::set_password(tx, id, hash, now())?;
            }
            // Who else may know the password has made sessions with it, and keys.
            let is_suspect = hash.is_some() || change.force_reset == Some(true);
            if is_suspect {
                keys::delete_of_user(tx, id)?;
            }
            if is_suspect || change.enabled == Some(false) {
                sessions::end_all(tx, id, None)?;
            }
            keep_an_administrator(tx, &user)?;
            users::by_id(tx, id)?.ok_or_else(|| unknown(id))
        })
    }

    /// Changes the caller's own account, all of it or nothing. With `old` the present password is
    /// compared first. A new password ends the other sessions.
    ///
    /// # Errors
    /// As of [`Identity::add_user`], and `password-elsewhere`, `old-password-wrong`, `sign-in-locked`
    pub fn change_own(
        &self,
        caller: &Caller,
        old: Option<&Password>,
        change: AccountChange,
        visitor: &Visitor,
    ) -> Result<User> {
        let user = self.user_of(caller)?;
        if let Some(new) = &change.password {
            if user.source != Source::Local {
                return Err(elsewhere(&user));
            }
            // Before the old one is compared: a new one that is refused anyway costs no attempt.
            new.accept(&self.policy()?, &[&user.name, user.email.as_deref().unwrap_or_default()])?;
        }
        if let Some(old) = old {
            self.prove(&user, old, visitor)?;
        }
        let hash = change.password.as_ref().map(|new| self.hashing.hash(new)).transpose()?;
        let by = Authority::Caller(caller);
        self.store.write(|tx| {
            let user = touchable(tx, by, user.id)?;
            update(tx, by, &user, &change)?;
            if let Some(hash) = &hash {
                users::set_password(tx, user.id, hash, now())?;
                users::set_force_reset(tx, user.id, false)?;
                sessions::end_all(tx, user.id, caller.session_id())?;
            }
            keep_an_administrator(tx, &user)?;
            users::by_id(tx, user.id)?.ok_or_else(|| unknown(user.id))
        })
    }

    /// Deletes an account with its sessions and keys.
    ///
    /// # Errors
    /// `user-unknown`, `user-has-more-rights`, `last-administrator`, `own-account`
    pub fn delete_user(&self, by: Authority<'_>, id: UserId) -> Result<User> {
        self.store.write(|tx| remove(tx, by, id))
    }

    /// Deletes several accounts, or none when one of them cannot be deleted.
    ///
    /// # Errors
    /// As of [`Identity::delete_user`]
    pub fn delete_users(&self, by: Authority<'_>, ids: &[UserId]) -> Result<Vec<User>> {
        self.store.write(|tx| ids.iter().map(|id| remove(tx, by, *id)).collect())
    }

    /// The account of this uuid, if `by` may change it.
    ///
    /// # Errors
    /// `user-unknown`, `user-has-more-rights`
    pub fn touchable_user(&self, by: Authority<'_>, uuid: &str) -> Result<User> {
        let user = self.user_by_uuid(uuid)?;
        self.store.read(|conn| touchable(conn, by, user.id))
    }

    /// Switches an account off or on, by name or e-mail address.
    ///
    /// # Errors
    /// As of [`Identity::change_user`]
    pub fn set_enabled(&self, by: Authority<'_>, login: &str, enabled: bool) -> Result<User> {
        let user = self.store.read(|conn| users::by_login(conn, login.trim()))?;
        let user = user.ok_or_else(|| unknown(login))?;
        let change = AccountChange { enabled: Some(enabled), ..AccountChange::default() };
        self.change_user(by, user.id, change)
    }
}

/// Writes a new account.
pub(in crate::identity) fn insert(
    tx: &Tx<'_>,
    by: Authority<'_>,
    account: NewAccount,
    hash: Option<StoredPassword>,
) -> Result<User> {
    let account = checked(account)?;
    let role_ids = grant(tx, by, &account.roles, &account.granted)?;
    is_free(tx, &account.name, account.email.as_deref(), None)?;
    let id = users::insert(tx, &Uuid::new_v4(), &account, hash.as_ref(), now())?;
    users::set_roles(tx, id, &role_ids)?;
    users::set_granted(tx, id, &account.granted)?;
    join(tx, by, id, &account.groups)?;
    grant_within(tx, by, id, &account.scoped)?;
    users::by_id(tx, id)?.ok_or_else(|| Error::internal("a user vanished while it was made"))
}

/// Names that another source gives may hold more.
fn name_at(source: Source, name: &str) -> Result<String> {
    match source {
        Source::Local => user_name(name),
        Source::Ldap | Source::Oidc => outsider_name(name),
    }
}

fn checked(account: NewAccount) -> Result<NewAccount> {
    Ok(NewAccount {
        name: name_at(account.source, &account.name)?,
        email: account.email.as_deref().map(email_address).transpose()?,
        full_name: short_text("full_name", &account.full_name)?,
        phone: short_text("phone", &account.phone)?,
        department: short_text("department", &account.department)?,
        ..account
    })
}

pub(in crate::identity) fn update(
    tx: &Tx<'_>,
    by: Authority<'_>,
    user: &User,
    change: &AccountChange,
) -> Result<()> {
    if change.enabled == Some(false) {
        not_oneself(by, user)?;
    }
    let mut next = user.clone();
    if let Some(name) = &change.name {
        next.name = name_at(user.source, name)?;
    }
    if let Some(email) = &change.email {
        next.email = if email.trim().is_empty() { None } else { Some(email_address(email)?) };
    }
    if let Some(text) = &change.full_name {
        next.full_name = short_text("full_name", text)?;
    }
    if let Some(text) = &change.phone {
        next.phone = short_text("phone", text)?;
    }
    if let Some(text) = &change.department {
        next.department = short_text("department", text)?;
    }
    next.enabled = change.enabled.unwrap_or(next.enabled);
    next.force_reset = change.force_reset.unwrap_or(next.force_reset);
    if change.confirmed {
        next.awaits = None;
    }
    is_free(tx, &next.name, next.email.as_deref(), Some(user.id))?;
    users::update(tx, &next, now())?;
    if change.roles.is_some() || change.granted.is_some() {
        let roles = change.roles.as_ref().unwrap_or(&user.roles);
        let granted = change.granted.as_ref().unwrap_or(&user.granted);
        users::set_roles(tx, user.id, &grant(tx, by, roles, granted)?)?;
        users::set_granted(tx, user.id, granted)?;
    }
    if let Some(memberships) = &change.groups {
        join(tx, by, user.id, memberships)?;
    }
    match &change.scoped {
        Some(roles) => grant_within(tx, by, user.id, roles),
        None => Ok(()),
    }
}

fn remove(tx: &Tx<'_>, by: Authority<'_>, id: UserId) -> Result<User> {
    let user = touchable(tx, by, id)?;
    not_oneself(by, &user)?;
    users::delete(tx, id)?;
    keep_an_administrator(tx, &user)?;
    Ok(user)
}

/// A name or address leads to one account only, also when typed in other letters that look the same.
pub(in crate::identity) fn is_free(
    conn: &Connection,
    name: &str,
    email: Option<&str>,
    but: Option<UserId>,
) -> Result<()> {
    let other = |found: Option<User>| found.filter(|user| Some(user.id) != but);
    if let Some(user) = other(users::by_login(conn, name)?) {
        let error = Error::conflict("user-exists").arg("field", "username");
        return Err(error.arg("name", user.name));
    }
    if let Some(user) = other(users::by_lookalike(conn, &lookalike(name))?) {
        let error = Error::conflict("user-name-alike").arg("field", "username");
        return Err(error.arg("name", name).arg("other", user.name));
    }
    match email {
        Some(email) if other(users::by_login(conn, email)?).is_some() => {
            Err(Error::conflict("email-taken").arg("field", "email").arg("email", email))
        }
        _ => Ok(()),
    }
}

fn short_text(field: &'static str, text: &str) -> Result<String> {
    let text = text.trim();
    if text.chars().count() > TEXT_LIMIT {
        return Err(Error::bad_input("text-too-long").arg("field", field).arg("limit", TEXT_LIMIT));
    }
    match text.chars().find(|c| is_hidden(*c)) {
        Some(found) => {
            let error = Error::bad_input("name-character").arg("field", field);
            Err(error.arg("found", shown(found)))
        }
        None => Ok(text.nfc().collect()),
    }
}

pub(in crate::identity) fn elsewhere(user: &User) -> Error {
    Error::conflict("password-elsewhere").arg("name", &user.name).arg("source", user.source.word())
}

/// The role of whoever registers or comes from elsewhere and has no other.
pub fn default_roles() -> Vec<String> {
    vec![BuiltinRole::Normal.code().to_owned()]
}
