//! Rows of what is in a node: its network cards, their addresses, its storages.

use std::collections::{HashMap, HashSet};
use std::net::Ipv4Addr;

use rusqlite::{Connection, Row, ToSql, params};
use uuid::Uuid;

use crate::error::Result;
use crate::inventory::StorageRole;
use crate::node::protocol::{NicFacts, NodeFacts, StorageFacts};
use crate::store::{NodeId, Topic, Tx, now, rows};

/// A network card.
#[derive(Debug, Clone)]
pub struct Nic {
    pub id: i64,
    pub uuid: Uuid,
    pub node_id: NodeId,
    pub name: String,
    pub mac: String,
    /// Mbit/s, 0 when unknown.
    pub speed: u32,
    pub is_up: bool,
    pub is_physical: bool,
    pub gateway: Option<String>,
    pub dns: Vec<String>,
    pub addresses: Vec<Address>,
    pub created_at: i64,
    pub updated_at: Option<i64>,
}

/// An address of a network card.
#[derive(Debug, Clone)]
pub struct Address {
    pub uuid: Uuid,
    pub address: String,
    pub prefix: u8,
    /// Serves management.
    pub is_manage: bool,
    /// Serves the distribution of images.
    pub is_image: bool,
}

/// A storage and how full it is, in bytes.
#[derive(Debug, Clone)]
pub struct StorageUse {
    pub id: i64,
    pub uuid: Uuid,
    pub node_id: NodeId,
    pub path: String,
    /// Numbers of [`StorageRole`].
    pub roles: Vec<u8>,
    pub total: u64,
    pub used: u64,
}

impl StorageUse {
    pub fn has(&self, role: StorageRole) -> bool {
        self.roles.contains(&role.number())
    }
}

/// Writes what a node is; what it does not know yet of its hypervisor stays as it was. The name that
/// this machine got before its host name was known gives way to it; a name that somebody gave stays.
pub fn save_node(
    tx: &Tx<'_>,
    id: NodeId,
    facts: &NodeFacts,
    address: Option<Ipv4Addr>,
) -> Result<()> {
    tx.changed(Topic::Nodes);
    let versions = [
        facts.os.clone(),
        labelled("libvirt", &facts.libvirt_version),
        labelled("QEMU", &facts.qemu_version),
    ];
    let versions: Vec<String> = versions.into_iter().filter(|text| !text.is_empty()).collect();
    tx.execute(
        "UPDATE nodes SET name=?2 WHERE id=?1 AND is_local=1 AND hostname='' AND ?2<>'' \
         AND NOT EXISTS (SELECT 1 FROM nodes WHERE name=?2)",
        params![id, facts.hostname],
    )?;
    tx.execute(
        "UPDATE nodes SET hostname=?2, cpu_model=?3, cpu_count=?4, memory=?5, gpu=?6, \
         versions=iif(?8='' AND versions<>'', versions, ?7), virt_type=iif(?8='', virt_type, ?8), ip=coalesce(?9, ip), updated_at=?10 WHERE id=?1",
        params![
            id,
            facts.hostname,
            facts.cpu_model,
            facts.cpu_count,
            facts.memory.cast_signed(),
            facts.gpu.join(", "),
            versions.join(", "),
            facts.virt_type,
            address.map(|address| address.to_string()),
            now()
        ],
    )?;
    Ok(())
}

/// Writes the address by which others reach the node.
pub fn save_address(tx: &Tx<'_>, id: NodeId, address: Ipv4Addr) -> Result<()> {
    let sql = "UPDATE nodes SET ip=?2, updated_at=?3 WHERE id=?1 AND ip<>?2";
    let changed = tx.execute(sql, params![id, address.to_string(), now()])?;
    tx.changed_rows(changed, Topic::Nodes);
    Ok(())
}

fn labelled(label: &str, version: &str) -> String {
    if version.is_empty() { String::new() } else { format!("{label} {version}") }
}

