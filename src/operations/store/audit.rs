//! Rows of the audit log.

use rusqlite::{Row, params};

use crate::error::{Context, Error, Fault, Result};
use crate::operations::audit::{Entry, Line};
use crate::operations::{Actor, Item};
use crate::store::list::{Column, ListQuery, Listing, Page};
use crate::store::{LineId, OperationId, Store, Topic, Tx, now};

/// A line's number or an older one.
const UP_TO: &str = "up_to_id";

macro_rules! unknown {
    () => {
        "outcome-unknown"
    };
}

macro_rules! code_needed {
    () => {
        "second-factor-needed"
    };
}

/// Fault of a line as long as it is not known how it went; also its message key.
pub const UNKNOWN: &str = unknown!();
/// Fault of a sign-in with the right password that goes on with a code.
pub const CODE_NEEDED: &str = code_needed!();

/// Neither 0 nor 1 as long as it is not known how it went, and for what is neither.
macro_rules! succeeded {
    ($sign:literal) => {
        concat!(
            "(",
            $sign,
            " CASE WHEN a.fault IS NULL THEN 1 WHEN json_extract(a.fault, '$.key') IN ('",
            unknown!(),
            "', '",
            code_needed!(),
            "') THEN NULL ELSE 0 END)"
        )
    };
}

static LINES: Listing = Listing {
    select: "a.id, a.at, a.user_id, a.user_name, a.user_ip, a.action, a.subject, a.module, \
         a.fault, a.request_id",
    from: "audit a",
    columns: &[
        Column::integer("id", "a.id"),
        Column::integer("user_id", "a.user_id"),
        Column::text("user_name", "a.user_name"),
        Column::text("user_ip", "a.user_ip"),
        Column::text("subject", "a.subject"),
        Column::exact("action", "a.action"),
        Column::exact("module", "a.module"),
        Column::exact("request_id", "a.request_id"),
        Column::integer("failed", succeeded!("1 -")),
        Column::integer("succeeded", succeeded!("")),
        Column::time("created_at", "a.at"),
        Column::at_least("from", "a.at"),
        Column::at_most("to", "a.at"),
        Column::at_most(UP_TO, "a.id"),
    ],
    order: "a.id DESC",
};

pub fn write(store: &Store, actor: &Actor, entry: &Entry<'_>) -> Result<()> {
    store.write(|tx| write_in_tx(tx, actor, entry).map(drop))
}

pub fn write_in_tx(tx: &Tx<'_>, actor: &Actor, entry: &Entry<'_>) -> Result<LineId> {
    tx.changed(Topic::Audit);
    let fault = entry.fault.map(public).transpose()?;
    tx.prepare_cached(
        "INSERT INTO audit (at, user_id, user_name, user_ip, action, subject, module, fault, \
         request_id) VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9)",
    )?
    .execute(params![
        now(),
        actor.user_id,
        actor.name,
        actor.address.map(|address| address.to_string()),
        entry.action,
        entry.subject,
        entry.module,
        fault,
        actor.request_id
    ])?;
    Ok(LineId::new(tx.last_insert_rowid()))
}

/// Says of a line that was begun who did it to what, and how it went.
pub fn close(store: &Store, line: LineId, actor: &Actor, entry: &Entry<'_>) -> Result<()> {
    let fault = entry.fault.map(public).transpose()?;
    store.write(|tx| {
        tx.changed(Topic::Audit);
        tx.prepare_cached(
            "UPDATE audit SET user_id = ?2, user_name = ?3, subject = ?4, fault = ?5 WHERE id = ?1",
        )?
        .execute(params![line, actor.user_id, actor.name, entry.subject, fault])?;
        Ok(())
    })
}

/// Says of a line that was begun who did it to what. How it goes says the operation that was started.
pub fn name(store: &Store, line: LineId, actor: &Actor, subject: &str) -> Result<()> {
    store.write(|tx| {
        tx.changed(Topic::Audit);
        tx.prepare_cached(
            "UPDATE audit SET user_id = ?2, user_name = ?3, subject = ?4 WHERE id = ?1",
        )?
        .execute(params![line, actor.user_id, actor.name, subject])?;
        Ok(())
    })
}

