//! Rows of images and of layers' copies.

use std::collections::HashSet;

use rusqlite::{Connection, OptionalExtension, Row, params};
use uuid::Uuid;

use super::copies::{CopyState, LayerCopy};
use super::{Image, ImageKind, ImageState, IsoType, name_taken};
use crate::error::{Error, Fault, Result};
use crate::node::protocol::{Boots, ImageHints};
use crate::store::list::{Column, ListQuery, Listing, Page};
use crate::store::rows::{self, json, unsigned, uuid};
use crate::store::{NodeId, Store, Topic, Tx, now, unique};

const COLUMNS: &str = "b.id, b.uuid, b.pool_id, b.iso_type, b.name, b.desc, b.os_type, b.md5, b.sha256, \
     b.virtual_size, b.disk_size, b.state, b.boots, b.vcpu, b.memory_mib, \
     b.virtio, b.created_at, b.updated_at";

static IMAGES: Listing = Listing {
    select: COLUMNS,
    from: "images b",
    columns: &[
        Column::integer("id", "b.id"),
        Column::exact("uuid", "b.uuid"),
        Column::text("name", "b.name"),
        Column::text("os_type", "b.os_type"),
        Column::exact("md5_sum", "b.md5"),
        Column::integer("pool_id", "b.pool_id"),
        Column::order("size", "b.disk_size"),
        Column::integer("size_bytes", "b.disk_size"),
        Column::time("created_at", "b.created_at"),
    ],
    order: "b.id",
};

static ISOS: Listing = Listing {
    select: COLUMNS,
    from: "images b",
    columns: &[
        Column::integer("id", "b.id"),
        Column::exact("uuid", "b.uuid"),
        Column::exact("kind", "b.kind"),
        Column::text("name", "b.name"),
        Column::text("desc", "b.desc"),
        Column::text("os_type", "b.os_type"),
        Column::integer("type", "b.iso_type"),
        Column::exact("md5_sum", "b.md5"),
        Column::order("size", "b.disk_size"),
        Column::integer("size_bytes", "b.disk_size"),
        Column::time("created_at", "b.created_at"),
    ],
    order: "b.id",
};

/// An image with its copies.
#[derive(Debug, Clone)]
pub struct ImageLine {
    pub image: Image,
    pub copies: Vec<CopyLine>,
}

/// A copy with the node that it is on.
#[derive(Debug, Clone)]
pub struct CopyLine {
    pub copy: LayerCopy,
    pub node_uuid: Uuid,
    pub node_name: String,
    pub node_ip: String,
}

pub fn list(store: &Store, query: &ListQuery) -> Result<Page<ImageLine>> {
    IMAGES.page_with(store, query, image, lines)
}

pub fn list_isos(store: &Store, query: &ListQuery) -> Result<Page<ImageLine>> {
    ISOS.page_with(store, &query.clone().with("kind", "iso"), image, lines)
}

pub fn line(conn: &Connection, image: Image) -> Result<ImageLine> {
    let mut lines = lines(conn, vec![image])?;
    lines.pop().ok_or_else(|| Error::internal("an image without its line"))
}

fn lines(conn: &Connection, images: Vec<Image>) -> Result<Vec<ImageLine>> {
    let layers: Vec<Uuid> = images.iter().map(|image| image.uuid).collect();
    let copies = copies_with_nodes(conn, &layers)?;
    let line = |image: Image| {
        let own = copies.iter().filter(|line| line.copy.layer == image.uuid);
        ImageLine { copies: own.cloned().collect(), image }
    };
    Ok(images.into_iter().map(line).collect())
}

pub fn find(conn: &Connection, uuid: Uuid) -> Result<Option<Image>> {
    let sql = format!("SELECT {COLUMNS} FROM images b WHERE b.uuid = ?1");
    rows::first(conn, &sql, [uuid.to_string()], image)
}

pub fn names(conn: &Connection, images: &[Uuid]) -> Result<Vec<String>> {
    let mut statement = conn.prepare_cached(
        "SELECT b.name FROM json_each(?1) w JOIN images b ON b.uuid = w.value ORDER BY w.key",
    )?;
    let names = statement.query_map([uuid_list(images)?], |row| row.get(0))?;
    Ok(names.collect::<rusqlite::Result<_>>()?)
}

/// For `json_each`.
fn uuid_list(uuids: &[Uuid]) -> Result<String> {
    let texts: Vec<String> = uuids.iter().map(Uuid::to_string).collect();
    serde_json::to_string(&texts).map_err(Error::internal)
}

