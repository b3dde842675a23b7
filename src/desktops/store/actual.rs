//! What nodes report, in the rows of desktops.

use rusqlite::{Connection, Transaction, params};
use uuid::Uuid;

use crate::desktops::group::Stage;
use crate::desktops::reconcile::{Known, KnownDomain};
use crate::desktops::seat::{STOPPED, STOPPING};
use crate::desktops::templates::Power;
use crate::error::Result;
use crate::node::protocol::DomainState;
use crate::store::rows;

/// Writes a desktop's state if it differs.
///
/// A desktop that Carrel stops and that then is off was stopped by Carrel, whatever libvirt calls it. libvirt forgets
/// why a domain went off when it is started anew (`off`): the known reason stays.
pub fn set_desktop(tx: &Transaction<'_>, state: &DomainState) -> Result<()> {
    tx.prepare_cached(
        "UPDATE desktops SET power = ?2, started_at = coalesce(?4, started_at), \
         version = coalesce(?5, version), fault = iif(?2 = 'running', NULL, fault), \
         power_reason = CASE \
           WHEN ?2 = 'off' AND power_reason IN (?6, ?7) THEN ?7 \
           WHEN ?2 = 'off' AND ?3 = 'off' AND power = 'off' THEN power_reason \
           WHEN ?2 <> 'off' AND power_reason = ?6 AND power = ?2 THEN power_reason \
           ELSE ?3 END \
         WHERE uuid = ?1 AND (power <> ?2 \
           OR (?4 IS NOT NULL AND started_at IS NOT ?4) OR (?5 IS NOT NULL AND version <> ?5) \
           OR (?2 <> 'off' AND power_reason NOT IN (?3, ?6)) \
           OR (?2 = 'off' AND ?3 <> 'off' AND power_reason NOT IN (?3, ?6, ?7)))",
    )?
    .execute(params![
        state.uuid.to_string(),
        Power(state.power).word(),
        state.reason,
        state.started_at,
        state.version,
        STOPPING,
        STOPPED
    ])?;
    Ok(())
}

/// The domain is not defined any more.
pub fn set_gone(tx: &Transaction<'_>, uuid: Uuid) -> Result<()> {
    tx.prepare_cached("UPDATE desktops SET power = 'off' WHERE uuid = ?1 AND power <> 'off'")?
        .execute([uuid.to_string()])?;
    Ok(())
}

/// Every owner of domains and files that rows know.
pub fn known(conn: &Connection) -> Result<Known> {
    let mut known = Known::default();
    let mut statement = conn.prepare_cached(
        "SELECT uuid, node_id, state, 0 FROM desktops \
         UNION ALL SELECT uuid, node_id, state, 1 FROM templates",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let stage: String = row.get(2)?;
        let domain = KnownDomain {
            node_id: row.get(1)?,
            is_ready: stage == Stage::Ready.word(),
            is_template: row.get(3)?,
        };
        known.domains.insert(rows::uuid(row, 0)?, domain);
    }
    let mut statement = conn.prepare_cached(
        "SELECT uuid FROM base_images UNION SELECT uuid FROM template_layers \
         UNION SELECT uuid FROM template_exports UNION SELECT layer FROM layer_copies",
    )?;
    let layers = statement.query_map([], |row| rows::uuid(row, 0))?;
    known.layers = layers.collect::<rusqlite::Result<_>>()?;
    Ok(known)
}
