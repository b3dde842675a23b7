//! Rows of resource pools.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, Row, params};
use uuid::Uuid;

use crate::error::{Error, Result};
use crate::inventory::Pool;
use crate::store::list::{Column, ListQuery, Listing, Page};
use crate::store::rows::in_numbers;
use crate::store::{PoolId, Store, Topic, Tx, now, rows, unique};

/// A pool in a list.
#[derive(Debug, Clone)]
pub struct PoolLine {
    pub pool: Pool,
    pub host_count: u32,
    /// Names of nodes that do not answer.
    pub nodes_down: Option<String>,
    /// Images or templates are on their way to a node.
    pub is_copying: bool,
}

const COLUMNS: &str = "p.id, p.uuid, p.name, p.desc, p.is_default, p.created_at, p.updated_at";

static POOLS: Listing = Listing {
    // Each count touches an index and only the rows of the page.
    select: "p.id, p.uuid, p.name, p.desc, p.is_default, p.created_at, p.updated_at, \
         (SELECT count(*) FROM nodes n WHERE n.pool_id = p.id) AS host_count, \
         (SELECT group_concat(n.name, ', ') FROM nodes n \
          WHERE n.pool_id = p.id AND n.status <> 'active') AS nodes_down, \
         EXISTS (SELECT 1 FROM nodes n JOIN layer_copies c ON c.node_id = n.id \
          WHERE n.pool_id = p.id AND c.state = 'copying') AS is_copying",
    from: "pools p",
    columns: &[
        Column::integer("id", "p.id"),
        Column::exact("uuid", "p.uuid"),
        Column::text("name", "p.name"),
        Column::text("desc", "p.desc"),
        Column::integer("default", "p.is_default"),
        Column::time("created_at", "p.created_at"),
    ],
    order: "p.id",
};

pub fn list(store: &Store, query: &ListQuery) -> Result<Page<PoolLine>> {
    POOLS.page(store, query, pool_line)
}

pub fn line(conn: &Connection, id: PoolId) -> Result<PoolLine> {
    let sql = format!("SELECT {} FROM pools p WHERE p.id=?1", POOLS.select);
    Ok(conn.prepare_cached(&sql)?.query_row([id], pool_line)?)
}

fn pool_line(row: &Row<'_>) -> rusqlite::Result<PoolLine> {
    Ok(PoolLine {
        pool: pool(row)?,
        host_count: rows::unsigned(row, "host_count")?,
        nodes_down: row.get("nodes_down")?,
        is_copying: row.get("is_copying")?,
    })
}

pub fn find(conn: &Connection, uuid: Uuid) -> Result<Pool> {
    one(conn, "p.uuid = ?1", uuid.to_string())?.ok_or_else(|| unknown(uuid))
}

pub fn unknown(uuid: Uuid) -> Error {
    Error::not_found("pool-unknown").arg("uuid", uuid)
}

/// Those of these pools that exist, to be looked up.
pub fn by_uuid(conn: &Connection, pools: &[Uuid]) -> Result<HashMap<Uuid, Pool>> {
    let sql =
        format!("SELECT {COLUMNS} FROM pools p WHERE p.uuid IN (SELECT value FROM json_each(?1))");
    let found = rows::all(conn, &sql, [rows::to_json(pools)?], |row| Ok(pool(row)?))?;
    Ok(found.into_iter().map(|pool| (pool.uuid, pool)).collect())
}

pub fn by_id(conn: &Connection, id: PoolId) -> Result<Pool> {
    let found = one(conn, "p.id = ?1", id)?;
    found.ok_or_else(|| Error::not_found("pool-unknown").arg("uuid", id))
}

pub fn find_default(conn: &Connection) -> Result<Option<Pool>> {
    one(conn, "p.is_default = ?1", true)
}

fn one(conn: &Connection, condition: &str, value: impl rusqlite::ToSql) -> Result<Option<Pool>> {
    let sql = format!("SELECT {COLUMNS} FROM pools p WHERE {condition}");
    Ok(conn.prepare_cached(&sql)?.query_row([value], pool).optional()?)
}

pub fn insert(tx: &Tx<'_>, name: &str, desc: Option<&str>, default: bool) -> Result<PoolId> {
    tx.changed(Topic::Pools);
    let inserted = tx.execute(
        "INSERT INTO pools (uuid, name, desc, is_default, created_at) VALUES (?1,?2,?3,?4,?5)",
        params![Uuid::new_v4().to_string(), name, desc, default, now()],
    );
    unique(inserted, || taken(name))?;
    Ok(PoolId::new(tx.last_insert_rowid()))
}

pub fn update(tx: &Tx<'_>, id: PoolId, name: &str, desc: Option<&str>) -> Result<()> {
    tx.changed(Topic::Pools);
    let updated = tx.execute(
        "UPDATE pools SET name=?2, desc=?3, updated_at=?4 WHERE id=?1",
        params![id, name, desc, now()],
    );
    unique(updated, || taken(name))?;
    Ok(())
}

pub fn delete(tx: &Tx<'_>, pools: impl IntoIterator<Item = PoolId>) -> Result<()> {
    let sql = format!("DELETE FROM pools WHERE id IN {}", in_numbers(pools));
    let gone = tx.execute(&sql, [])?;
    tx.changed_rows(gone, Topic::Pools);
    Ok(())
}

/// Names of what is in each of these pools: nodes, base images, templates, desktop groups.
pub fn contents(
    conn: &Connection,
    pools: impl IntoIterator<Item = PoolId>,
) -> Result<HashMap<PoolId, Vec<String>>> {
    let sql = format!(
        "SELECT pool_id, name FROM (SELECT pool_id, name FROM nodes UNION ALL \
         SELECT pool_id, name FROM images UNION ALL SELECT pool_id, name FROM templates UNION ALL \
         SELECT pool_id, name FROM desktop_groups) WHERE pool_id IN {}",
        in_numbers(pools)
    );
    let mut statement = conn.prepare(&sql)?;
    let mut rows = statement.query([])?;
    let mut contents: HashMap<PoolId, Vec<String>> = HashMap::new();
    while let Some(row) = rows.next()? {
        contents.entry(row.get(0)?).or_default().push(row.get(1)?);
    }
    Ok(contents)
}

fn pool(row: &Row<'_>) -> rusqlite::Result<Pool> {
    Ok(Pool {
        id: row.get("id")?,
        uuid: rows::uuid(row, "uuid")?,
        name: row.get("name")?,
        desc: row.get("desc")?,
        is_default: row.get("is_default")?,
        created_at: row.get("created_at")?,
        updated_at: row.get("updated_at")?,
    })
}

fn taken(name: &str) -> Error {
    Error::conflict("pool-name-taken").arg("field", "name").arg("name", name)
}
