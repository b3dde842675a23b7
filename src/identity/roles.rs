//! Roles of one's own beside the built-in ones.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::permission::Permissions;
use super::store::roles;
use super::{Authority, Identity};
use crate::error::{Error, Result};
use crate::store::list::{ListQuery, Page};
use crate::store::{EducationGroupId, RoleId};

pub use super::store::roles::Role;

/// Longest code, in characters.
const CODE_LIMIT: usize = 32;

/// What somebody may do within education groups, by their rows.
pub type Within = BTreeMap<EducationGroupId, Permissions>;

/// A role that somebody holds for one education group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScopedRole {
    pub code: String,
    /// Row, uuid and name of the education group.
    pub group_id: EducationGroupId,
    pub group: Uuid,
    pub group_name: String,
    /// Those of the role's permissions that mean something within a group.
    pub permissions: Permissions,
}

/// What is to be changed of a role; `None` stays.
#[derive(Debug, Default)]
pub struct RoleChange {
    pub code: Option<String>,
    pub description: Option<String>,
    pub permissions: Option<Permissions>,
}

impl Identity {
    /// Roles by number.
    pub fn roles(&self, query: &ListQuery) -> Result<Page<Role>> {
        roles::page(&self.store, query)
    }

    /// # Errors
    /// `role-unknown`
    pub fn role(&self, id: RoleId) -> Result<Role> {
        self.store.read(|conn| roles::find(conn, id))
    }

    /// # Errors
    /// `role-exists`, `grant-beyond-own`
    pub fn add_role(&self, by: Authority<'_>, new: RoleChange) -> Result<Role> {
        let code = role_code(&new.code.unwrap_or_default())?;
        let permissions = new.permissions.unwrap_or_default();
        may_grant(by, &permissions)?;
        let description = new.description.unwrap_or_default();
        self.store.write(|tx| {
            let id = roles::insert(tx, &code, &description)?;
            roles::set_permissions(tx, id, &permissions)?;
            roles::find(tx, id)
        })
    }

    /// # Errors
    /// `role-unknown`, `role-builtin`, `role-exists`, `grant-beyond-own`: also who takes a permission
    /// away must have it.
    pub fn change_role(&self, by: Authority<'_>, id: RoleId, change: RoleChange) -> Result<Role> {
        let code = change.code.as_deref().map(role_code).transpose()?;
        self.store.write(|tx| {
            let role = own(roles::find(tx, id)?)?;
            may_grant(by, &role.permissions)?;
            let code = code.unwrap_or(role.code);
            let description = change.description.unwrap_or(role.description);
            roles::update(tx, id, &code, &description)?;
            if let Some(permissions) = &change.permissions {
                may_grant(by, permissions)?;
                roles::set_permissions(tx, id, permissions)?;
            }
            roles::find(tx, id)
        })
    }

    /// # Errors
    /// `role-unknown`, `role-builtin`, `role-in-use` with the names of the users
    pub fn delete_role(&self, by: Authority<'_>, id: RoleId) -> Result<Role> {
        self.store.write(|tx| {
            let role = own(roles::find(tx, id)?)?;
            may_grant(by, &role.permissions)?;
            let users = roles::users_of(tx, id, 5)?;
            if !users.is_empty() {
                let error = Error::conflict("role-in-use").arg("name", &role.code);
                return Err(error.arg("users", users.join(", ")).arg("count", role.users));
            }
            roles::delete(tx, id)?;
            Ok(role)
        })
    }
}

/// Nobody gives more than they have.
pub(super) fn may_grant(by: Authority<'_>, permissions: &Permissions) -> Result<()> {
    match by.lacks(permissions) {
        None => Ok(()),
        Some(lacking) => {
            Err(Error::forbidden("grant-beyond-own").arg("permission", lacking.word()))
        }
    }
}

/// As [`may_grant`], for a role within one education group.
pub(super) fn may_grant_within(
    by: Authority<'_>,
    group: EducationGroupId,
    permissions: &Permissions,
) -> Result<()> {
    match by.lacks_within(group, permissions) {
        None => Ok(()),
        Some(lacking) => {
            Err(Error::forbidden("grant-beyond-own").arg("permission", lacking.word()))
        }
    }
}

fn own(role: Role) -> Result<Role> {
    match role.builtin {
        true => Err(Error::conflict("role-builtin").arg("name", role.code)),
        false => Ok(role),
    }
}

/// Letters, digits, `-` and `_`: it stands in lists separated by commas.
fn role_code(text: &str) -> Result<String> {
    let code = text.trim();
    let wrong = |key| Error::bad_input(key).arg("field", "code").arg("limit", CODE_LIMIT);
    if code.is_empty() {
        return Err(wrong("name-empty"));
    }
    if code.chars().count() > CODE_LIMIT {
        return Err(wrong("name-too-long"));
    }
    match code.chars().find(|c| !c.is_alphanumeric() && !matches!(c, '-' | '_')) {
        Some(found) => Err(wrong("name-character").arg("found", found.escape_debug())),
        None => Ok(code.to_owned()),
    }
}
