//! Rows of desktops.

use std::collections::{HashMap, HashSet};

use rusqlite::{Connection, Row, params};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::json_uuids;
use crate::desktops::group::Stage;
use crate::desktops::seat::{ASKED, CUTTING, Desktop, STOPPING, SeatStatus};
use crate::desktops::templates::Power;
use crate::error::{Error, Fault, Result};
use crate::node::protocol::{Identity, Limits, Spice};
use crate::operations;
use crate::store::list::{Column, ListQuery, Listing, Page};
use crate::store::rows;
use crate::store::visible::{Visible, visible_sql};
use crate::store::{DesktopGroupId, EducationGroupId, NodeId, Store, TemplateId, Topic, Tx, now};

const FROM: &str = "desktops d JOIN desktop_groups g ON g.id = d.group_id \
     JOIN templates t ON t.id = g.template_id JOIN nodes n ON n.id = d.node_id \
     LEFT JOIN education_groups e ON e.id = g.group_id LEFT JOIN addresses a ON a.owner = d.uuid \
     LEFT JOIN templates f ON f.id = d.former_template LEFT JOIN first_starts s ON s.desktop_id = d.id";
macro_rules! status {
    () => {
        "CASE WHEN n.status <> 'active' THEN 'error' WHEN d.power = 'running' THEN 'active' \
         WHEN d.power = 'off' AND d.fault IS NULL THEN 'inactive' ELSE 'error' END"
    };
}
macro_rules! address {
    () => {
        "(a.address >> 24) || '.' || ((a.address >> 16) & 255) || '.' || \
         ((a.address >> 8) & 255) || '.' || (a.address & 255)"
    };
}
/// What people know a desktop by, each on a line of its own.
const KNOWN_BY: &str = concat!(
    "d.name || char(10) || coalesce(",
    address!(),
    ", '') || char(10) || coalesce(a.mac, '')"
);
const SELECT: &str = concat!(
    "d.id, d.uuid, d.name, g.uuid AS group_uuid, g.name AS group_name, n.uuid AS node, ",
    "n.name AS node_name, n.ip AS node_ip, CASE WHEN n.status <> 'active' THEN n.fault END AS node_fault, d.seat, d.version, ",
    "d.state, d.power, d.power_reason, d.started_at, d.fault, a.address, a.mac, d.created_at, ",
    "d.updated_at, e.uuid AS education, e.name AS education_name, t.uuid AS template, ",
    "t.name AS template_name, t.version AS newest, g.sys_restore, g.spice, f.name AS former_template, s.state AS first_start, ",
    status!(),
    " AS status"
);

static DESKTOPS: Listing = Listing {
    select: SELECT,
    from: FROM,
    columns: &[
        Column::seen(visible_sql!("g.group_id", "?0")),
        Column::integer("id", "d.id"),
        Column::exact("uuid", "d.uuid"),
        Column::text("name", "d.name"),
        Column::integer("kind", "g.kind"),
        Column::exact("desktop_uuid", "g.uuid"),
        Column::exact("desktop", "g.uuid"),
        Column::text("desktop_name", "g.name"),
        Column::exact("status", status!()),
        Column::exact("first_start", "coalesce(s.state, '')"),
        Column::exact("group_uuid", "e.uuid"),
        Column::text("group_name", "e.name"),
        Column::exact("template", "t.uuid"),
        Column::text("template_name", "t.name"),
        Column::text("former_template", "coalesce(f.name, '')"),
        Column::integer("template_version", "d.version"),
        Column::condition_of("outdated", "d.version < t.version"),
        Column::text("search", KNOWN_BY),
        Column::text("ipaddr", address!()),
        Column::exact("mac", "a.mac"),
        Column::text("host_name", "n.name"),
        Column::text("hostname", "n.name"),
        Column::exact("host_uuid", "n.uuid"),
        Column::exact("host_ip", "n.ip"),
        Column::integer("seat", "d.seat"),
        Column::time("up_time", "d.started_at"),
        Column::time("created_at", "d.created_at"),
    ],
    order: "d.group_id, d.seat",
};

/// A desktop to be written.
pub struct NewSeat {
    pub uuid: Uuid,
    pub name: String,
    pub node_id: NodeId,
    pub seat: u32,
    pub version: u32,
}

