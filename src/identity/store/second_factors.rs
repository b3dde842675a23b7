//! Rows of second factors and their recovery codes.

use rusqlite::{Connection, OptionalExtension, params};

use crate::error::Result;
use crate::store::{Topic, Tx, UserId};

/// A second factor, confirmed or not.
#[derive(Debug)]
pub struct Row {
    /// Sealed.
    pub secret: Vec<u8>,
    pub confirmed_at: Option<i64>,
}

pub fn find(conn: &Connection, user: UserId) -> Result<Option<Row>> {
    let sql = "SELECT secret, confirmed_at FROM second_factors WHERE user_id = ?1";
    let row = conn
        .prepare_cached(sql)?
        .query_row([user], |row| Ok(Row { secret: row.get(0)?, confirmed_at: row.get(1)? }));
    Ok(row.optional()?)
}

/// Begins anew: whatever was there and not confirmed is of no use any more.
pub fn begin(tx: &Tx<'_>, user: UserId, secret: &[u8]) -> Result<()> {
    tx.changed(Topic::Users);
    tx.execute(
        "INSERT OR REPLACE INTO second_factors (user_id, secret) VALUES (?1,?2)",
        params![user, secret],
    )?;
    Ok(())
}

pub fn confirm(tx: &Tx<'_>, user: UserId, now: i64) -> Result<()> {
    tx.changed(Topic::Users);
    let sql = "UPDATE second_factors SET confirmed_at = ?2 WHERE user_id = ?1";
    tx.execute(sql, params![user, now])?;
    Ok(())
}

/// Notes that the code of this step was used; `false` when it, or a later one, was used before.
pub fn use_step(tx: &Tx<'_>, user: UserId, step: i64) -> Result<bool> {
    tx.changed(Topic::Users);
    let sql = "UPDATE second_factors SET last_step = ?2 WHERE user_id = ?1 AND last_step < ?2";
    Ok(tx.execute(sql, params![user, step])? == 1)
}

/// Takes the second factor off, with its recovery codes; `false` when there was none.
pub fn delete(tx: &Tx<'_>, user: UserId) -> Result<bool> {
    tx.changed(Topic::Users);
    tx.execute("DELETE FROM recovery_codes WHERE user_id = ?1", [user])?;
    Ok(tx.execute("DELETE FROM second_factors WHERE user_id = ?1", [user])? == 1)
}

/// Puts these recovery codes in the place of all earlier ones.
pub fn set_recovery(tx: &Tx<'_>, user: UserId, hashes: &[Vec<u8>]) -> Result<()> {
    tx.execute("DELETE FROM recovery_codes WHERE user_id = ?1", [user])?;
    let sql = "INSERT INTO recovery_codes (user_id, code_hash) VALUES (?1,?2)";
    let mut insert = tx.prepare_cached(sql)?;
    for hash in hashes {
        insert.execute(params![user, hash])?;
    }
    Ok(())
}

/// Uses up a recovery code; `false` when there is no such one.
pub fn take_recovery(tx: &Tx<'_>, user: UserId, hash: &[u8]) -> Result<bool> {
    let sql = "DELETE FROM recovery_codes WHERE user_id = ?1 AND code_hash = ?2";
    Ok(tx.execute(sql, params![user, hash])? == 1)
}

pub fn count_recovery(conn: &Connection, user: UserId) -> Result<u32> {
    let sql = "SELECT count(*) FROM recovery_codes WHERE user_id = ?1";
    Ok(conn.prepare_cached(sql)?.query_row([user], |row| row.get(0))?)
}
