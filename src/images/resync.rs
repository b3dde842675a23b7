//! Looks whether a node's copy of a base image is whole, and copies it again when it is not.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::copies::{CopyState, LayerCopy, note_copy, ready_copy};
use super::{BaseImage, ImageState, Images, store};
use crate::error::{Context, Error, Fault, Result};
use crate::inventory::{Node, StorageRole};
use crate::node::client::{NodeClient, Watch};
use crate::node::protocol::{ImageFacts, LayerKind, LayerRef};
use crate::operations::{
    Action, Actor, Execution, NewOperation, Saga, SubmittedOperation, nothing,
};

const KIND: &str = "image-resync";

#[derive(Debug, Serialize, Deserialize)]
struct Args {
    image: Uuid,
    node: Uuid,
}

pub(super) fn register(images: &Images) {
    const STEPS: &[Action<Images, Args>] = &[Action { name: "verify", run: verify, undo: nothing }];
    images.operations.register(KIND, Saga { domain: images.clone(), steps: STEPS });
}

impl Images {
    /// Verifies an image on a node, and restores it there from another node's copy.
    ///
    /// # Errors
    /// `pool-unknown`, `image-unknown`, `node-unknown`, `image-not-ready`.
    pub fn resync(
        &self,
        actor: &Actor,
        pool: Uuid,
        image: Uuid,
        node: Uuid,
    ) -> Result<(String, SubmittedOperation)> {
        let image = self.in_pool(pool, image)?;
        let node = self.inventory.node(node)?;
        let args = Args { image: image.uuid, node: node.uuid };
        let submitted = self.operations.submit(actor, |tx| {
            let image = store::find(tx, image.uuid)?;
            require_ready(&image)?;
            NewOperation::new(KIND, &args, image.uuid, &image.name)
        })?;
        Ok((image.name, submitted))
    }

    /// Sees to it that a node has an image, and gives its layer there.
    ///
    /// # Errors
    /// `image-copy-lost`, `node-unreachable`, `storage-ran-full`.
    pub fn ensure_on(
        &self,
        image: &BaseImage,
        node: &Node,
        execution: &Execution,
    ) -> Result<LayerRef> {
        let known = self.store.read(|conn| ready_copy(conn, image.uuid, node.id))?;
        if let Some(copy) = known {
            let layer = copy.layer_ref(LayerKind::BaseImage);
            let client = self.inventory.client(node.id)?;
            if inspect(&client, &layer, false, execution)?.exists {
                return Ok(layer);
            }
        }
        let storage = self.inventory.storage_for(node.id, StorageRole::TemplateSystem)?;
        self.copy_to(image, node, storage, execution)
    }

    /// Copies an image from a node that has it. The row tells how it goes.
    pub(super) fn copy_to(
        &self,
        image: &BaseImage,
        node: &Node,
        storage: String,
        execution: &Execution,
    ) -> Result<LayerRef> {
        let layer = LayerRef { uuid: image.uuid, kind: LayerKind::BaseImage, storage };
        let note = |state: CopyState, path: &str| {
            let copy = LayerCopy {
                layer: image.uuid,
                node_id: node.id,
                storage: layer.storage.clone(),
                path: path.to_owned(),
                state,
            };
            self.store.write(|tx| note_copy(tx, &copy))
        };
        note(CopyState::Copying(0), "")?;
        match self.fetch(image, node, &layer, execution) {
            Ok(facts) => note(CopyState::Ready, &facts.path).map(|()| layer),
            Err(error) => {
                note(CopyState::Failed(Fault::from(&error)), "")?;
                Err(error)
            }
        }
    }

    fn fetch(
        &self,
        image: &BaseImage,
        node: &Node,
        layer: &LayerRef,
        execution: &Execution,
    ) -> Result<ImageFacts> {
        let lost =
            || Error::conflict("image-copy-lost").arg("name", &image.name).arg("node", &node.name);
        let copies = self.store.read(|conn| store::copies(conn, &[image.uuid]))?;
        let source = copies
            .iter()
            .find(|copy| copy.node_id != node.id && copy.state == CopyState::Ready)
            .ok_or_else(lost)?;
        let from = self.inventory.client(source.node_id)?;
        let to = self.inventory.client(node.id)?;
        // A damaged file would count as already adopted.
        for item in to.remove_layers(vec![layer.clone()])? {
            item.result.map_err(Error::from)?;
        }
        let sha256 = self.transfer(&from, source, &to, layer)?;
        if sha256 != image.sha256 {
            to.discard(image.uuid, layer.storage.clone())?;
            return Err(lost());
        }
        let mut watch = Watch { progress: &mut |_| (), cancel: execution.cancel_flag() };
        to.adopt_image(image.uuid, layer.clone(), &mut watch)
    }

    /// Carries the bytes from node to node; gives the hash of what arrived.
    fn transfer(
        &self,
        from: &NodeClient,
        source: &LayerCopy,
        to: &NodeClient,
        layer: &LayerRef,
    ) -> Result<String> {
        self.runtime.block_on(async {
            let mut sending = from.send(source.layer_ref(LayerKind::BaseImage))?;
            let mut receiving = to.receive(layer.uuid, layer.storage.clone(), None)?;
            let copied = tokio::io::copy(&mut sending, &mut receiving).await;
            // Each end says by itself why it stopped.
            sending.reply().await?;
            let received = receiving.received().await?;
            copied.context("carry an image between nodes")?;
            Ok(received.sha256)
        })
    }
}

/// # Errors
/// `image-not-ready`
pub(super) fn require_ready(image: &BaseImage) -> Result<()> {
    match image.state {
        ImageState::Ready => Ok(()),
        ImageState::Checking | ImageState::Deleting => {
            Err(Error::busy("image-not-ready").arg("name", &image.name))
        }
    }
}

fn verify(images: &Images, args: &Args, execution: &Execution) -> Result<()> {
    let image = images.base_image(args.image)?;
    let node = images.inventory.node(args.node)?;
    let client = images.inventory.client(node.id)?;
    let copies = images.store.read(|conn| store::copies(conn, &[image.uuid]))?;
    let storage = match copies.into_iter().find(|copy| copy.node_id == node.id) {
        Some(copy) => copy.storage,
        None => images.inventory.storage_for(node.id, StorageRole::TemplateSystem)?,
    };
    let layer = LayerRef { uuid: image.uuid, kind: LayerKind::BaseImage, storage };
    let facts = inspect(&client, &layer, true, execution)?;
    if facts.exists && facts.sha256 == image.sha256 {
        let copy = LayerCopy {
            layer: image.uuid,
            node_id: node.id,
            storage: layer.storage,
            path: facts.path,
            state: CopyState::Ready,
        };
        return images.store.write(|tx| note_copy(tx, &copy));
    }
    images.copy_to(&image, &node, layer.storage, execution).map(drop)
}

fn inspect(
    client: &NodeClient,
    layer: &LayerRef,
    hash: bool,
    execution: &Execution,
) -> Result<ImageFacts> {
    let mut watch = Watch {
        progress: &mut |progress| execution.progress(progress.done, progress.total),
        cancel: execution.cancel_flag(),
    };
    let facts = client.inspect_layers(vec![layer.clone()], hash, &mut watch)?;
    facts.into_iter().next().ok_or_else(|| Error::internal("a layer was not inspected"))
}
