//! Accounts.

mod change;
mod names;
mod preferences;

use super::lockout::Subject;
use super::password::{Password, StoredPassword};
use super::permission::{BuiltinRole, Permissions};
use super::roles::ScopedRole;
use super::store::{failures, sessions, users};
use super::{Authority, Caller, Identity};
use crate::error::{Error, Result};
use crate::store::list::{ListQuery, Page};
use crate::store::{UserId, now};

pub use change::{AccountChange, NewAccount};
pub(super) use change::{
    default_roles, insert, is_free, may_reach, not_oneself, touchable, update,
};
pub(super) use names::{email_address, user_name};
pub use preferences::{Preferences, Workflow};

/// Who checks a user's password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    Local,
    /// A directory (LDAP, Active Directory).
    Ldap,
    /// An OpenID provider.
    Oidc,
}

impl Source {
    pub const ALL: [Self; 3] = [Self::Local, Self::Ldap, Self::Oidc];

    pub const fn word(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Ldap => "ldap",
            Self::Oidc => "oidc",
        }
    }

    pub(super) fn parse(word: &str) -> Self {
        match word {
            "ldap" => Self::Ldap,
            "oidc" => Self::Oidc,
            _ => Self::Local,
        }
    }
}

/// What a registered account waits for before anybody can sign in to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Awaits {
    /// The link sent to its address.
    Mail,
    Administrator,
}

impl Awaits {
    pub const ALL: [Self; 2] = [Self::Mail, Self::Administrator];

    pub const fn word(self) -> &'static str {
        match self {
            Self::Mail => "mail",
            Self::Administrator => "administrator",
        }
    }

    pub(super) fn parse(word: &str) -> Self {
        if word == "mail" { Self::Mail } else { Self::Administrator }
    }
}

/// An account.
#[derive(Debug, Clone)]
pub struct User {
    pub id: UserId,
    pub uuid: String,
    pub name: String,
    pub email: Option<String>,
    pub full_name: String,
    pub phone: String,
    pub department: String,
    pub enabled: bool,
    /// `None` for one that is ready.
    pub awaits: Option<Awaits>,
    /// A new password has to be chosen at the next sign-in.
    pub force_reset: bool,
    pub source: Source,
    /// Codes.
    pub roles: Vec<String>,
    /// Roles that hold within one education group.
    pub scoped: Vec<ScopedRole>,
    /// Given to this user beside the roles.
    pub granted: Permissions,
    /// All that hold for everything: of roles, groups and the user.
    pub permissions: Permissions,
    /// Has a second factor at sign-in.
    pub second_factor: bool,
    pub password_changed_at: Option<i64>,
    pub last_login_at: Option<i64>,
    pub created_at: i64,
    pub(super) password_hash: Option<StoredPassword>,
}

impl User {
    pub fn is_administrator(&self) -> bool {
        self.roles.iter().any(|code| code == BuiltinRole::Admin.code())
    }
}

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

    /// At most `count` accounts from this number on, and how many there are in all (document 004).
    pub fn users_from(&self, start: i64, count: u32) -> Result<(Vec<User>, u64)> {
        self.store.read(|conn| users::from_id(conn, start, count))
    }

    /// Gives a user a new password, ends all sessions and lifts any lock; makes an administrator
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
            change::touchable(tx, by, user.id)?;
            failures::forget_account(tx, &Subject::account(&user.name).key())?;
            failures::forget_addresses(tx)?;
            Ok(user)
        })
    }
}

pub(super) fn unknown(login: impl std::fmt::Display) -> Error {
    Error::not_found("user-unknown").arg("name", login)
}
