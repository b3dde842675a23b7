//! Operations as people see them.

use rusqlite::{Connection, Row, params};
use uuid::Uuid;

use super::parts;
use crate::error::{Error, Result};
use crate::operations::{Audience, Operation, State, Unit};
use crate::store::OperationId;
use crate::store::Store;
use crate::store::list::{Column, ListQuery, Listing, Page};
use crate::store::rows::{self, to_json};
use crate::store::visible::{Visible, visible_sql};

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
        Column::text("things", "o.locks"),
        Column::text("owner", "o.owner_name"),
        Column::condition_of("open", "o.finished_at IS NULL"),
        Column::time("created_at", "o.created_at"),
    ],
    order: "o.id DESC",
};

/// With its parts, if the caller may see it.
///
/// # Errors
/// `operation-unknown`
pub fn find_seen(conn: &Connection, visible: &Visible, uuid: Uuid) -> Result<Operation> {
    let seen = SEEN.replace("?0", "?2");
    let sql =
        format!("SELECT {COLUMNS} FROM operations o WHERE o.uuid=?1 AND (?2 IS NULL OR {seen})");
    let asked = params![uuid.to_string(), visible.parameter()];
    let found = rows::first(conn, &sql, asked, numbered)?;
    let found = with_parts(conn, found.into_iter().collect())?.pop();
    found.ok_or_else(|| Error::not_found("operation-unknown").arg("uuid", uuid))
}

/// Those of these that there are, newest last, with their parts and who may see them.
pub fn with_audience(conn: &Connection, uuids: &[Uuid]) -> Result<Vec<(Operation, Audience)>> {
    let sql = format!(
        "SELECT {COLUMNS}, o.owner_id, (SELECT json_group_array(e.id) FROM operation_groups og \
         LEFT JOIN education_groups e ON e.uuid = og.education_group WHERE og.operation_id = o.id) \
         AS groups FROM operations o WHERE o.uuid IN (SELECT value FROM json_each(?1)) ORDER BY o.id"
    );
    let found = rows::all(conn, &sql, [to_json(uuids)?], |row| {
        let groups = rows::json(row, "groups")?.unwrap_or_default();
        Ok((numbered(row)?, Audience { owner: row.get("owner_id")?, groups }))
    })?;
    let (found, audiences): (Vec<_>, Vec<_>) = found.into_iter().unzip();
    Ok(with_parts(conn, found)?.into_iter().zip(audiences).collect())
}

pub fn list(store: &Store, query: &ListQuery) -> Result<Page<Operation>> {
    OPERATIONS.page_with(store, query, numbered, with_parts)
}

fn with_parts(conn: &Connection, found: Vec<(OperationId, Operation)>) -> Result<Vec<Operation>> {
    let ids: Vec<OperationId> = found.iter().map(|(id, _)| *id).collect();
    let mut parts = parts::of_many(conn, &ids)?;
    let whole =
        |(id, operation)| Operation { parts: parts.remove(&id).unwrap_or_default(), ..operation };
    Ok(found.into_iter().map(whole).collect())
}

/// With its number and without its parts.
fn numbered(row: &Row<'_>) -> Result<(OperationId, Operation)> {
    let operation = Operation {
        uuid: rows::uuid(row, "uuid")?,
        kind: row.get("kind")?,
        subject: row.get("subject")?,
        subject_name: row.get("subject_name")?,
        state: State::parse(&row.get::<_, String>("state")?)?,
        done: row.get::<_, i64>("done")?.unsigned_abs(),
        total: row.get::<_, i64>("total")?.unsigned_abs(),
        // The kind says it, which the engine knows.
        unit: Unit::None,
        fault: rows::json(row, "fault")?.flatten(),
        items: rows::json(row, "items")?.unwrap_or_default(),
        owner_name: row.get("owner_name")?,
        run_at: row.get("run_at")?,
        created_at: row.get("created_at")?,
        finished_at: row.get("finished_at")?,
        parts: Vec::new(),
        undo_fault: rows::json(row, "undo_fault")?.flatten(),
        stuck_since: row.get("stuck_since")?,
        next_try: row.get("next_try")?,
        abandoned: row.get("abandoned")?,
    };
    Ok((row.get("id")?, operation))
}
