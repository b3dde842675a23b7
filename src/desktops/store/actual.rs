//! What nodes report, in the rows of desktops.

use rusqlite::{Connection, params};
use uuid::Uuid;

use crate::desktops::group::Stage;
use crate::desktops::reconcile::{Known, KnownDomain};
use crate::desktops::seat::{ASKED, CUT, CUTTING, STOPPED, STOPPING, UNREADABLE};
use crate::desktops::spec::Restore;
use crate::desktops::templates::{self, Power};
use crate::error::{Error, Fault, Result};
use crate::images::{CopyState, LayerCopy};
use crate::node::protocol::DomainState;
use crate::store::{NodeId, Topic, Tx, rows};

/// Writes a desktop's state if it differs.
///
/// A desktop that Carrel stops or cuts off and that then is off was so by Carrel, whatever libvirt calls it. libvirt forgets
/// why a domain went off when it is started anew (`off`): the known reason stays. One that did not obey and was started
/// anew since was not asked. One that stands on the template that its group had before has no version of the new one. A version that no row knows is one of
/// after a backup that was restored: what the row says can be made anew.
pub fn set_desktop(tx: &Tx<'_>, state: &DomainState) -> Result<()> {
    let mut statement = tx.prepare_cached(
        "WITH known AS (SELECT EXISTS (SELECT 1 FROM template_layers l \
           JOIN desktop_groups g ON g.template_id = l.template_id JOIN templates t ON t.id = g.template_id \
           JOIN desktops d ON d.group_id = g.id WHERE d.uuid = ?1 AND l.version = ?5 AND t.uuid = ?12) AS version, \
           EXISTS (SELECT 1 FROM templates t JOIN desktop_groups g ON g.template_id = t.id \
           JOIN desktops d ON d.group_id = g.id WHERE d.uuid = ?1 AND t.uuid = ?12) AS template) \
         UPDATE desktops SET power = ?2, started_at = coalesce(?4, started_at), \
         former_template = iif((SELECT template FROM known), NULL, former_template), \
         version = iif((SELECT version FROM known), ?5, version), fault = iif(?2 = 'running' OR power_reason = ?8, NULL, fault), \
         power_reason = CASE \
           WHEN ?2 = 'off' AND power_reason IN (?6, ?7, ?11) THEN ?7 \
           WHEN ?2 = 'off' AND power_reason IN (?9, ?10) THEN ?10 \
           WHEN ?2 = 'off' AND ?3 = 'off' AND power = 'off' THEN power_reason \
           WHEN ?2 <> 'off' AND power_reason = ?11 AND ?4 IS NOT NULL AND started_at IS NOT ?4 THEN ?3 \
           WHEN ?2 <> 'off' AND power_reason IN (?6, ?9, ?11) AND power = ?2 THEN power_reason \
           ELSE ?3 END \
         WHERE uuid = ?1 AND (power <> ?2 \
           OR (?4 IS NOT NULL AND started_at IS NOT ?4) OR (version <> ?5 AND (SELECT version FROM known)) \
           OR (former_template IS NOT NULL AND (SELECT template FROM known)) \
           OR (?2 <> 'off' AND power_reason NOT IN (?3, ?6, ?9, ?11)) \
           OR (?2 = 'off' AND ?3 <> 'off' AND power_reason NOT IN (?3, ?6, ?7, ?9, ?10, ?11)))",
    )?;
    let changed = statement.execute(params![
        state.uuid.to_string(),
        Power(state.power).word(),
        state.reason,
        state.started_at,
        state.version,
        STOPPING,
        STOPPED,
        UNREADABLE,
        CUTTING,
        CUT,
        ASKED,
        state.owner.template.to_string()
    ])?;
    tx.changed_rows(changed, Topic::Desktops);
    Ok(())
}

