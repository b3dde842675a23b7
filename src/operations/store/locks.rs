//! What operations hold: nothing else works on it meanwhile.

use std::collections::{HashMap, HashSet};

use rusqlite::{Connection, params};
use uuid::Uuid;

use crate::error::{Error, Result};
use crate::operations::Lock;
use crate::store::rows::{self, to_json};
use crate::store::{OperationId, Topic, Tx, is_duplicate};

/// Takes the locks or names the operation that holds one.
pub fn lock(tx: &Tx<'_>, operation: OperationId, locks: &[Lock]) -> Result<()> {
    tx.changed(Topic::Operations);
    let mut statement = tx.prepare_cached(
        "INSERT INTO operation_locks (subject, operation_id, name) VALUES (?1, ?2, ?3)",
    )?;
    for Lock { uuid, name } in locks {
        match statement.execute(params![uuid.to_string(), operation, name]) {
            Ok(_) => {}
            Err(error) if is_duplicate(&error) => return Err(held(tx, *uuid)?),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn held(tx: &Tx<'_>, subject: Uuid) -> Result<Error> {
    match holders(tx, &[subject])?.remove(&subject) {
        Some((kind, name)) => Ok(in_the_way(&kind, &name)),
        None => Err(Error::internal(format_args!("lock of {subject} without its operation"))),
    }
}

/// The refusal that names the thing and the kind of the operation which works on it.
pub fn in_the_way(kind: &str, name: &str) -> Error {
    Error::busy("operation-in-the-way").arg("operation", kind).arg("name", name)
}

/// Which of these things are being worked on: kind of the operation and name of the thing, never of the operation:
/// who asks may see only some of what it works on.
pub fn holders(conn: &Connection, subjects: &[Uuid]) -> Result<HashMap<Uuid, (String, String)>> {
    let mut statement = conn.prepare_cached(
        "SELECT l.subject, o.kind, l.name \
         FROM operation_locks l JOIN operations o ON o.id = l.operation_id \
         WHERE l.subject IN (SELECT value FROM json_each(?1))",
    )?;
    let mut rows = statement.query([to_json(subjects)?])?;
    let mut held = HashMap::new();
    while let Some(row) = rows.next()? {
        held.insert(rows::uuid(row, 0)?, (row.get(1)?, row.get(2)?));
    }
    Ok(held)
}

/// All that is held.
pub fn locked(conn: &Connection) -> Result<HashSet<Uuid>> {
    let mut statement = conn.prepare_cached("SELECT subject FROM operation_locks")?;
    let subjects = statement.query_map([], |row| rows::uuid(row, 0))?;
    Ok(subjects.collect::<rusqlite::Result<_>>()?)
}
