//! Rows of data networks.

use rusqlite::{Connection, OptionalExtension, Row, params};
use uuid::Uuid;

use crate::error::{Error, Result};
use crate::networks::{Network, SwitchKind};
use crate::store::list::{Column, ListQuery, Listing, Page};
use crate::store::{NetworkId, Store, SwitchId, Topic, Tx, now, rows, unique};

static NETWORKS: Listing = Listing {
    select: "n.id, n.uuid, n.name, n.desc, n.switch_id, s.uuid AS switch_uuid, \
         s.name AS switch_name, s.kind, n.vlan, n.is_default, \
         (SELECT count(*) FROM subnets t WHERE t.network_id = n.id) AS subnet_count, n.created_at, \
         n.updated_at",
    from: "networks n JOIN switches s ON s.id = n.switch_id",
    columns: &[
        Column::integer("id", "n.id"),
        Column::exact("uuid", "n.uuid"),
        Column::text("name", "n.name"),
        Column::text("desc", "n.desc"),
        Column::exact("switch", "s.uuid"),
        Column::exact("switch_uuid", "s.uuid"),
        Column::text("switch_name", "s.name"),
        Column::exact("switch_type", "s.kind"),
        Column::integer("vlan_id", "n.vlan"),
        Column::integer("default", "n.is_default"),
        Column::time("created_at", "n.created_at"),
    ],
    order: "n.id",
};

/// What can be changed of a network.
pub struct Values<'a> {
    pub name: &'a str,
    pub desc: Option<&'a str>,
    pub vlan: Option<u16>,
}

pub fn list(store: &Store, query: &ListQuery) -> Result<Page<Network>> {
    NETWORKS.page(store, query, network)
}

pub fn find(conn: &Connection, uuid: Uuid) -> Result<Network> {
    let found = maybe(conn, uuid)?;
    found.ok_or_else(|| Error::not_found("network-unknown").arg("uuid", uuid))
}

pub fn maybe(conn: &Connection, uuid: Uuid) -> Result<Option<Network>> {
    one(conn, "n.uuid = ?1", uuid.to_string())
}

pub fn default(conn: &Connection) -> Result<Option<Network>> {
    one(conn, "n.is_default = ?1", true)
}

pub fn all(conn: &Connection) -> Result<Vec<Network>> {
    let sql = format!("SELECT {} FROM {} ORDER BY n.id", NETWORKS.select, NETWORKS.from);
    let mut statement = conn.prepare_cached(&sql)?;
    let networks = statement.query_map([], network)?;
    Ok(networks.collect::<rusqlite::Result<_>>()?)
}

fn one(conn: &Connection, condition: &str, value: impl rusqlite::ToSql) -> Result<Option<Network>> {
    let sql = format!("SELECT {} FROM {} WHERE {condition}", NETWORKS.select, NETWORKS.from);
    Ok(conn.prepare_cached(&sql)?.query_row([value], network).optional()?)
}

pub fn insert(
    tx: &Tx<'_>,
    uuid: Uuid,
    switch: SwitchId,
    values: &Values<'_>,
    is_default: bool,
) -> Result<NetworkId> {
    tx.changed(Topic::Networks);
    let inserted = tx.execute(
        "INSERT INTO networks (uuid, name, desc, switch_id, vlan, is_default, created_at) \
         VALUES (?1,?2,?3,?4,?5,?6,?7)",
        params![uuid.to_string(), values.name, values.desc, switch, values.vlan, is_default, now()],
    );
    unique(inserted, || taken(values.name))?;
    Ok(NetworkId::new(tx.last_insert_rowid()))
}

pub fn update(tx: &Tx<'_>, uuid: Uuid, values: &Values<'_>) -> Result<()> {
    tx.changed(Topic::Networks);
    let updated = tx.execute(
        "UPDATE networks SET name=?2, desc=?3, vlan=?4, updated_at=?5 WHERE uuid=?1",
        params![uuid.to_string(), values.name, values.desc, values.vlan, now()],
    );
    unique(updated, || taken(values.name))?;
    Ok(())
}

/// Deletes a network and its subnets.
pub fn delete(tx: &Tx<'_>, uuid: Uuid) -> Result<()> {
    tx.changed(Topic::Networks);
    let uuid = uuid.to_string();
    tx.execute(
        "DELETE FROM subnets WHERE network_id=(SELECT id FROM networks WHERE uuid=?1)",
        [&uuid],
    )?;
    tx.execute("DELETE FROM networks WHERE uuid=?1", [&uuid])?;
    Ok(())
}

/// Whether no other network has the name.
pub fn is_free_name(conn: &Connection, name: &str, but: Uuid) -> Result<bool> {
    let mut statement = conn.prepare_cached("SELECT 1 FROM networks WHERE name=?1 AND uuid<>?2")?;
    Ok(!statement.exists(params![name, but.to_string()])?)
}

/// Whether another network of the switch has this VLAN.
pub fn vlan_user(
    conn: &Connection,
    switch: SwitchId,
    vlan: u16,
    but: Option<Uuid>,
) -> Result<Option<String>> {
    let mut statement = conn.prepare_cached(
        "SELECT name FROM networks WHERE switch_id=?1 AND vlan=?2 AND uuid<>coalesce(?3,'')",
    )?;
    let but = but.map(|uuid| uuid.to_string());
    Ok(statement.query_row(params![switch, vlan, but], |row| row.get(0)).optional()?)
}

/// Names of the templates and groups that use a network.
pub fn users(conn: &Connection, id: NetworkId) -> Result<Vec<String>> {
    super::subnets::names_of(conn, "network_id", id)
}

fn network(row: &Row<'_>) -> rusqlite::Result<Network> {
    Ok(Network {
        id: row.get("id")?,
        uuid: rows::uuid(row, "uuid")?,
        name: row.get("name")?,
        desc: row.get("desc")?,
        switch_id: row.get("switch_id")?,
        switch_uuid: rows::uuid(row, "switch_uuid")?,
        switch_name: row.get("switch_name")?,
        kind: rows::word(row, "kind", SwitchKind::parse)?,
        vlan: row.get("vlan")?,
        is_default: row.get("is_default")?,
        subnet_count: rows::unsigned(row, "subnet_count")?,
        created_at: row.get("created_at")?,
        updated_at: row.get("updated_at")?,
    })
}

fn taken(name: &str) -> Error {
    Error::conflict("network-name-taken").arg("field", "name").arg("name", name)
}
