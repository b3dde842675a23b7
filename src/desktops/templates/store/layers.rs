//! Rows of the layers that templates' disks consist of.

use std::collections::{BTreeMap, HashMap, HashSet};

use rusqlite::{Connection, Row, params};
use uuid::Uuid;

use super::disk_role;
use crate::desktops::spec::DiskLayer;
use crate::desktops::templates::template::Template;
use crate::error::{Error, Result};
use crate::node::protocol::{
    FirmwareState, Hardware, LayerKind, LayerRef, StateFile, TemplateLayers,
};
use crate::store::{DiskId, NodeId, TemplateId, Topic, Tx, now, rows};

/// A layer of a template's disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    pub uuid: Uuid,
    pub template_id: TemplateId,
    pub disk_id: DiskId,
    /// `None`: a link of the chain that is no version's top.
    pub version: Option<u32>,
    pub below: Option<Uuid>,
    /// Bytes that a guest sees.
    pub size: u64,
    /// What it was written on.
    pub hardware: Hardware,
    /// What the firmware kept then; with a layer of the system disk.
    pub state: FirmwareState,
}

/// A layer with the storage of its copy on the template's node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacedLayer {
    pub layer: Layer,
    pub storage: String,
    /// Position of its disk.
    pub position: u32,
}

impl PlacedLayer {
    pub fn layer_ref(&self) -> LayerRef {
        let storage = self.storage.clone();
        LayerRef { uuid: self.layer.uuid, kind: LayerKind::TemplateVersion, storage }
    }
}

/// What desktops made of this version stand on, on a node; the system disk first.
///
/// # Errors
/// `template-version-missing` when the node does not have every layer of it.
pub fn version_layers(
    conn: &Connection,
    template: &Template,
    version: u32,
    node_id: NodeId,
) -> Result<Vec<DiskLayer>> {
    let mut statement = conn.prepare_cached(
        "SELECT d.uuid AS disk, d.role, d.position, l.size, l.uuid AS layer, c.storage \
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
        let storage: Option<String> = row.get("storage")?;
        layers.push(DiskLayer {
            disk: rows::uuid(row, "disk")?,
            role: disk_role(row)?,
            index: row.get("position")?,
            size: rows::unsigned(row, "size")?,
            layer: LayerRef {
                uuid: rows::uuid(row, "layer")?,
                kind: LayerKind::TemplateVersion,
                storage: storage.ok_or_else(missing)?,
            },
        });
    }
    if layers.is_empty() { Err(missing()) } else { Ok(layers) }
}

/// Nodes that have every layer of the template's newest version.
pub fn nodes_with_version(conn: &Connection, template: &Template) -> Result<HashSet<NodeId>> {
    let mut statement = conn.prepare_cached(
        "SELECT c.node_id FROM template_layers l JOIN layer_copies c ON c.layer = l.uuid AND c.state = 'ready' \
         WHERE l.template_id = ?1 AND l.version = ?2 GROUP BY c.node_id HAVING count(*) = \
         (SELECT count(*) FROM template_layers l WHERE l.template_id = ?1 AND l.version = ?2)",
    )?;
    let nodes = statement.query_map(params![template.id, template.version], |row| row.get(0))?;
    Ok(nodes.collect::<rusqlite::Result<_>>()?)
}

/// What desktops of each template on a node are to get: the layers of its newest version. Without templates that are
/// being worked on, or of which a layer is missing.
pub fn published_on(conn: &Connection, node_id: NodeId) -> Result<HashMap<Uuid, TemplateLayers>> {
    let mut statement = conn.prepare_cached(
        "SELECT t.uuid AS template, t.version, d.uuid AS disk, l.uuid AS layer, l.hardware, l.nvram, l.tpm, c.storage \
         FROM templates t JOIN template_layers l ON l.template_id = t.id AND l.version = t.version \
         JOIN template_disks d ON d.id = l.disk_id \
         LEFT JOIN layer_copies c ON c.layer = l.uuid AND c.node_id = ?1 AND c.state = 'ready' \
         WHERE t.node_id = ?1 AND t.state = 'ready'",
    )?;
    let mut rows = statement.query([node_id])?;
    let (mut published, mut incomplete) = (HashMap::new(), HashSet::new());
    while let Some(row) = rows.next()? {
        let (template, version) = (rows::uuid(row, "template")?, row.get("version")?);
        let (disk, layer) = (rows::uuid(row, "disk")?, rows::uuid(row, "layer")?);
        let Some(storage) = row.get("storage")? else {
            incomplete.insert(template);
            continue;
        };
        let hardware = super::hardware_of(row)?;
        let (disks, state) = (BTreeMap::new(), FirmwareState::default());
        let empty = || TemplateLayers { version, disks, hardware, state };
        let current: &mut TemplateLayers = published.entry(template).or_insert_with(empty);
        current.state = std::mem::take(&mut current.state).or(state_of(row)?);
        let kind = LayerKind::TemplateVersion;
        current.disks.insert(disk, LayerRef { uuid: layer, kind, storage });
    }
    published.retain(|template, _| !incomplete.contains(template));
    Ok(published)
}

