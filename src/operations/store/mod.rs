//! Rows of operations and their locks.

pub mod audit;
pub mod parts;

use std::collections::{BTreeMap, HashMap, HashSet};

use rusqlite::{Connection, OptionalExtension, Row, params};
use uuid::Uuid;

use crate::error::{Context, Error, Fault, Result};
use crate::operations::progress::Told;
use crate::operations::saga::ARGS_VERSION;
use crate::operations::{Actor, Item, NewOperation, Operation, State};
use crate::store::list::{Column, ListQuery, Listing, Page};
use crate::store::visible::{Visible, visible_sql};
use crate::store::{Store, Topic, Tx, is_duplicate, now};

const COLUMNS: &str = "o.id, o.uuid, o.kind, o.subject, o.subject_name, o.state, o.done, o.total, \
     o.fault, o.items, o.owner_name, o.run_at, o.created_at, o.finished_at, \
     o.undo_fault, o.stuck_since, o.next_try, o.abandoned";

/// Operations that work on nothing but what is in education groups that the caller sees, and those that they began.
const SEEN: &str = concat!(
    "(o.owner_id = json_extract(?0, '$.owner') OR (EXISTS (SELECT 1 FROM operation_groups og \
     WHERE og.operation_id = o.id) AND NOT EXISTS (SELECT 1 FROM operation_groups og \
     LEFT JOIN education_groups e ON e.uuid = og.education_group \
     WHERE og.operation_id = o.id AND (e.id IS NULL OR NOT ",
    visible_sql!("e.id", "?0"),
    "))))"
);

static OPERATIONS: Listing = Listing {
    select: COLUMNS,
    from: "operations o",
    columns: &[
        Column::seen(SEEN),
        Column::exact("uuid", "o.uuid"),
        Column::exact("state", "o.state"),
        Column::exact("kind", "o.kind"),
        Column::exact("subject", "o.subject"),
        Column::text("subject_name", "o.subject_name"),
        Column::text("owner", "o.owner_name"),
        Column::integer("open", "(o.finished_at IS NULL)"),
        Column::integer("created_at", "o.created_at"),
    ],
    order: "o.id DESC",
};

/// What decides whether an operation may start now.
pub(super) struct Open {
    pub id: i64,
    pub uuid: Uuid,
    pub kind: String,
    pub state: State,
    pub cancel: bool,
    pub run_at: Option<i64>,
    /// Where it works, as far as its submission said.
    pub nodes: Vec<i64>,
}

/// What the engine needs to go on with an operation.
pub(super) struct Work {
    pub id: i64,
    pub uuid: Uuid,
    pub kind: String,
    pub args: String,
    pub args_version: u32,
    pub locks: Vec<Uuid>,
    pub state: State,
    /// Name of the action that it is at; `None` before the first.
    pub action: Option<String>,
    pub abandoned: bool,
    pub fault: Option<Fault>,
    pub items: Vec<Item>,
    pub told: Told,
    pub actor: Actor,
}

pub(super) fn insert(tx: &Tx<'_>, new: &NewOperation, actor: &Actor) -> Result<Uuid> {
    tx.changed(Topic::Operations);
    let uuid = Uuid::new_v4();
    let state = if new.run_at.is_some() { State::Scheduled } else { State::Queued };
    let locks = serde_json::to_string(&new.locks).map_err(Error::internal)?;
    tx.execute(
        "INSERT INTO operations (uuid, kind, subject, subject_name, args, locks, state, owner_id, \
         owner_name, owner_address, request_id, run_at, created_at, total, args_version) \
         VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15)",
        params![
            uuid.to_string(),
            new.kind,
            new.subject.to_string(),
            new.subject_name,
            new.args.to_string(),
            locks,
            state.word(),
            actor.user_id,
            actor.name,
            actor.address.map(|address| address.to_string()),
            actor.request_id,
            new.run_at,
            now(),
            new.total as i64,
            ARGS_VERSION
        ],
    )?;
    let id = tx.last_insert_rowid();
    note_groups(tx, id, &locks)?;
    parts::save(tx, id, new.parts.iter())?;
    if state == State::Queued {
        lock(tx, id, &new.locks)?;
    }
    Ok(uuid)
}