pub fn insert(tx: &Tx<'_>, group_id: DesktopGroupId, seats: &[NewSeat]) -> Result<()> {
    tx.changed(Topic::Desktops);
    let mut statement = tx.prepare_cached(
        "INSERT INTO desktops (uuid, name, group_id, node_id, seat, version, state, created_at) \
         VALUES (?1,?2,?3,?4,?5,?6,?7,?8)",
    )?;
    let (stage, now) = (Stage::Creating.word(), now());
    for new in seats {
        statement.execute(params![
            new.uuid.to_string(),
            new.name,
            group_id,
            new.node_id,
            new.seat,
            new.version,
            stage,
            now
        ])?;
    }
    Ok(())
}

/// Seats of a group that are taken, and the names of those who have them.
pub fn taken(conn: &Connection, group_id: DesktopGroupId) -> Result<Vec<(u32, String)>> {
    let sql = "SELECT seat, name FROM desktops WHERE group_id = ?1";
    rows::all(conn, sql, [group_id], |row| Ok((row.get(0)?, row.get(1)?)))
}

pub fn set_stage(tx: &Tx<'_>, desktops: &[Uuid], stage: Stage) -> Result<()> {
    tx.changed(Topic::Desktops);
    tx.prepare_cached(
        "UPDATE desktops SET state=?2, updated_at=?3 \
         WHERE uuid IN (SELECT value FROM json_each(?1))",
    )?
    .execute(params![json_uuids(desktops)?, stage.word(), now()])?;
    Ok(())
}

/// A desktop's disks: their version, and the template that they are of while that is not the group's.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Standing {
    desktop: Uuid,
    version: u32,
    former: Option<TemplateId>,
}

/// The disks of all desktops of a group are of the template `before` until they are made anew. Gives how it was.
pub fn turn_away(tx: &Tx<'_>, group: DesktopGroupId, before: TemplateId) -> Result<Vec<Standing>> {
    tx.changed(Topic::Desktops);
    let sql = "SELECT uuid, version, former_template FROM desktops WHERE group_id = ?1";
    let standing = rows::all(tx, sql, [group], |row| {
        let desktop = rows::uuid(row, "uuid")?;
        Ok(Standing { desktop, version: row.get("version")?, former: row.get("former_template")? })
    })?;
    tx.execute(
        "UPDATE desktops SET former_template = coalesce(former_template, ?2), version = 0 WHERE group_id = ?1",
        params![group, before],
    )?;
    Ok(standing)
}

/// Takes [`turn_away`] back, also where desktops have disks of the template `after` by now.
pub fn turn_back(
    tx: &Tx<'_>,
    group: DesktopGroupId,
    after: TemplateId,
    standing: &[Standing],
) -> Result<()> {
    tx.changed(Topic::Desktops);
    tx.execute(
        "UPDATE desktops SET former_template = ?2, version = 0 \
         WHERE group_id = ?1 AND former_template IS NULL",
        params![group, after],
    )?;
    let mut statement = tx.prepare_cached(
        "UPDATE desktops SET former_template = ?2, version = ?3 \
         WHERE uuid = ?1 AND former_template IS NOT ?4",
    )?;
    for Standing { desktop, version, former } in standing {
        statement.execute(params![desktop.to_string(), former, version, after])?;
    }
    Ok(())
}

pub fn rename(tx: &Tx<'_>, desktop: Uuid, name: &str) -> Result<()> {
    tx.changed(Topic::Desktops);
    tx.prepare_cached("UPDATE desktops SET name=?2, updated_at=?3 WHERE uuid=?1")?
        .execute(params![desktop.to_string(), name, now()])?;
    Ok(())
}

pub fn delete(tx: &Tx<'_>, desktops: &[Uuid]) -> Result<()> {
    tx.changed(Topic::Desktops);
    tx.prepare_cached("DELETE FROM desktops WHERE uuid IN (SELECT value FROM json_each(?1))")?
        .execute([json_uuids(desktops)?])?;
    Ok(())
}

/// A desktop as batches see it.
#[derive(Debug, Clone)]
pub struct Seat {
    pub uuid: Uuid,
    pub name: String,
    pub group: Uuid,
    /// Row of the education group.
    pub education_group: Option<EducationGroupId>,
    pub node_id: NodeId,
    pub stage: Stage,
    pub power: Power,
}

const SEAT: &str = "d.uuid, d.name, g.uuid AS group_uuid, d.node_id, d.state, d.power, g.group_id \
     FROM desktops d JOIN desktop_groups g ON g.id = d.group_id";

/// The desktops of these that exist.
pub fn seats(conn: &Connection, desktops: &[Uuid]) -> Result<Vec<Seat>> {
    let sql = format!(
        "SELECT {SEAT} WHERE d.uuid IN (SELECT value FROM json_each(?1)) ORDER BY d.group_id, d.seat"
    );
    collect(conn, &sql, &json_uuids(desktops)?)
}

