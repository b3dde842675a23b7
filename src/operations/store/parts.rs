//! Rows of the parts that nodes have in operations.

use std::collections::HashMap;

use rusqlite::{Connection, Row, params};

use crate::error::Result;
use crate::operations::{Part, State};
use crate::store::rows::{self, to_json};
use crate::store::{OperationId, Topic, Tx};

const SELECT: &str =
    "SELECT operation_id, node_id, node_name, state, done, total, fault FROM operation_parts";

/// Writes parts as they are now. A node keeps the name that it had when its part was first written.
pub fn save<'a>(
    tx: &Tx<'_>,
    operation: OperationId,
    parts: impl Iterator<Item = &'a Part>,
) -> Result<()> {
    tx.changed(Topic::Operations);
    let mut statement = tx.prepare_cached(
        "INSERT INTO operation_parts (operation_id, node_id, node_name, state, done, total, fault) \
         VALUES (?1, ?2, coalesce((SELECT name FROM nodes WHERE id=?2), ''), ?3, ?4, ?5, ?6) \
         ON CONFLICT (operation_id, node_id) DO UPDATE SET state=?3, done=?4, total=?5, fault=?6",
    )?;
    for part in parts {
        let fault = part.fault.as_ref().map(to_json).transpose()?;
        let (done, total) = (part.done as i64, part.total as i64);
        statement.execute(params![
            operation,
            part.node_id,
            part.state.word(),
            done,
            total,
            fault
        ])?;
    }
    Ok(())
}

/// The parts of an operation, by node.
pub fn of(conn: &Connection, operation: OperationId) -> Result<Vec<Part>> {
    Ok(of_many(conn, &[operation])?.remove(&operation).unwrap_or_default())
}

/// The parts of each of these operations that has some.
pub fn of_many(
    conn: &Connection,
    operations: &[OperationId],
) -> Result<HashMap<OperationId, Vec<Part>>> {
    let sql = format!(
        "{SELECT} WHERE operation_id IN (SELECT value FROM json_each(?1)) ORDER BY operation_id, node_id"
    );
    let mut statement = conn.prepare_cached(&sql)?;
    let mut rows = statement.query([to_json(operations)?])?;
    let mut parts: HashMap<OperationId, Vec<Part>> = HashMap::new();
    while let Some(row) = rows.next()? {
        parts.entry(row.get("operation_id")?).or_default().push(part(row)?);
    }
    Ok(parts)
}

fn part(row: &Row<'_>) -> Result<Part> {
    Ok(Part {
        node_id: row.get("node_id")?,
        node_name: row.get("node_name")?,
        state: State::parse(&row.get::<_, String>("state")?)?,
        done: row.get::<_, i64>("done")?.unsigned_abs(),
        total: row.get::<_, i64>("total")?.unsigned_abs(),
        fault: rows::json(row, "fault")?,
    })
}