/// The domain is there, and its node's agent cannot read it: shown with the reason until it can.
pub fn set_unreadable(tx: &Tx<'_>, uuid: Uuid, fault: &Fault) -> Result<()> {
    let fault = serde_json::to_string(fault).map_err(Error::internal)?;
    let sql = "UPDATE desktops SET power = 'crashed', power_reason = ?2, fault = ?3 \
         WHERE uuid = ?1 AND (power_reason <> ?2 OR fault IS NOT ?3)";
    let changed = tx.prepare_cached(sql)?.execute(params![uuid.to_string(), UNREADABLE, fault])?;
    tx.changed_rows(changed, Topic::Desktops);
    Ok(())
}

/// The domain is not defined any more.
pub fn set_gone(tx: &Tx<'_>, uuid: Uuid) -> Result<()> {
    let sql = "UPDATE desktops SET power = 'off' WHERE uuid = ?1 AND power <> 'off'";
    let changed = tx.prepare_cached(sql)?.execute([uuid.to_string()])?;
    tx.changed_rows(changed, Topic::Desktops);
    Ok(())
}

/// What rows know of a node and of what was found there: the owners of domains and files, and what is to be published.
pub fn known(conn: &Connection, node: NodeId, found: &[Uuid]) -> Result<Known> {
    let mut known =
        Known { published: templates::store::published_on(conn, node)?, ..Known::default() };
    let owners = found;
    let found = super::json_uuids(found)?;
    let mut statement = conn.prepare_cached(
        "SELECT d.uuid, d.name, d.node_id, d.state, d.seat, g.uuid AS group_uuid, g.name AS group_name, \
         g.host_names, g.sys_restore, g.data_restore, t.uuid AS template_uuid, g.disk_mb, g.disk_iops, g.receive_mbit, g.send_mbit \
         FROM desktops d JOIN desktop_groups g ON g.id = d.group_id \
         JOIN templates t ON t.id = g.template_id \
         WHERE d.node_id = ?1 OR d.uuid IN (SELECT value FROM json_each(?2)) \
         UNION ALL SELECT uuid, name, node_id, state, NULL, NULL, NULL, NULL, 0, 0, NULL, 0, 0, 0, 0 FROM templates \
         WHERE node_id = ?1 OR uuid IN (SELECT value FROM json_each(?2))",
    )?;
    let mut rows = statement.query(params![node, found])?;
    while let Some(row) = rows.next()? {
        let stage: String = row.get("state")?;
        let domain = KnownDomain {
            node_id: row.get("node_id")?,
            is_ready: stage == Stage::Ready.word(),
            group: rows::optional_uuid(row, "group_uuid")?,
            template: rows::optional_uuid(row, "template_uuid")?,
            restore: Restore { system: row.get("sys_restore")?, data: row.get("data_restore")? },
            identity: super::identity(row)?,
            name: row.get("name")?,
            limits: super::limits(row)?,
        };
        known.domains.insert(rows::uuid(row, "uuid")?, domain);
    }
    let mut statement = conn.prepare_cached(
        "SELECT f.value FROM json_each(?1) f WHERE f.value IN (SELECT uuid FROM images) \
         OR f.value IN (SELECT uuid FROM template_layers) \
         OR f.value IN (SELECT uuid FROM template_exports) \
         OR f.value IN (SELECT layer FROM layer_copies)",
    )?;
    let layers = statement.query_map([found], |row| rows::uuid(row, 0))?;
    known.layers = layers.collect::<rusqlite::Result<_>>()?;
    // After the rows: one that is deleted in between stands in one of the two.
    known.gone = super::gone::among(conn, owners)?;
    Ok(known)
}

/// A layer that a node has, as the rows say.
#[derive(Debug, Clone)]
pub struct NodeLayer {
    pub copy: LayerCopy,
    /// What it stands on.
    pub below: Option<Uuid>,
    /// The template that it is of; a base image itself.
    pub owner: Uuid,
}

impl NodeLayer {
    /// Whether it is that copy's layer and whole while the copy is not, or the other way round.
    pub fn is_of_other_state(&self, copy: &LayerCopy) -> bool {
        let is_ready = |copy: &LayerCopy| copy.state == CopyState::Ready;
        self.copy.layer == copy.layer && is_ready(&self.copy) != is_ready(copy)
    }
}

