//! Rows of desktop groups.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, Row, params};
use uuid::Uuid;

use super::json_uuids;
use crate::desktops::group::{Counts, DesktopGroup, GroupDisk, GroupKind, Stage};
use crate::desktops::spec::Restore;
use crate::desktops::templates::store::disk_role;
use crate::desktops::templates::{Power, TemplateState};
use crate::error::{Error, Result};
use crate::node::protocol::{DiskRole, Limits, Spice};
use crate::store::list::{Column, ListQuery, Listing, Page};
use crate::store::rows::{self, in_numbers};
use crate::store::visible::{Visible, visible_sql};
use crate::store::{
    DesktopGroupId, EducationGroupId, NetworkId, PoolId, Store, SubnetId, TemplateId, Topic, Tx,
    now, unique,
};

const FROM: &str = "desktop_groups g JOIN templates t ON t.id = g.template_id JOIN nodes tn ON tn.id = t.node_id \
     JOIN pools p ON p.id = g.pool_id JOIN networks n ON n.id = g.network_id \
     JOIN subnets s ON s.id = g.subnet_id LEFT JOIN education_groups e ON e.id = g.group_id";
const SELECT: &str = "g.id, g.uuid, g.name, g.pool_id, e.uuid AS education, e.name AS education_name, \
     g.template_id, t.uuid AS template, t.name AS template_name, t.state AS template_state, \
     t.version AS template_version, t.os_type, \
     t.power AS template_power, tn.status <> 'active' AS template_node_is_down, \
     p.uuid AS pool, p.name AS pool_name, n.uuid AS network, n.name AS network_name, \
     s.uuid AS subnet, s.name AS subnet_name, g.vcpu, g.memory_mib, g.sys_restore, \
     g.data_restore, g.has_data_disks, g.spice, g.prefix, g.postfix, g.first_number, g.is_active, g.order_num, g.state, \
     g.owner_name, g.created_at, g.updated_at, g.group_id, g.network_id, g.subnet_id, \
     g.disk_mb, g.disk_iops, g.receive_mbit, g.send_mbit";

static GROUPS: Listing = Listing {
    select: SELECT,
    from: FROM,
    columns: &[
        Column::seen(visible_sql!("g.group_id", "?0")),
        Column::integer("id", "g.id"),
        Column::exact("uuid", "g.uuid"),
        Column::text("name", "g.name"),
        Column::integer("kind", "g.kind"),
        Column::exact("group", "e.uuid"),
        Column::exact("group_uuid", "e.uuid"),
        Column::text("group_name", "e.name"),
        Column::exact("template", "t.uuid"),
        Column::exact("template_uuid", "t.uuid"),
        Column::text("template_name", "t.name"),
        Column::exact("pool", "p.uuid"),
        Column::exact("pool_uuid", "p.uuid"),
        Column::text("pool_name", "p.name"),
        Column::exact("network", "n.uuid"),
        Column::exact("network_uuid", "n.uuid"),
        Column::exact("subnet_uuid", "s.uuid"),
        Column::text("owner", "g.owner_name"),
        Column::text("prefix", "g.prefix"),
        Column::text("os_type", "t.os_type"),
        Column::integer("active", "g.is_active"),
        Column::integer("sys_restore", "g.sys_restore"),
        Column::integer("data_restore", "g.data_restore"),
        Column::exact("spice", "g.spice"),
        Column::integer("order_num", "g.order_num"),
        Column::time("created_at", "g.created_at"),
    ],
    order: "g.order_num, g.id",
};

/// A group to be written.
pub struct NewGroup<'a> {
    pub name: &'a str,
    pub kind: GroupKind,
    pub education_group: Uuid,
    pub template_id: TemplateId,
    pub pool_id: PoolId,
    /// Network and subnet.
    pub network: (NetworkId, SubnetId),
    pub vcpu: u32,
    pub memory_mib: u64,
    pub restore: Restore,
    pub has_data_disks: bool,
    pub prefix: &'a str,
    pub digits: u32,
    pub first_number: u32,
    pub owner_name: &'a str,
}

