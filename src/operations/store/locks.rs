//! What operations hold: nothing else works on it meanwhile.

use std::collections::{HashMap, HashSet};

use rusqlite::{Connection, params};
use uuid::Uuid;

use crate::error::{Error, Result};
use crate::store::rows::{self, to_json};
use crate::store::{OperationId, Topic, Tx, is_duplicate};

/// Takes the locks or names the operation that holds one.
pub fn lock(tx: &Tx<'_>, operation: OperationId, subjects: &[Uuid]) -> Result<()> {
    tx.changed(Topic::Operations);
    let mut statement =
        tx.prepare_cached("INSERT INTO operation_locks (subject, operation_id) VALUES (?1, ?2)")?;
    for subject in subjects {
        match statement.execute(params![subject.to_string(), operation]) {
            Ok(_) => {}
            Err(error) if is_duplicate(&error) => return Err(held(tx, *subject)?),
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

/// The refusal that names the operation which works on a thing, and that operation's subject.
pub fn in_the_way(kind: &str, name: &str) -> Error {
    Error::busy("operation-in-the-way").arg("operation", kind).arg("name", name)
}

/// Which of these things are being worked on: kind of the operation and name of its subject. One over several
/// education groups is named after the thing itself: who asks may see one of the groups only.
pub fn holders(conn: &Connection, subjects: &[Uuid]) -> Result<HashMap<Uuid, (String, String)>> {
    let mut statement = conn.prepare_cached(
        "SELECT l.subject, o.kind, CASE \
         WHEN (SELECT count(*) FROM operation_groups og WHERE og.operation_id = o.id) < 2 THEN o.subject_name \
         ELSE coalesce((SELECT name FROM desktops WHERE uuid = l.subject), \
         (SELECT name FROM desktop_groups WHERE uuid = l.subject), l.subject) END \
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
