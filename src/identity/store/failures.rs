//! Rows of failed sign-ins.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, params};

use crate::error::{Error, Result};
use crate::store::{Tx, UserId};

/// What is known of one account or address. Times are Unix seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failures {
    pub failures: u32,
    pub last_at: i64,
    pub locked_until: i64,
}

pub fn find(conn: &Connection, subject: &str) -> Result<Option<Failures>> {
    let mut statement = conn.prepare_cached(
        "SELECT failures, last_at, locked_until FROM login_failures WHERE subject = ?1",
    )?;
    let row = statement.query_row([subject], |row| {
        Ok(Failures { failures: row.get(0)?, last_at: row.get(1)?, locked_until: row.get(2)? })
    });
    Ok(row.optional()?)
}

pub fn put(tx: &Tx<'_>, subject: &str, row: &Failures) -> Result<()> {
    tx.prepare_cached(
        "INSERT OR REPLACE INTO login_failures (subject, failures, last_at, locked_until) \
         VALUES (?1,?2,?3,?4)",
    )?
    .execute(params![subject, row.failures, row.last_at, row.locked_until])?;
    Ok(())
}

/// Until when each of these accounts (their keys) is locked for somebody, where it is after `now`. What was noted by a
/// clock that was ahead (after `latest`) locks nobody.
pub fn locks(
    conn: &Connection,
    keys: &[String],
    now: i64,
    latest: i64,
) -> Result<HashMap<String, i64>> {
    let keys = serde_json::to_string(keys).map_err(Error::internal)?;
    // Also those counted with an address: '!' comes after the space.
    let sql = "SELECT k.value, max(f.locked_until) FROM json_each(?1) k JOIN login_failures f \
               ON f.subject = k.value OR (f.subject > k.value || ' ' AND f.subject < k.value || '!') \
               WHERE f.locked_until > ?2 AND f.last_at <= ?3 GROUP BY k.value";
    let mut statement = conn.prepare_cached(sql)?;
    let locks =
        statement.query_map(params![keys, now, latest], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(locks.collect::<rusqlite::Result<_>>()?)
}

/// Forgets failures of an account (its key), also those counted with an address.
pub fn forget_account(tx: &Tx<'_>, key: &str) -> Result<()> {
    let sql = "DELETE FROM login_failures WHERE subject = ?1 OR (subject > ?2 AND subject < ?3)";
    // '!' comes after the space.
    tx.execute(sql, params![key, format!("{key} "), format!("{key}!")])?;
    Ok(())
}

/// Forgets failures of one subject.
pub fn forget(tx: &Tx<'_>, key: &str) -> Result<()> {
    tx.execute("DELETE FROM login_failures WHERE subject = ?1", [key])?;
    Ok(())
}

/// Whether the user signed in from this address before.
pub fn is_known(conn: &Connection, user: UserId, address: &str) -> Result<bool> {
    let sql = "SELECT 1 FROM known_addresses WHERE user_id = ?1 AND address = ?2";
    Ok(conn.prepare_cached(sql)?.exists(params![user, address])?)
}

/// Notes that the user signed in from this address; forgets those not seen since `before`.
pub fn know(tx: &Tx<'_>, user: UserId, address: &str, now: i64, before: i64) -> Result<()> {
    tx.execute(
        "DELETE FROM known_addresses WHERE user_id = ?1 AND last_at < ?2",
        params![user, before],
    )?;
    let sql =
        "INSERT OR REPLACE INTO known_addresses (user_id, address, last_at) VALUES (?1,?2,?3)";
    tx.execute(sql, params![user, address, now])?;
    Ok(())
}

pub fn forget_addresses(tx: &Tx<'_>) -> Result<()> {
    tx.execute("DELETE FROM login_failures WHERE subject LIKE 'address:%'", [])?;
    Ok(())
}

/// Forgets what did not fail since `time`.
pub fn purge(tx: &Tx<'_>, time: i64) -> Result<()> {
    tx.execute("DELETE FROM login_failures WHERE last_at <= ?1 AND locked_until <= ?1", [time])?;
    Ok(())
}
