//! Rows of templates, their disks and layers.

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use uuid::Uuid;

use super::template::{Classify, Power, Template, TemplateDisk, TemplateState, parse_role};
use crate::desktops::spec::DiskLayer;
use crate::error::{Context, Error, Fault, Result};
use crate::node::protocol::{LayerKind, LayerRef};
use crate::store::now;

const COLUMNS: &str = "t.id, t.uuid, t.name, t.desc, t.os_type, t.classify, t.pool_id, t.node_id, \
     t.network_id, t.subnet_id, t.vcpu, t.memory_mib, t.base_image, t.version, t.state, t.fault, \
     t.editing, t.power, t.power_reason, t.owner_name, t.saved_at, t.created_at, t.updated_at";

pub fn find(conn: &Connection, uuid: Uuid) -> Result<Template> {
    let sql = format!("SELECT {COLUMNS} FROM templates t WHERE t.uuid = ?1");
    let row = conn.prepare_cached(&sql)?.query_row([uuid.to_string()], raw).optional()?;
    row.ok_or_else(|| Error::not_found("template-unknown").arg("uuid", uuid))?.parse()
}

pub fn find_by_id(conn: &Connection, id: i64) -> Result<Template> {
    let sql = format!("SELECT {COLUMNS} FROM templates t WHERE t.id = ?1");
    let row = conn.prepare_cached(&sql)?.query_row([id], raw).optional()?;
    row.ok_or_else(|| Error::not_found("template-unknown").arg("uuid", id))?.parse()
}

/// The system disk first.
pub fn disks(conn: &Connection, template_id: i64) -> Result<Vec<TemplateDisk>> {
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

/// What desktops made of this version stand on, on a node; the system disk first.
///
/// # Errors
/// `template-version-missing` when the node does not have every layer of it.
pub fn version_layers(
    conn: &Connection,
    template: &Template,
    version: u32,
    node_id: i64,
) -> Result<Vec<DiskLayer>> {
    let mut statement = conn.prepare_cached(
        "SELECT d.uuid, d.role, d.position, l.size, l.uuid, c.storage \
         FROM template_layers l JOIN template_disks d ON d.id = l.disk_id \
         LEFT JOIN layer_copies c ON c.layer = l.uuid AND c.node_id = ?3 AND c.state = 'ready' \
         WHERE l.template_id = ?1 AND l.version = ?2 ORDER BY d.position",
    )?;
    let mut rows = statement.query(params![template.id, version, node_id])?;
    let mut layers = Vec::new();
    let missing = || {
        Error::conflict("template-version-missing")
            .arg("name", &template.name)
            .arg("version", version)
    };
    while let Some(row) = rows.next()? {
        let storage: Option<String> = row.get(5)?;
        layers.push(DiskLayer {
            disk: uuid_of(row, 0)?,
            role: parse_role(&row.get::<_, String>(1)?)?,
            index: row.get(2)?,
            size: row.get::<_, i64>(3)?.unsigned_abs(),
            layer: LayerRef {
                uuid: uuid_of(row, 4)?,
                kind: LayerKind::TemplateVersion,
                storage: storage.ok_or_else(missing)?,
            },
        });
    }
    if layers.is_empty() { Err(missing()) } else { Ok(layers) }
}

/// Power as the node reports it.
pub fn set_power(
    tx: &Transaction<'_>,
    uuid: Uuid,
    power: Power,
    reason: &str,
    started_at: Option<i64>,
) -> Result<()> {
    tx.prepare_cached(
        "UPDATE templates SET power = ?2, power_reason = ?3, started_at = ?4, updated_at = ?5 \
         WHERE uuid = ?1 AND (power <> ?2 OR power_reason <> ?3 OR started_at IS NOT ?4)",
    )?
    .execute(params![uuid.to_string(), power.word(), reason, started_at, now()])?;
    Ok(())
}

/// A row before its words are parsed.
struct Raw {
    id: i64,
    uuid: String,
    name: String,
    desc: String,
    os_type: String,
    classify: i64,
    pool_id: i64,
    node_id: i64,
    network_id: i64,
    subnet_id: i64,
    vcpu: u32,
    memory_mib: i64,
    base_image: String,
    version: u32,
    state: String,
    fault: Option<String>,
    editing: bool,
    power: String,
    power_reason: String,
    owner_name: String,
    saved_at: Option<i64>,
    created_at: i64,
    updated_at: Option<i64>,
}

fn raw(row: &Row<'_>) -> rusqlite::Result<Raw> {
    Ok(Raw {
        id: row.get(0)?,
        uuid: row.get(1)?,
        name: row.get(2)?,
        desc: row.get(3)?,
        os_type: row.get(4)?,
        classify: row.get(5)?,
        pool_id: row.get(6)?,
        node_id: row.get(7)?,
        network_id: row.get(8)?,
        subnet_id: row.get(9)?,
        vcpu: row.get(10)?,
        memory_mib: row.get(11)?,
        base_image: row.get(12)?,
        version: row.get(13)?,
        state: row.get(14)?,
        fault: row.get(15)?,
        editing: row.get(16)?,
        power: row.get(17)?,
        power_reason: row.get(18)?,
        owner_name: row.get(19)?,
        saved_at: row.get(20)?,
        created_at: row.get(21)?,
        updated_at: row.get(22)?,
    })
}

impl Raw {
    fn parse(self) -> Result<Template> {
        let fault = self.fault.as_deref().map(serde_json::from_str::<Fault>).transpose();
        Ok(Template {
            id: self.id,
            uuid: parse_uuid(&self.uuid)?,
            name: self.name,
            desc: self.desc,
            os_type: self.os_type,
            classify: Classify::parse(self.classify)?,
            pool_id: self.pool_id,
            node_id: self.node_id,
            network_id: self.network_id,
            subnet_id: self.subnet_id,
            vcpu: self.vcpu,
            memory_mib: self.memory_mib.unsigned_abs(),
            base_image: parse_uuid(&self.base_image)?,
            version: self.version,
            state: TemplateState::parse(&self.state)?,
            fault: fault.context("fault of a template")?,
            editing: self.editing,
            power: Power::parse(&self.power)?,
            power_reason: self.power_reason,
            owner_name: self.owner_name,
            saved_at: self.saved_at,
            created_at: self.created_at,
            updated_at: self.updated_at,
        })
    }
}

fn disk_of(row: &Row<'_>) -> Result<TemplateDisk> {
    Ok(TemplateDisk {
        id: row.get(0)?,
        uuid: uuid_of(row, 1)?,
        template_id: row.get(2)?,
        role: parse_role(&row.get::<_, String>(3)?)?,
        position: row.get(4)?,
        size: row.get::<_, i64>(5)?.unsigned_abs(),
        used: row.get::<_, i64>(6)?.unsigned_abs(),
        top: uuid_of(row, 7)?,
    })
}

pub(super) fn uuid_of(row: &Row<'_>, column: usize) -> Result<Uuid> {
    parse_uuid(&row.get::<_, String>(column)?)
}

fn parse_uuid(text: &str) -> Result<Uuid> {
    Uuid::parse_str(text).context("uuid in the database")
}