/// Makes the rows of cards and addresses equal to what is there.
pub fn save_nics(tx: &Tx<'_>, node: NodeId, nics: &[&NicFacts]) -> Result<()> {
    tx.changed(Topic::Nodes);
    for nic in nics {
        let dns: Vec<String> = nic.dns.iter().map(Ipv4Addr::to_string).collect();
        let id: i64 = tx
            .prepare_cached(
                "INSERT INTO nics (uuid, node_id, name, mac, speed, is_up, is_physical, gateway, \
                 dns, created_at) VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10) \
                 ON CONFLICT (node_id, name) DO UPDATE SET mac=excluded.mac, \
                 speed=excluded.speed, is_up=excluded.is_up, is_physical=excluded.is_physical, \
                 gateway=excluded.gateway, dns=excluded.dns, updated_at=?10 RETURNING id",
            )?
            .query_row(
                params![
                    Uuid::new_v4().to_string(),
                    node,
                    nic.name,
                    nic.mac,
                    nic.speed,
                    nic.up,
                    nic.physical,
                    nic.gateway.map(|gateway| gateway.to_string()),
                    dns.join(","),
                    now()
                ],
                |row| row.get(0),
            )?;
        save_addresses(tx, id, &nic.addresses)?;
    }
    let known: HashSet<&str> = nics.iter().map(|nic| nic.name.as_str()).collect();
    forget(
        tx,
        "SELECT id, name FROM nics WHERE node_id=?1",
        "DELETE FROM nics WHERE id=?1",
        node,
        |name| known.contains(name),
    )?;
    mark_main_address(tx, node)
}

fn save_addresses(tx: &Tx<'_>, nic: i64, addresses: &[(Ipv4Addr, u8)]) -> Result<()> {
    for (address, prefix) in addresses {
        tx.prepare_cached(
            "INSERT INTO nic_addresses (uuid, nic_id, address, prefix) VALUES (?1,?2,?3,?4) \
             ON CONFLICT (nic_id, address) DO UPDATE SET prefix=excluded.prefix",
        )?
        .execute(params![Uuid::new_v4().to_string(), nic, address.to_string(), prefix])?;
    }
    let known: HashSet<String> = addresses.iter().map(|(a, _)| a.to_string()).collect();
    let select = "SELECT id, address FROM nic_addresses WHERE nic_id=?1";
    forget(tx, select, "DELETE FROM nic_addresses WHERE id=?1", nic, |a| known.contains(a))
}

/// The address by which the node is known serves management and images until told otherwise.
fn mark_main_address(tx: &Tx<'_>, node: NodeId) -> Result<()> {
    for column in ["is_manage", "is_image"] {
        tx.execute(
            &format!(
                "UPDATE nic_addresses SET {column}=1 WHERE id=(SELECT a.id FROM nic_addresses a \
                 JOIN nics c ON c.id=a.nic_id JOIN nodes n ON n.id=c.node_id \
                 WHERE n.id=?1 AND a.address=n.ip LIMIT 1) AND NOT EXISTS (SELECT 1 \
                 FROM nic_addresses a JOIN nics c ON c.id=a.nic_id \
                 WHERE c.node_id=?1 AND a.{column}=1)"
            ),
            [node],
        )?;
    }
    Ok(())
}

/// Deletes the rows (id, name) of a parent whose name is not wanted any more.
fn forget(
    tx: &Tx<'_>,
    select: &str,
    delete: &str,
    parent: impl ToSql,
    wanted: impl Fn(&str) -> bool,
) -> Result<()> {
    let mut statement = tx.prepare_cached(select)?;
    let found = statement.query_map([&parent], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let found: Vec<(i64, String)> = found.collect::<rusqlite::Result<_>>()?;
    for (id, _) in found.into_iter().filter(|(_, name)| !wanted(name)) {
        tx.prepare_cached(delete)?.execute([id])?;
    }
    Ok(())
}

/// Makes the rows of storages equal to what is there, but for those that cannot be used now; roles that nobody holds go
/// to the first.
pub fn save_storages(
    tx: &Tx<'_>,
    node: NodeId,
    storages: &[StorageFacts],
    not_usable: &[String],
) -> Result<()> {
    tx.changed(Topic::Nodes);
    let known = storages.iter().map(|storage| storage.path.as_str());
    let known: HashSet<&str> = known.chain(not_usable.iter().map(String::as_str)).collect();
    let select = "SELECT id, path FROM storages WHERE node_id=?1";
    forget(tx, select, "DELETE FROM storages WHERE id=?1", node, |path| known.contains(path))?;
    let first = self::storages(tx, &[node])?.is_empty();
    for (position, storage) in storages.iter().enumerate() {
        let roles = if first { first_roles(position, storages.len()) } else { "" };
        tx.execute(
            "INSERT INTO storages (uuid, node_id, path, roles, total, used) \
             VALUES (?1,?2,?3,?4,?5,?6) ON CONFLICT (node_id, path) \
             DO UPDATE SET total=excluded.total, used=excluded.used",
            params![
                Uuid::new_v4().to_string(),
                node,
                storage.path,
                roles,
                storage.total.cast_signed(),
                storage.used.cast_signed()
            ],
        )?;
    }
    give_out_roles(tx, node)
}

/// Templates on the first storage, desktops on the second, when there is more than one.
const fn first_roles(position: usize, count: usize) -> &'static str {
    match (position, count) {
        (0, 1) => "1,2,3,4",
        (0, _) => "1,2",
        (1, _) => "3,4",
        _ => "",
    }
}

