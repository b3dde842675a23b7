//! People who are to be imported, until they are.

use rusqlite::{Connection, OptionalExtension, params};
use uuid::Uuid;

use crate::error::Result;
use crate::store::{Tx, rows};

/// Somebody who waits for their turn.
pub struct Waiting {
    pub line: u64,
    /// Who it is, with their password: for the vault.
    pub sealed: Vec<u8>,
}

pub fn insert(tx: &Tx<'_>, import: Uuid, all: &[Waiting]) -> Result<()> {
    let sql = "INSERT INTO user_imports (import, line, sealed) VALUES (?1,?2,?3)";
    let mut insert = tx.prepare_cached(sql)?;
    for Waiting { line, sealed } in all {
        insert.execute(params![import.to_string(), line.cast_signed(), sealed])?;
    }
    Ok(())
}

/// The first who still waits, and how many do.
pub fn next(conn: &Connection, import: Uuid) -> Result<Option<(Waiting, u64)>> {
    let sql = "SELECT line, sealed, (SELECT count(*) FROM user_imports WHERE import = ?1) AS count \
               FROM user_imports WHERE import = ?1 ORDER BY line LIMIT 1";
    let waiting = |row: &rusqlite::Row<'_>| {
        let line = rows::unsigned(row, "line")?;
        Ok((Waiting { line, sealed: row.get("sealed")? }, rows::unsigned(row, "count")?))
    };
    Ok(conn.prepare_cached(sql)?.query_row([import.to_string()], waiting).optional()?)
}

pub fn delete(tx: &Tx<'_>, import: Uuid, line: u64) -> Result<()> {
    let sql = "DELETE FROM user_imports WHERE import = ?1 AND line = ?2";
    tx.execute(sql, params![import.to_string(), line.cast_signed()])?;
    Ok(())
}

/// Those who still wait are not imported.
pub fn forget(tx: &Tx<'_>, import: Uuid) -> Result<()> {
    tx.execute("DELETE FROM user_imports WHERE import = ?1", [import.to_string()])?;
    Ok(())
}
