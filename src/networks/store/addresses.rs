//! Rows of reserved addresses.

use std::net::Ipv4Addr;

use rusqlite::{Connection, Row, params};
use uuid::Uuid;

use super::{ip, number};
use crate::error::{Error, Result};
use crate::networks::Subnet;
use crate::store::{NetworkId, SubnetId, Topic, Tx, rows};

/// A reserved address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    pub owner: Uuid,
    pub network_uuid: Uuid,
    pub subnet_id: SubnetId,
    pub address: Ipv4Addr,
    /// `52:54:…` in small letters.
    pub mac: String,
}

/// Addresses of a subnet's range that cannot be given out: reserved ones and the gateways of all
/// subnets of the network.
const TAKEN: &str = "SELECT address FROM addresses \
     WHERE network_id = ?1 AND address BETWEEN ?2 AND ?3 \
     UNION SELECT gateway FROM subnets WHERE network_id = ?1 AND gateway BETWEEN ?2 AND ?3";

/// The first stretches of free addresses, lowest first, at most `limit` of them.
pub fn gaps(conn: &Connection, subnet: &Subnet, limit: usize) -> Result<Vec<(u32, u32)>> {
    let sql = format!(
        "SELECT low, high FROM (SELECT address + 1 AS low, \
         coalesce(lead(address) OVER (ORDER BY address), ?3 + 1) - 1 AS high \
         FROM (SELECT ?2 - 1 AS address UNION {TAKEN})) \
         WHERE low <= high ORDER BY low LIMIT ?4"
    );
    let mut statement = conn.prepare_cached(&sql)?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let range = params![subnet.network_id, number(subnet.start), number(subnet.end), limit];
    let gaps =
        statement.query_map(range, |row| Ok((rows::unsigned(row, 0)?, rows::unsigned(row, 1)?)))?;
    Ok(gaps.collect::<rusqlite::Result<_>>()?)
}

/// How many addresses of the subnet's range can be given out.
pub fn count_free(conn: &Connection, subnet: &Subnet) -> Result<u64> {
    let sql = format!("SELECT ?3 - ?2 + 1 - count(*) FROM ({TAKEN})");
    let range = params![subnet.network_id, number(subnet.start), number(subnet.end)];
    let free = conn.prepare_cached(&sql)?.query_row(range, |row| rows::unsigned(row, 0))?;
    Ok(free)
}

pub fn is_taken(conn: &Connection, network: NetworkId, address: Ipv4Addr) -> Result<bool> {
    let mut statement =
        conn.prepare_cached("SELECT 1 FROM addresses WHERE network_id=?1 AND address=?2")?;
    Ok(statement.exists(params![network, number(address)])?)
}

/// `false` when another address has this MAC.
pub fn insert(
    tx: &Tx<'_>,
    subnet: &Subnet,
    owner: Uuid,
    address: Ipv4Addr,
    mac: &str,
) -> Result<bool> {
    tx.changed(Topic::Networks);
    let mut statement = tx.prepare_cached(
        "INSERT INTO addresses (network_id, address, subnet_id, mac, owner) \
         VALUES (?1,?2,?3,?4,?5) ON CONFLICT (mac) DO NOTHING",
    )?;
    let values = params![subnet.network_id, number(address), subnet.id, mac, owner.to_string()];
    Ok(statement.execute(values)? == 1)
}

const LEASES: &str = "SELECT a.owner, n.uuid AS network_uuid, a.subnet_id, a.address, a.mac FROM addresses a \
     JOIN networks n ON n.id = a.network_id";

pub fn of_owners(conn: &Connection, owners: &[Uuid]) -> Result<Vec<Lease>> {
    let owners = serde_json::to_string(owners).map_err(Error::internal)?;
    let sql =
        format!("{LEASES} WHERE a.owner IN (SELECT value FROM json_each(?1)) ORDER BY a.address");
    let mut statement = conn.prepare_cached(&sql)?;
    let leases = statement.query_map([owners], lease)?;
    Ok(leases.collect::<rusqlite::Result<_>>()?)
}

/// What nodes are to know: not what is withdrawn.
pub fn told_of_network(conn: &Connection, network: NetworkId) -> Result<Vec<Lease>> {
    let sql = format!("{LEASES} WHERE a.network_id = ?1 AND NOT a.withdrawn ORDER BY a.address");
    let mut statement = conn.prepare_cached(&sql)?;
    let leases = statement.query_map([network], lease)?;
    Ok(leases.collect::<rusqlite::Result<_>>()?)
}

/// All reserved addresses of a subnet.
pub fn of_subnet(conn: &Connection, subnet: SubnetId) -> Result<Vec<Ipv4Addr>> {
    let mut statement =
        conn.prepare_cached("SELECT address FROM addresses WHERE subnet_id=?1 ORDER BY address")?;
    let addresses = statement.query_map([subnet], |row| ip(row, "address"))?;
    Ok(addresses.collect::<rusqlite::Result<_>>()?)
}

/// Whether nodes are no longer to know what these owners have.
pub fn set_withdrawn(tx: &Tx<'_>, owners: &[Uuid], withdrawn: bool) -> Result<()> {
    tx.changed(Topic::Networks);
    let owners = serde_json::to_string(owners).map_err(Error::internal)?;
    tx.prepare_cached(
        "UPDATE addresses SET withdrawn=?2 WHERE owner IN (SELECT value FROM json_each(?1))",
    )?
    .execute(params![owners, withdrawn])?;
    Ok(())
}

pub fn delete(tx: &Tx<'_>, owners: &[Uuid]) -> Result<()> {
    tx.changed(Topic::Networks);
    let owners = serde_json::to_string(owners).map_err(Error::internal)?;
    tx.prepare_cached("DELETE FROM addresses WHERE owner IN (SELECT value FROM json_each(?1))")?
        .execute([owners])?;
    Ok(())
}

fn lease(row: &Row<'_>) -> rusqlite::Result<Lease> {
    Ok(Lease {
        owner: rows::uuid(row, "owner")?,
        network_uuid: rows::uuid(row, "network_uuid")?,
        subnet_id: row.get("subnet_id")?,
        address: ip(row, "address")?,
        mac: row.get("mac")?,
    })
}
