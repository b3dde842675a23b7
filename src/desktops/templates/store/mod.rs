//! Rows of templates and their disks.

mod bus_switches;
mod discs;
mod exports;
mod layers;
mod list;
mod versions;

pub use bus_switches::*;
pub use discs::{Disc, PlacedDisc, delete_disc, discs, insert_disc, placed_discs};
pub use exports::*;
pub use layers::*;
pub use list::*;
pub use versions::*;

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, Row, params};
use uuid::Uuid;

use super::template::{Classify, Noted, Power, Template, TemplateDisk, TemplateState};
use crate::error::{Error, Fault, Kind, Result};
use crate::node::protocol::{DiskRole, Hardware};
use crate::store::{DiskId, NodeId, TemplateId, Topic, Tx, now, rows};

const COLUMNS: &str = "t.id, t.uuid, t.name, t.desc, t.os_type, t.classify, t.pool_id, t.node_id, \
     t.network_id, t.subnet_id, t.vcpu, t.memory_mib, t.base_image, t.version, t.state, t.fault, \
     t.editing, t.changed, t.power, t.power_reason, t.owner_name, t.saved_at, t.created_at, \
     t.updated_at, t.hardware";

pub fn find(conn: &Connection, uuid: Uuid) -> Result<Template> {
    let sql = format!("SELECT {COLUMNS} FROM templates t WHERE t.uuid = ?1");
    let found = rows::first(conn, &sql, [uuid.to_string()], template)?;
    found.ok_or_else(|| Error::not_found("template-unknown").arg("uuid", uuid))
}

pub fn on_node(conn: &Connection, node_id: NodeId) -> Result<Vec<Template>> {
    let sql = format!("SELECT {COLUMNS} FROM templates t WHERE t.node_id = ?1 ORDER BY t.id");
    rows::all(conn, &sql, [node_id], template)
}

/// Those of these that exist.
pub fn find_many(conn: &Connection, templates: &[Uuid]) -> Result<Vec<Template>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM templates t WHERE t.uuid IN (SELECT value FROM json_each(?1)) ORDER BY t.id"
    );
    rows::all(conn, &sql, [rows::to_json(templates)?], template)
}

/// Those of these templates that are on, and since when.
pub fn on_since(conn: &Connection, templates: &[Uuid]) -> Result<HashMap<Uuid, Option<i64>>> {
    let mut statement = conn.prepare_cached(
        "SELECT uuid, started_at FROM templates \
         WHERE uuid IN (SELECT value FROM json_each(?1)) AND power <> 'off'",
    )?;
    let on = statement.query_map([crate::desktops::store::json_uuids(templates)?], |row| {
        Ok((rows::uuid(row, 0)?, row.get(1)?))
    })?;
    Ok(on.collect::<rusqlite::Result<_>>()?)
}

/// How many of these templates each node has.
pub fn count_by_node(conn: &Connection, templates: &[Uuid]) -> Result<Vec<(NodeId, usize)>> {
    let mut statement = conn.prepare_cached(
        "SELECT node_id, count(*) FROM templates \
         WHERE uuid IN (SELECT value FROM json_each(?1)) GROUP BY node_id",
    )?;
    let nodes = statement
        .query_map([crate::desktops::store::json_uuids(templates)?], |row| {
            Ok((row.get(0)?, rows::unsigned(row, 1)?))
        })?
        .collect::<rusqlite::Result<Vec<(NodeId, u64)>>>()?;
    Ok(nodes.into_iter().map(|(node, count)| (node, count as usize)).collect())
}

/// Ids of the nodes on which these templates are, each once.
pub fn nodes_of(conn: &Connection, templates: &[Uuid]) -> Result<Vec<NodeId>> {
    let mut statement = conn.prepare_cached(
        "SELECT DISTINCT t.node_id FROM json_each(?1) w JOIN templates t ON t.uuid = w.value",
    )?;
    let nodes =
        statement.query_map([crate::desktops::store::json_uuids(templates)?], |row| row.get(0))?;
    Ok(nodes.collect::<rusqlite::Result<_>>()?)
}

