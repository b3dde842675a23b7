//! API keys: for programs, with some of their owner's permissions.
//!
//! A key can do at most what its owner can: whatever the owner loses, the key loses too.

use unicode_normalization::UnicodeNormalization;

use super::permission::Permissions;
use super::store::{groups, keys, users};
use super::token::Token;
use super::users::may_reach;
use super::users::unknown;
use super::{Authority, Caller, Identity};
use crate::error::{Error, Result};
use crate::store::list::{ListQuery, Page};
use crate::store::text::{is_hidden, shown};
use crate::store::{UserId, now};

pub use super::store::keys::ApiKey;

/// Longest name, in characters.
const NAME_LIMIT: usize = 64;
/// Keys of one user.
const KEYS_LIMIT: u32 = 200;

/// A key to be made.
#[derive(Debug, Default)]
pub struct NewApiKey {
    pub name: String,
    pub permissions: Permissions,
    /// Unix seconds; `None` for one without end.
    pub expires_at: Option<i64>,
}

impl Identity {
    /// Makes a key of the caller. The token is shown once.
    ///
    /// # Errors
    /// `grant-beyond-own`, `time-past`, `too-many-keys` and those of names
    pub fn add_key(&self, caller: &Caller, new: &NewApiKey) -> Result<(ApiKey, Token)> {
        let name = key_name(&new.name)?;
        let now = now();
        if new.expires_at.is_some_and(|at| at <= now) {
            return Err(Error::bad_input("time-past").arg("field", "expires_at"));
        }
        may_ask(caller, &new.permissions)?;
        let token = Token::random()?;
        let key = self.store.write(|tx| {
            if keys::count(tx, caller.user_id)? >= KEYS_LIMIT {
                return Err(Error::conflict("too-many-keys").arg("limit", KEYS_LIMIT));
            }
            let id = keys::free_id(tx, &name.to_lowercase())?;
            let groups = groups::memberships(tx, caller.user_id)?;
            let groups = groups.into_iter().map(|group| (group.group_id, group.name)).collect();
            let key = ApiKey {
                id: id.clone(),
                user_id: caller.user_id,
                user_name: caller.name.clone(),
                name,
                granted: new.permissions.clone(),
                permissions: Permissions::new(),
                groups,
                created_at: now,
                expires_at: new.expires_at,
                last_used_at: None,
                last_used_ip: None,
            };
            keys::insert(tx, &key, &token.hash())?;
            keys::set_permissions(tx, &id, &new.permissions)?;
            keys::find(tx, caller.user_id, &id)
        })?;
        Ok((key, token))
    }

    /// Keys of a user, the oldest first.
    pub fn keys_of(&self, user_id: UserId) -> Result<Vec<ApiKey>> {
        self.store.read(|conn| keys::of_user(conn, user_id))
    }

    /// Keys of everybody, for who watches over them.
    pub fn keys_page(&self, query: &ListQuery) -> Result<Page<ApiKey>> {
        keys::page(&self.store, query)
    }

    /// # Errors
    /// `key-unknown`, also for a key of somebody else
    pub fn key(&self, caller: &Caller, id: &str) -> Result<ApiKey> {
        self.store.read(|conn| keys::find(conn, caller.user_id, id))
    }

    /// Gives a key of the caller other permissions.
    ///
    /// # Errors
    /// `key-unknown`, `grant-beyond-own`
    pub fn change_key(&self, caller: &Caller, id: &str, granted: &Permissions) -> Result<ApiKey> {
        self.store.write(|tx| {
            let key = keys::find(tx, caller.user_id, id)?;
            // What it has stays, also when its owner has lost it meanwhile: it is of no use then.
            let added = granted.difference(&key.granted).copied().collect();
            may_ask(caller, &added)?;
            keys::set_permissions(tx, &key.id, granted)?;
            keys::find(tx, caller.user_id, id)
        })
    }

    /// # Errors
    /// `key-unknown`
    pub fn delete_key(&self, caller: &Caller, id: &str) -> Result<ApiKey> {
        self.store.write(|tx| {
            let key = keys::find(tx, caller.user_id, id)?;
            keys::delete(tx, &key.id)?;
            Ok(key)
        })
    }

    /// Deletes somebody's key, on an administrator's word.
    ///
    /// # Errors
    /// `key-unknown`, `user-has-more-rights`
    pub fn revoke_key(&self, by: Authority<'_>, id: &str) -> Result<ApiKey> {
        self.store.write(|tx| {
            let key = keys::by_id(tx, id)?;
            let owner = users::by_id(tx, key.user_id)?.ok_or_else(|| unknown(key.user_id))?;
            may_reach(by, &owner)?;
            keys::delete(tx, &key.id)?;
            Ok(key)
        })
    }

    /// Deletes all keys of the caller; says how many there were.
    pub fn purge_keys(&self, caller: &Caller) -> Result<usize> {
        self.store.write(|tx| keys::delete_of_user(tx, caller.user_id))
    }
}

/// A key may have what its owner may do somewhere: it reaches no further than they do.
fn may_ask(caller: &Caller, permissions: &Permissions) -> Result<()> {
    match permissions.difference(&caller.anywhere()).next() {
        None => Ok(()),
        Some(lacking) => {
            Err(Error::forbidden("grant-beyond-own").arg("permission", lacking.word()))
        }
    }
}

fn key_name(text: &str) -> Result<String> {
    let name = text.trim();
    let wrong = |key| Error::bad_input(key).arg("field", "name").arg("limit", NAME_LIMIT);
    if name.is_empty() {
        return Err(wrong("name-empty"));
    }
    if name.chars().count() > NAME_LIMIT {
        return Err(wrong("name-too-long"));
    }
    // Its id stands in a path.
    match name.chars().find(|c| is_hidden(*c) || matches!(c, '/' | '\\' | '<' | '>')) {
        Some(found) => Err(wrong("name-character").arg("found", shown(found))),
        None => Ok(name.nfc().collect()),
    }
}
