//! Looks whether a node's copy of a base image is whole, and copies it again when it is not.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::add::part_of;
use super::bring::inspect;
use super::copies::CopyState;
use super::{Image, ImageState, Images, store};
use crate::error::{Error, Result};
use crate::inventory::{FIRST_CONNECTION, StorageRole};
use crate::node::client::Watch;
use crate::node::protocol::LayerRef;
use crate::operations::{
    Action, Actor, Execution, Lane, NewOperation, Saga, SubmittedOperation, Unit, nothing,
};

const KIND: &str = "image-resync";

#[derive(Debug, Serialize, Deserialize)]
struct Args {
    image: Uuid,
    node: Uuid,
}

pub(super) fn register(images: &Images) {
    const STEPS: &[Action<Images, Args>] = &[Action::new("verify", verify, nothing)];
    images
        .operations
        .register(KIND, Saga::new(Lane::Copy, images.clone(), STEPS).counting(Unit::Bytes));
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
            let image = self.base_image_in(tx, image.uuid)?;
            require_ready(&image)?;
            let new = NewOperation::new(KIND, &args, image.uuid, &image.name)?;
            Ok(new.on([(node.id, 0)]))
        })?;
        Ok((image.name, submitted))
    }
}

/// # Errors
/// `image-not-ready`, `iso-not-ready`
pub fn require_ready(image: &Image) -> Result<()> {
    match image.state {
        ImageState::Ready => Ok(()),
        ImageState::Checking | ImageState::Deleting => {
            let key = image.kind.key("image-not-ready", "iso-not-ready");
            Err(Error::busy(key).arg("name", &image.name))
        }
    }
}

fn verify(images: &Images, args: &Args, execution: &Execution) -> Result<()> {
    let image = images.base_image(args.image)?;
    let node = images.inventory.node(args.node)?;
    let client = images.inventory.client_within(node.id, FIRST_CONNECTION)?;
    let turn = images.transfers.turn(image.uuid, node.id, execution.cancel_flag())?;
    let copies = images.store.read(|conn| store::copies(conn, &[image.uuid]))?;
    let storage = match copies.into_iter().find(|copy| copy.node_id == node.id) {
        Some(copy) => copy.storage,
        None => images.inventory.storage_for(node.id, StorageRole::TemplateSystem)?,
    };
    let layer = LayerRef { uuid: image.uuid, kind: image.kind.layer(), storage };
    execution.part_begins(node.id, image.disk_size);
    let mut watch = Watch {
        progress: &mut |progress| execution.part_progress(node.id, part_of(&image, progress)),
        cancel: execution.cancel_flag(),
    };
    let facts = inspect(&client, &layer, true, &mut watch)?;
    if facts.exists && facts.sha256 == image.sha256 {
        return images.note(&layer, node.id, CopyState::Ready, &facts.path);
    }
    execution.part_begins(node.id, image.disk_size);
    let mut told = |done, _| execution.part_progress(node.id, done);
    images.bring(&turn, &image, &node, layer, execution.cancel_flag(), &mut told).map(drop)
}