/// The system disk first.
pub fn disks(conn: &Connection, template_id: TemplateId) -> Result<Vec<TemplateDisk>> {
    let mut statement = conn.prepare_cached(
        "SELECT id, uuid, template_id, role, position, size, used, top FROM template_disks \
         WHERE template_id = ?1 ORDER BY position",
    )?;
    let mut rows = statement.query([template_id])?;
    let mut disks = Vec::new();
    while let Some(row) = rows.next()? {
        disks.push(disk_of(row)?);
    }
    Ok(disks)
}

pub fn require_free_name(conn: &Connection, name: &str, except: Option<Uuid>) -> Result<()> {
    let mut statement = conn.prepare_cached("SELECT uuid FROM templates WHERE name = ?1")?;
    match statement.query_row([name], |row| rows::uuid(row, 0)).optional()? {
        Some(other) if Some(other) != except => {
            Err(Error::conflict("template-name-taken").arg("field", "name").arg("name", name))
        }
        _ => Ok(()),
    }
}

/// Gives the row's id.
pub fn insert(tx: &Tx<'_>, template: &Template) -> Result<TemplateId> {
    tx.changed(Topic::Templates);
    tx.execute(
        "INSERT INTO templates (uuid, name, desc, os_type, classify, pool_id, node_id, network_id, \
         subnet_id, vcpu, memory_mib, base_image, state, owner_name, created_at, hardware) \
         VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16)",
        params![
            template.uuid.to_string(),
            template.name,
            template.desc,
            template.os_type,
            template.classify.number(),
            template.pool_id,
            template.node_id,
            template.network_id,
            template.subnet_id,
            template.vcpu,
            template.memory_mib as i64,
            template.base_image.map(|uuid| uuid.to_string()),
            template.state.word(),
            template.owner_name,
            template.created_at,
            hardware_column(&template.hardware)?
        ],
    )?;
    Ok(TemplateId::new(tx.last_insert_rowid()))
}

/// What people may change.
pub fn update(tx: &Tx<'_>, template: &Template) -> Result<()> {
    tx.changed(Topic::Templates);
    tx.execute(
        "UPDATE templates SET name = ?2, desc = ?3, network_id = ?4, subnet_id = ?5, vcpu = ?6, \
         memory_mib = ?7, updated_at = ?8, hardware = ?9 WHERE id = ?1",
        params![
            template.id,
            template.name,
            template.desc,
            template.network_id,
            template.subnet_id,
            template.vcpu,
            template.memory_mib as i64,
            now(),
            hardware_column(&template.hardware)?
        ],
    )?;
    Ok(())
}

pub fn set_state(
    tx: &Tx<'_>,
    uuid: Uuid,
    state: TemplateState,
    fault: Option<&Fault>,
) -> Result<()> {
    tx.changed(Topic::Templates);
    let fault = fault.map(serde_json::to_string).transpose().map_err(Error::internal)?;
    tx.execute(
        "UPDATE templates SET state = ?2, fault = ?3, updated_at = ?4 WHERE uuid = ?1",
        params![uuid.to_string(), state.word(), fault, now()],
    )?;
    Ok(())
}

/// Notes that the working disks may hold what no version has; `editing`: on purpose.
pub fn set_changed(tx: &Tx<'_>, uuid: Uuid, editing: bool) -> Result<()> {
    tx.changed(Topic::Templates);
    tx.execute(
        "UPDATE templates SET changed = 1, editing = editing OR ?2 WHERE uuid = ?1",
        params![uuid.to_string(), editing],
    )?;
    Ok(())
}

/// Notes of one that is off what was noted before its start.
pub fn note_again(tx: &Tx<'_>, noted: &Noted) -> Result<()> {
    let again = tx
        .prepare_cached(
            "UPDATE templates SET changed = ?2, editing = ?3 WHERE uuid = ?1 AND power = 'off'",
        )?
        .execute(params![noted.template.to_string(), noted.changed, noted.editing])?;
    tx.changed_rows(again, Topic::Templates);
    Ok(())
}

