//! Rows of users and their roles.

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use crate::error::{Error, Result};
use crate::identity::password::StoredPassword;
use crate::identity::{NewUser, Role, User};
use crate::store::is_duplicate;

const SELECT: &str = "SELECT u.id, u.uuid, u.name, u.email, u.enabled, \
     u.password_changed_at, u.last_login_at, u.password_hash, \
     (SELECT group_concat(role) FROM user_roles r WHERE r.user_id = u.id) FROM users u";

/// By name, else by e-mail address.
pub fn by_login(conn: &Connection, login: &str) -> Result<Option<User>> {
    let sql = format!(
        "{SELECT} WHERE u.name = ?1 COLLATE NOCASE OR u.email = ?1 COLLATE NOCASE \
         ORDER BY u.name = ?1 COLLATE NOCASE DESC LIMIT 1"
    );
    Ok(conn.prepare_cached(&sql)?.query_row([login], user).optional()?)
}

pub fn by_id(conn: &Connection, id: i64) -> Result<Option<User>> {
    let sql = format!("{SELECT} WHERE u.id = ?1");
    Ok(conn.prepare_cached(&sql)?.query_row([id], user).optional()?)
}

pub fn all(conn: &Connection) -> Result<Vec<User>> {
    let mut statement = conn.prepare_cached(&format!("{SELECT} ORDER BY u.name, u.id"))?;
    let rows = statement.query_map([], user)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// How many could sign in now and may do everything.
pub fn administrators(conn: &Connection) -> Result<u32> {
    let mut statement = conn.prepare_cached(
        "SELECT count(*) FROM users u JOIN user_roles r ON r.user_id = u.id \
         WHERE r.role = ?1 AND u.enabled = 1 AND u.password_hash IS NOT NULL",
    )?;
    Ok(statement.query_row([Role::Admin.word()], |row| row.get(0))?)
}

pub fn insert(tx: &Transaction<'_>, new: &NewUser, now: i64) -> Result<User> {
    let NewUser { uuid, name, roles, password_hash } = new;
    let inserted = tx.execute(
        "INSERT INTO users (uuid, name, password_hash, password_changed_at, created_at) \
         VALUES (?1,?2,?3,?4,?4)",
        params![uuid.to_string(), name, password_hash.0, now],
    );
    match inserted {
        Err(cause) if is_duplicate(&cause) => {
            return Err(Error::conflict("user-exists").arg("name", name).because(cause));
        }
        other => other?,
    };
    let id = tx.last_insert_rowid();
    for role in roles {
        let values = params![id, role.word()];
        tx.execute("INSERT OR IGNORE INTO user_roles (user_id, role) VALUES (?1,?2)", values)?;
    }
    by_id(tx, id)?.ok_or_else(|| Error::internal("a user vanished while it was made"))
}

pub fn set_password(tx: &Transaction<'_>, id: i64, hash: &StoredPassword, now: i64) -> Result<()> {
    tx.execute(
        "UPDATE users SET password_hash = ?2, password_changed_at = ?3, updated_at = ?3 WHERE id = ?1",
        params![id, hash.0, now],
    )?;
    Ok(())
}

pub fn set_enabled(tx: &Transaction<'_>, id: i64, enabled: bool, now: i64) -> Result<()> {
    tx.execute(
        "UPDATE users SET enabled = ?2, updated_at = ?3 WHERE id = ?1",
        params![id, enabled, now],
    )?;
    Ok(())
}

pub fn signed_in(tx: &Transaction<'_>, id: i64, now: i64) -> Result<()> {
    tx.execute("UPDATE users SET last_login_at = ?2 WHERE id = ?1", params![id, now])?;
    Ok(())
}

/// Roles out of the words of `group_concat`.
pub fn roles(words: Option<String>) -> Vec<Role> {
    words.iter().flat_map(|words| words.split(',')).filter_map(Role::parse).collect()
}

fn user(row: &Row<'_>) -> rusqlite::Result<User> {
    Ok(User {
        id: row.get(0)?,
        uuid: row.get(1)?,
        name: row.get(2)?,
        email: row.get(3)?,
        enabled: row.get(4)?,
        password_changed_at: row.get(5)?,
        last_login_at: row.get(6)?,
        password_hash: row.get::<_, Option<String>>(7)?.map(StoredPassword),
        roles: roles(row.get(8)?),
    })
}
