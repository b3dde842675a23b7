//! Rows of users and sessions.

use rusqlite::{Connection, OptionalExtension, params};

use super::{Caller, Role};
use crate::error::Result;

pub(super) fn caller_by_token(conn: &Connection, hash: &[u8], now: i64) -> Result<Option<Caller>> {
    let mut statement = conn.prepare_cached(
        "SELECT u.id, u.uuid, u.name, u.full_name, s.id, \
         (SELECT group_concat(role) FROM user_roles r WHERE r.user_id = u.id) \
         FROM sessions s JOIN users u ON u.id = s.user_id \
         WHERE s.token_hash = ?1 AND s.expires_at > ?2 AND u.enabled = 1",
    )?;
    let row = statement.query_row(params![hash, now], |row| {
        let roles: Option<String> = row.get(5)?;
        let roles: Vec<Role> =
            roles.iter().flat_map(|words| words.split(',')).filter_map(Role::parse).collect();
        let permissions = roles.iter().flat_map(|role| role.permissions()).collect();
        Ok(Caller {
            user_id: row.get(0)?,
            uuid: row.get(1)?,
            name: row.get(2)?,
            full_name: row.get(3)?,
            roles,
            permissions,
            session_id: row.get(4)?,
        })
    });
    Ok(row.optional()?)
}
