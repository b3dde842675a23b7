//! Rows that the engine works on: what is open, and how far each has come.

use std::collections::BTreeMap;

use rusqlite::{Connection, Row, params};
use uuid::Uuid;

use super::parts;
use crate::error::{Fault, Result};
use crate::operations::progress::Told;
use crate::operations::{Actor, Item, Lock, State};
use crate::store::rows::{self, to_json};
use crate::store::{NodeId, OperationId, Topic, Tx, now};

/// What decides whether an operation may start now.
pub struct Open {
    pub id: OperationId,
    pub uuid: Uuid,
    pub kind: String,
    pub state: State,
    pub cancel: bool,
    pub run_at: Option<i64>,
    /// Where it works, as far as its submission said.
    pub nodes: Vec<NodeId>,
}

/// What the engine needs to go on with an operation.
pub struct Work {
    pub id: OperationId,
    pub uuid: Uuid,
    pub kind: String,
    pub args: String,
    pub args_version: u32,
    pub locks: Vec<Lock>,
    pub state: State,
    /// Name of the action that it is at; `None` before the first.
    pub action: Option<String>,
    pub abandoned: bool,
    pub fault: Option<Fault>,
    pub items: Vec<Item>,
    pub told: Told,
    pub actor: Actor,
}

/// Everything that is not over, oldest first.
pub fn open(conn: &Connection) -> Result<Vec<Open>> {
    let sql = "SELECT o.id, o.uuid, o.kind, o.state, o.cancel, o.run_at, \
         (SELECT json_group_array(p.node_id) FROM operation_parts p WHERE p.operation_id = o.id) \
         AS nodes FROM operations o WHERE o.finished_at IS NULL ORDER BY o.id";
    rows::all(conn, sql, [], |row| {
        Ok(Open {
            id: row.get("id")?,
            uuid: rows::uuid(row, "uuid")?,
            kind: row.get("kind")?,
            state: State::parse(&row.get::<_, String>("state")?)?,
            cancel: row.get("cancel")?,
            run_at: row.get("run_at")?,
            nodes: rows::json(row, "nodes")?.unwrap_or_default(),
        })
    })
}

/// One operation, unless it is over.
pub fn work(conn: &Connection, id: OperationId) -> Result<Option<Work>> {
    let sql = "SELECT id, uuid, kind, args, locks, lock_names, state, action, abandoned, fault, items, owner_id, \
         owner_name, owner_address, request_id, args_version, done, total \
         FROM operations WHERE finished_at IS NULL AND id=?1";
    let Some(mut work) = rows::first(conn, sql, [id], work_of)? else { return Ok(None) };
    work.told.parts = parts::of(conn, id)?.into_iter().map(|part| (part.node_id, part)).collect();
    Ok(Some(work))
}

fn work_of(row: &Row<'_>) -> Result<Work> {
    Ok(Work {
        id: row.get("id")?,
        uuid: rows::uuid(row, "uuid")?,
        kind: row.get("kind")?,
        args: row.get("args")?,
        args_version: row.get("args_version")?,
        locks: locks(row)?,
        state: State::parse(&row.get::<_, String>("state")?)?,
        action: row.get("action")?,
        abandoned: row.get("abandoned")?,
        fault: rows::json(row, "fault")?.flatten(),
        items: rows::json(row, "items")?.unwrap_or_default(),
        told: Told {
            done: row.get::<_, i64>("done")?.unsigned_abs(),
            total: row.get::<_, i64>("total")?.unsigned_abs(),
            parts: BTreeMap::new(),
        },
        actor: actor(row)?,
    })
}

/// Kept as two lists in the same order.
fn locks(row: &Row<'_>) -> Result<Vec<Lock>> {
    let uuids: Vec<Uuid> = rows::json(row, "locks")?.unwrap_or_default();
    let names: Vec<String> = rows::json(row, "lock_names")?.unwrap_or_default();
    Ok(uuids.into_iter().zip(names).map(|(uuid, name)| Lock { uuid, name }).collect())
}

fn actor(row: &Row<'_>) -> Result<Actor> {
    let address: Option<String> = row.get("owner_address")?;
    let request: String = row.get("request_id")?;
    Ok(Actor {
        user_id: row.get("owner_id")?,
        name: row.get("owner_name")?,
        address: address.and_then(|text| text.parse().ok()),
        // What the server does on its own has no request: its lines are told by the operation.
        request_id: if request.is_empty() { row.get("uuid")? } else { request },
    })
}

pub fn is_scheduled(conn: &Connection, id: OperationId) -> Result<bool> {
    let mut statement =
        conn.prepare_cached("SELECT 1 FROM operations WHERE id=?1 AND state='scheduled'")?;
    Ok(statement.exists([id])?)
}

/// An operation as it is to be found after a kill.
pub struct Saved<'a> {
    pub id: OperationId,
    pub state: State,
    pub action: Option<&'a str>,
    pub fault: Option<&'a Fault>,
    pub items: &'a [Item],
    pub told: &'a Told,
}

pub fn save(tx: &Tx<'_>, saved: &Saved<'_>) -> Result<()> {
    tx.changed(Topic::Operations);
    let Saved { id, state, action, fault, items, told } = saved;
    tx.prepare_cached(
        "UPDATE operations SET state=?2, action=?3, fault=?4, items=?5, done=?6, total=?7 \
         WHERE id=?1",
    )?
    .execute(params![
        id,
        state.word(),
        action,
        to_json(fault)?,
        to_json(*items)?,
        told.done as i64,
        told.total as i64
    ])?;
    parts::save(tx, *id, told.parts.values())
}

pub fn set_queued(tx: &Tx<'_>, id: OperationId) -> Result<()> {
    tx.changed(Topic::Operations);
    tx.execute("UPDATE operations SET state='queued' WHERE id=?1", [id])?;
    Ok(())
}

/// Says in the row why the undo does not come to its end.
pub fn note_stuck(tx: &Tx<'_>, id: OperationId, fault: &Fault, next_try: i64) -> Result<()> {
    tx.changed(Topic::Operations);
    tx.execute(
        "UPDATE operations SET undo_fault=?2, stuck_since=coalesce(stuck_since, ?3), next_try=?4 \
         WHERE id=?1",
        params![id, to_json(fault)?, now(), next_try],
    )?;
    Ok(())
}

/// Lets go of everything. Only one that was abandoned goes on saying why.
pub fn finish(tx: &Tx<'_>, id: OperationId) -> Result<()> {
    tx.changed(Topic::Operations);
    tx.execute("DELETE FROM operation_locks WHERE operation_id=?1", [id])?;
    tx.execute(
        "UPDATE operations SET finished_at=?2, next_try=NULL, \
         undo_fault=iif(abandoned, undo_fault, NULL), stuck_since=iif(abandoned, stuck_since, NULL) \
         WHERE id=?1",
        params![id, now()],
    )?;
    Ok(())
}
