//! Rows of forced password changes that were begun.

use rusqlite::{Connection, OptionalExtension, params};

use crate::error::Result;
use crate::store::{Tx, UserId};

/// A change that was begun by signing in with the old password.
#[derive(Debug)]
pub struct Row {
    pub code_hash: Vec<u8>,
    pub user_id: UserId,
    pub remembered: bool,
    pub expires_at: i64,
}

/// One at a time of each user; forgets those that came to nothing.
pub fn insert(tx: &Tx<'_>, token_hash: &[u8], row: &Row, now: i64) -> Result<()> {
    let sql = "DELETE FROM password_resets WHERE user_id = ?1 OR expires_at <= ?2";
    tx.execute(sql, params![row.user_id, now])?;
    tx.execute(
        "INSERT INTO password_resets (token_hash, code_hash, user_id, remembered, expires_at) \
         VALUES (?1,?2,?3,?4,?5)",
        params![token_hash, row.code_hash, row.user_id, row.remembered, row.expires_at],
    )?;
    Ok(())
}

pub fn find(conn: &Connection, token_hash: &[u8], now: i64) -> Result<Option<Row>> {
    let mut statement = conn.prepare_cached(
        "SELECT code_hash, user_id, remembered, expires_at FROM password_resets \
         WHERE token_hash = ?1 AND expires_at > ?2",
    )?;
    let row = statement.query_row(params![token_hash, now], |row| {
        Ok(Row {
            code_hash: row.get("code_hash")?,
            user_id: row.get("user_id")?,
            remembered: row.get("remembered")?,
            expires_at: row.get("expires_at")?,
        })
    });
    Ok(row.optional()?)
}

/// As [`find`], and it is over: of two at the same time one gets it.
pub fn take(tx: &Tx<'_>, token_hash: &[u8], now: i64) -> Result<Option<Row>> {
    let found = find(tx, token_hash, now)?;
    tx.execute("DELETE FROM password_resets WHERE token_hash = ?1", [token_hash])?;
    Ok(found)
}
