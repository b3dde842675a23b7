//! Rows of the ISOs in the CD drives of templates' machines.

use std::collections::HashMap;

use rusqlite::{Connection, params};
use uuid::Uuid;

use crate::error::Result;
use crate::store::{NodeId, TemplateId, Topic, Tx, rows};

/// An ISO in a drive.
#[derive(Debug, Clone)]
pub struct Disc {
    /// From 0.
    pub drive: u32,
    pub iso: Uuid,
    /// Of the ISO.
    pub name: String,
}

/// A disc and the storage of its copy on a node, where there is one.
#[derive(Debug, Clone)]
pub struct PlacedDisc {
    pub drive: u32,
    pub iso: Uuid,
    pub storage: Option<String>,
}

/// By drive.
pub fn discs(conn: &Connection, template: TemplateId) -> Result<Vec<Disc>> {
    Ok(discs_of(conn, &rows::in_numbers([template]))?.remove(&template).unwrap_or_default())
}

/// Of all templates whose ids these are: `(1,2,3)`.
pub fn discs_of(conn: &Connection, ids: &str) -> Result<HashMap<TemplateId, Vec<Disc>>> {
    let mut statement = conn.prepare(&format!(
        "SELECT d.template_id, d.drive, d.iso, i.name FROM template_discs d \
         JOIN images i ON i.uuid = d.iso WHERE d.template_id IN {ids} ORDER BY d.template_id, d.drive"
    ))?;
    let mut found = statement.query([])?;
    let mut discs: HashMap<TemplateId, Vec<Disc>> = HashMap::new();
    while let Some(row) = found.next()? {
        let disc =
            Disc { drive: row.get("drive")?, iso: rows::uuid(row, "iso")?, name: row.get("name")? };
        discs.entry(row.get("template_id")?).or_default().push(disc);
    }
    Ok(discs)
}

pub fn placed_discs(
    conn: &Connection,
    template: TemplateId,
    node: NodeId,
) -> Result<Vec<PlacedDisc>> {
    let sql = "SELECT d.drive, d.iso, c.storage FROM template_discs d \
         LEFT JOIN layer_copies c ON c.layer = d.iso AND c.node_id = ?2 WHERE d.template_id = ?1 ORDER BY d.drive";
    rows::all(conn, sql, params![template, node], |row| {
        Ok(PlacedDisc {
            drive: row.get("drive")?,
            iso: rows::uuid(row, "iso")?,
            storage: row.get("storage")?,
        })
    })
}

pub fn insert_disc(tx: &Tx<'_>, template: TemplateId, drive: u32, iso: Uuid) -> Result<()> {
    tx.changed(Topic::Templates);
    tx.execute(
        "INSERT INTO template_discs (template_id, drive, iso) VALUES (?1,?2,?3)",
        params![template, drive, iso.to_string()],
    )?;
    Ok(())
}

/// Only while this ISO is in the drive.
pub fn delete_disc(tx: &Tx<'_>, template: TemplateId, drive: u32, iso: Uuid) -> Result<()> {
    tx.changed(Topic::Templates);
    tx.execute(
        "DELETE FROM template_discs WHERE template_id = ?1 AND drive = ?2 AND iso = ?3",
        params![template, drive, iso.to_string()],
    )?;
    Ok(())
}