/// # Errors
/// `desktop-unknown`, also for one that the caller may not see
pub fn seat(conn: &Connection, visible: &Visible, uuid: Uuid) -> Result<Seat> {
    let unknown = || Error::not_found("desktop-unknown").arg("uuid", uuid);
    let found = seats(conn, &[uuid])?.into_iter().next();
    found.filter(|seat| visible.has(seat.education_group)).ok_or_else(unknown)
}

/// As [`by_uuid`], without those that the caller may not see.
pub fn seen(
    conn: &Connection,
    visible: &Visible,
    desktops: &[Uuid],
) -> Result<HashMap<Uuid, Seat>> {
    let mut seats = by_uuid(conn, desktops)?;
    seats.retain(|_, seat| visible.has(seat.education_group));
    Ok(seats)
}

/// As [`seats`], to be looked up.
pub fn by_uuid(conn: &Connection, desktops: &[Uuid]) -> Result<HashMap<Uuid, Seat>> {
    Ok(seats(conn, desktops)?.into_iter().map(|seat| (seat.uuid, seat)).collect())
}

/// All desktops of a group.
pub fn of_group(conn: &Connection, group: Uuid) -> Result<Vec<Seat>> {
    Ok(of_groups(conn, &[group])?.remove(&group).unwrap_or_default())
}

/// All desktops of each of these groups that has some.
pub fn of_groups(conn: &Connection, groups: &[Uuid]) -> Result<HashMap<Uuid, Vec<Seat>>> {
    let sql = format!(
        "SELECT {SEAT} WHERE g.uuid IN (SELECT value FROM json_each(?1)) ORDER BY d.group_id, d.seat"
    );
    let mut seats: HashMap<Uuid, Vec<Seat>> = HashMap::new();
    for seat in collect(conn, &sql, &json_uuids(groups)?)? {
        seats.entry(seat.group).or_default().push(seat);
    }
    Ok(seats)
}

/// The nodes on which these groups have desktops.
pub fn nodes_of_groups(conn: &Connection, groups: &[Uuid]) -> Result<Vec<NodeId>> {
    let mut statement = conn.prepare_cached(
        "SELECT DISTINCT d.node_id FROM desktops d JOIN desktop_groups g ON g.id = d.group_id \
         WHERE g.uuid IN (SELECT value FROM json_each(?1))",
    )?;
    let nodes = statement.query_map([json_uuids(groups)?], |row| row.get(0))?;
    Ok(nodes.collect::<rusqlite::Result<_>>()?)
}

fn collect(conn: &Connection, sql: &str, key: &str) -> Result<Vec<Seat>> {
    let mut statement = conn.prepare_cached(sql)?;
    let mut rows = statement.query([key])?;
    let mut seats = Vec::new();
    while let Some(row) = rows.next()? {
        seats.push(Seat {
            uuid: rows::uuid(row, "uuid")?,
            name: row.get("name")?,
            group: rows::uuid(row, "group_uuid")?,
            node_id: row.get("node_id")?,
            stage: Stage::parse(&row.get::<_, String>("state")?)?,
            power: Power::parse(&row.get::<_, String>("power")?)?,
            education_group: row.get("group_id")?,
        });
    }
    Ok(seats)
}

/// Notes why what goes off now does so: [`STOPPING`] or [`CUTTING`].
pub fn note_stopping(tx: &Tx<'_>, desktops: &[Uuid], reason: &str) -> Result<()> {
    tx.changed(Topic::Desktops);
    tx.prepare_cached(
        "UPDATE desktops SET power_reason=?2 \
         WHERE uuid IN (SELECT value FROM json_each(?1)) AND power <> 'off'",
    )?
    .execute(params![json_uuids(desktops)?, reason])?;
    Ok(())
}

/// Takes back what [`note_stopping`] noted of those that are still on: what ends by itself later was not stopped.
pub fn unnote_stopping(tx: &Tx<'_>, desktops: &[Uuid]) -> Result<()> {
    renote_stopping(tx, desktops, "running")
}

/// Notes of those that are still on that they were asked and go on.
pub fn note_asked(tx: &Tx<'_>, desktops: &[Uuid]) -> Result<()> {
    renote_stopping(tx, desktops, ASKED)
}

