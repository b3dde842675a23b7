//! Brings images to nodes that lack them; their copies' rows tell how it goes.

use super::copies::{CopyState, LayerCopy};
use super::store::{note_copy, ready_copy};
use super::transfer::{Transfer, Turn};
use super::{Image, Images, store};
use crate::error::{Error, Fault, Result};
use crate::inventory::{FIRST_CONNECTION, Node, StorageRole};
use crate::node::cancel::CancelFlag;
use crate::node::client::{NodeClient, Watch};
use crate::node::protocol::{ImageFacts, LayerRef};
use crate::store::NodeId;

/// Takes the bytes that were carried, and of how many.
pub type Told<'a> = dyn FnMut(u64, u64) + Send + 'a;

impl Images {
    /// Sees to it that a node has an image, and gives its layer there. When somebody else brings it already, waits
    /// for that.
    ///
    /// # Errors
    /// `image-copy-lost`, `iso-copy-lost`, `node-unreachable`, `upload-stopped-for-room`, and of kind cancelled.
    pub fn ensure_on(
        &self,
        image: &Image,
        node: &Node,
        cancel: &CancelFlag,
        told: &mut Told<'_>,
    ) -> Result<LayerRef> {
        let turn = self.transfers.turn(image.uuid, node.id, cancel)?;
        let known = self.store.read(|conn| ready_copy(conn, image.uuid, node.id))?;
        if let Some(copy) = known {
            let layer = copy.layer_ref(image.kind.layer());
            let client = self.inventory.client_within(node.id, FIRST_CONNECTION)?;
            let mut watch = Watch { progress: &mut |_| (), cancel };
            if inspect(&client, &layer, false, &mut watch)?.exists {
                return Ok(layer);
            }
        }
        let storage = self.inventory.storage_for(node.id, StorageRole::TemplateSystem)?;
        let layer = LayerRef { uuid: image.uuid, kind: image.kind.layer(), storage };
        self.bring(&turn, image, node, layer, cancel, told)
    }

    /// Copies an image from a node that has it.
    pub(super) fn bring(
        &self,
        _turn: &Turn,
        image: &Image,
        node: &Node,
        layer: LayerRef,
        cancel: &CancelFlag,
        told: &mut Told<'_>,
    ) -> Result<LayerRef> {
        self.note(&layer, node.id, CopyState::Copying(0), "")?;
        let mut percent = 0;
        let mut noted = |done: u64, total: u64| {
            told(done, total);
            let now = u8::try_from(done.min(total) * 99 / total.max(1)).unwrap_or(99);
            if now > percent {
                percent = now;
                // The next one will say it.
                if let Err(error) = self.note(&layer, node.id, CopyState::Copying(now), "") {
                    tracing::warn!(error = error.detail(), "progress of a copy not written");
                }
            }
        };
        let fetched = self.fetch(image, node, &layer, cancel, &mut noted);
        match fetched {
            Ok(facts) => {
                self.note(&layer, node.id, CopyState::Ready, &facts.path)?;
                Ok(layer)
            }
            Err(error) => {
                self.note(&layer, node.id, CopyState::Failed(Fault::from(&error)), "")?;
                Err(error)
            }
        }
    }

    /// Writes how a copy is into its row.
    pub(super) fn note(
        &self,
        layer: &LayerRef,
        node_id: NodeId,
        state: CopyState,
        path: &str,
    ) -> Result<()> {
        let (storage, path) = (layer.storage.clone(), path.to_owned());
        let copy = LayerCopy { layer: layer.uuid, node_id, storage, path, state };
        self.store.write(|tx| note_copy(tx, &copy))
    }

    fn fetch(
        &self,
        image: &Image,
        node: &Node,
        layer: &LayerRef,
        cancel: &CancelFlag,
        told: &mut Told<'_>,
    ) -> Result<ImageFacts> {
        let lost = || {
            let key = image.kind.key("image-copy-lost", "iso-copy-lost");
            Error::conflict(key).arg("name", &image.name).arg("node", &node.name)
        };
        let copies = self.store.read(|conn| store::copies(conn, &[image.uuid]))?;
        let source = copies
            .iter()
            .find(|copy| copy.node_id != node.id && copy.state == CopyState::Ready)
            .ok_or_else(lost)?;
        let from = self.inventory.client_within(source.node_id, FIRST_CONNECTION)?;
        let to = self.inventory.client_within(node.id, FIRST_CONNECTION)?;
        // A damaged file would count as already adopted.
        for item in to.remove_layers(vec![layer.clone()])? {
            item.result.map_err(Error::from)?;
        }
        let transfer = Transfer {
            layer: source.layer_ref(layer.kind),
            from: (source.node_id, &from),
            to: &to,
            storage: layer.storage.clone(),
        };
        let total = image.disk_size;
        let sha256 = self.transfers.carry(&transfer, cancel, &mut |done| told(done, total))?;
        if sha256 != image.sha256 {
            to.discard(image.uuid, layer.storage.clone())?;
            return Err(lost());
        }
        let mut watch = Watch { progress: &mut |_| (), cancel };
        to.adopt_copy(image.uuid, layer.clone(), &mut watch)
    }
}

/// What a node has of a layer.
pub(super) fn inspect(
    client: &NodeClient,
    layer: &LayerRef,
    hash: bool,
    watch: &mut Watch<'_>,
) -> Result<ImageFacts> {
    let facts = client.inspect_layers(vec![layer.clone()], hash, watch)?;
    facts.into_iter().next().ok_or_else(|| Error::internal("a layer was not inspected"))
}