pub fn uuid_of_name(conn: &Connection, kind: ImageKind, name: &str) -> Result<Option<Uuid>> {
    let sql = match kind {
        ImageKind::Base(_) => {
            "SELECT uuid FROM images WHERE kind = 'base' AND pool_id = ?1 AND name = ?2"
        }
        ImageKind::Iso(_) => {
            "SELECT uuid FROM images WHERE kind = 'iso' AND pool_id IS ?1 AND name = ?2"
        }
    };
    let mut statement = conn.prepare_cached(sql)?;
    Ok(statement.query_row(params![kind.pool(), name], |row| uuid(row, 0)).optional()?)
}

pub fn insert(tx: &Tx<'_>, image: &Image) -> Result<()> {
    tx.changed(Topic::Images);
    let inserted = tx.execute(
        "INSERT INTO images (uuid, kind, pool_id, iso_type, name, desc, os_type, md5, sha256, \
         virtual_size, disk_size, state, created_at) VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13)",
        params![
            image.uuid.to_string(),
            image.kind.word(),
            image.kind.pool(),
            image.kind.iso_type().map(IsoType::number),
            image.name,
            image.desc,
            image.os_type,
            image.md5,
            image.sha256,
            image.virtual_size as i64,
            image.disk_size as i64,
            image.state.word(),
            image.created_at
        ],
    );
    unique(inserted, || name_taken(image.kind, &image.name))
}

/// What checking the upload has found.
pub fn adopted(tx: &Tx<'_>, image: &Image) -> Result<()> {
    tx.changed(Topic::Images);
    tx.execute(
        "UPDATE images SET sha256 = ?2, virtual_size = ?3, disk_size = ?4, state = 'ready', \
         updated_at = ?5, boots = ?6, vcpu = ?7, memory_mib = ?8, virtio = ?9 WHERE uuid = ?1",
        params![
            image.uuid.to_string(),
            image.sha256,
            image.virtual_size as i64,
            image.disk_size as i64,
            now(),
            image.boots.map(Boots::word),
            image.hints.vcpu,
            image.hints.memory_mib.map(|memory| memory as i64),
            image.hints.virtio
        ],
    )?;
    Ok(())
}

/// Of the file as it was uploaded, where that is known late.
pub fn set_md5(tx: &Tx<'_>, image: Uuid, md5: &str) -> Result<()> {
    tx.changed(Topic::Images);
    tx.execute("UPDATE images SET md5 = ?2 WHERE uuid = ?1", params![image.to_string(), md5])?;
    Ok(())
}

/// What people may change.
pub fn edit(tx: &Tx<'_>, image: &Image, now: i64) -> Result<()> {
    tx.changed(Topic::Images);
    tx.execute(
        "UPDATE images SET name = ?2, desc = ?3, os_type = ?4, iso_type = ?5, updated_at = ?6 \
         WHERE uuid = ?1",
        params![
            image.uuid.to_string(),
            image.name,
            image.desc,
            image.os_type,
            image.kind.iso_type().map(IsoType::number),
            now
        ],
    )?;
    Ok(())
}

pub fn set_state(tx: &Tx<'_>, uuid: Uuid, state: ImageState) -> Result<()> {
    tx.changed(Topic::Images);
    tx.execute(
        "UPDATE images SET state = ?2, updated_at = ?3 WHERE uuid = ?1",
        params![uuid.to_string(), state.word(), now()],
    )?;
    Ok(())
}

/// The image and the rows of its copies.
pub fn remove(tx: &Tx<'_>, image: Uuid) -> Result<()> {
    tx.changed(Topic::Images);
    tx.execute("DELETE FROM layer_copies WHERE layer = ?1", [image.to_string()])?;
    tx.execute("DELETE FROM images WHERE uuid = ?1", [image.to_string()])?;
    Ok(())
}

/// Names of the templates made of a base image, or with an ISO in a drive, by name, at most `limit`, and how many there are.
pub fn users(conn: &Connection, image: &Image, limit: usize) -> Result<(Vec<String>, usize)> {
    let mut statement = conn.prepare_cached(match image.kind {
        ImageKind::Base(_) => "SELECT name FROM templates WHERE base_image = ?1 ORDER BY name",
        ImageKind::Iso(_) => {
            "SELECT t.name FROM template_discs d JOIN templates t ON t.id = d.template_id \
             WHERE d.iso = ?1 ORDER BY t.name"
        }
    })?;
    let names = statement.query_map([image.uuid.to_string()], |row| row.get(0))?;
    let mut names = names.collect::<rusqlite::Result<Vec<String>>>()?;
    let count = names.len();
    names.truncate(limit);
    Ok((names, count))
}

