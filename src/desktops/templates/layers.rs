//! What the rows say of a template's layers while their files are being made.

use uuid::Uuid;

use super::{Templates, store};
use crate::error::Result;
use crate::images::{self, CopyState, LayerCopy};
use crate::store::NodeId;

/// A layer that is about to be made.
pub(super) fn new_copy(layer: Uuid, node_id: NodeId, storage: &str) -> LayerCopy {
    LayerCopy {
        layer,
        node_id,
        storage: storage.to_owned(),
        path: String::new(),
        state: CopyState::Copying(0),
    }
}

impl Templates {
    /// The files of these layers are there.
    pub(super) fn note_made(&self, node_id: NodeId, layers: &[store::PlacedLayer]) -> Result<()> {
        self.store.write(|tx| {
            for placed in layers {
                let made = LayerCopy {
                    state: CopyState::Ready,
                    ..new_copy(placed.layer.uuid, node_id, &placed.storage)
                };
                images::note_copy(tx, &made)?;
            }
            Ok(())
        })
    }
}
