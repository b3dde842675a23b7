//! Rows of roles and their permissions.

use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::error::{Error, Result};
use crate::identity::permission::{BuiltinRole, Permission, Permissions};
use crate::store::list::{Column, ListQuery, Listing, Page};
use crate::store::{RoleId, Store, Topic, Tx, now, unique};

/// A set of permissions with a name.
#[derive(Debug, Clone)]
pub struct Role {
    pub id: RoleId,
    /// Its name on the wire.
    pub code: String,
    pub description: String,
    /// Fixed and never deleted.
    pub builtin: bool,
    pub permissions: Permissions,
    /// How many users have it.
    pub users: u32,
}

const SELECT: &str = "r.id, r.code, r.description, r.builtin, \
     (SELECT group_concat(p.permission) FROM role_permissions p WHERE p.role_id = r.id) AS permissions, \
     (SELECT count(*) FROM (SELECT user_id FROM user_roles u WHERE u.role_id = r.id \
     UNION SELECT user_id FROM scoped_roles s WHERE s.role_id = r.id)) AS users";

static LISTING: Listing = Listing {
    select: SELECT,
    from: "roles r",
    columns: &[Column::text("code", "r.code"), Column::integer("builtin", "r.builtin")],
    order: "r.id",
};

pub fn page(store: &Store, query: &ListQuery) -> Result<Page<Role>> {
    LISTING.page(store, query, role)
}

/// # Errors
/// `role-unknown`
pub fn find(conn: &Connection, id: RoleId) -> Result<Role> {
    let mut statement =
        conn.prepare_cached(&format!("SELECT {SELECT} FROM roles r WHERE r.id = ?1"))?;
    let found = statement.query_row([id], role).optional()?;
    found.ok_or_else(|| Error::not_found("role-unknown").arg("name", id))
}

/// # Errors
/// `role-unknown`
pub fn by_code(conn: &Connection, code: &str) -> Result<Role> {
    let sql = format!("SELECT {SELECT} FROM roles r WHERE r.code = ?1");
    let found = conn.prepare_cached(&sql)?.query_row([code.trim()], role).optional()?;
    found.ok_or_else(|| Error::bad_input("role-unknown").arg("name", code))
}

pub fn insert(tx: &Tx<'_>, code: &str, description: &str) -> Result<RoleId> {
    tx.changed(Topic::Roles);
    let sql = "INSERT INTO roles (code, description, created_at) VALUES (?1,?2,?3)";
    unique(tx.execute(sql, params![code, description, now()]), || taken(code))?;
    Ok(RoleId::new(tx.last_insert_rowid()))
}

pub fn update(tx: &Tx<'_>, id: RoleId, code: &str, description: &str) -> Result<()> {
    tx.changed(Topic::Roles | Topic::Rights);
    let sql = "UPDATE roles SET code = ?2, description = ?3 WHERE id = ?1";
    unique(tx.execute(sql, params![id, code, description]), || taken(code))
}

fn taken(code: &str) -> Error {
    Error::conflict("role-exists").arg("name", code)
}

pub fn set_permissions(tx: &Tx<'_>, id: RoleId, permissions: &Permissions) -> Result<()> {
    tx.changed(Topic::Roles | Topic::Rights);
    tx.execute("DELETE FROM role_permissions WHERE role_id = ?1", [id])?;
    let sql = "INSERT INTO role_permissions (role_id, permission) VALUES (?1,?2)";
    let mut insert = tx.prepare_cached(sql)?;
    for permission in permissions {
        insert.execute(params![id, permission.word()])?;
    }
    Ok(())
}

pub fn delete(tx: &Tx<'_>, id: RoleId) -> Result<()> {
    tx.changed(Topic::Roles | Topic::Rights);
    tx.execute("DELETE FROM roles WHERE id = ?1", [id])?;
    Ok(())
}

/// Names of some users that have the role.
pub fn users_of(conn: &Connection, id: RoleId, limit: u32) -> Result<Vec<String>> {
    let mut statement = conn.prepare_cached(
        "SELECT u.name FROM users u WHERE u.id IN (SELECT user_id FROM user_roles WHERE role_id = ?1 \
         UNION SELECT user_id FROM scoped_roles WHERE role_id = ?1) ORDER BY u.name LIMIT ?2",
    )?;
    let names = statement.query_map(params![id, limit], |row| row.get(0))?;
    Ok(names.collect::<rusqlite::Result<_>>()?)
}

fn role(row: &Row<'_>) -> rusqlite::Result<Role> {
    let code: String = row.get("code")?;
    let stored = Permission::parse_all(row.get::<_, Option<String>>("permissions")?.as_deref());
    let permissions = BuiltinRole::parse(&code).map_or(stored, BuiltinRole::permissions);
    Ok(Role {
        id: row.get("id")?,
        code,
        description: row.get("description")?,
        builtin: row.get("builtin")?,
        permissions,
        users: row.get("users")?,
    })
}