/// What the template's own disks stand on, on its node; the system disk first.
pub fn own_layers(conn: &Connection, template: &Template) -> Result<Vec<DiskLayer>> {
    let mut statement = conn.prepare_cached(
        "SELECT d.uuid AS disk, d.role, d.position, d.size, d.top AS layer, c.storage FROM template_disks d \
         JOIN layer_copies c ON c.layer = d.top AND c.node_id = ?2 \
         WHERE d.template_id = ?1 ORDER BY d.position",
    )?;
    let mut rows = statement.query(params![template.id, template.node_id])?;
    let mut layers = Vec::new();
    while let Some(row) = rows.next()? {
        layers.push(DiskLayer {
            disk: rows::uuid(row, "disk")?,
            role: disk_role(row)?,
            index: row.get("position")?,
            size: rows::unsigned(row, "size")?,
            layer: LayerRef {
                uuid: rows::uuid(row, "layer")?,
                kind: LayerKind::TemplateVersion,
                storage: row.get("storage")?,
            },
        });
    }
    Ok(layers)
}

/// Every layer of a template that has a copy on its node, disk by disk.
pub fn placed_layers(conn: &Connection, template: &Template) -> Result<Vec<PlacedLayer>> {
    let mut statement = conn.prepare_cached(
        "SELECT l.uuid, l.template_id, l.disk_id, l.version, l.below, l.size, l.hardware, \
         l.nvram, l.tpm, c.storage, d.position FROM template_layers l JOIN template_disks d ON d.id = l.disk_id \
         JOIN layer_copies c ON c.layer = l.uuid AND c.node_id = ?2 \
         WHERE l.template_id = ?1 ORDER BY d.position, l.created_at",
    )?;
    let found = statement.query_map(params![template.id, template.node_id], |row| {
        Ok(PlacedLayer {
            layer: Layer {
                uuid: rows::uuid(row, "uuid")?,
                template_id: row.get("template_id")?,
                disk_id: row.get("disk_id")?,
                version: row.get("version")?,
                below: rows::optional_uuid(row, "below")?,
                size: rows::unsigned(row, "size")?,
                hardware: super::hardware_of(row)?,
                state: state_of(row)?,
            },
            storage: row.get("storage")?,
            position: row.get("position")?,
        })
    })?;
    Ok(found.collect::<rusqlite::Result<_>>()?)
}

pub fn insert_layer(tx: &Tx<'_>, layer: &Layer) -> Result<()> {
    tx.changed(Topic::Templates);
    tx.execute(
        "INSERT INTO template_layers (uuid, template_id, disk_id, version, below, size, created_at, hardware, \
         nvram, tpm) VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10)",
        params![
            layer.uuid.to_string(),
            layer.template_id,
            layer.disk_id,
            layer.version,
            layer.below.map(|below| below.to_string()),
            layer.size as i64,
            now(),
            super::hardware_column(&layer.hardware)?,
            layer.state.nvram.as_ref().map(StateFile::packed),
            layer.state.tpm.as_ref().map(StateFile::packed)
        ],
    )?;
    Ok(())
}