/// # Errors
/// `education-group-unknown`, also for one that the caller may not see; `desktop-group-name-taken`
pub fn insert(
    tx: &Tx<'_>,
    visible: &Visible,
    new: &NewGroup<'_>,
) -> Result<(DesktopGroupId, Uuid)> {
    tx.changed(Topic::DesktopGroups);
    let education: Option<EducationGroupId> = tx
        .prepare_cached("SELECT id FROM education_groups WHERE uuid = ?1")?
        .query_row([new.education_group.to_string()], |row| row.get(0))
        .optional()?;
    let education = education.filter(|group| visible.has(Some(*group))).ok_or_else(|| {
        Error::not_found("education-group-unknown").arg("uuid", new.education_group)
    })?;
    let uuid = Uuid::new_v4();
    let done = tx
        .prepare_cached(
            "INSERT INTO desktop_groups (uuid, name, kind, group_id, template_id, pool_id, \
             network_id, subnet_id, vcpu, memory_mib, sys_restore, data_restore, prefix, postfix, \
             first_number, state, owner_name, created_at, has_data_disks) \
             VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17,?18,?19)",
        )?
        .execute(params![
            uuid.to_string(),
            new.name,
            new.kind.number(),
            education,
            new.template_id,
            new.pool_id,
            new.network.0,
            new.network.1,
            new.vcpu,
            new.memory_mib.cast_signed(),
            new.restore.system,
            new.restore.data,
            new.prefix,
            new.digits,
            new.first_number,
            Stage::Creating.word(),
            new.owner_name,
            now(),
            new.has_data_disks
        ]);
    unique(done, || taken(new.name))?;
    Ok((DesktopGroupId::new(tx.last_insert_rowid()), uuid))
}

fn taken(name: &str) -> Error {
    Error::conflict("desktop-group-name-taken").arg("field", "name").arg("name", name)
}

/// The group of that uuid.
pub fn find(conn: &Connection, uuid: Uuid) -> Result<DesktopGroup> {
    by_uuid(conn, &[uuid])?.remove(&uuid).ok_or_else(|| unknown(uuid))
}

/// As [`find`], if the caller may see the group.
pub fn find_visible(conn: &Connection, visible: &Visible, uuid: Uuid) -> Result<DesktopGroup> {
    let found = by_uuid(conn, &[uuid])?.remove(&uuid);
    found.filter(|group| visible.has(group.education_group)).ok_or_else(|| unknown(uuid))
}

/// As [`find`], if the caller may see the group and it is still called so.
pub fn find_named(
    conn: &Connection,
    visible: &Visible,
    uuid: Uuid,
    name: &str,
) -> Result<DesktopGroup> {
    let mut groups = by_uuid(conn, &[uuid])?;
    named(&groups, visible, uuid, name)?;
    groups.remove(&uuid).ok_or_else(|| unknown(uuid))
}

/// Those of these groups that exist, to be looked up.
pub fn by_uuid(conn: &Connection, groups: &[Uuid]) -> Result<HashMap<Uuid, DesktopGroup>> {
    let sql =
        format!("SELECT {SELECT} FROM {FROM} WHERE g.uuid IN (SELECT value FROM json_each(?1))");
    let found = rows::all(conn, &sql, [json_uuids(groups)?], group)?;
    Ok(found.into_iter().map(|group| (group.uuid, group)).collect())
}

/// One of groups that were read together, if the caller may see it and it is still called so.
///
/// # Errors
/// `desktop-group-unknown`, `desktop-group-renamed`
pub fn named<'a>(
    groups: &'a HashMap<Uuid, DesktopGroup>,
    visible: &Visible,
    uuid: Uuid,
    name: &str,
) -> Result<&'a DesktopGroup> {
    let seen = groups.get(&uuid).filter(|group| visible.has(group.education_group));
    let group = seen.ok_or_else(|| unknown(uuid))?;
    if group.name != name {
        return Err(Error::conflict("desktop-group-renamed")
            .arg("field", "name")
            .arg("given", name)
            .arg("name", &group.name));
    }
    Ok(group)
}

