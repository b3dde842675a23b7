//! Deletes base images that no template uses and ISOs that are in no drive, on every node.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::resync::require_ready;
use super::{Image, ImageKind, ImageState, Images, store};
use crate::error::{Error, Fault, Result};
use crate::inventory::FIRST_CONNECTION;
use crate::operations::{
    Action, Actor, Admitted, BatchSubmission, Execution, Item, Lane, NewOperation, Saga, Unit,
};
use crate::store::Tx;

const KIND: &str = "image-delete";
const ISO_KIND: &str = "iso-delete";

/// Users of an image that a refusal names.
const NAMED_USERS: usize = 5;

#[derive(Debug, Serialize, Deserialize)]
struct Args {
    images: Vec<(Uuid, String)>,
    refused: Vec<Item>,
}

pub(super) fn register(images: &Images) {
    const STEPS: &[Action<Images, Args>] = &[Action::new("remove", remove, restore)];
    for kind in [KIND, ISO_KIND] {
        let saga = Saga::new(Lane::Build, images.clone(), STEPS).counting(Unit::Items);
        images.operations.register(kind, saga);
    }
}

impl Images {
    /// Deletes what is not in use; what is, is refused by itself.
    ///
    /// # Errors
    /// `pool-unknown`, and of single images `image-unknown`, `image-in-use`, `image-not-ready`,
    /// `node-unreachable`.
    pub fn delete(&self, actor: &Actor, pool: Uuid, images: &[Uuid]) -> Result<BatchSubmission> {
        let pool = ImageKind::Base(self.inventory.pool(pool)?.id);
        self.submit_deletion((actor, KIND), images, |tx, uuid| {
            let image = self.base_image_in(tx, uuid)?;
            if image.kind == pool { Ok(image) } else { Err(super::unknown(uuid)) }
        })
    }

    /// As [`Images::delete`], of ISOs.
    ///
    /// # Errors
    /// Of single ISOs `iso-unknown`, `iso-in-use`, `iso-not-ready`, `node-unreachable`.
    pub fn delete_isos(&self, actor: &Actor, isos: &[Uuid]) -> Result<BatchSubmission> {
        self.submit_deletion((actor, ISO_KIND), isos, |tx, uuid| self.iso_in(tx, uuid))
    }

    fn submit_deletion(
        &self,
        (actor, kind): (&Actor, &'static str),
        images: &[Uuid],
        find: impl Fn(&Tx<'_>, Uuid) -> Result<Image>,
    ) -> Result<BatchSubmission> {
        self.operations.submit_batch(
            actor,
            images,
            |tx, batch| batch.admit(|uuid| admit(tx, &find(tx, uuid)?)),
            |_, admitted| {
                let Admitted { uuids, locks, things: images, title, refused } = admitted;
                let args = Args { images, refused };
                Ok(NewOperation::new(kind, &args, uuids[0], &title)?.locking_only(locks))
            },
        )
    }
}

fn admit(tx: &Tx<'_>, image: &Image) -> Result<String> {
    require_ready(image)?;
    let (users, count) = store::users(tx, image, NAMED_USERS)?;
    if count > 0 {
        let error = Error::conflict(image.kind.key("image-in-use", "iso-in-use"));
        let error = error.arg("name", &image.name).arg("users", users.join(", "));
        return Err(error.arg("count", count));
    }
    store::set_state(tx, image.uuid, ImageState::Deleting)?;
    Ok(image.name.clone())
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
    let (image, copies) =
        images.store.read(|conn| Ok((store::find(conn, uuid)?, store::copies(conn, &[uuid])?)))?;
    // Killed half way: it is gone.
    let Some(image) = image else { return Ok(()) };
    for copy in copies {
        let node = images.inventory.client_within(copy.node_id, FIRST_CONNECTION)?;
        for item in node.remove_layers(vec![copy.layer_ref(image.kind.layer())])? {
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
