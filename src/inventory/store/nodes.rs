//! Rows of nodes, and how much runs on them.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, Row, params};
use uuid::Uuid;

use crate::error::{Error, Fault, Result};
use crate::inventory::{Node, NodeAgent, NodeRole, NodeStatus};
use crate::store::list::{Column, ListQuery, Listing, Page};
use crate::store::{NodeId, PoolId, Store, Topic, Tx, now, rows, unique};

/// How many templates and desktops are on a node, and what the running ones may use.
#[derive(Debug, Clone, Copy, Default)]
pub struct Usage {
    pub machines: u32,
    pub running: u32,
    pub running_vcpus: u32,
    pub running_memory_mib: u64,
}

const COLUMNS: &str = "n.id, n.uuid, n.name, n.role, n.ip, n.hostname, \
     n.cpu_model, n.cpu_count, n.memory, n.gpu, n.versions, n.virt_type, n.status, n.fault, \
     n.created_at, n.updated_at";

static NODES: Listing = Listing {
    select: COLUMNS,
    from: "nodes n",
    columns: &[
        Column::integer("id", "n.id"),
        Column::exact("uuid", "n.uuid"),
        Column::text("name", "n.name"),
        Column::text("hostname", "n.hostname"),
        Column::text("ip", "n.ip"),
        Column::text(
            "search",
            "n.name || char(10) || coalesce(n.hostname, '') || char(10) || coalesce(n.ip, '')",
        ),
        Column::exact("status", "n.status"),
        Column::integer("type", "n.role"),
        Column::integer("pool_id", "n.pool_id"),
        Column::integer("is_controller", "(n.role < 5)"),
        Column::time("created_at", "n.created_at"),
    ],
    order: "n.id",
};

pub fn list(store: &Store, query: &ListQuery) -> Result<Page<Node>> {
    NODES.page(store, query, node)
}

pub fn find(conn: &Connection, uuid: Uuid) -> Result<Node> {
    let found = one(conn, "n.uuid = ?1", uuid.to_string())?;
    found.ok_or_else(|| Error::not_found("node-unknown").arg("uuid", uuid))
}

pub fn by_id(conn: &Connection, id: NodeId) -> Result<Node> {
    let found = one(conn, "n.id = ?1", id)?;
    found.ok_or_else(|| Error::not_found("node-unknown").arg("uuid", id))
}

pub fn find_local(conn: &Connection) -> Result<Option<Node>> {
    one(conn, "n.is_local = ?1", true)
}

pub fn local(conn: &Connection) -> Result<Node> {
    find_local(conn)?.ok_or_else(|| Error::internal("this machine is not among the nodes"))
}

pub fn all(conn: &Connection) -> Result<Vec<Node>> {
    many(conn, "n.id > ?1", 0)
}

pub fn in_pool(conn: &Connection, pool: PoolId) -> Result<Vec<Node>> {
    many(conn, "n.pool_id = ?1", pool)
}

fn one(conn: &Connection, condition: &str, value: impl rusqlite::ToSql) -> Result<Option<Node>> {
    let sql = format!("SELECT {COLUMNS} FROM nodes n WHERE {condition}");
    Ok(conn.prepare_cached(&sql)?.query_row([value], node).optional()?)
}

fn many(conn: &Connection, condition: &str, value: impl rusqlite::ToSql) -> Result<Vec<Node>> {
    let sql = format!("SELECT {COLUMNS} FROM nodes n WHERE {condition} ORDER BY n.id");
    let mut statement = conn.prepare_cached(&sql)?;
    let nodes = statement.query_map([value], node)?;
    Ok(nodes.collect::<rusqlite::Result<_>>()?)
}

pub fn insert(
    tx: &Tx<'_>,
    name: &str,
    pool: PoolId,
    role: NodeRole,
    is_local: bool,
    ip: &str,
) -> Result<NodeId> {
    tx.changed(Topic::Nodes);
    tx.execute(
        "INSERT INTO nodes (uuid, name, pool_id, role, is_local, ip, created_at) \
         VALUES (?1,?2,?3,?4,?5,?6,?7)",
        params![Uuid::new_v4().to_string(), name, pool, role.number(), is_local, ip, now()],
    )?;
    Ok(NodeId::new(tx.last_insert_rowid()))
}

pub fn rename(tx: &Tx<'_>, id: NodeId, name: &str, role: NodeRole) -> Result<()> {
    tx.changed(Topic::Nodes);
    let updated = tx.execute(
        "UPDATE nodes SET name=?2, role=?3, updated_at=?4 WHERE id=?1",
        params![id, name, role.number(), now()],
    );
    unique(updated, || Error::conflict("node-name-taken").arg("field", "name").arg("name", name))
}