/// As [`note_asked`], of those that were asked to restart and go on.
pub fn note_asked_to_reboot(tx: &Tx<'_>, desktops: &[Uuid]) -> Result<()> {
    let sql = "UPDATE desktops SET power_reason=?2 \
         WHERE uuid IN (SELECT value FROM json_each(?1)) AND power = 'running'";
    let changed = tx.prepare_cached(sql)?.execute(params![json_uuids(desktops)?, ASKED])?;
    tx.changed_rows(changed, Topic::Desktops);
    Ok(())
}

fn renote_stopping(tx: &Tx<'_>, desktops: &[Uuid], reason: &str) -> Result<()> {
    tx.changed(Topic::Desktops);
    tx.prepare_cached(
        "UPDATE desktops SET power_reason=?2 \
         WHERE uuid IN (SELECT value FROM json_each(?1)) AND power <> 'off' \
         AND power_reason IN (?3, ?4)",
    )?
    .execute(params![json_uuids(desktops)?, reason, STOPPING, CUTTING])?;
    Ok(())
}

/// Notes how starting each desktop went.
pub fn note_starts(tx: &Tx<'_>, starts: &[(Uuid, Option<Fault>)]) -> Result<()> {
    let mut statement =
        tx.prepare_cached("UPDATE desktops SET fault=?2 WHERE uuid=?1 AND fault IS NOT ?2")?;
    for (uuid, fault) in starts {
        let fault =
            fault.as_ref().map(serde_json::to_string).transpose().map_err(Error::internal)?;
        let changed = statement.execute(params![uuid.to_string(), fault])?;
        tx.changed_rows(changed, Topic::Desktops);
    }
    Ok(())
}

/// Those of these desktops that were started at some time.
pub fn ever_started(conn: &Connection, desktops: &[Uuid]) -> Result<HashSet<Uuid>> {
    let mut statement = conn.prepare_cached(
        "SELECT uuid FROM desktops \
         WHERE uuid IN (SELECT value FROM json_each(?1)) AND started_at IS NOT NULL",
    )?;
    let started = statement.query_map([json_uuids(desktops)?], |row| rows::uuid(row, 0))?;
    Ok(started.collect::<rusqlite::Result<_>>()?)
}

/// Those of these desktops that are on, and since when.
pub fn on_since(conn: &Connection, desktops: &[Uuid]) -> Result<HashMap<Uuid, Option<i64>>> {
    let mut statement = conn.prepare_cached(
        "SELECT uuid, started_at FROM desktops \
         WHERE uuid IN (SELECT value FROM json_each(?1)) AND power <> 'off'",
    )?;
    let on = statement
        .query_map([json_uuids(desktops)?], |row| Ok((rows::uuid(row, 0)?, row.get(1)?)))?;
    Ok(on.collect::<rusqlite::Result<_>>()?)
}

pub fn list(store: &Store, query: &ListQuery) -> Result<Page<Desktop>> {
    DESKTOPS.page_with(store, query, desktop, |conn, mut desktops| {
        let uuids: Vec<Uuid> = desktops.iter().map(|desktop| desktop.uuid).collect();
        let mut held = operations::holders(conn, &uuids)?;
        for desktop in &mut desktops {
            desktop.work = held.remove(&desktop.uuid);
        }
        Ok(desktops)
    })
}

fn desktop(row: &Row<'_>) -> Result<Desktop> {
    let education: Option<String> = row.get("education_name")?;
    let education = education.map(|name| Ok::<_, Error>((rows::uuid(row, "education")?, name)));
    Ok(Desktop {
        id: row.get("id")?,
        uuid: rows::uuid(row, "uuid")?,
        name: row.get("name")?,
        group: rows::uuid(row, "group_uuid")?,
        group_name: row.get("group_name")?,
        node: rows::uuid(row, "node")?,
        node_name: row.get("node_name")?,
        node_ip: row.get("node_ip")?,
        node_fault: rows::json(row, "node_fault")?,
        seat: row.get("seat")?,
        version: row.get("version")?,
        stage: Stage::parse(&row.get::<_, String>("state")?)?,
        power: Power::parse(&row.get::<_, String>("power")?)?,
        power_reason: row.get("power_reason")?,
        status: SeatStatus::parse(&row.get::<_, String>("status")?),
        started_at: row.get("started_at")?,
        fault: rows::json(row, "fault")?,
        address: row.get::<_, Option<u32>>("address")?.map(Into::into),
        mac: row.get("mac")?,
        created_at: row.get("created_at")?,
        updated_at: row.get("updated_at")?,
        education: education.transpose()?,
        template: rows::uuid(row, "template")?,
        template_name: row.get("template_name")?,
        newest: row.get("newest")?,
        former_template: row.get("former_template")?,
        restores_system: row.get("sys_restore")?,
        spice: super::spice(row)?,
        first_start: super::first_starts::outcome(row)?,
        work: None,
    })
}

