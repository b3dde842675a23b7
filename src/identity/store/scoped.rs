//! Rows of roles that hold within one education group.

use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, params};
use uuid::Uuid;

use crate::error::{Error, Result};
use crate::identity::permission::{BuiltinRole, Permission};
use crate::identity::{ScopedRole, Within};
use crate::store::{EducationGroupId, RoleId, Topic, Tx, UserId};

/// The roles that user `u` holds within education groups, as JSON.
macro_rules! scoped_of_u {
    () => {
        "(SELECT json_group_array(json_array(r.code, e.id, e.uuid, e.name, \
           (SELECT group_concat(rp.permission) FROM role_permissions rp WHERE rp.role_id = r.id))) \
           FROM scoped_roles sr JOIN roles r ON r.id = sr.role_id \
           JOIN education_groups e ON e.id = sr.education_group_id WHERE sr.user_id = u.id)"
    };
}
pub(super) use scoped_of_u;

/// Reads a column that was selected by [`scoped_of_u`].
pub fn read(row: &Row<'_>, column: &str) -> rusqlite::Result<Vec<ScopedRole>> {
    type Stored = (String, EducationGroupId, Uuid, String, Option<String>);
    let index = row.as_ref().column_index(column)?;
    let wrong =
        |cause| rusqlite::Error::FromSqlConversionFailure(index, Type::Text, Box::new(cause));
    let text: String = row.get(index)?;
    let stored: Vec<Stored> = serde_json::from_str(&text).map_err(wrong)?;
    let role = |(code, group_id, group, group_name, words): Stored| {
        let own = Permission::parse_all(words.as_deref());
        let all = BuiltinRole::effective(std::slice::from_ref(&code), own);
        let permissions = all.into_iter().filter(|one| one.has_scope()).collect();
        ScopedRole { code, group_id, group, group_name, permissions }
    };
    Ok(stored.into_iter().map(role).collect())
}

/// The row of an education group.
///
/// # Errors
/// `education-group-unknown`
pub fn group(conn: &Connection, uuid: Uuid) -> Result<EducationGroupId> {
    let mut statement = conn.prepare_cached("SELECT id FROM education_groups WHERE uuid = ?1")?;
    let found = statement.query_row([uuid.to_string()], |row| row.get(0)).optional()?;
    found.ok_or_else(|| Error::not_found("education-group-unknown").arg("uuid", uuid))
}

/// Gives a user these roles, by rows of role and education group, instead of those they had.
pub fn set(tx: &Tx<'_>, user: UserId, roles: &[(RoleId, EducationGroupId)]) -> Result<()> {
    tx.changed(Topic::Users | Topic::Roles | Topic::Rights);
    tx.execute("DELETE FROM scoped_roles WHERE user_id = ?1", [user])?;
    let mut insert = tx.prepare_cached(
        "INSERT OR IGNORE INTO scoped_roles (user_id, role_id, education_group_id) VALUES (?1,?2,?3)",
    )?;
    for (role, group) in roles {
        insert.execute(params![user, role, group])?;
    }
    Ok(())
}

/// What these roles allow.
pub fn within(roles: &[ScopedRole]) -> Within {
    let mut within = Within::new();
    for role in roles {
        within.entry(role.group_id).or_default().extend(&role.permissions);
    }
    within
}