/// Writes a copy's row, or what has become of it. An empty path leaves the known one.
pub fn note_copy(tx: &Tx<'_>, copy: &LayerCopy) -> Result<()> {
    tx.changed(Topic::Images);
    let fault = match &copy.state {
        CopyState::Failed(fault) => Some(serde_json::to_string(fault).map_err(Error::internal)?),
        _ => None,
    };
    tx.prepare_cached(
        "INSERT INTO layer_copies (layer, node_id, storage, path, state, progress, fault) \
         VALUES (?1,?2,?3,?4,?5,?6,?7) ON CONFLICT (layer, node_id) DO UPDATE SET \
         storage = ?3, path = CASE ?4 WHEN '' THEN path ELSE ?4 END, state = ?5, progress = ?6, \
         fault = ?7",
    )?
    .execute(params![
        copy.layer.to_string(),
        copy.node_id,
        copy.storage,
        copy.path,
        copy.state.word(),
        copy.state.progress(),
        fault
    ])?;
    Ok(())
}

pub fn copies_remove(tx: &Tx<'_>, layers: &[Uuid], node_id: NodeId) -> Result<()> {
    tx.changed(Topic::Images);
    let mut statement =
        tx.prepare_cached("DELETE FROM layer_copies WHERE layer = ?1 AND node_id = ?2")?;
    for layer in layers {
        statement.execute(params![layer.to_string(), node_id])?;
    }
    Ok(())
}

pub fn copies(conn: &Connection, layers: &[Uuid]) -> Result<Vec<LayerCopy>> {
    Ok(copies_with_nodes(conn, layers)?.into_iter().map(|line| line.copy).collect())
}

/// The copy on a node, when it is there and whole.
pub fn ready_copy(conn: &Connection, layer: Uuid, node_id: NodeId) -> Result<Option<LayerCopy>> {
    let copies = copies(conn, &[layer])?;
    let ready = |copy: &LayerCopy| copy.node_id == node_id && copy.state == CopyState::Ready;
    Ok(copies.into_iter().find(ready))
}

/// Ids of the nodes on which the copy is whole.
pub fn ready_nodes(conn: &Connection, layer: Uuid) -> Result<HashSet<NodeId>> {
    let ready = |copy: &LayerCopy| copy.state == CopyState::Ready;
    Ok(copies(conn, &[layer])?.into_iter().filter(ready).map(|copy| copy.node_id).collect())
}

fn copies_with_nodes(conn: &Connection, layers: &[Uuid]) -> Result<Vec<CopyLine>> {
    let wanted = uuid_list(layers)?;
    let mut statement = conn.prepare_cached(
        "SELECT c.layer, c.node_id, c.storage, c.path, c.state, c.progress, c.fault, \
         n.uuid AS node_uuid, n.name AS node_name, n.ip AS node_ip FROM json_each(?1) w JOIN layer_copies c ON c.layer = w.value \
         JOIN nodes n ON n.id = c.node_id ORDER BY w.key, n.id",
    )?;
    let mut rows = statement.query([wanted])?;
    let mut lines = Vec::new();
    while let Some(row) = rows.next()? {
        let word: String = row.get("state")?;
        let copy = LayerCopy {
            layer: uuid(row, "layer")?,
            node_id: row.get("node_id")?,
            storage: row.get("storage")?,
            path: row.get("path")?,
            state: CopyState::parse(&word, row.get("progress")?, json::<Fault>(row, "fault")?)?,
        };
        lines.push(CopyLine {
            copy,
            node_uuid: uuid(row, "node_uuid")?,
            node_name: row.get("node_name")?,
            node_ip: row.get("node_ip")?,
        });
    }
    Ok(lines)
}

/// The column `boots`. One that only a newer release knows is unknown here.
pub fn boots(row: &Row<'_>) -> rusqlite::Result<Option<Boots>> {
    Ok(row.get::<_, Option<String>>("boots")?.and_then(|word| Boots::parse(&word)))
}

fn image(row: &Row<'_>) -> Result<Image> {
    Ok(Image {
        id: row.get("id")?,
        uuid: uuid(row, "uuid")?,
        kind: match row.get("iso_type")? {
            None => ImageKind::Base(row.get("pool_id")?),
            Some(number) => ImageKind::Iso(IsoType::parse(number)?),
        },
        name: row.get("name")?,
        desc: row.get("desc")?,
        os_type: row.get("os_type")?,
        md5: row.get("md5")?,
        sha256: row.get("sha256")?,
        virtual_size: unsigned(row, "virtual_size")?,
        disk_size: unsigned(row, "disk_size")?,
        state: ImageState::parse(&row.get::<_, String>("state")?)?,
        boots: boots(row)?,
        hints: ImageHints {
            vcpu: row.get("vcpu")?,
            memory_mib: row.get::<_, Option<i64>>("memory_mib")?.map(i64::cast_unsigned),
            virtio: row.get("virtio")?,
        },
        created_at: row.get("created_at")?,
        updated_at: row.get("updated_at")?,
    })
}
