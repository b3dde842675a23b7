//! Machines and layers whose rows were deleted. The database notes each by itself (`0021_gone.sql`), whoever deletes it.

use std::collections::HashSet;

use rusqlite::Connection;
use uuid::Uuid;

use crate::error::Result;
use crate::store::{Tx, rows};

/// Those of these that were deleted.
pub fn among(conn: &Connection, found: &[Uuid]) -> Result<HashSet<Uuid>> {
    let found = super::json_uuids(found)?;
    let mut statement = conn
        .prepare_cached("SELECT uuid FROM gone WHERE uuid IN (SELECT value FROM json_each(?1))")?;
    let gone = statement.query_map([found], |row| rows::uuid(row, 0))?;
    Ok(gone.collect::<rusqlite::Result<_>>()?)
}

/// These have a second name in a `lost` folder: the one in their place goes when no disk needs it.
pub fn note(tx: &Tx<'_>, uuids: impl Iterator<Item = Uuid>) -> Result<()> {
    let sql = "INSERT OR IGNORE INTO gone (uuid, at) VALUES (?1, unixepoch())";
    let mut statement = tx.prepare_cached(sql)?;
    for uuid in uuids {
        statement.execute([uuid.to_string()])?;
    }
    Ok(())
}

/// Forgets what was deleted before that time: a node that comes back after it has its share set aside.
pub fn forget_before(tx: &Tx<'_>, time: i64) -> Result<()> {
    tx.execute("DELETE FROM gone WHERE at < ?1", [time])?;
    Ok(())
}
