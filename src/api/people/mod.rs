//! People for the console, beyond what the documents have: users, roles, groups, keys, sessions and the
//! rules of signing in. `/api/v1.0/identity/…` in document 002's form.

mod confirm;
mod groups;
mod keys;
pub mod oidc;
mod own;
mod policy;
mod roles;
mod second_factor;
mod sessions;
mod ssh_keys;
mod users;
mod users_import;

use std::collections::BTreeSet;

pub use roles::description;

use super::endpoint::Endpoint;
use crate::error::{Error, Result};
use crate::identity::{Permission, Permissions};

/// Of audit entries.
const MODULE: &str = "identity";

pub fn endpoints() -> Vec<Endpoint> {
    let parts = [
        users::endpoints(),
        users_import::endpoints(),
        confirm::endpoints(),
        roles::endpoints(),
        groups::endpoints(),
        keys::endpoints(),
        sessions::endpoints(),
        policy::endpoints(),
        own::endpoints(),
        ssh_keys::endpoints(),
        second_factor::endpoints(),
        oidc::endpoints(),
    ];
    parts.into_iter().flatten().collect()
}

/// Reads permissions by their words.
///
/// # Errors
/// `permission-unknown`
pub fn permissions(words: &[String]) -> Result<Permissions> {
    words.iter().map(|word| permission(word)).collect::<Result<BTreeSet<_>>>()
}

fn permission(word: &str) -> Result<Permission> {
    let unknown = || Error::bad_input("permission-unknown").arg("field", "permissions");
    Permission::parse(word.trim()).ok_or_else(|| unknown().arg("name", word))
}

/// Words of permissions.
pub fn permission_words(permissions: &Permissions) -> Vec<&'static str> {
    permissions.iter().map(|permission| permission.word()).collect()
}
