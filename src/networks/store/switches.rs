//! Rows of virtual switches.

use rusqlite::{Connection, OptionalExtension, Row, params};
use uuid::Uuid;

use crate::error::{Error, Result};
use crate::networks::{Switch, SwitchKind};
use crate::store::list::{Column, ListQuery, Listing, Page};
use crate::store::{Store, SwitchId, Topic, Tx, now, rows, unique};

static SWITCHES: Listing = Listing {
    select: "s.id, s.uuid, s.name, s.kind, s.desc, s.is_default, \
         (SELECT count(*) FROM networks n WHERE n.switch_id = s.id) AS network_count, s.created_at, s.updated_at",
    from: "switches s",
    columns: &[
        Column::integer("id", "s.id"),
        Column::exact("uuid", "s.uuid"),
        Column::text("name", "s.name"),
        Column::exact("type", "s.kind"),
        Column::text("desc", "s.desc"),
        Column::integer("default", "s.is_default"),
        Column::time("created_at", "s.created_at"),
    ],
    order: "s.id",
};

pub fn list(store: &Store, query: &ListQuery) -> Result<Page<Switch>> {
    SWITCHES.page(store, query, switch)
}

pub fn find(conn: &Connection, uuid: Uuid) -> Result<Switch> {
    let found = one(conn, "s.uuid = ?1", uuid.to_string())?;
    found.ok_or_else(|| Error::not_found("switch-unknown").arg("uuid", uuid))
}

pub fn by_id(conn: &Connection, id: SwitchId) -> Result<Switch> {
    one(conn, "s.id = ?1", id)?.ok_or_else(|| Error::internal("a switch that is not there"))
}

pub fn default(conn: &Connection) -> Result<Option<Switch>> {
    one(conn, "s.is_default = ?1", true)
}

fn one(conn: &Connection, condition: &str, value: impl rusqlite::ToSql) -> Result<Option<Switch>> {
    let sql = format!("SELECT {} FROM switches s WHERE {condition}", SWITCHES.select);
    Ok(conn.prepare_cached(&sql)?.query_row([value], switch).optional()?)
}

pub fn insert(
    tx: &Tx<'_>,
    name: &str,
    kind: SwitchKind,
    desc: Option<&str>,
    is_default: bool,
) -> Result<SwitchId> {
    tx.changed(Topic::Networks);
    let inserted = tx.execute(
        "INSERT INTO switches (uuid, name, kind, desc, is_default, created_at) \
         VALUES (?1,?2,?3,?4,?5,?6)",
        params![Uuid::new_v4().to_string(), name, kind.word(), desc, is_default, now()],
    );
    unique(inserted, || taken(name))?;
    Ok(SwitchId::new(tx.last_insert_rowid()))
}

pub fn update(
    tx: &Tx<'_>,
    id: SwitchId,
    name: &str,
    kind: SwitchKind,
    desc: Option<&str>,
) -> Result<()> {
    tx.changed(Topic::Networks);
    let updated = tx.execute(
        "UPDATE switches SET name=?2, kind=?3, desc=?4, updated_at=?5 WHERE id=?1",
        params![id, name, kind.word(), desc, now()],
    );
    unique(updated, || taken(name))?;
    Ok(())
}

pub fn delete(tx: &Tx<'_>, id: SwitchId) -> Result<()> {
    tx.changed(Topic::Networks);
    tx.execute("DELETE FROM switches WHERE id=?1", [id])?;
    Ok(())
}

/// Names of the networks on a switch.
pub fn users(conn: &Connection, id: SwitchId) -> Result<Vec<String>> {
    let mut statement =
        conn.prepare_cached("SELECT name FROM networks WHERE switch_id=?1 ORDER BY id")?;
    let names = statement.query_map([id], |row| row.get(0))?;
    Ok(names.collect::<rusqlite::Result<_>>()?)
}

fn switch(row: &Row<'_>) -> rusqlite::Result<Switch> {
    Ok(Switch {
        id: row.get("id")?,
        uuid: rows::uuid(row, "uuid")?,
        name: row.get("name")?,
        kind: rows::word(row, "kind", SwitchKind::parse)?,
        desc: row.get("desc")?,
        is_default: row.get("is_default")?,
        network_count: rows::unsigned(row, "network_count")?,
        created_at: row.get("created_at")?,
        updated_at: row.get("updated_at")?,
    })
}

fn taken(name: &str) -> Error {
    Error::conflict("switch-name-taken").arg("field", "name").arg("name", name)
}
