//! Rows of templates' versions.

use std::collections::{HashMap, HashSet};

use rusqlite::{Connection, params};
use uuid::Uuid;

use crate::error::Result;
use crate::store::{EducationGroupId, TemplateId, Topic, Tx, now, rows};

/// A saved version, as it was noted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavedVersion {
    pub version: u32,
    pub note: String,
    /// Name of who saved it; empty where that was not noted.
    pub author: String,
    /// The older version that it was made of.
    pub origin: Option<u32>,
    pub created_at: i64,
}

/// Desktops of a group that run a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionUser {
    pub group: Uuid,
    pub group_name: String,
    /// Row of the group's education group.
    pub education_group: Option<EducationGroupId>,
    pub desktops: u32,
}

/// Notes a version; written a second time after a kill it stays as it was.
pub fn note_version(tx: &Tx<'_>, template_id: TemplateId, saved: &SavedVersion) -> Result<()> {
    tx.changed(Topic::Templates);
    tx.prepare_cached(
        "INSERT INTO template_versions (template_id, version, note, author, origin, created_at) \
         VALUES (?1,?2,?3,?4,?5,?6) ON CONFLICT DO NOTHING",
    )?
    .execute(params![
        template_id,
        saved.version,
        saved.note,
        saved.author,
        saved.origin,
        saved.created_at
    ])?;
    Ok(())
}

impl SavedVersion {
    /// Saved now.
    pub fn new(version: u32, note: &str, author: &str) -> Self {
        let (note, author) = (note.to_owned(), author.to_owned());
        Self { version, note, author, origin: None, created_at: now() }
    }
}

/// Newest first.
pub fn saved_versions(conn: &Connection, template_id: TemplateId) -> Result<Vec<SavedVersion>> {
    let sql = "SELECT version, note, author, origin, created_at FROM template_versions \
         WHERE template_id = ?1 ORDER BY version DESC";
    rows::all(conn, sql, [template_id], |row| {
        Ok(SavedVersion {
            version: row.get("version")?,
            note: row.get("note")?,
            author: row.get("author")?,
            origin: row.get("origin")?,
            created_at: row.get("created_at")?,
        })
    })
}

/// The versions of a template that are kept.
pub fn kept_versions(conn: &Connection, template_id: TemplateId) -> Result<HashSet<u32>> {
    Ok(saved_versions(conn, template_id)?.into_iter().map(|saved| saved.version).collect())
}

/// From now on these versions are not kept for their own sake.
pub fn forget_versions(tx: &Tx<'_>, template_id: TemplateId, versions: &[u32]) -> Result<()> {
    tx.changed(Topic::Templates);
    let mut statement =
        tx.prepare_cached("DELETE FROM template_versions WHERE template_id = ?1 AND version = ?2")?;
    for version in versions {
        statement.execute(params![template_id, version])?;
    }
    Ok(())
}

/// Who runs which version of a template, by the names of the groups.
pub fn version_users(
    conn: &Connection,
    template_id: TemplateId,
) -> Result<HashMap<u32, Vec<VersionUser>>> {
    let sql = "SELECT d.version, g.uuid, g.name, g.group_id, count(*) AS desktops FROM desktops d \
         JOIN desktop_groups g ON g.id = d.group_id WHERE g.template_id = ?1 AND d.version > 0 \
         GROUP BY d.version, g.id ORDER BY g.name";
    let found = rows::all(conn, sql, [template_id], |row| {
        let user = VersionUser {
            group: rows::uuid(row, "uuid")?,
            group_name: row.get("name")?,
            education_group: row.get("group_id")?,
            desktops: row.get("desktops")?,
        };
        Ok((row.get::<_, u32>("version")?, user))
    })?;
    let mut users: HashMap<u32, Vec<VersionUser>> = HashMap::new();
    for (version, user) in found {
        users.entry(version).or_default().push(user);
    }
    Ok(users)
}

/// Bytes of the files of a template's layers, of those that were measured.
pub fn layer_sizes(conn: &Connection, template_id: TemplateId) -> Result<HashMap<Uuid, u64>> {
    let sql = "SELECT uuid, used FROM template_layers WHERE template_id = ?1 AND used IS NOT NULL";
    let sizes = rows::all(conn, sql, [template_id], |row| {
        Ok((rows::uuid(row, "uuid")?, rows::unsigned(row, "used")?))
    })?;
    Ok(sizes.into_iter().collect())
}

/// Notes how many bytes a layer's file has.
pub fn set_layer_used(tx: &Tx<'_>, layer: Uuid, used: u64) -> Result<()> {
    tx.changed(Topic::Templates);
    tx.prepare_cached("UPDATE template_layers SET used = ?2 WHERE uuid = ?1")?
        .execute(params![layer.to_string(), used.cast_signed()])?;
    Ok(())
}
