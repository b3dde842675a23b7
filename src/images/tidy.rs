//! Throws away uploads that nobody continues: the server was killed, or its link to the node was cut.

use std::collections::HashSet;
use std::sync::{MutexGuard, PoisonError};

use tokio::sync::broadcast::error::RecvError;
use uuid::Uuid;

use super::{ImageState, Images};
use crate::error::{Kind, Result, logged};
use crate::node::protocol::FileKind;

impl Images {
    pub(super) fn uploads_under_way(&self) -> MutexGuard<'_, HashSet<Uuid>> {
        self.uploads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on looks for left uploads on every node that connects. Within the runtime; returns at
    /// once.
    pub fn start(&self) {
        let images = self.clone();
        let mut arrivals = self.inventory.arrivals();
        self.runtime.spawn(async move {
            loop {
                let nodes = match arrivals.recv().await {
                    Ok(node) => Some(node),
                    // Some arrivals were missed: looks everywhere.
                    Err(RecvError::Lagged(_)) => None,
                    Err(RecvError::Closed) => return,
                };
                let images = images.clone();
                let swept = tokio::task::spawn_blocking(move || images.sweep(nodes)).await;
                logged("the look for left uploads", swept);
            }
        });
    }

    fn sweep(&self, node: Option<i64>) -> Result<()> {
        let nodes = match node {
            Some(node) => vec![node],
            None => self.inventory.nodes()?.into_iter().map(|node| node.id).collect(),
        };
        nodes.into_iter().try_for_each(|node| self.discard_left(node))
    }

    fn discard_left(&self, node_id: i64) -> Result<()> {
        let client = self.inventory.client(node_id)?;
        for file in client.list_files()? {
            if file.kind != FileKind::Upload || self.is_wanted(file.uuid, node_id)? {
                continue;
            }
            tracing::info!(upload.uuid = %file.uuid, node.id = node_id, "unfinished upload discarded");
            client.discard(file.uuid, file.storage)?;
        }
        Ok(())
    }

    fn is_wanted(&self, upload: Uuid, node_id: i64) -> Result<bool> {
        if self.uploads_under_way().contains(&upload)
            || self.transfers.is_under_way(upload, node_id)
        {
            return Ok(true);
        }
        match self.base_image(upload) {
            // Its operation adopts it.
            Ok(image) => Ok(image.state == ImageState::Checking),
            Err(error) if error.kind() == Kind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }
}