fn unknown(uuid: Uuid) -> Error {
    Error::not_found("desktop-group-unknown").arg("uuid", uuid)
}

/// What can be changed of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupValues {
    pub name: String,
    pub restore: Restore,
    pub order_num: i64,
    pub vcpu: u32,
    pub memory_mib: u64,
    /// Network and subnet.
    pub network: (NetworkId, SubnetId),
    pub template: TemplateId,
    pub spice: Spice,
    pub limits: Limits,
}

pub fn update(tx: &Tx<'_>, uuid: Uuid, values: &GroupValues) -> Result<()> {
    tx.changed(Topic::DesktopGroups);
    let done = tx
        .prepare_cached(
            "UPDATE desktop_groups SET name=?2, sys_restore=?3, data_restore=?4, order_num=?5, \
             updated_at=?6, vcpu=?7, memory_mib=?8, network_id=?9, subnet_id=?10, \
             template_id=?11, spice=?12, disk_mb=?13, disk_iops=?14, receive_mbit=?15, send_mbit=?16 \
             WHERE uuid=?1",
        )?
        .execute(params![
            uuid.to_string(),
            values.name,
            values.restore.system,
            values.restore.data,
            values.order_num,
            now(),
            values.vcpu,
            values.memory_mib.cast_signed(),
            values.network.0,
            values.network.1,
            values.template,
            values.spice.word(),
            values.limits.disk_mb,
            values.limits.disk_iops,
            values.limits.receive_mbit,
            values.limits.send_mbit
        ]);
    unique(done, || taken(&values.name))
}

/// Whether no other group has the name.
pub fn is_free_name(conn: &Connection, name: &str, but: Uuid) -> Result<bool> {
    let mut statement =
        conn.prepare_cached("SELECT 1 FROM desktop_groups WHERE name=?1 AND uuid<>?2")?;
    Ok(!statement.exists(params![name, but.to_string()])?)
}

pub fn set_active(tx: &Tx<'_>, uuid: Uuid, active: bool) -> Result<()> {
    tx.changed(Topic::DesktopGroups);
    tx.execute(
        "UPDATE desktop_groups SET is_active=?2, updated_at=?3 WHERE uuid=?1",
        params![uuid.to_string(), active, now()],
    )?;
    Ok(())
}

pub fn set_stage(tx: &Tx<'_>, groups: &[Uuid], stage: Stage) -> Result<()> {
    tx.changed(Topic::DesktopGroups);
    tx.execute(
        "UPDATE desktop_groups SET state=?2, updated_at=?3 \
         WHERE uuid IN (SELECT value FROM json_each(?1))",
        params![json_uuids(groups)?, stage.word(), now()],
    )?;
    Ok(())
}

/// Deletes groups that have no desktops any more.
pub fn delete(tx: &Tx<'_>, groups: &[Uuid]) -> Result<()> {
    tx.changed(Topic::DesktopGroups);
    let sql = "DELETE FROM desktop_groups WHERE uuid IN (SELECT value FROM json_each(?1))";
    tx.execute(sql, [json_uuids(groups)?])?;
    Ok(())
}

pub fn list(store: &Store, query: &ListQuery) -> Result<Page<DesktopGroup>> {
    GROUPS.page_with(store, query, group, |conn, mut groups| {
        let counts = counts(conn, groups.iter().map(|group| group.id))?;
        let mut disks = disks(conn, groups.iter().map(|group| group.template_id))?;
        for group in &mut groups {
            group.counts = counts.get(&group.id).copied().unwrap_or_default();
            group.disks = disks.entry(group.template_id).or_default().clone();
            group.disks.retain(|disk| group.has_data_disks || disk.role == DiskRole::System);
        }
        Ok(groups)
    })
}