/// Causes are for the server's log; people with the audit permission read the message only.
fn public(fault: &Fault) -> Result<String> {
    serde_json::to_string(&fault.public()).map_err(Error::internal)
}

/// How an operation went: in the line of the request that started it, else in one of its own; and what failed of it.
pub fn operation_ended(
    tx: &Tx<'_>,
    actor: &Actor,
    operation: OperationId,
    items: &[Item],
) -> Result<()> {
    let row = tx.query_row(
        "SELECT kind, subject_name, fault, state = 'partly' AS is_partly FROM operations WHERE id=?1",
        [operation],
        |row| Ok((row.get("kind")?, row.get("subject_name")?, row.get("fault")?, row.get("is_partly")?)),
    );
    let (kind, subject, fault, is_partly): (String, String, Option<String>, bool) = row?;
    let fault = match fault.as_deref() {
        // Its nodes have the reasons.
        None | Some("null") => is_partly.then(|| Error::conflict("operation-partly").into()),
        Some(text) => Some(serde_json::from_str::<Fault>(text).context("fault of an operation")?),
    };
    let action = kind.as_str();
    let module = "operations";
    if !tell_request(tx, &actor.request_id, fault.as_ref())? {
        let entry = Entry { action, subject: &subject, module, fault: fault.as_ref() };
        write_in_tx(tx, actor, &entry)?;
    }
    // What was cancelled, or was the only thing, stands in the line of the whole.
    let items = if items.len() == 1 { &[] } else { items };
    for item in items.iter().filter(|item| item.fault.is_some() && !item.is_cancelled()) {
        let fault = item.fault.as_ref();
        write_in_tx(tx, actor, &Entry { action, subject: &item.name, module, fault })?;
    }
    Ok(())
}

/// Says in the line of a request how it went, if that was left open for what it started.
fn tell_request(tx: &Tx<'_>, request: &str, fault: Option<&Fault>) -> Result<bool> {
    tx.changed(Topic::Audit);
    let fault = fault.map(public).transpose()?;
    let sql = "UPDATE audit SET fault = ?2 WHERE id = (SELECT max(id) FROM audit WHERE request_id = ?1 \
               AND json_extract(fault, '$.key') = 'outcome-unknown')";
    Ok(tx.prepare_cached(sql)?.execute(params![request, fault])? > 0)
}

/// Drops lines from before `time`, among the `limit` oldest; gives how many.
pub fn forget_before(tx: &Tx<'_>, time: i64, limit: usize) -> Result<usize> {
    let sql = "DELETE FROM audit WHERE id IN \
         (SELECT id FROM (SELECT id, at FROM audit ORDER BY id LIMIT ?2) WHERE at < ?1)";
    let gone = tx.prepare_cached(sql)?.execute(params![time, limit as i64])?;
    Ok(tx.changed_rows(gone, Topic::Audit))
}

pub fn list(store: &Store, query: &ListQuery) -> Result<Page<Line>> {
    LINES.page(store, query, line)
}

/// The newest `limit` lines that match and are older than the line with the number `before`.
pub fn older(
    store: &Store,
    query: &ListQuery,
    before: Option<LineId>,
    limit: u32,
) -> Result<Vec<Line>> {
    let mut query = query.clone();
    if let Some(before) = before {
        query = query.with(UP_TO, before.number() - 1);
    }
    LINES.first(store, &query, limit, line)
}

fn line(row: &Row<'_>) -> rusqlite::Result<Line> {
    let fault: Option<String> = row.get("fault")?;
    Ok(Line {
        id: row.get("id")?,
        at: row.get("at")?,
        user_id: row.get("user_id")?,
        user_name: row.get("user_name")?,
        user_ip: row.get("user_ip")?,
        action: row.get("action")?,
        subject: row.get("subject")?,
        module: row.get("module")?,
        fault: fault.and_then(|text| serde_json::from_str(&text).ok()),
        request_id: row.get("request_id")?,
    })
}
