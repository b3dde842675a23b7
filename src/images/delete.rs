//! Deletes base images that no template uses, on every node.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::resync::require_ready;
use super::{ImageState, Images, store};
use crate::error::{Error, Fault, Result};
use crate::inventory::FIRST_CONNECTION;
use crate::node::protocol::LayerKind;
use crate::operations::{
    Action, Actor, Admitted, BatchSubmission, Execution, Item, Lane, NewOperation, Saga, Unit,
};
use crate::store::{PoolId, Tx};

const KIND: &str = "image-delete";

/// Users of an image that a refusal names.
const NAMED_USERS: usize = 5;

#[derive(Debug, Serialize, Deserialize)]
struct Args {
    images: Vec<(Uuid, String)>,
    refused: Vec<Item>,
}

pub(super) fn register(images: &Images) {
    const STEPS: &[Action<Images, Args>] = &[Action::new("remove", remove, restore)];
    images
        .operations
        .register(KIND, Saga::new(Lane::Build, images.clone(), STEPS).counting(Unit::Items));
}

impl Images {
    /// Deletes what is not in use; what is, is refused by itself.
    ///
    /// # Errors
    /// `pool-unknown`, and of single images `image-unknown`, `image-in-use`, `image-not-ready`,
    /// `node-unreachable`.
    pub fn delete(&self, actor: &Actor, pool: Uuid, images: &[Uuid]) -> Result<BatchSubmission> {
        let pool = self.inventory.pool(pool)?;
        self.operations.submit_batch(
            actor,
            images,
            |tx, batch| batch.admit(|uuid| admit(tx, pool.id, uuid)),
            |_, admitted| {
                let Admitted { uuids, locks, things: images, title, refused } = admitted;
                let args = Args { images, refused };
                Ok(NewOperation::new(KIND, &args, uuids[0], &title)?.locking_only(locks))
            },
        )
    }
}

fn admit(tx: &Tx<'_>, pool_id: PoolId, uuid: Uuid) -> Result<String> {
    let image = store::find(tx, uuid)?;
    if image.pool_id != pool_id {
        return Err(Error::not_found("image-unknown").arg("uuid", uuid));
    }
    require_ready(&image)?;
    let (users, count) = store::users(tx, uuid, NAMED_USERS)?;
    if count > 0 {
        let error = Error::conflict("image-in-use").arg("name", &image.name);
        return Err(error.arg("users", users.join(", ")).arg("count", count));
    }
    store::set_state(tx, uuid, ImageState::Deleting)?;
    Ok(image.name)
}

fn remove(images: &Images, args: &Args, execution: &Execution) -> Result<()> {
    execution.note_refused(&args.refused);
    for (done, (uuid, name)) in args.images.iter().enumerate() {
        execution.progress(done as u64, args.images.len() as u64);
        let removed = remove_one(images, *uuid);
        if let Err(error) = &removed {
            tracing::warn!(image.uuid = %uuid, error = error.detail(), "image not deleted");
            keep(images, *uuid)?;
        }
        execution.item(*uuid, name, removed.map_err(Fault::from));
    }
    Ok(())
}

fn remove_one(images: &Images, uuid: Uuid) -> Result<()> {
    for copy in images.store.read(|conn| store::copies(conn, &[uuid]))? {
        let node = images.inventory.client_within(copy.node_id, FIRST_CONNECTION)?;
        for item in node.remove_layers(vec![copy.layer_ref(LayerKind::BaseImage)])? {
            item.result.map_err(Error::from)?;
        }
        images.store.write(|tx| store::copies_remove(tx, &[uuid], copy.node_id))?;
    }
    images.store.write(|tx| store::remove(tx, uuid))
}

/// What could not be deleted stays in use, with the copies that it still has.
fn restore(images: &Images, args: &Args, _: &Execution) -> Result<()> {
    args.images.iter().try_for_each(|(uuid, _)| keep(images, *uuid))
}

fn keep(images: &Images, uuid: Uuid) -> Result<()> {
    images.store.write(|tx| store::set_state(tx, uuid, ImageState::Ready))
}