/// The template is made; it has its first version.
pub fn set_created(tx: &Tx<'_>, uuid: Uuid, version: u32) -> Result<()> {
    tx.changed(Topic::Templates);
    tx.execute(
        "UPDATE templates SET state = 'ready', fault = NULL, version = ?2, updated_at = ?3 \
         WHERE uuid = ?1",
        params![uuid.to_string(), version, now()],
    )?;
    Ok(())
}

/// The template has this version now and nothing that is not in it.
pub fn set_saved(tx: &Tx<'_>, uuid: Uuid, version: u32) -> Result<()> {
    tx.changed(Topic::Templates);
    tx.execute(
        "UPDATE templates SET state = 'ready', fault = NULL, version = ?2, changed = 0, \
         editing = 0, saved_at = ?3, updated_at = ?3 WHERE uuid = ?1",
        params![uuid.to_string(), version, now()],
    )?;
    Ok(())
}

/// All rows of a template but its address.
pub fn delete(tx: &Tx<'_>, template_id: TemplateId) -> Result<()> {
    tx.changed(Topic::Images | Topic::Templates);
    tx.execute(
        "DELETE FROM layer_copies WHERE layer IN \
         (SELECT uuid FROM template_layers WHERE template_id = ?1)",
        [template_id],
    )?;
    tx.execute("DELETE FROM template_layers WHERE template_id = ?1", [template_id])?;
    tx.execute("DELETE FROM template_exports WHERE template_id = ?1", [template_id])?;
    tx.execute("DELETE FROM template_disks WHERE template_id = ?1", [template_id])?;
    tx.execute("DELETE FROM templates WHERE id = ?1", [template_id])?;
    Ok(())
}

/// Names of the desktop groups made of a template, or of which desktops have its disks still, at most `limit`, and how
/// many there are.
pub fn users(
    conn: &Connection,
    template_id: TemplateId,
    limit: usize,
) -> Result<(Vec<String>, usize)> {
    let mut statement = conn.prepare_cached(
        "SELECT name FROM desktop_groups g WHERE template_id = ?1 \
             OR id IN (SELECT group_id FROM desktops WHERE former_template = ?1) ORDER BY name",
    )?;
    let names = statement.query_map([template_id], |row| row.get(0))?;
    let mut names = names.collect::<rusqlite::Result<Vec<String>>>()?;
    let count = names.len();
    names.truncate(limit);
    Ok((names, count))
}

pub fn insert_disk(tx: &Tx<'_>, disk: &TemplateDisk) -> Result<DiskId> {
    tx.changed(Topic::Templates);
    tx.execute(
        "INSERT INTO template_disks (uuid, template_id, role, position, size, used, top) \
         VALUES (?1,?2,?3,?4,?5,?6,?7)",
        params![
            disk.uuid.to_string(),
            disk.template_id,
            disk.role.word(),
            disk.position,
            disk.size as i64,
            disk.used as i64,
            disk.top.to_string()
        ],
    )?;
    Ok(DiskId::new(tx.last_insert_rowid()))
}

pub fn set_disk_size(tx: &Tx<'_>, disk_id: DiskId, size: u64) -> Result<()> {
    tx.changed(Topic::Templates);
    tx.execute("UPDATE template_disks SET size = ?2 WHERE id = ?1", params![disk_id, size as i64])?;
    Ok(())
}

pub fn set_disk_used(tx: &Tx<'_>, disk_id: DiskId, used: u64) -> Result<()> {
    tx.changed(Topic::Templates);
    tx.execute("UPDATE template_disks SET used = ?2 WHERE id = ?1", params![disk_id, used as i64])?;
    Ok(())
}

pub fn set_disk_top(tx: &Tx<'_>, disk_id: DiskId, top: Uuid) -> Result<()> {
    tx.changed(Topic::Templates);
    tx.execute(
        "UPDATE template_disks SET top = ?2 WHERE id = ?1",
        params![disk_id, top.to_string()],
    )?;
    Ok(())
}