fn give_out_roles(tx: &Tx<'_>, node: NodeId) -> Result<()> {
    let storages = storages(tx, &[node])?;
    let Some(first) = storages.first() else { return Ok(()) };
    let held: HashSet<u8> = storages.iter().flat_map(|s| s.roles.iter().copied()).collect();
    let mut roles: Vec<u8> = first.roles.clone();
    roles.extend((1..=4).filter(|role| !held.contains(role)));
    roles.sort_unstable();
    if roles == first.roles {
        return Ok(());
    }
    let roles: Vec<String> = roles.iter().map(u8::to_string).collect();
    let (id, roles) = (first.id, roles.join(","));
    tx.execute("UPDATE storages SET roles=?2 WHERE id=?1", params![id, roles])?;
    Ok(())
}

/// Storages of these nodes, in the order in which they were set up.
pub fn storages(conn: &Connection, nodes: &[NodeId]) -> Result<Vec<StorageUse>> {
    let nodes = rows::in_numbers(nodes.iter().copied());
    let mut statement = conn.prepare(&format!(
        "SELECT id, uuid, node_id, path, roles, total, used FROM storages \
         WHERE node_id IN {nodes} ORDER BY node_id, id"
    ))?;
    let found = statement.query_map([], |row| {
        let roles: String = row.get("roles")?;
        Ok(StorageUse {
            id: row.get("id")?,
            uuid: rows::uuid(row, "uuid")?,
            node_id: row.get("node_id")?,
            path: row.get("path")?,
            roles: roles.split(',').filter_map(|role| role.parse().ok()).collect(),
            total: rows::unsigned(row, "total")?,
            used: rows::unsigned(row, "used")?,
        })
    })?;
    Ok(found.collect::<rusqlite::Result<_>>()?)
}

/// Network cards of these nodes with their addresses, in two queries.
pub fn nics(conn: &Connection, nodes: &[NodeId]) -> Result<Vec<Nic>> {
    let nodes = rows::in_numbers(nodes.iter().copied());
    let mut by_nic: HashMap<i64, Vec<Address>> = HashMap::new();
    let mut statement = conn.prepare(&format!(
        "SELECT a.nic_id, a.uuid, a.address, a.prefix, a.is_manage, a.is_image \
         FROM nic_addresses a JOIN nics c ON c.id=a.nic_id WHERE c.node_id IN {nodes} ORDER BY a.id"
    ))?;
    let mut found = statement.query([])?;
    while let Some(row) = found.next()? {
        by_nic.entry(row.get("nic_id")?).or_default().push(address(row)?);
    }
    let mut statement = conn.prepare(&format!(
        "SELECT id, uuid, node_id, name, mac, speed, is_up, is_physical, gateway, dns, created_at, \
         updated_at FROM nics WHERE node_id IN {nodes} ORDER BY node_id, id"
    ))?;
    let found = statement.query_map([], |row| {
        let id: i64 = row.get("id")?;
        let dns: String = row.get("dns")?;
        Ok(Nic {
            id,
            uuid: rows::uuid(row, "uuid")?,
            node_id: row.get("node_id")?,
            name: row.get("name")?,
            mac: row.get("mac")?,
            speed: row.get("speed")?,
            is_up: row.get("is_up")?,
            is_physical: row.get("is_physical")?,
            gateway: row.get("gateway")?,
            dns: dns.split(',').filter(|text| !text.is_empty()).map(str::to_owned).collect(),
            addresses: by_nic.remove(&id).unwrap_or_default(),
            created_at: row.get("created_at")?,
            updated_at: row.get("updated_at")?,
        })
    })?;
    Ok(found.collect::<rusqlite::Result<_>>()?)
}

fn address(row: &Row<'_>) -> rusqlite::Result<Address> {
    Ok(Address {
        uuid: rows::uuid(row, "uuid")?,
        address: row.get("address")?,
        prefix: row.get("prefix")?,
        is_manage: row.get("is_manage")?,
        is_image: row.get("is_image")?,
    })
}
