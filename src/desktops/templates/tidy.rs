//! Ends what was left half done on a node: saves and ways back that were abandoned, layers on which nothing stands any more,
//! downloads that nobody fetches.

use uuid::Uuid;

use super::history::Chains;
use super::store::{self, PlacedLayer};
use super::{Template, TemplateState, Templates};
use crate::error::Result;
use crate::inventory::Duty;
use crate::store::NodeId;

impl Templates {
    /// From now on, on every node that arrives, ends saves and ways back that were abandoned, and throws away unused layers and
    /// downloads that nobody fetches, these also hourly. Within the runtime; returns at once.
    pub fn start(&self) {
        let templates = self.clone();
        self.inventory.attend(Duty::LeftSaves, move |node| templates.end_left(node));
        let templates = self.clone();
        self.inventory.attend(Duty::EjectedDiscs, move |node| templates.note_ejected(node));
        let templates = self.clone();
        self.inventory.attend(Duty::BusSwitches, move |node| templates.follow_bus_switches(node));
        let templates = self.clone();
        self.inventory.attend(Duty::UnusedLayers, move |node| {
            templates.remove_left_exports(node).and(templates.remove_unused_layers_on(node))
        });
    }

    /// Files that nobody can fetch any more: their tickets are void, or ended with an earlier server.
    fn remove_left_exports(&self, node_id: NodeId) -> Result<()> {
        let busy = self.operations.locked()?;
        for export in self.store.read(|conn| store::exports_of_node(conn, node_id))? {
            if !self.downloads.knows(export.uuid) && !busy.contains(&export.uuid) {
                self.remove_export(export.uuid)?;
            }
        }
        Ok(())
    }

    /// Removes layers that are below no version of the history and no working disk, and on which no desktop stands. The
    /// node knows the latter; layers in use stay for the next time.
    fn remove_unused_layers(&self, template: &Template) -> Result<()> {
        let layers = self.store.read(|conn| {
            let layers = store::placed_layers(conn, template)?;
            let disks = store::disks(conn, template.id)?;
            let kept = store::kept_versions(conn, template.id)?;
            let versions = kept.into_iter().chain([template.version]);
            let working = disks.iter().map(|disk| disk.top);
            let needed = Chains::of(&layers).needed(versions, working);
            let unused = |placed: &PlacedLayer| !needed.contains(&placed.layer.uuid);
            Ok(layers.iter().filter(|placed| unused(placed)).cloned().collect::<Vec<_>>())
        })?;
        if layers.is_empty() {
            return Ok(());
        }
        let refs = layers.iter().map(PlacedLayer::layer_ref).collect();
        let results = self.client_of(template)?.remove_layers(refs)?;
        let gone: Vec<Uuid> =
            results.iter().filter(|item| item.result.is_ok()).map(|item| item.uuid).collect();
        self.store.write(|tx| store::delete_layers(tx, &gone))
    }

    /// Of all templates on the node that nobody works on; the first error.
    fn remove_unused_layers_on(&self, node_id: NodeId) -> Result<()> {
        let busy = self.operations.locked()?;
        let templates = self.store.read(|conn| store::on_node(conn, node_id))?;
        let idle = templates.iter().filter(|template| {
            template.state == TemplateState::Ready && !busy.contains(&template.uuid)
        });
        let removed: Vec<Result<()>> =
            idle.map(|template| self.remove_unused_layers(template)).collect();
        removed.into_iter().collect()
    }
}