/// The disk and its layers' rows.
pub fn delete_disk(tx: &Tx<'_>, disk_id: DiskId) -> Result<()> {
    tx.changed(Topic::Images | Topic::Templates);
    tx.execute(
        "DELETE FROM layer_copies WHERE layer IN \
         (SELECT uuid FROM template_layers WHERE disk_id = ?1)",
        [disk_id],
    )?;
    tx.execute("DELETE FROM template_layers WHERE disk_id = ?1", [disk_id])?;
    tx.execute("DELETE FROM template_disks WHERE id = ?1", [disk_id])?;
    Ok(())
}

/// Power as the node reports it.
pub fn set_power(
    tx: &Tx<'_>,
    uuid: Uuid,
    power: Power,
    reason: &str,
    started_at: Option<i64>,
) -> Result<()> {
    tx.changed(Topic::Templates);
    tx.prepare_cached(
        "UPDATE templates SET power = ?2, power_reason = ?3, started_at = ?4, updated_at = ?5 \
         WHERE uuid = ?1 AND (power <> ?2 OR power_reason <> ?3 OR started_at IS NOT ?4)",
    )?
    .execute(params![uuid.to_string(), power.word(), reason, started_at, now()])?;
    Ok(())
}

/// For the column `hardware`: nothing for a machine as all were in the first release.
fn hardware_column(hardware: &Hardware) -> Result<Option<String>> {
    let is_first = *hardware == Hardware::first();
    (!is_first).then(|| rows::to_json(hardware)).transpose()
}

/// The column `hardware`.
fn hardware_of(row: &Row<'_>) -> rusqlite::Result<Hardware> {
    Ok(rows::json(row, "hardware")?.unwrap_or_else(Hardware::first))
}

/// The hardware of the template's own machine.
pub fn set_hardware(tx: &Tx<'_>, uuid: Uuid, hardware: &Hardware) -> Result<()> {
    tx.changed(Topic::Templates);
    tx.execute(
        "UPDATE templates SET hardware = ?2, updated_at = ?3 WHERE uuid = ?1",
        params![uuid.to_string(), hardware_column(hardware)?, now()],
    )?;
    Ok(())
}

fn template(row: &Row<'_>) -> Result<Template> {
    Ok(Template {
        id: row.get("id")?,
        uuid: rows::uuid(row, "uuid")?,
        name: row.get("name")?,
        desc: row.get("desc")?,
        os_type: row.get("os_type")?,
        classify: Classify::parse(row.get("classify")?)?,
        pool_id: row.get("pool_id")?,
        node_id: row.get("node_id")?,
        network_id: row.get("network_id")?,
        subnet_id: row.get("subnet_id")?,
        vcpu: row.get("vcpu")?,
        memory_mib: rows::unsigned(row, "memory_mib")?,
        hardware: hardware_of(row)?,
        base_image: rows::optional_uuid(row, "base_image")?,
        version: row.get("version")?,
        state: TemplateState::parse(&row.get::<_, String>("state")?)?,
        fault: rows::json(row, "fault")?,
        editing: row.get("editing")?,
        changed: row.get("changed")?,
        power: Power::parse(&row.get::<_, String>("power")?)?,
        power_reason: row.get("power_reason")?,
        owner_name: row.get("owner_name")?,
        saved_at: row.get("saved_at")?,
        created_at: row.get("created_at")?,
        updated_at: row.get("updated_at")?,
    })
}

fn disk_of(row: &Row<'_>) -> Result<TemplateDisk> {
    Ok(TemplateDisk {
        id: row.get("id")?,
        uuid: rows::uuid(row, "uuid")?,
        template_id: row.get("template_id")?,
        role: disk_role(row)?,
        position: row.get("position")?,
        size: rows::unsigned(row, "size")?,
        used: rows::unsigned(row, "used")?,
        top: rows::uuid(row, "top")?,
    })
}

/// `None` when it does not exist.
pub fn find_if_there(conn: &Connection, uuid: Uuid) -> Result<Option<Template>> {
    match find(conn, uuid) {
        Ok(template) => Ok(Some(template)),
        Err(error) if error.kind() == Kind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// A disk's role that is kept as its word.
pub fn disk_role(row: &Row<'_>) -> rusqlite::Result<DiskRole> {
    rows::word(row, "role", DiskRole::parse)
}
