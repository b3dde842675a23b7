//! Rows of pools, nodes and what is in them.

pub mod facts;
pub mod nodes;
pub mod pools;
pub mod ssh_grants;

use rusqlite::{OptionalExtension, params};
use uuid::Uuid;

use crate::error::Result;
use crate::store::{Tx, now, rows};

pub fn installation(tx: &Tx<'_>) -> Result<Option<Uuid>> {
    let row = tx.query_row("SELECT uuid FROM installation WHERE id=1", [], |r| rows::uuid(r, 0));
    Ok(row.optional()?)
}

pub fn make_installation(tx: &Tx<'_>) -> Result<Uuid> {
    let uuid = Uuid::new_v4();
    tx.execute(
        "INSERT INTO installation (id, uuid, created_at) VALUES (1, ?1, ?2)",
        params![uuid.to_string(), now()],
    )?;
    Ok(uuid)
}
