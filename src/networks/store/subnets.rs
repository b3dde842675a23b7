//! Rows of subnets.

use std::net::Ipv4Addr;

use rusqlite::{Connection, OptionalExtension, Row, ToSql, params};
use uuid::Uuid;

use super::{ip, number};
use crate::error::{Error, Result};
use crate::networks::{Plan, Subnet};
use crate::store::list::{Column, ListQuery, Listing, Page};
use crate::store::{NetworkId, Store, SubnetId, Topic, Tx, now, rows, unique};

static SUBNETS: Listing = Listing {
    select: "t.id, t.uuid, t.network_id, n.uuid AS network_uuid, t.name, t.start_ip, t.end_ip, t.prefix, \
         t.gateway, t.dns1, t.dns2, t.created_at, t.updated_at, \
         (SELECT count(*) FROM addresses a WHERE a.subnet_id = t.id) AS used_count",
    from: "subnets t JOIN networks n ON n.id = t.network_id",
    columns: &[
        Column::integer("id", "t.id"),
        Column::exact("uuid", "t.uuid"),
        Column::text("name", "t.name"),
        Column::exact("network", "n.uuid"),
        Column::text("dns1", "t.dns1"),
        Column::text("dns2", "coalesce(t.dns2, '')"),
        Column::time("created_at", "t.created_at"),
        Column::integer(
            "used_count",
            "(SELECT count(*) FROM addresses a WHERE a.subnet_id = t.id)",
        ),
    ],
    order: "t.id",
};

pub fn list(store: &Store, query: &ListQuery) -> Result<Page<Subnet>> {
    SUBNETS.page(store, query, subnet)
}

pub fn find(conn: &Connection, uuid: Uuid) -> Result<Subnet> {
    let found = maybe(conn, uuid)?;
    found.ok_or_else(|| Error::not_found("subnet-unknown").arg("uuid", uuid))
}

pub fn maybe(conn: &Connection, uuid: Uuid) -> Result<Option<Subnet>> {
    one(conn, "t.uuid = ?1", uuid.to_string())
}

pub fn by_id(conn: &Connection, id: SubnetId) -> Result<Subnet> {
    let found = one(conn, "t.id = ?1", id)?;
    found.ok_or_else(|| Error::not_found("subnet-unknown").arg("uuid", id))
}

fn one(conn: &Connection, condition: &str, value: impl ToSql) -> Result<Option<Subnet>> {
    let sql = format!("SELECT {} FROM {} WHERE {condition}", SUBNETS.select, SUBNETS.from);
    Ok(conn.prepare_cached(&sql)?.query_row([value], subnet).optional()?)
}

/// The subnets of a network, oldest first.
pub fn of_network(conn: &Connection, network: NetworkId) -> Result<Vec<Subnet>> {
    let sql = format!(
        "SELECT {} FROM {} WHERE t.network_id = ?1 ORDER BY t.id",
        SUBNETS.select, SUBNETS.from
    );
    let mut statement = conn.prepare_cached(&sql)?;
    let subnets = statement.query_map([network], subnet)?;
    Ok(subnets.collect::<rusqlite::Result<_>>()?)
}

/// The subnets of the NAT networks but this one, with the names of the networks.
pub fn of_other_nat(conn: &Connection, but: Option<NetworkId>) -> Result<Vec<(String, Subnet)>> {
    let sql = format!(
        "SELECT {}, n.name AS network_name FROM {} JOIN switches s ON s.id = n.switch_id \
         WHERE s.kind = 'nat' AND n.id IS NOT ?1",
        SUBNETS.select, SUBNETS.from
    );
    let mut statement = conn.prepare_cached(&sql)?;
    let subnets = statement.query_map([but], |row| Ok((row.get("network_name")?, subnet(row)?)))?;
    Ok(subnets.collect::<rusqlite::Result<_>>()?)
}

pub fn insert(tx: &Tx<'_>, network: NetworkId, uuid: Uuid, plan: &Plan) -> Result<SubnetId> {
    tx.changed(Topic::Networks);
    let inserted = tx.execute(
        "INSERT INTO subnets (uuid, network_id, name, start_ip, end_ip, prefix, gateway, dns1, \
         dns2, created_at) VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10)",
        params![
            uuid.to_string(),
            network,
            plan.name,
            number(plan.start),
            number(plan.end),
            plan.prefix,
            number(plan.gateway),
            plan.dns1.to_string(),
            plan.dns2.map(|dns| dns.to_string()),
            now()
        ],
    );
    unique(inserted, || taken(&plan.name))?;
    Ok(SubnetId::new(tx.last_insert_rowid()))
}

pub fn update(tx: &Tx<'_>, uuid: Uuid, plan: &Plan) -> Result<()> {
    tx.changed(Topic::Networks);
    let updated = tx.execute(
        "UPDATE subnets SET name=?2, start_ip=?3, end_ip=?4, prefix=?5, gateway=?6, dns1=?7, \
         dns2=?8, updated_at=?9 WHERE uuid=?1",
        params![
            uuid.to_string(),
            plan.name,
            number(plan.start),
            number(plan.end),
            plan.prefix,
            number(plan.gateway),
            plan.dns1.to_string(),
            plan.dns2.map(|dns| dns.to_string()),
            now()
        ],
    );
    unique(updated, || taken(&plan.name))?;
    Ok(())
}

pub fn delete(tx: &Tx<'_>, uuid: Uuid) -> Result<()> {
    tx.changed(Topic::Networks);
    tx.execute("DELETE FROM subnets WHERE uuid=?1", [uuid.to_string()])?;
    Ok(())
}

/// Names of the templates and groups that use a subnet.
pub fn users(conn: &Connection, id: SubnetId) -> Result<Vec<String>> {
    names_of(conn, "subnet_id", id)
}

/// Names of what refers to a network or subnet by this column.
pub fn names_of(conn: &Connection, column: &'static str, id: impl ToSql) -> Result<Vec<String>> {
    let mut statement = conn.prepare_cached(&format!(
        "SELECT name FROM templates WHERE {column}=?1 UNION ALL \
         SELECT name FROM education_groups WHERE {column}=?1 UNION ALL \
         SELECT name FROM desktop_groups WHERE {column}=?1"
    ))?;
    let names = statement.query_map([id], |row| row.get(0))?;
    Ok(names.collect::<rusqlite::Result<_>>()?)
}

fn subnet(row: &Row<'_>) -> rusqlite::Result<Subnet> {
    Ok(Subnet {
        id: row.get("id")?,
        uuid: rows::uuid(row, "uuid")?,
        network_id: row.get("network_id")?,
        network_uuid: rows::uuid(row, "network_uuid")?,
        name: row.get("name")?,
        start: ip(row, "start_ip")?,
        end: ip(row, "end_ip")?,
        prefix: row.get("prefix")?,
        gateway: ip(row, "gateway")?,
        dns1: server(row, "dns1")?,
        dns2: row.get::<_, Option<String>>("dns2")?.map(|_| server(row, "dns2")).transpose()?,
        created_at: row.get("created_at")?,
        updated_at: row.get("updated_at")?,
        used_count: rows::unsigned(row, "used_count")?,
    })
}

/// A name server, which is kept as text.
fn server(row: &Row<'_>, column: &str) -> rusqlite::Result<Ipv4Addr> {
    let text: String = row.get(column)?;
    text.parse().map_err(|cause: std::net::AddrParseError| rows::unreadable(row, column, cause))
}

fn taken(name: &str) -> Error {
    Error::conflict("subnet-name-taken").arg("field", "name").arg("name", name)
}
