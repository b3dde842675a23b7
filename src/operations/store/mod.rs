//! Rows of operations.

pub mod audit;
pub mod list;
pub mod live;
pub mod locks;
pub mod parts;
pub mod work;

use rusqlite::{Connection, OptionalExtension, params};
use uuid::Uuid;

use crate::error::{Error, Fault, Kind, Result};
use crate::node::cancel::cancelled;
use crate::operations::saga::ARGS_VERSION;
use crate::operations::{Actor, NewOperation, State};
use crate::store::rows::{self, to_json};
use crate::store::{OperationId, Topic, Tx, now};

/// Writes a new operation, with its parts and locks.
///
/// # Errors
/// `operation-in-the-way` names the one that holds a thing.
pub fn insert(tx: &Tx<'_>, new: &NewOperation, actor: &Actor) -> Result<Uuid> {
    tx.changed(Topic::Operations);
    let uuid = Uuid::new_v4();
    let state = if new.run_at.is_some() { State::Scheduled } else { State::Queued };
    let (held, names): (Vec<_>, Vec<_>) =
        new.locks.iter().map(|lock| (lock.uuid, lock.name.as_str())).unzip();
    let (held, names) = (to_json(&held)?, to_json(&names)?);
    tx.execute(
        "INSERT INTO operations (uuid, kind, subject, subject_name, args, locks, state, owner_id, \
         owner_name, owner_address, request_id, run_at, created_at, total, args_version, lock_names) \
         VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16)",
        params![
            uuid.to_string(),
            new.kind,
            new.subject.to_string(),
            new.subject_name,
            new.args.to_string(),
            held,
            state.word(),
            actor.user_id,
            actor.name,
            actor.address.map(|address| address.to_string()),
            actor.request_id,
            new.run_at,
            now(),
            new.total as i64,
            ARGS_VERSION,
            names
        ],
    )?;
    let id = OperationId::new(tx.last_insert_rowid());
    note_groups(tx, id, &held)?;
    parts::save(tx, id, new.parts.iter())?;
    if state == State::Queued {
        locks::lock(tx, id, &new.locks)?;
    }
    Ok(uuid)
}

/// Notes the education groups of what an operation locks: it says who may see it, also when a thing is gone.
fn note_groups(tx: &Tx<'_>, id: OperationId, locks: &str) -> Result<()> {
    let mut insert = tx.prepare_cached(
        "WITH things AS (SELECT value AS uuid FROM json_each(?2)), \
         found AS MATERIALIZED (SELECT g.group_id FROM things t JOIN desktop_groups g ON g.uuid = t.uuid \
         UNION ALL SELECT g.group_id FROM things t JOIN desktops d ON d.uuid = t.uuid \
         JOIN desktop_groups g ON g.id = d.group_id) \
         INSERT INTO operation_groups (operation_id, education_group) SELECT DISTINCT ?1, e.uuid \
         FROM found f JOIN education_groups e ON e.id = f.group_id \
         WHERE (SELECT count(group_id) FROM found) = (SELECT count(*) FROM things)",
    )?;
    insert.execute(params![id, locks])?;
    Ok(())
}

pub fn request_abandon(tx: &Tx<'_>, uuid: Uuid) -> Result<()> {
    tx.changed(Topic::Operations);
    let known = "SELECT 1 FROM operations WHERE uuid=?1";
    if !tx.prepare_cached(known)?.exists([uuid.to_string()])? {
        return Err(Error::not_found("operation-unknown").arg("uuid", uuid));
    }
    let abandoned = tx.execute(
        "UPDATE operations SET abandoned=1 \
         WHERE uuid=?1 AND state='undoing' AND undo_fault IS NOT NULL",
        [uuid.to_string()],
    )?;
    match abandoned {
        0 => Err(Error::conflict("operation-not-stuck")),
        _ => Ok(()),
    }
}

pub fn is_abandoned(conn: &Connection, id: OperationId) -> Result<bool> {
    let mut statement = conn.prepare_cached("SELECT abandoned FROM operations WHERE id=?1")?;
    Ok(statement.query_row([id], |row| row.get(0))?)
}

/// Asks an operation to stop. One whose time has not come, or that waits for its locks since then, is over at once:
/// it has begun nothing. Gives the state that it was in.
///
/// # Errors
/// `operation-unknown`, `operation-over`, `operation-undoing`
pub fn request_cancel(tx: &Tx<'_>, uuid: Uuid) -> Result<State> {
    tx.changed(Topic::Operations);
    let found: Option<(OperationId, String)> = tx
        .query_row("SELECT id, state FROM operations WHERE uuid=?1", [uuid.to_string()], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
    let unknown = || Error::not_found("operation-unknown").arg("uuid", uuid);
    let (id, state) = found.ok_or_else(unknown)?;
    let state = State::parse(&state)?;
    match state {
        State::Undoing => return Err(Error::conflict("operation-undoing")),
        State::Scheduled => end_scheduled(tx, id, &Fault::from(cancelled()))?,
        over if over.is_over() => {
            return Err(Error::conflict("operation-over").arg("state", over.word()));
        }
        _ => {
            tx.execute("UPDATE operations SET cancel=1 WHERE id=?1", [id])?;
        }
    }
    Ok(state)
}

pub fn is_cancel_requested(conn: &Connection, id: OperationId) -> Result<bool> {
    let mut statement = conn.prepare_cached("SELECT cancel FROM operations WHERE id=?1")?;
    Ok(statement.query_row([id], |row| row.get(0))?)
}

/// Ends scheduled operations of a kind on a subject, which a newer one replaces or which have nothing left to do; gives
/// which.
pub fn unschedule(tx: &Tx<'_>, kind: &str, subject: Uuid) -> Result<Vec<Uuid>> {
    let sql = "SELECT id, uuid FROM operations WHERE kind=?1 AND subject=?2 AND state='scheduled'";
    let replaced = Fault::from(Error::new(Kind::Cancelled, "operation-replaced"));
    let scheduled: Vec<(OperationId, Uuid)> =
        rows::all(tx, sql, params![kind, subject.to_string()], |row| {
            Ok((row.get("id")?, rows::uuid(row, "uuid")?))
        })?;
    scheduled.iter().try_for_each(|(id, _)| end_scheduled(tx, *id, &replaced))?;
    Ok(scheduled.into_iter().map(|(_, uuid)| uuid).collect())
}

/// As the end of any other: with its line in the audit log.
fn end_scheduled(tx: &Tx<'_>, id: OperationId, fault: &Fault) -> Result<()> {
    let Some(work) = work::work(tx, id)? else { return Ok(()) };
    tx.execute(
        "UPDATE operations SET state='cancelled', fault=?2 WHERE id=?1",
        params![id, to_json(fault)?],
    )?;
    work::finish(tx, id)?;
    audit::operation_ended(tx, &work.actor, id, &[])
}

/// Drops operations that ended before `time`, among the `limit` oldest; gives how many. They are numbered as they
/// come, so that a look at the oldest is enough and needs no index.
pub fn forget_before(tx: &Tx<'_>, time: i64, limit: usize) -> Result<usize> {
    let sql = "DELETE FROM operations WHERE id IN (SELECT id FROM \
         (SELECT id, finished_at FROM operations ORDER BY id LIMIT ?2) WHERE finished_at < ?1)";
    let gone = tx.prepare_cached(sql)?.execute(params![time, limit as i64])?;
    Ok(tx.changed_rows(gone, Topic::Operations))
}
