//! Throws away uploads that nobody continues: the server was killed, or its link to the node was cut.

use std::collections::HashMap;
use std::sync::{Arc, MutexGuard, PoisonError};

use uuid::Uuid;

use super::under_way::Writer;
use super::{ImageState, Images, resumable};
use crate::error::{Kind, Result};
use crate::inventory::Duty;
use crate::node::protocol::FileKind;
use crate::store::NodeId;

impl Images {
    pub(super) fn uploads_under_way(&self) -> MutexGuard<'_, HashMap<Uuid, Arc<Writer>>> {
        self.uploads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on throws away left uploads on every node that arrives. Within the runtime; returns at once.
    pub fn start(&self) {
        self.drop_expired_from_now_on();
        let images = self.clone();
        self.inventory.attend(Duty::LeftUploads, move |node| images.discard_left(node));
    }

    fn discard_left(&self, node_id: NodeId) -> Result<()> {
        let client = self.inventory.client_now(node_id)?;
        for file in client.list_files()? {
            if file.kind != FileKind::Upload || self.is_wanted(file.uuid, node_id)? {
                continue;
            }
            tracing::info!(upload.uuid = %file.uuid, node.id = node_id.number(), "unfinished upload discarded");
            client.discard(file.uuid, file.storage)?;
        }
        Ok(())
    }

    fn is_wanted(&self, upload: Uuid, node_id: NodeId) -> Result<bool> {
        if self.uploads_under_way().contains_key(&upload)
            || self.transfers.is_under_way(upload, node_id)
        {
            return Ok(true);
        }
        let unfinished = self.store.read(|conn| resumable::store::find(conn, upload))?;
        if unfinished
            .is_some_and(|unfinished| !unfinished.is_added && unfinished.node_id == node_id)
        {
            return Ok(true);
        }
        match self.image(upload) {
            // Its operation adopts it.
            Ok(image) => Ok(image.state == ImageState::Checking),
            Err(error) if error.kind() == Kind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }
}
