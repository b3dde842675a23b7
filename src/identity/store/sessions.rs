//! Rows of sessions.

use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::users::roles;
use crate::error::Result;
use crate::identity::Caller;

/// A session that was found.
#[derive(Debug)]
pub struct Found {
    pub caller: Caller,
    pub last_seen_at: i64,
}

pub fn caller(conn: &Connection, hash: &[u8], now: i64) -> Result<Option<Found>> {
    let mut statement = conn.prepare_cached(
        "SELECT u.id, u.uuid, u.name, u.full_name, s.id, s.last_seen_at, \
         (SELECT group_concat(role) FROM user_roles r WHERE r.user_id = u.id) \
         FROM sessions s JOIN users u ON u.id = s.user_id \
         WHERE s.token_hash = ?1 AND s.expires_at > ?2 AND u.enabled = 1",
    )?;
    let row = statement.query_row(params![hash, now], |row| {
        let roles = roles(row.get(6)?);
        let permissions = roles.iter().flat_map(|role| role.permissions()).collect();
        let caller = Caller {
            user_id: row.get(0)?,
            uuid: row.get(1)?,
            name: row.get(2)?,
            full_name: row.get(3)?,
            roles,
            permissions,
            session_id: row.get(4)?,
        };
        Ok(Found { caller, last_seen_at: row.get(5)? })
    });
    Ok(row.optional()?)
}

/// A session to be written.
#[derive(Debug)]
pub struct NewRow {
    pub token_hash: Vec<u8>,
    pub user_id: i64,
    pub address: Option<String>,
    pub created_at: i64,
    pub expires_at: i64,
    /// Seconds from each use to the end; 0 when the end stays.
    pub slide: i64,
}

/// Adds a session; the oldest ones of the user beyond `limit` end.
pub fn insert(tx: &Transaction<'_>, row: &NewRow, limit: u32) -> Result<()> {
    tx.execute(
        "INSERT INTO sessions (token_hash, user_id, address, created_at, expires_at, slide, \
         last_seen_at) VALUES (?1,?2,?3,?4,?5,?6,?4)",
        params![
            row.token_hash,
            row.user_id,
            row.address,
            row.created_at,
            row.expires_at,
            row.slide
        ],
    )?;
    tx.execute(
        "DELETE FROM sessions WHERE user_id = ?1 AND id NOT IN \
         (SELECT id FROM sessions WHERE user_id = ?1 ORDER BY last_seen_at DESC, id DESC LIMIT ?2)",
        params![row.user_id, limit],
    )?;
    Ok(())
}

/// Notes a use, which puts off the end of a sliding session up to `longest` seconds after its begin.
pub fn seen(tx: &Transaction<'_>, id: i64, now: i64, longest: i64) -> Result<()> {
    tx.prepare_cached(
        "UPDATE sessions SET last_seen_at = ?2, expires_at = CASE slide WHEN 0 THEN expires_at \
         ELSE max(expires_at, min(?2 + slide, created_at + ?3)) END WHERE id = ?1",
    )?
    .execute(params![id, now, longest])?;
    Ok(())
}

pub fn end(tx: &Transaction<'_>, hash: &[u8]) -> Result<()> {
    tx.execute("DELETE FROM sessions WHERE token_hash = ?1", [hash])?;
    Ok(())
}

/// Ends all sessions of a user but the given one.
pub fn end_all(tx: &Transaction<'_>, user: i64, but: Option<i64>) -> Result<()> {
    tx.execute("DELETE FROM sessions WHERE user_id = ?1 AND id IS NOT ?2", params![user, but])?;
    Ok(())
}

pub fn purge(tx: &Transaction<'_>, now: i64) -> Result<()> {
    tx.execute("DELETE FROM sessions WHERE expires_at <= ?1", [now])?;
    Ok(())
}