/// Notes the education groups of what an operation locks: it says who may see it, also when a thing is gone.
fn note_groups(tx: &Tx<'_>, id: i64, locks: &str) -> Result<()> {
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

/// Takes the locks or names the operation that holds one.
pub(super) fn lock(tx: &Tx<'_>, operation: i64, subjects: &[Uuid]) -> Result<()> {
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
pub(super) fn in_the_way(kind: &str, name: &str) -> Error {
    Error::busy("operation-in-the-way").arg("operation", kind).arg("name", name)
}

/// Which of these things are being worked on: kind of the operation and name of its subject.
pub fn holders(conn: &Connection, subjects: &[Uuid]) -> Result<HashMap<Uuid, (String, String)>> {
    let subjects = serde_json::to_string(subjects).map_err(Error::internal)?;
    let mut statement = conn.prepare_cached(
        "SELECT l.subject, o.kind, o.subject_name FROM operation_locks l \
         JOIN operations o ON o.id = l.operation_id \
         WHERE l.subject IN (SELECT value FROM json_each(?1))",
    )?;
    let mut rows = statement.query([subjects])?;
    let mut held = HashMap::new();
    while let Some(row) = rows.next()? {
        held.insert(parse_uuid(&row.get::<_, String>(0)?)?, (row.get(1)?, row.get(2)?));
    }
    Ok(held)
}

/// Everything that is not over, oldest first.
pub(super) fn open(conn: &Connection) -> Result<Vec<Open>> {
    let mut statement = conn.prepare_cached(
        "SELECT o.id, o.uuid, o.kind, o.state, o.cancel, o.run_at, \
         (SELECT json_group_array(p.node_id) FROM operation_parts p WHERE p.operation_id = o.id) \
         FROM operations o WHERE o.finished_at IS NULL ORDER BY o.id",
    )?;
    let mut rows = statement.query([])?;
    let mut open = Vec::new();
    while let Some(row) = rows.next()? {
        open.push(Open {
            id: row.get(0)?,
            uuid: parse_uuid(&row.get::<_, String>(1)?)?,
            kind: row.get(2)?,
            state: State::parse(&row.get::<_, String>(3)?)?,
            cancel: row.get(4)?,
            run_at: row.get(5)?,
            nodes: serde_json::from_str(&row.get::<_, String>(6)?).context("nodes of parts")?,
        });
    }
    Ok(open)
}

/// One operation, unless it is over.
pub(super) fn work(conn: &Connection, id: i64) -> Result<Option<Work>> {
    let mut statement = conn.prepare_cached(
        "SELECT id, uuid, kind, args, locks, state, action, abandoned, fault, items, owner_id, \
         owner_name, owner_address, request_id, args_version, done, total \
         FROM operations WHERE finished_at IS NULL AND id=?1",
    )?;
    let mut rows = statement.query([id])?;
    let Some(mut work) = rows.next()?.map(work_of).transpose()? else { return Ok(None) };
    work.told.parts = parts::of(conn, id)?.into_iter().map(|part| (part.node_id, part)).collect();
    Ok(Some(work))
}

/// What is held by operations.
pub(super) fn locked(conn: &Connection) -> Result<HashSet<Uuid>> {
    let mut statement = conn.prepare_cached("SELECT subject FROM operation_locks")?;
    let mut rows = statement.query([])?;
    let mut locked = HashSet::new();
    while let Some(row) = rows.next()? {
        locked.insert(parse_uuid(&row.get::<_, String>(0)?)?);
    }
    Ok(locked)
}

pub(super) fn is_scheduled(conn: &Connection, id: i64) -> Result<bool> {
    let mut statement =
        conn.prepare_cached("SELECT 1 FROM operations WHERE id=?1 AND state='scheduled'")?;
    Ok(statement.exists([id])?)
}

fn work_of(row: &Row<'_>) -> Result<Work> {
    let locks: String = row.get(4)?;
    let items: String = row.get(9)?;
    let address: Option<String> = row.get(12)?;
    let request: String = row.get(13)?;
    let actor = Actor {
        user_id: row.get(10)?,
        name: row.get(11)?,
        address: address.and_then(|text| text.parse().ok()),
        // What the server does on its own has no request: its lines are told by the operation.
        request_id: if request.is_empty() { row.get(1)? } else { request },
    };
    Ok(Work {
        id: row.get(0)?,
        uuid: parse_uuid(&row.get::<_, String>(1)?)?,
        kind: row.get(2)?,
        args: row.get(3)?,
        args_version: row.get(14)?,
        locks: serde_json::from_str(&locks).context("locks of an operation")?,
        state: State::parse(&row.get::<_, String>(5)?)?,
        action: row.get(6)?,
        abandoned: row.get(7)?,
        fault: fault_of(row.get(8)?)?,
        items: serde_json::from_str(&items).context("items of an operation")?,
        told: Told {
            done: row.get::<_, i64>(15)?.unsigned_abs(),
            total: row.get::<_, i64>(16)?.unsigned_abs(),
            parts: BTreeMap::new(),
        },
        actor,
    })
}

/// An operation as it is to be found after a kill.
pub(super) struct Saved<'a> {
    pub id: i64,
    pub state: State,
    pub action: Option<&'a str>,
    pub fault: Option<&'a Fault>,
    pub items: &'a [Item],
    pub told: &'a Told,
}

pub(super) fn save(tx: &Tx<'_>, saved: &Saved<'_>) -> Result<()> {
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
        json(fault)?,
        json(*items)?,
        told.done as i64,
        told.total as i64
    ])?;
    parts::save(tx, *id, told.parts.values())
}

