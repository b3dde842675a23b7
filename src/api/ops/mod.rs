//! Document 004, operations: `{ok, info}`, permissions by their numbers.

mod dialect;
mod login;
mod permissions;
mod ssh_keys;
mod users;

use schemars::JsonSchema;
use serde::Serialize;

use super::call::Call;
pub use dialect::DIALECT;

use super::endpoint::Endpoint;
use crate::error::{Error, Result};
use crate::identity::{Permission, Permissions};

/// Of audit entries about people.
const PEOPLE: &str = "identity";

pub fn endpoints() -> Vec<Endpoint> {
    let parts =
        [users::endpoints(), login::endpoints(), permissions::endpoints(), ssh_keys::endpoints()];
    parts.into_iter().flatten().collect()
}

/// Some rows, and how many there are in all.
#[derive(Debug, Serialize, JsonSchema)]
struct Rows<T> {
    data: Vec<T>,
    count: u64,
}

/// The numbers of permissions, as the document writes them: `1,2,3`.
fn numbers(permissions: &Permissions) -> String {
    let mut codes: Vec<u32> = permissions.iter().map(|permission| permission.code()).collect();
    codes.sort_unstable();
    codes.iter().map(u32::to_string).collect::<Vec<_>>().join(",")
}

/// Reads `1,2,3`.
///
/// # Errors
/// `permission-unknown`
fn by_numbers(text: &str) -> Result<Permissions> {
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    let known = parts.map(|part| {
        let found = part.parse().ok().and_then(Permission::by_code);
        let unknown = || Error::bad_input("permission-unknown").arg("field", "permissions");
        found.ok_or_else(|| unknown().arg("name", part))
    });
    known.collect()
}

/// Whether somebody asks for their own account.
fn is_own(call: &Call, username: &str) -> bool {
    let own = call.caller.as_ref().map(|caller| caller.name.to_lowercase());
    own == Some(username.trim().to_lowercase())
}

/// Refuses who has no right to do it to others.
fn need(call: &Call, permission: Permission) -> Result<()> {
    match call.caller()?.may(permission) {
        true => Ok(()),
        false => Err(Error::forbidden("permission-missing").arg("permission", permission.word())),
    }
}
