//! Rows of copies made to be downloaded.

use rusqlite::{Connection, OptionalExtension, params};
use uuid::Uuid;

use crate::error::{Error, Result};
use crate::node::protocol::{LayerKind, LayerRef};
use crate::store::{NodeId, TemplateId, Topic, Tx, now, rows};

/// A self-contained copy of a system disk.
#[derive(Debug, Clone)]
pub struct Export {
    /// Also the layer's.
    pub uuid: Uuid,
    pub template_id: TemplateId,
    pub node_id: NodeId,
    pub storage: String,
}

impl Export {
    pub fn layer(&self) -> LayerRef {
        let storage = self.storage.clone();
        LayerRef { uuid: self.uuid, kind: LayerKind::TemplateVersion, storage }
    }
}

pub fn insert_export(tx: &Tx<'_>, export: &Export) -> Result<()> {
    tx.changed(Topic::Templates);
    tx.execute(
        "INSERT INTO template_exports (uuid, template_id, node_id, storage, created_at) \
         VALUES (?1,?2,?3,?4,?5)",
        params![export.uuid.to_string(), export.template_id, export.node_id, export.storage, now()],
    )?;
    Ok(())
}

pub fn export(conn: &Connection, uuid: Uuid) -> Result<Export> {
    let found = exports_where(conn, "uuid = ?1", &uuid.to_string())?.into_iter().next();
    found.ok_or_else(|| Error::not_found("download-unknown"))
}

pub fn exports_of_node(conn: &Connection, node_id: NodeId) -> Result<Vec<Export>> {
    exports_where(conn, "node_id = ?1", &node_id)
}

/// Whether a template is being downloaded.
pub fn is_exported(conn: &Connection, template_id: TemplateId) -> Result<bool> {
    let mut statement =
        conn.prepare_cached("SELECT 1 FROM template_exports WHERE template_id = ?1 LIMIT 1")?;
    Ok(statement.query_row([template_id], |_| Ok(())).optional()?.is_some())
}

pub fn delete_export(tx: &Tx<'_>, uuid: Uuid) -> Result<()> {
    tx.changed(Topic::Templates);
    tx.execute("DELETE FROM template_exports WHERE uuid = ?1", [uuid.to_string()])?;
    Ok(())
}

fn exports_where(
    conn: &Connection,
    condition: &'static str,
    value: &dyn rusqlite::ToSql,
) -> Result<Vec<Export>> {
    let sql = format!(
        "SELECT uuid, template_id, node_id, storage FROM template_exports WHERE {condition}"
    );
    let mut statement = conn.prepare_cached(&sql)?;
    let found = statement.query_map([value], |row| {
        Ok(Export {
            uuid: rows::uuid(row, "uuid")?,
            template_id: row.get("template_id")?,
            node_id: row.get("node_id")?,
            storage: row.get("storage")?,
        })
    })?;
    Ok(found.collect::<rusqlite::Result<_>>()?)
}
