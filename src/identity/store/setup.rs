//! The row of the set-up link.

use rusqlite::{Connection, params};

use super::users;
use crate::error::Result;
use crate::identity::setup::refuse;
use crate::store::Tx;

/// Whether a token may make the first administrator.
pub fn check(conn: &Connection, hash: &[u8]) -> Result<()> {
    let done = users::administrators(conn)? > 0;
    let mut statement = conn.prepare_cached("SELECT 1 FROM setup_links WHERE token_hash = ?1")?;
    match !done && statement.exists([hash])? {
        true => Ok(()),
        false => Err(refuse(done)),
    }
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
