//! What nodes are being asked to set aside, until it is told.

use rusqlite::{Connection, params};
use uuid::Uuid;

use crate::error::Result;
use crate::store::{NodeId, Tx, rows};

/// A domain or a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intent {
    /// The uuid of the domain, or storage and path of the file.
    pub thing: String,
    /// Message key and subject of its line in the audit log.
    pub action: String,
    pub subject: String,
    /// Of a layer's file.
    pub layer: Option<Uuid>,
}

pub fn begin(tx: &Tx<'_>, node: NodeId, intents: &[Intent]) -> Result<()> {
    let mut statement = tx.prepare_cached(
        "INSERT OR REPLACE INTO setting_aside (node_id, thing, action, subject, layer) \
         VALUES (?1,?2,?3,?4,?5)",
    )?;
    for Intent { thing, action, subject, layer } in intents {
        let layer = layer.map(|layer| layer.to_string());
        statement.execute(params![node, thing, action, subject, layer])?;
    }
    Ok(())
}

/// What was begun and not ended.
pub fn open(conn: &Connection, node: NodeId) -> Result<Vec<Intent>> {
    let mut statement = conn.prepare_cached(
        "SELECT thing, action, subject, layer FROM setting_aside WHERE node_id = ?1 ORDER BY thing",
    )?;
    let found = statement.query_map([node], |row| {
        Ok(Intent {
            thing: row.get("thing")?,
            action: row.get("action")?,
            subject: row.get("subject")?,
            layer: rows::optional_uuid(row, "layer")?,
        })
    })?;
    Ok(found.collect::<rusqlite::Result<_>>()?)
}

pub fn end(tx: &Tx<'_>, node: NodeId) -> Result<()> {
    tx.execute("DELETE FROM setting_aside WHERE node_id = ?1", [node])?;
    Ok(())
}