fn counts(
    conn: &Connection,
    groups: impl Iterator<Item = DesktopGroupId>,
) -> Result<HashMap<DesktopGroupId, Counts>> {
    let sql = format!(
        "SELECT d.group_id, count(*) AS total, sum(d.power = 'running') AS running, sum(n.status <> 'active') AS unknown, \
         sum(d.version < t.version) AS outdated, count(f.desktop_id) AS first_start_failed FROM desktops d JOIN nodes n ON n.id = d.node_id \
         JOIN desktop_groups g ON g.id = d.group_id JOIN templates t ON t.id = g.template_id \
         LEFT JOIN first_starts f ON f.desktop_id = d.id AND f.state = 'failed' WHERE d.group_id IN {} \
         GROUP BY d.group_id",
        in_numbers(groups)
    );
    let mut statement = conn.prepare(&sql)?;
    let counts = statement.query_map([], |row| {
        let counts = Counts {
            total: rows::unsigned(row, "total")?,
            running: rows::unsigned(row, "running")?,
            unknown: rows::unsigned(row, "unknown")?,
            outdated: rows::unsigned(row, "outdated")?,
            first_start_failed: rows::unsigned(row, "first_start_failed")?,
        };
        Ok((row.get("group_id")?, counts))
    })?;
    Ok(counts.collect::<rusqlite::Result<_>>()?)
}

/// Of the newest version, which desktops get now: what was changed since waits for a save.
fn disks(
    conn: &Connection,
    templates: impl Iterator<Item = TemplateId>,
) -> Result<HashMap<TemplateId, Vec<GroupDisk>>> {
    let sql = format!(
        "SELECT t.id AS template_id, d.role, d.position, l.size FROM templates t \
         JOIN template_layers l ON l.template_id = t.id AND l.version = t.version \
         JOIN template_disks d ON d.id = l.disk_id WHERE t.id IN {} ORDER BY t.id, d.position",
        in_numbers(templates)
    );
    let mut statement = conn.prepare(&sql)?;
    let mut rows = statement.query([])?;
    let mut disks: HashMap<TemplateId, Vec<GroupDisk>> = HashMap::new();
    while let Some(row) = rows.next()? {
        let disk = GroupDisk {
            role: disk_role(row)?,
            position: row.get("position")?,
            size: rows::unsigned(row, "size")?,
        };
        disks.entry(row.get("template_id")?).or_default().push(disk);
    }
    Ok(disks)
}

fn group(row: &Row<'_>) -> Result<DesktopGroup> {
    let education: Option<String> = row.get("education_name")?;
    let education = education.map(|name| Ok::<_, Error>((rows::uuid(row, "education")?, name)));
    Ok(DesktopGroup {
        id: row.get("id")?,
        uuid: rows::uuid(row, "uuid")?,
        name: row.get("name")?,
        group: education.transpose()?,
        education_group: row.get("group_id")?,
        template_id: row.get("template_id")?,
        template: rows::uuid(row, "template")?,
        template_name: row.get("template_name")?,
        template_state: TemplateState::parse(&row.get::<_, String>("template_state")?)?,
        template_power: Power::parse(&row.get::<_, String>("template_power")?)?,
        template_node_is_down: row.get("template_node_is_down")?,
        template_version: row.get("template_version")?,
        os_type: row.get("os_type")?,
        pool_id: row.get("pool_id")?,
        pool: rows::uuid(row, "pool")?,
        pool_name: row.get("pool_name")?,
        network: rows::uuid(row, "network")?,
        network_name: row.get("network_name")?,
        subnet: rows::uuid(row, "subnet")?,
        subnet_name: row.get("subnet_name")?,
        network_ids: (row.get("network_id")?, row.get("subnet_id")?),
        vcpu: row.get("vcpu")?,
        memory_mib: rows::unsigned(row, "memory_mib")?,
        restore: Restore { system: row.get("sys_restore")?, data: row.get("data_restore")? },
        has_data_disks: row.get("has_data_disks")?,
        spice: super::spice(row)?,
        prefix: row.get("prefix")?,
        digits: row.get("postfix")?,
        first_number: row.get("first_number")?,
        is_active: row.get("is_active")?,
        order_num: row.get("order_num")?,
        stage: Stage::parse(&row.get::<_, String>("state")?)?,
        owner_name: row.get("owner_name")?,
        created_at: row.get("created_at")?,
        updated_at: row.get("updated_at")?,
        limits: super::limits(row)?,
        counts: Counts::default(),
        disks: Vec::new(),
    })
}
