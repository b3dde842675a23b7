//! Nodes that were not compared since a backup was restored.

use rusqlite::{Connection, OptionalExtension};

use crate::error::Result;
use crate::store::{NodeId, Tx};

/// When the backup was restored (Unix seconds); `None` once the node has been compared with it.
pub fn restored_at(conn: &Connection, node: NodeId) -> Result<Option<i64>> {
    let mut statement =
        conn.prepare_cached("SELECT restored_at FROM restored_nodes WHERE node_id = ?1")?;
    Ok(statement.query_row([node], |row| row.get(0)).optional()?)
}

/// The node was compared.
pub fn forget(tx: &Tx<'_>, node: NodeId) -> Result<()> {
    tx.execute("DELETE FROM restored_nodes WHERE node_id = ?1", [node])?;
    Ok(())
}
