//! Accounts.

mod account;
mod authority;
mod change;
mod names;
mod preferences;

use std::collections::HashMap;

use super::lockout::{self, Subject};
use super::password::Password;
use super::permission::BuiltinRole;
use super::store::{failures, keys, sessions, users};
use super::{Authority, Caller, Identity};
use crate::error::{Error, Result};
use crate::store::list::{ListQuery, Page};
use crate::store::{UserId, now};

pub use account::{Awaits, NewAccount, Source, User};
pub(super) use authority::{may_reach, not_oneself, touchable};
pub use change::AccountChange;
pub use change::default_roles;
pub(super) use change::{insert, is_free, update};
pub(super) use names::{email_address, outsider_name, user_name, without_backslash};
pub use preferences::{Preferences, Workflow};

/// What `set_password` did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PasswordSet {
    /// There was no such user: it is an administrator now.
    Made,
    Changed,
}

impl Identity {
    /// The caller's own account.
    ///
    /// # Errors
    /// `user-unknown`, when it was deleted meanwhile.
    pub fn user_of(&self, caller: &Caller) -> Result<User> {
        let found = self.store.read(|conn| users::by_id(conn, caller.user_id))?;
        found.ok_or_else(|| unknown(&caller.name))
    }

    /// # Errors
    /// `user-unknown`
    pub fn user(&self, id: UserId) -> Result<User> {
        self.store.read(|conn| users::by_id(conn, id))?.ok_or_else(|| unknown(id))
    }

    /// By uuid.
    ///
    /// # Errors
    /// `user-unknown`
    pub fn user_by_uuid(&self, uuid: &str) -> Result<User> {
        self.store.read(|conn| users::by_uuid(conn, uuid))?.ok_or_else(|| unknown(uuid))
    }

    /// By name, without looking at e-mail addresses.
    ///
    /// # Errors
    /// `user-unknown`
    pub fn user_named(&self, name: &str) -> Result<User> {
        self.store.read(|conn| users::by_name(conn, name.trim()))?.ok_or_else(|| unknown(name))
    }

    /// All accounts by name.
    pub fn users(&self) -> Result<Vec<User>> {
        self.store.read(users::all)
    }

    /// Accounts that match.
    pub fn users_page(&self, query: &ListQuery) -> Result<Page<User>> {
        users::page(&self.store, query)
    }

    /// How many registered accounts wait for an administrator.
    pub fn to_confirm(&self) -> Result<u64> {
        self.store.read(users::to_confirm)
    }

    /// Until when each of these users is locked, for somebody at least, in Unix seconds; by name, without those who are not.
    pub fn locks(&self, users: &[User]) -> Result<HashMap<String, i64>> {
        let names: Vec<&str> = users.iter().map(|user| user.name.as_str()).collect();
        self.store.read(|conn| lockout::locks(conn, &names, now()))
    }

    /// At most `count` accounts from this number on, and how many there are in all (document 004).
    pub fn users_from(&self, start: i64, count: u32) -> Result<(Vec<User>, u64)> {
        self.store.read(|conn| users::from_id(conn, start, count))
    }

    /// Gives a user a new password, ends all sessions and API keys and lifts any lock; makes an administrator
    /// when there is no such user.
    ///
    /// # Errors
    /// `password-elsewhere`, and those of names and passwords
    pub fn set_password(&self, name: &str, password: &Password) -> Result<PasswordSet> {
        let name = user_name(name)?;
        let hash = self.hash_new(password, &[&name])?;
        self.store.write(|tx| match users::by_login(tx, &name)? {
            None => {
                let roles = vec![BuiltinRole::Admin.code().to_owned()];
                let account = NewAccount { name: name.clone(), roles, ..NewAccount::default() };
                change::insert(tx, Authority::System, account, Some(hash))?;
                Ok(PasswordSet::Made)
            }
            Some(user) if user.source != Source::Local => Err(change::elsewhere(&user)),
            Some(user) => {
                users::set_password(tx, user.id, &hash, now())?;
                sessions::end_all(tx, user.id, None)?;
                keys::delete_of_user(tx, user.id)?;
                failures::forget_account(tx, &Subject::account(&user.name).key())?;
                Ok(PasswordSet::Changed)
            }
        })
    }

    /// Lifts the lock that failed sign-ins put on an account, and on all addresses: whoever asks
    /// for it cannot know from which address the failures came.
    ///
    /// # Errors
    /// `user-unknown`, `user-has-more-rights`: whoever guesses the password of somebody who may do more must
    /// not take away what slows them
    pub fn unlock(&self, by: Authority<'_>, login: &str) -> Result<User> {
        self.store.write(|tx| {
            let user = users::by_login(tx, login.trim())?.ok_or_else(|| unknown(login))?;
            touchable(tx, by, user.id)?;
            failures::forget_account(tx, &Subject::account(&user.name).key())?;
            failures::forget_addresses(tx)?;
            Ok(user)
        })
    }
}

pub(super) fn unknown(login: impl std::fmt::Display) -> Error {
    Error::not_found("user-unknown").arg("name", login)
}
