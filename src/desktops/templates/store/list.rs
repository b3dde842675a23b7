//! Templates as lists show them, and where their versions are.

use std::collections::HashMap;
use std::net::Ipv4Addr;

use rusqlite::{Connection, Row};
use uuid::Uuid;

use super::bus_switches_of;
use super::discs::{Disc, discs_of};
use super::{disk_of, template};
use crate::desktops::templates::bus_switch::state::BusSwitch;
use crate::desktops::templates::template::{Template, TemplateDisk};
use crate::error::{Fault, Result};
use crate::images::{self, CopyState};
use crate::node::protocol::{Boots, DiskRole};
use crate::store::list::{Column, ListQuery, Listing, Page};
use crate::store::rows;
use crate::store::{NodeId, Store, TemplateId};

static TEMPLATES: Listing = Listing {
    select: "t.id, t.uuid, t.name, t.desc, t.os_type, t.classify, t.pool_id, t.node_id, \
         t.network_id, t.subnet_id, t.vcpu, t.memory_mib, t.base_image, t.version, t.state, \
         t.fault, t.editing, t.changed, t.power, t.power_reason, t.owner_name, t.saved_at, \
         t.created_at, t.updated_at, t.hardware, p.uuid AS pool, p.name AS pool_name, n.uuid AS node, \
         n.name AS node_name, n.ip AS node_ip, w.uuid AS network, w.name AS network_name, \
         s.uuid AS subnet, s.name AS subnet_name, s.start_ip, s.end_ip, a.address, \
         b.name AS image_name, b.boots, n.status AS node_status, n.fault AS node_fault, t.started_at",
    from: "templates t JOIN pools p ON p.id = t.pool_id JOIN nodes n ON n.id = t.node_id \
         JOIN networks w ON w.id = t.network_id JOIN subnets s ON s.id = t.subnet_id \
         LEFT JOIN images b ON b.uuid = t.base_image LEFT JOIN addresses a ON a.owner = t.uuid",
    columns: &[
        Column::integer("id", "t.id"),
        Column::exact("uuid", "t.uuid"),
        Column::text("name", "t.name"),
        Column::text("desc", "t.desc"),
        Column::text("os_type", "t.os_type"),
        Column::integer("classify", "t.classify"),
        Column::exact("pool_uuid", "p.uuid"),
        Column::text("pool_name", "p.name"),
        Column::exact("network_uuid", "w.uuid"),
        Column::exact("subnet_uuid", "s.uuid"),
        Column::exact("host_ip", "n.ip"),
        Column::text("host_name", "n.name"),
        Column::exact("image_id", "t.base_image"),
        Column::text("owner", "t.owner_name"),
        Column::integer("vcpu", "t.vcpu"),
        Column::time("created_at", "t.created_at"),
        Column::time("updated_time", "coalesce(t.saved_at, t.created_at)"),
    ],
    order: "t.id",
};

/// A template with the names of what it refers to.
#[derive(Debug, Clone)]
pub struct TemplateLine {
    pub template: Template,
    pub pool_uuid: Uuid,
    pub pool_name: String,
    pub node_uuid: Uuid,
    pub node_name: String,
    pub node_ip: String,
    pub network_uuid: Uuid,
    pub network_name: String,
    pub subnet_uuid: Uuid,
    pub subnet_name: String,
    pub subnet_start: Ipv4Addr,
    pub subnet_end: Ipv4Addr,
    pub address: Option<Ipv4Addr>,
    pub image_name: Option<String>,
    /// Which firmware its image starts with.
    pub boots: Option<Boots>,
    /// Why its node cannot say how it is.
    pub node_fault: Option<Fault>,
    pub started_at: Option<i64>,
    pub disks: Vec<TemplateDisk>,
    pub discs: Vec<Disc>,
    pub bus_switch: Option<BusSwitch>,
    /// Why its newest version cannot be used on its node.
    pub version_fault: Option<Fault>,
    /// Desktop groups made of it.
    pub group_count: u32,
    /// Desktops made of it.
    pub desktop_count: u32,
    /// Those of them that are made of an older version.
    pub outdated_count: u32,
}

pub fn list(store: &Store, query: &ListQuery) -> Result<Page<TemplateLine>> {
    TEMPLATES.page_with(store, query, line, with_counts)
}

fn line(row: &Row<'_>) -> Result<TemplateLine> {
    let is_active = row.get::<_, String>("node_status")? == "active";
    Ok(TemplateLine {
        template: template(row)?,
        pool_uuid: rows::uuid(row, "pool")?,
        pool_name: row.get("pool_name")?,
        node_uuid: rows::uuid(row, "node")?,
        node_name: row.get("node_name")?,
        node_ip: row.get("node_ip")?,
        network_uuid: rows::uuid(row, "network")?,
        network_name: row.get("network_name")?,
        subnet_uuid: rows::uuid(row, "subnet")?,
        subnet_name: row.get("subnet_name")?,
        subnet_start: address(row.get("start_ip")?),
        subnet_end: address(row.get("end_ip")?),
        address: row.get::<_, Option<u32>>("address")?.map(address),
        image_name: row.get("image_name")?,
        boots: images::boots(row)?,
        node_fault: if is_active { None } else { rows::json(row, "node_fault")? },
        started_at: row.get("started_at")?,
        disks: Vec::new(),
        discs: Vec::new(),
        bus_switch: None,
        version_fault: None,
        group_count: 0,
        desktop_count: 0,
        outdated_count: 0,
    })
}

