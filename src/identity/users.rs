//! Accounts: making, switching off and on, and new passwords for them.

use uuid::Uuid;

use super::lockout::Subject;
use super::password::{Password, StoredPassword};
use super::store::{failures, sessions, users};
use super::{Caller, Identity, Role};
use crate::error::{Error, Result};
use crate::store::now;

/// Longest user name, in characters.
const NAME_LIMIT: usize = 64;

/// An account.
#[derive(Debug, Clone)]
pub struct User {
    pub id: i64,
    pub uuid: String,
    pub name: String,
    pub email: Option<String>,
    pub enabled: bool,
    pub roles: Vec<Role>,
    pub password_changed_at: Option<i64>,
    pub last_login_at: Option<i64>,
    pub(super) password_hash: Option<StoredPassword>,
}

/// An account to be made, checked.
#[derive(Debug)]
pub struct NewUser {
    pub(super) uuid: Uuid,
    pub(super) name: String,
    pub(super) roles: Vec<Role>,
    pub(super) password_hash: StoredPassword,
}

impl NewUser {
    pub(super) fn new(name: &str, roles: Vec<Role>, hash: StoredPassword) -> Result<Self> {
        let (name, password_hash) = (user_name(name)?, hash);
        Ok(Self { uuid: Uuid::new_v4(), name, roles, password_hash })
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

    /// All accounts by name.
    pub fn users(&self) -> Result<Vec<User>> {
        self.store.read(users::all)
    }

    /// Gives a user a new password, ends all sessions and lifts any lock; makes an administrator
    /// when there is no such user.
    pub fn set_password(&self, name: &str, password: &Password) -> Result<PasswordSet> {
        let fresh = NewUser::new(name, vec![Role::Admin], self.hash_new(password)?)?;
        self.store.write(|tx| match users::by_login(tx, &fresh.name)? {
            None => users::insert(tx, &fresh, now()).map(|_| PasswordSet::Made),
            Some(user) => {
                users::set_password(tx, user.id, &fresh.password_hash, now())?;
                sessions::end_all(tx, user.id, None)?;
                failures::forget(tx, &Subject::account(&user.name).key())?;
                Ok(PasswordSet::Changed)
            }
        })
    }

    /// Makes an account.
    ///
    /// # Errors
    /// `user-exists` when a name or e-mail address is already this one.
    pub fn add_user(&self, name: &str, password: &Password, roles: Vec<Role>) -> Result<User> {
        let fresh = NewUser::new(name, roles, self.hash_new(password)?)?;
        self.store.write(|tx| match users::by_login(tx, &fresh.name)? {
            Some(user) => Err(Error::conflict("user-exists").arg("name", user.name)),
            None => users::insert(tx, &fresh, now()),
        })
    }

    /// Switches an account off: its sessions end, nobody can sign in to it.
    ///
    /// # Errors
    /// `last-administrator` when nobody else may do everything.
    pub fn disable(&self, login: &str) -> Result<User> {
        self.store.write(|tx| {
            let user = users::by_login(tx, login.trim())?.ok_or_else(|| unknown(login))?;
            users::set_enabled(tx, user.id, false, now())?;
            if user.roles.contains(&Role::Admin) && users::administrators(tx)? == 0 {
                return Err(Error::conflict("last-administrator").arg("name", user.name));
            }
            sessions::end_all(tx, user.id, None)?;
            Ok(user)
        })
    }

    /// Switches an account on again.
    pub fn enable(&self, login: &str) -> Result<User> {
        self.store.write(|tx| {
            let user = users::by_login(tx, login.trim())?.ok_or_else(|| unknown(login))?;
            users::set_enabled(tx, user.id, true, now())?;
            Ok(user)
        })
    }

    /// Lifts the lock that failed sign-ins put on an account, and on all addresses: whoever asks
    /// for it on the controller itself cannot know from which address the failures came.
    pub fn unlock(&self, login: &str) -> Result<User> {
        self.store.write(|tx| {
            let user = users::by_login(tx, login.trim())?.ok_or_else(|| unknown(login))?;
            failures::forget(tx, &Subject::account(&user.name).key())?;
            failures::forget_addresses(tx)?;
            Ok(user)
        })
    }
}

fn unknown(login: &str) -> Error {
    Error::not_found("user-unknown").arg("name", login)
}

/// Letters of any script, digits and a few marks: a name is typed at sign-in and stands in lists,
/// logs and file names of reports.
fn user_name(text: &str) -> Result<String> {
    let name = text.trim();
    let wrong = |key| Error::bad_input(key).arg("field", "username").arg("limit", NAME_LIMIT);
    if name.is_empty() {
        return Err(wrong("name-empty"));
    }
    if name.chars().count() > NAME_LIMIT {
        return Err(wrong("name-too-long"));
    }
    if name.starts_with(['.', '-']) {
        return Err(wrong("name-start"));
    }
    let allowed = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '@' | '+');
    match name.chars().find(|c| !allowed(*c)) {
        Some(found) => Err(wrong("user-name-character").arg("found", found.escape_debug())),
        None => Ok(name.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_names_are_words() {
        for name in ["admin", "王老师", "a.b-c_d+e@school.example", " trimmed "] {
            assert_eq!(user_name(name).expect(name), name.trim());
        }
        for name in ["", "  ", "../etc", "a b", "<b>", "a\u{0}", "-x", &"n".repeat(300)] {
            assert!(user_name(name).is_err(), "{name:?}");
        }
    }
}