/// Everything about a desktop that its domain is made of.
#[derive(Debug, Clone)]
pub struct Build {
    pub uuid: Uuid,
    pub name: String,
    pub group: Uuid,
    pub template: Uuid,
    pub version: u32,
    pub node_id: NodeId,
    pub vcpu: u32,
    pub memory_mib: u64,
    pub sys_restore: bool,
    pub data_restore: bool,
    pub has_data_disks: bool,
    pub address: std::net::Ipv4Addr,
    pub mac: String,
    pub network: Uuid,
    pub identity: Option<Identity>,
    pub spice: Spice,
    pub limits: Limits,
}

/// What the domains of these desktops are made of: after a change of the template, of its newest version. A desktop without an address is a defect.
pub fn builds(conn: &Connection, desktops: &[Uuid]) -> Result<Vec<Build>> {
    let mut statement = conn.prepare_cached(
        "SELECT d.uuid, d.name, d.seat, g.uuid AS group_uuid, g.name AS group_name, t.uuid AS template, \
         iif(d.version = 0, t.version, d.version) AS version, d.node_id, g.vcpu, g.memory_mib, \
         g.sys_restore, g.data_restore, g.has_data_disks, g.spice, a.address, a.mac, n.uuid AS network, \
         g.host_names, g.disk_mb, g.disk_iops, g.receive_mbit, g.send_mbit \
         FROM desktops d JOIN desktop_groups g ON g.id = d.group_id \
         JOIN templates t ON t.id = g.template_id JOIN addresses a ON a.owner = d.uuid \
         JOIN networks n ON n.id = a.network_id \
         WHERE d.uuid IN (SELECT value FROM json_each(?1)) ORDER BY d.group_id, d.seat",
    )?;
    let builds = statement.query_map([json_uuids(desktops)?], |row| {
        Ok(Build {
            uuid: rows::uuid(row, "uuid")?,
            name: row.get("name")?,
            group: rows::uuid(row, "group_uuid")?,
            template: rows::uuid(row, "template")?,
            version: row.get("version")?,
            node_id: row.get("node_id")?,
            vcpu: row.get("vcpu")?,
            memory_mib: rows::unsigned(row, "memory_mib")?,
            sys_restore: row.get("sys_restore")?,
            data_restore: row.get("data_restore")?,
            has_data_disks: row.get("has_data_disks")?,
            address: super::address(row, "address")?,
            mac: row.get("mac")?,
            network: rows::uuid(row, "network")?,
            identity: super::identity(row)?,
            spice: super::spice(row)?,
            limits: super::limits(row)?,
        })
    })?;
    Ok(builds.collect::<rusqlite::Result<_>>()?)
}

/// Whether viewers may show a desktop by SPICE.
pub fn spice(conn: &Connection, desktop: Uuid) -> Result<Spice> {
    let sql = "SELECT g.spice FROM desktops d JOIN desktop_groups g ON g.id = d.group_id \
         WHERE d.uuid = ?1";
    Ok(conn.prepare_cached(sql)?.query_row([desktop.to_string()], super::spice)?)
}

/// The template and its version that a desktop is of.
pub fn version(conn: &Connection, desktop: Uuid) -> Result<(TemplateId, u32)> {
    let sql = "SELECT coalesce(d.former_template, g.template_id) AS template_id, d.version \
         FROM desktops d JOIN desktop_groups g ON g.id = d.group_id WHERE d.uuid = ?1";
    let read = |row: &Row<'_>| Ok((row.get("template_id")?, row.get("version")?));
    Ok(conn.prepare_cached(sql)?.query_row([desktop.to_string()], read)?)
}

/// Which of these desktops are on which node.
pub fn by_node<'a>(seats: impl IntoIterator<Item = &'a Seat>) -> HashMap<NodeId, Vec<Uuid>> {
    let mut nodes: HashMap<NodeId, Vec<Uuid>> = HashMap::new();
    for seat in seats {
        nodes.entry(seat.node_id).or_default().push(seat.uuid);
    }
    nodes
}

/// Where each of these desktops is, by node.
pub fn nodes_of(conn: &Connection, desktops: &[Uuid]) -> Result<HashMap<NodeId, Vec<Uuid>>> {
    Ok(by_node(&seats(conn, desktops)?))
}