fn address(number: u32) -> Ipv4Addr {
    Ipv4Addr::from(number)
}

/// Disks, discs, switches, counts and faults of a whole page, in seven queries.
fn with_counts(conn: &Connection, mut lines: Vec<TemplateLine>) -> Result<Vec<TemplateLine>> {
    let ids = rows::in_numbers(lines.iter().map(|line| line.template.id));
    let groups = counts(
        conn,
        &format!(
            "SELECT template_id, count(*) FROM desktop_groups WHERE template_id IN {ids} \
             GROUP BY template_id"
        ),
    )?;
    let desktops = counts(
        conn,
        &format!(
            "SELECT g.template_id, count(*) FROM desktops d JOIN desktop_groups g \
             ON g.id = d.group_id WHERE g.template_id IN {ids} GROUP BY g.template_id"
        ),
    )?;
    let outdated = counts(
        conn,
        &format!(
            "SELECT g.template_id, count(*) FROM desktops d JOIN desktop_groups g \
             ON g.id = d.group_id JOIN templates t ON t.id = g.template_id \
             WHERE g.template_id IN {ids} AND d.version < t.version GROUP BY g.template_id"
        ),
    )?;
    let mut disks = disks_of(conn, &ids)?;
    let mut discs = discs_of(conn, &ids)?;
    let mut switches = bus_switches_of(conn, &ids)?;
    let mut faults = version_faults(conn, &ids)?;
    for line in &mut lines {
        let id = line.template.id;
        line.group_count = groups.get(&id).copied().unwrap_or(0);
        line.desktop_count = desktops.get(&id).copied().unwrap_or(0);
        line.outdated_count = outdated.get(&id).copied().unwrap_or(0);
        line.disks = disks.remove(&id).unwrap_or_default();
        line.discs = discs.remove(&id).unwrap_or_default();
        line.bus_switch = switches.remove(&id);
        line.version_fault = faults.remove(&id);
    }
    Ok(lines)
}

fn counts(conn: &Connection, sql: &str) -> Result<HashMap<TemplateId, u32>> {
    let mut statement = conn.prepare(sql)?;
    let counted = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(counted.collect::<rusqlite::Result<_>>()?)
}

fn version_faults(conn: &Connection, ids: &str) -> Result<HashMap<TemplateId, Fault>> {
    let mut statement = conn.prepare(&format!(
        "SELECT t.id, c.fault FROM templates t \
         JOIN template_layers l ON l.template_id = t.id AND l.version = t.version \
         JOIN layer_copies c ON c.layer = l.uuid AND c.node_id = t.node_id AND c.state = 'failed' \
         WHERE t.id IN {ids}"
    ))?;
    let mut found = statement.query([])?;
    let mut faults = HashMap::new();
    while let Some(row) = found.next()? {
        if let Some(fault) = rows::json(row, "fault")? {
            faults.insert(row.get("id")?, fault);
        }
    }
    Ok(faults)
}

fn disks_of(conn: &Connection, ids: &str) -> Result<HashMap<TemplateId, Vec<TemplateDisk>>> {
    let mut statement = conn.prepare(&format!(
        "SELECT id, uuid, template_id, role, position, size, used, top FROM template_disks \
         WHERE template_id IN {ids} ORDER BY template_id, position"
    ))?;
    let mut found = statement.query([])?;
    let mut disks: HashMap<TemplateId, Vec<TemplateDisk>> = HashMap::new();
    while let Some(row) = found.next()? {
        let disk = disk_of(row)?;
        disks.entry(disk.template_id).or_default().push(disk);
    }
    Ok(disks)
}

/// A disk of a template's newest version on a node.
#[derive(Debug, Clone)]
pub struct VersionCopy {
    pub node_id: NodeId,
    pub disk: Uuid,
    pub role: DiskRole,
    pub storage: String,
    pub state: CopyState,
}

/// Where the newest version is.
pub fn version_copies(conn: &Connection, template: &Template) -> Result<Vec<VersionCopy>> {
    let mut statement = conn.prepare_cached(
        "SELECT c.node_id, d.uuid AS disk, d.role, c.storage, c.state, c.progress, c.fault FROM template_layers l \
         JOIN template_disks d ON d.id = l.disk_id JOIN layer_copies c ON c.layer = l.uuid \
         WHERE l.template_id = ?1 AND l.version = ?2 ORDER BY c.node_id, d.position",
    )?;
    let mut found = statement.query(rusqlite::params![template.id, template.version])?;
    let mut copies = Vec::new();
    while let Some(row) = found.next()? {
        let word: String = row.get("state")?;
        copies.push(VersionCopy {
            node_id: row.get("node_id")?,
            disk: rows::uuid(row, "disk")?,
            role: super::disk_role(row)?,
            storage: row.get("storage")?,
            state: CopyState::parse(&word, row.get("progress")?, rows::json(row, "fault")?)?,
        });
    }
    Ok(copies)
}

/// The nodes on which desktops of a template are.
pub fn nodes_with_desktops(conn: &Connection, template_id: TemplateId) -> Result<Vec<NodeId>> {
    let mut statement = conn.prepare_cached(
        "SELECT DISTINCT d.node_id FROM desktops d JOIN desktop_groups g ON g.id = d.group_id \
         WHERE g.template_id = ?1",
    )?;
    let nodes = statement.query_map([template_id], |row| row.get(0))?;
    Ok(nodes.collect::<rusqlite::Result<_>>()?)
}