pub(super) fn set_queued(tx: &Tx<'_>, id: i64) -> Result<()> {
    tx.changed(Topic::Operations);
    tx.execute("UPDATE operations SET state='queued' WHERE id=?1", [id])?;
    Ok(())
}

/// Says in the row why the undo does not come to its end.
pub(super) fn note_stuck(tx: &Tx<'_>, id: i64, fault: &Fault, next_try: i64) -> Result<()> {
    tx.changed(Topic::Operations);
    tx.execute(
        "UPDATE operations SET undo_fault=?2, stuck_since=coalesce(stuck_since, ?3), next_try=?4 \
         WHERE id=?1",
        params![id, json(fault)?, now(), next_try],
    )?;
    Ok(())
}

/// Lets go of everything. Only one that was abandoned goes on saying why.
pub(super) fn finish(tx: &Tx<'_>, id: i64) -> Result<()> {
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

pub(super) fn request_abandon(tx: &Tx<'_>, uuid: Uuid) -> Result<()> {
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

pub(super) fn is_abandoned(conn: &Connection, id: i64) -> Result<bool> {
    let mut statement = conn.prepare_cached("SELECT abandoned FROM operations WHERE id=?1")?;
    Ok(statement.query_row([id], |row| row.get(0))?)
}

pub(super) fn request_cancel(tx: &Tx<'_>, uuid: Uuid) -> Result<State> {
    tx.changed(Topic::Operations);
    let state: Option<String> = tx
        .query_row("SELECT state FROM operations WHERE uuid=?1", [uuid.to_string()], |r| r.get(0))
        .optional()?;
    let state = State::parse(
        &state.ok_or_else(|| Error::not_found("operation-unknown").arg("uuid", uuid))?,
    )?;
    if state.is_over() || state == State::Undoing {
        return Err(Error::conflict("operation-over").arg("state", state.word()));
    }
    tx.execute("UPDATE operations SET cancel=1 WHERE uuid=?1", [uuid.to_string()])?;
    Ok(state)
}

pub(super) fn is_cancel_requested(conn: &Connection, id: i64) -> Result<bool> {
    let mut statement = conn.prepare_cached("SELECT cancel FROM operations WHERE id=?1")?;
    Ok(statement.query_row([id], |row| row.get(0))?)
}

/// Forgets scheduled operations of a kind on a subject, which a newer one replaces.
pub(super) fn unschedule(tx: &Tx<'_>, kind: &str, subject: Uuid) -> Result<()> {
    let gone = tx.execute(
        "UPDATE operations SET state='cancelled', finished_at=?3 \
         WHERE kind=?1 AND subject=?2 AND state='scheduled'",
        params![kind, subject.to_string(), now()],
    )?;
    tx.changed_rows(gone, Topic::Operations);
    Ok(())
}

/// Drops operations that ended before `time`, among the `limit` oldest; gives how many. They are numbered as they
/// come, so that a look at the oldest is enough and needs no index.
pub(super) fn forget_before(tx: &Tx<'_>, time: i64, limit: usize) -> Result<usize> {
    let sql = "DELETE FROM operations WHERE id IN (SELECT id FROM \
         (SELECT id, finished_at FROM operations ORDER BY id LIMIT ?2) WHERE finished_at < ?1)";
    let gone = tx.prepare_cached(sql)?.execute(params![time, limit as i64])?;
    Ok(tx.changed_rows(gone, Topic::Operations))
}

/// With its number and without its parts, if the caller may see it.
pub(super) fn find_seen(
    conn: &Connection,
    visible: &Visible,
    uuid: Uuid,
) -> Result<(i64, Operation)> {
    let seen = SEEN.replace("?0", "?2");
    let sql =
        format!("SELECT {COLUMNS} FROM operations o WHERE o.uuid=?1 AND (?2 IS NULL OR {seen})");
    let asked = params![uuid.to_string(), visible.parameter()];
    let row = conn.prepare_cached(&sql)?.query_row(asked, raw).optional()?;
    row.ok_or_else(|| Error::not_found("operation-unknown").arg("uuid", uuid))?.parse()
}

pub(super) fn list(store: &Store, query: &ListQuery) -> Result<Page<Operation>> {
    let Page { count, page, page_size, search, results } = OPERATIONS.page(store, query, raw)?;
    let found: Vec<(i64, Operation)> =
        results.into_iter().map(Raw::parse).collect::<Result<_>>()?;
    let ids: Vec<i64> = found.iter().map(|(id, _)| *id).collect();
    let mut parts = store.read(|conn| parts::of_many(conn, &ids))?;
    let whole =
        |(id, operation)| Operation { parts: parts.remove(&id).unwrap_or_default(), ..operation };
    let results = found.into_iter().map(whole).collect();
    Ok(Page { count, page, page_size, search, results })
}

/// A row before its words are parsed.
struct Raw {
    id: i64,
    undo_fault: Option<String>,
    operation: Operation,
    uuid: String,
    state: String,
    fault: Option<String>,
    items: String,
}

fn raw(row: &Row<'_>) -> rusqlite::Result<Raw> {
    let operation = Operation {
        uuid: Uuid::nil(),
        kind: row.get(2)?,
        subject: row.get(3)?,
        subject_name: row.get(4)?,
        state: State::Queued,
        done: row.get::<_, i64>(6)?.unsigned_abs(),
        total: row.get::<_, i64>(7)?.unsigned_abs(),
        fault: None,
        items: Vec::new(),
        owner_name: row.get(10)?,
        run_at: row.get(11)?,
        created_at: row.get(12)?,
        finished_at: row.get(13)?,
        parts: Vec::new(),
        undo_fault: None,
        stuck_since: row.get(15)?,
        next_try: row.get(16)?,
        abandoned: row.get(17)?,
    };
    let (id, uuid, state) = (row.get(0)?, row.get(1)?, row.get(5)?);
    let (fault, items, undo_fault) = (row.get(8)?, row.get(9)?, row.get(14)?);
    Ok(Raw { id, undo_fault, operation, uuid, state, fault, items })
}

impl Raw {
    fn parse(self) -> Result<(i64, Operation)> {
        let Raw { id, undo_fault, operation, uuid, state, fault, items } = self;
        let operation = Operation {
            uuid: parse_uuid(&uuid)?,
            state: State::parse(&state)?,
            fault: fault_of(fault)?,
            undo_fault: fault_of(undo_fault)?,
            items: serde_json::from_str(&items).context("items of an operation")?,
            ..operation
        };
        Ok((id, operation))
    }
}

fn parse_uuid(text: &str) -> Result<Uuid> {
    Uuid::parse_str(text).context("uuid in the database")
}

fn fault_of(text: Option<String>) -> Result<Option<Fault>> {
    match text.as_deref() {
        None | Some("null") => Ok(None),
        Some(text) => serde_json::from_str(text).context("fault in the database"),
    }
}

fn json<T: serde::Serialize + ?Sized>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(Error::internal)
}
