//! The row of the set-up link.

use rusqlite::{Connection, params};

use crate::error::Result;
use crate::store::Tx;

/// Whether the latest link has this token.
pub fn is_current(conn: &Connection, hash: &[u8]) -> Result<bool> {
    let mut statement = conn.prepare_cached("SELECT 1 FROM setup_links WHERE token_hash = ?1")?;
    Ok(statement.exists([hash])?)
}

pub fn insert(tx: &Tx<'_>, hash: &[u8], now: i64) -> Result<()> {
    tx.execute(
        "INSERT INTO setup_links (token_hash, created_at) VALUES (?1, ?2)",
        params![hash, now],
    )?;
    Ok(())
}

pub fn forget_all(tx: &Tx<'_>) -> Result<()> {
    tx.execute("DELETE FROM setup_links", [])?;
    Ok(())
}