/// What the firmware kept when this layer was written.
pub fn set_layer_state(tx: &Tx<'_>, layer: Uuid, state: &FirmwareState) -> Result<()> {
    tx.execute(
        "UPDATE template_layers SET nvram = ?2, tpm = ?3 WHERE uuid = ?1",
        params![
            layer.to_string(),
            state.nvram.as_ref().map(StateFile::packed),
            state.tpm.as_ref().map(StateFile::packed)
        ],
    )?;
    Ok(())
}

/// What the firmware kept when a version was saved.
pub fn version_state(
    conn: &Connection,
    template_id: TemplateId,
    version: u32,
) -> Result<FirmwareState> {
    let sql = "SELECT nvram, tpm FROM template_layers WHERE template_id = ?1 AND version = ?2 \
         AND (nvram IS NOT NULL OR tpm IS NOT NULL) LIMIT 1";
    let found = rows::first(conn, sql, params![template_id, version], |row| Ok(state_of(row)?))?;
    Ok(found.unwrap_or_default())
}

/// The columns `nvram` and `tpm`.
fn state_of(row: &Row<'_>) -> rusqlite::Result<FirmwareState> {
    let (nvram, tpm): (Option<Vec<u8>>, Option<Vec<u8>>) = (row.get("nvram")?, row.get("tpm")?);
    let file = StateFile::of_packed;
    Ok(FirmwareState { nvram: nvram.map(file), tpm: tpm.map(file) })
}

/// The hardware that a version was saved on.
pub fn version_hardware(
    conn: &Connection,
    template_id: TemplateId,
    version: u32,
) -> Result<Hardware> {
    let sql =
        "SELECT hardware FROM template_layers WHERE template_id = ?1 AND version = ?2 LIMIT 1";
    let found =
        rows::first(conn, sql, params![template_id, version], |row| Ok(super::hardware_of(row)?))?;
    Ok(found.unwrap_or_else(Hardware::first))
}

/// Makes a layer the top of a version, or of none.
pub fn set_layer_version(tx: &Tx<'_>, layer: Uuid, version: Option<u32>) -> Result<()> {
    tx.changed(Topic::Templates);
    tx.execute(
        "UPDATE template_layers SET version = ?2 WHERE uuid = ?1",
        params![layer.to_string(), version],
    )?;
    Ok(())
}

/// Layers and the rows of their copies.
pub fn delete_layers(tx: &Tx<'_>, layers: &[Uuid]) -> Result<()> {
    tx.changed(Topic::Images | Topic::Templates);
    for layer in layers {
        tx.execute("DELETE FROM layer_copies WHERE layer = ?1", [layer.to_string()])?;
        tx.execute("DELETE FROM template_layers WHERE uuid = ?1", [layer.to_string()])?;
    }
    Ok(())
}

/// The layers below `top`, from it downwards; a base image ends them without being among them.
pub fn chain(layers: &[PlacedLayer], top: Uuid) -> Vec<&PlacedLayer> {
    let known: HashMap<Uuid, &PlacedLayer> =
        layers.iter().map(|placed| (placed.layer.uuid, placed)).collect();
    let mut seen = HashSet::new();
    let mut chain = Vec::new();
    let mut next = Some(top);
    while let Some(placed) = next.and_then(|uuid| known.get(&uuid))
        && seen.insert(placed.layer.uuid)
    {
        chain.push(*placed);
        next = placed.layer.below;
    }
    chain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn placed(uuid: Uuid, below: Option<Uuid>) -> PlacedLayer {
        let layer = Layer {
            uuid,
            template_id: TemplateId::new(1),
            disk_id: DiskId::new(1),
            version: None,
            below,
            size: 1,
            hardware: Hardware::first(),
            state: FirmwareState::default(),
        };
        PlacedLayer { layer, storage: "/s".into(), position: 0 }
    }

    #[test]
    fn a_chain_ends_at_the_base_image() {
        let (base, one, two, other) =
            (Uuid::new_v4(), Uuid::new_v4(), Uuid::new_v4(), Uuid::new_v4());
        let layers = [placed(one, Some(base)), placed(two, Some(one)), placed(other, None)];
        let uuids: Vec<Uuid> = chain(&layers, two).iter().map(|p| p.layer.uuid).collect();
        assert_eq!(uuids, [two, one]);
        assert_eq!(chain(&layers, other).len(), 1);
        assert!(chain(&layers, base).is_empty());
    }
}