/// All layers of a node with the reason why one is not whole.
pub fn layers_on(conn: &Connection, node: NodeId) -> Result<Vec<NodeLayer>> {
    let mut statement = conn.prepare_cached(
        "SELECT c.layer, c.storage, c.path, c.state, c.progress, c.fault, l.below, \
         coalesce(t.uuid, c.layer) AS owner FROM layer_copies c \
         LEFT JOIN template_layers l ON l.uuid = c.layer LEFT JOIN templates t ON t.id = l.template_id \
         WHERE c.node_id = ?1",
    )?;
    let mut rows = statement.query([node])?;
    let mut layers = Vec::new();
    while let Some(row) = rows.next()? {
        let (word, progress): (String, u8) = (row.get("state")?, row.get("progress")?);
        let copy = LayerCopy {
            layer: rows::uuid(row, "layer")?,
            node_id: node,
            storage: row.get("storage")?,
            path: row.get("path")?,
            state: CopyState::parse(&word, progress, rows::json(row, "fault")?)?,
        };
        let below = rows::optional_uuid(row, "below")?;
        layers.push(NodeLayer { copy, below, owner: rows::uuid(row, "owner")? });
    }
    Ok(layers)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::store::Store;

    fn uuid(number: u128) -> Uuid {
        Uuid::from_u128(number)
    }

    /// Nodes 1 to 3, each with the template of its number and two desktops: number * 10 and number * 10 + 1.
    fn filled(dir: &tempfile::TempDir) -> Store {
        let path = dir.path().join("test.db");
        let store = Store::open(&path).expect("store");
        let raw = Connection::open(path).expect("open");
        raw.pragma_update(None, "foreign_keys", false).expect("rows without what they belong to");
        for node in 1..=3_u32 {
            let template = "INSERT INTO templates (uuid, name, os_type, classify, pool_id, node_id, network_id, \
                 subnet_id, vcpu, memory_mib, base_image, state, owner_name, created_at) \
                 VALUES (?1, ?1, '', 1, 1, ?2, 1, 1, 1, 64, '', 'ready', '', 0)";
            let uuids = |number: u32| uuid(number.into()).to_string();
            raw.execute(template, params![uuids(node), node]).expect("a template");
            let group = "INSERT INTO desktop_groups (id, uuid, name, kind, template_id, pool_id, network_id, \
                 subnet_id, vcpu, memory_mib, sys_restore, data_restore, prefix, postfix, first_number, state, \
                 owner_name, created_at) VALUES (?2, ?1, ?1, 1, 1, 1, 1, 1, 1, 64, 1, 1, '', 3, 1, 'ready', '', 0)";
            raw.execute(group, params![uuids(node * 100), node]).expect("a group");
            for seat in [0, 1] {
                let desktop = "INSERT INTO desktops (uuid, name, group_id, node_id, seat, version, state, created_at) \
                     VALUES (?1, ?1, ?2, ?2, ?3, 1, 'ready', 0)";
                raw.execute(desktop, params![uuids(node * 10 + seat), node, seat])
                    .expect("a desktop");
            }
        }
        store
    }

    #[test]
    fn a_look_at_a_node_reads_what_is_its_own_or_was_found_there() {
        let dir = tempfile::tempdir().expect("temp dir");
        let store = filled(&dir);
        let look = |found: &[u128]| -> HashSet<u128> {
            let found: Vec<Uuid> = found.iter().copied().map(uuid).collect();
            let known = store.read(|conn| known(conn, NodeId::new(2), &found)).expect("known");
            known.domains.keys().map(Uuid::as_u128).collect()
        };
        assert_eq!(look(&[]), HashSet::from([2, 20, 21]));
        assert_eq!(look(&[11, 3, 77]), HashSet::from([2, 20, 21, 11, 3]));
    }
}