/// A node's id, whether it is this machine, and what its row says of its agent.
pub type RowAgent = (NodeId, bool, Result<Option<NodeAgent>>);

/// How the agent of each node is reached, and whether it is this machine's: `None` by the settings. One that cannot be
/// read is an error of that node only.
pub fn agents(conn: &Connection) -> Result<Vec<RowAgent>> {
    let mut statement =
        conn.prepare_cached("SELECT n.id, n.is_local, n.agent FROM nodes n ORDER BY n.id")?;
    let mut found = statement.query([])?;
    let mut agents = Vec::new();
    while let Some(row) = found.next()? {
        let text: Option<String> = row.get(2)?;
        let agent = text.map(|text| serde_json::from_str(&text)).transpose();
        agents.push((row.get(0)?, row.get(1)?, agent.map_err(Error::internal)));
    }
    Ok(agents)
}

/// Writes how the node is; nothing is written when it is so already.
pub fn save_status(
    tx: &Tx<'_>,
    id: NodeId,
    status: NodeStatus,
    fault: Option<&Fault>,
) -> Result<bool> {
    let fault = fault.map(serde_json::to_string).transpose().map_err(Error::internal)?;
    let changed = tx.execute(
        "UPDATE nodes SET status=?2, fault=?3 WHERE id=?1 AND (status<>?2 OR fault IS NOT ?3)",
        params![id, status.word(), fault],
    )?;
    Ok(tx.changed_rows(changed, Topic::Nodes) > 0)
}

/// What was known of the nodes' links is no longer so.
pub fn forget_status(tx: &Tx<'_>) -> Result<()> {
    tx.changed(Topic::Nodes);
    let fault = Fault::from(Error::unreachable("node-not-yet-connected"));
    let fault = serde_json::to_string(&fault).map_err(Error::internal)?;
    tx.execute("UPDATE nodes SET status='shutdown', fault=?1", [fault])?;
    Ok(())
}

/// What runs on these nodes, in one pass over each of the two tables.
pub fn usage(conn: &Connection, ids: &[NodeId]) -> Result<HashMap<NodeId, Usage>> {
    let ids = rows::in_numbers(ids.iter().copied());
    let mut statement = conn.prepare(&format!(
        "SELECT node_id, sum(machines) AS machines, sum(running) AS running, sum(vcpus) AS vcpus, \
         sum(memory) AS memory FROM ( \
         SELECT d.node_id AS node_id, count(*) AS machines, \
         sum(d.power IN ('running','paused')) AS running, \
         sum(CASE WHEN d.power IN ('running','paused') THEN g.vcpu ELSE 0 END) AS vcpus, \
         sum(CASE WHEN d.power IN ('running','paused') THEN g.memory_mib ELSE 0 END) AS memory \
         FROM desktops d JOIN desktop_groups g ON g.id = d.group_id \
         WHERE d.node_id IN {ids} GROUP BY d.node_id \
         UNION ALL \
         SELECT t.node_id, count(*), sum(t.power IN ('running','paused')), \
         sum(CASE WHEN t.power IN ('running','paused') THEN t.vcpu ELSE 0 END), \
         sum(CASE WHEN t.power IN ('running','paused') THEN t.memory_mib ELSE 0 END) \
         FROM templates t WHERE t.node_id IN {ids} GROUP BY t.node_id \
         ) GROUP BY node_id"
    ))?;
    let found = statement.query_map([], |row| {
        let usage = Usage {
            machines: rows::unsigned(row, "machines")?,
            running: rows::unsigned(row, "running")?,
            running_vcpus: rows::unsigned(row, "vcpus")?,
            running_memory_mib: rows::unsigned(row, "memory")?,
        };
        Ok((row.get("node_id")?, usage))
    })?;
    Ok(found.collect::<rusqlite::Result<_>>()?)
}

fn node(row: &Row<'_>) -> rusqlite::Result<Node> {
    let role: i64 = row.get("role")?;
    let status: String = row.get("status")?;
    Ok(Node {
        id: row.get("id")?,
        uuid: rows::uuid(row, "uuid")?,
        name: row.get("name")?,
        role: NodeRole::parse(role).map_err(|cause| rows::unreadable(row, "role", cause))?,
        ip: row.get("ip")?,
        hostname: row.get("hostname")?,
        cpu_model: row.get("cpu_model")?,
        cpu_count: rows::unsigned(row, "cpu_count")?,
        memory: rows::unsigned(row, "memory")?,
        gpu: row.get("gpu")?,
        versions: row.get("versions")?,
        virt_type: row.get("virt_type")?,
        status: NodeStatus::parse(&status).unwrap_or(NodeStatus::Shutdown),
        fault: rows::json(row, "fault")?,
        created_at: row.get("created_at")?,
        updated_at: row.get("updated_at")?,
    })
}
