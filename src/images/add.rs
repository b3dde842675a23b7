//! From a whole upload to an image: checks it, makes it a layer, copies a base image to the pool's nodes.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::copies::{CopyState, LayerCopy};
use super::store::note_copy;
use super::upload::Arrived;
use super::{Image, ImageKind, ImageState, Images, NewImage, require_free_name, resumable, store};
use crate::error::{Error, Fault, Result};
use crate::inventory::{FIRST_CONNECTION, Node, side_by_side};
use crate::node::client::Watch;
use crate::node::protocol::{ImageFacts, ImageHints, LayerKind, LayerRef, Progress};
use crate::operations::{
    Action, Actor, Execution, Lane, NewOperation, Saga, SubmittedOperation, Unit, audit, nothing,
};
use crate::store::{NodeId, now};

/// Message keys of the operations' titles too.
const KIND: &str = "image-add";
const ISO_KIND: &str = "iso-add";

#[derive(Debug, Serialize, Deserialize)]
struct Args {
    image: Uuid,
    #[serde(default = "base_image")]
    kind: LayerKind,
    node_id: NodeId,
    storage: String,
    /// The layer's hash, when the upload is stored as it came.
    sha256: Option<String>,
    /// Of an OVA.
    #[serde(default)]
    disk: Option<u32>,
}

/// What all were before there were ISOs.
const fn base_image() -> LayerKind {
    LayerKind::BaseImage
}

impl Args {
    fn layer(&self) -> LayerRef {
        LayerRef { uuid: self.image, kind: self.kind, storage: self.storage.clone() }
    }
}

pub(super) fn register(images: &Images) {
    const STEPS: &[Action<Images, Args>] = &[
        Action::new("rows", nothing, remove_rows),
        Action::new("sums", sum_up, nothing),
        Action::new("adopt", adopt, remove_layer).commits(),
        Action::new("distribute", distribute, nothing),
    ];
    for kind in [KIND, ISO_KIND] {
        let saga = Saga::new(Lane::Copy, images.clone(), STEPS).counting(Unit::Bytes);
        images.operations.register(kind, saga);
    }
}

impl Images {
    /// Takes over a whole upload. From now on it is either made an image or thrown away.
    ///
    /// # Errors
    /// `pool-unknown`, `image-name-taken`, `iso-name-taken`: the upload is thrown away.
    pub fn add(
        &self,
        actor: &Actor,
        new: &NewImage,
        arrived: Arrived,
    ) -> Result<SubmittedOperation> {
        let submitted = self.submit_add(actor, new, &arrived);
        if submitted.is_err()
            && let Err(error) = self.discard(arrived)
        {
            // Found again when the node connects next.
            tracing::warn!(error = error.detail(), "an upload was not thrown away");
        }
        submitted
    }

    /// Throws a whole upload away.
    ///
    /// # Errors
    /// `node-unreachable`
    pub fn discard(&self, arrived: Arrived) -> Result<()> {
        self.inventory
            .client_within(arrived.node_id, FIRST_CONNECTION)?
            .discard(arrived.uuid, arrived.storage)
    }

    fn submit_add(
        &self,
        actor: &Actor,
        new: &NewImage,
        arrived: &Arrived,
    ) -> Result<SubmittedOperation> {
        let kind = self.kind(new.kind)?;
        let received = arrived.received.as_ref();
        let image = Image {
            id: 0,
            uuid: arrived.uuid,
            kind,
            name: new.name.clone(),
            desc: new.desc.clone(),
            os_type: new.os_type.clone(),
            md5: received.map(|received| received.md5.clone()).unwrap_or_default(),
            sha256: String::new(),
            virtual_size: 0,
            disk_size: arrived.size,
            state: ImageState::Checking,
            boots: None,
            hints: ImageHints::default(),
            created_at: now(),
            updated_at: None,
        };
        let args = Args {
            image: arrived.uuid,
            kind: kind.layer(),
            node_id: arrived.node_id,
            storage: arrived.storage.clone(),
            sha256: received
                .filter(|received| received.stays || kind.layer() == LayerKind::Iso)
                .map(|received| received.sha256.clone()),
            disk: new.disk,
        };
        self.operations.submit(actor, |tx| {
            require_free_name(tx, kind, &new.name, None)?;
            store::insert(tx, &image)?;
            resumable::store::note_added(tx, image.uuid)?;
            note_copy(tx, &copy(&args, CopyState::Copying(0), ""))?;
            NewOperation::new(kind.key(KIND, ISO_KIND), &args, image.uuid, &image.name)
        })
    }
}

fn copy(args: &Args, state: CopyState, path: &str) -> LayerCopy {
    LayerCopy {
        layer: args.image,
        node_id: args.node_id,
        storage: args.storage.clone(),
        path: path.to_owned(),
        state,
    }
}

/// With the upload, of which nobody knows any more then.
fn remove_rows(images: &Images, args: &Args, _: &Execution) -> Result<()> {
    images.store.write(|tx| store::remove(tx, args.image))?;
    images
        .inventory
        .client_within(args.node_id, FIRST_CONNECTION)?
        .discard(args.image, args.storage.clone())
}

/// Of an upload between whose parts its node's agent was started anew.
fn sum_up(images: &Images, args: &Args, execution: &Execution) -> Result<()> {
    if !images.image(args.image)?.md5.is_empty() {
        return Ok(());
    }
    let node = images.inventory.client_within(args.node_id, FIRST_CONNECTION)?;
    let mut watch = Watch { progress: &mut |_| (), cancel: execution.cancel_flag() };
    let received = node.sum_upload(args.image, args.storage.clone(), &mut watch)?;
    images.store.write(|tx| store::set_md5(tx, args.image, &received.md5))
}

/// The other nodes of the image's pool; none for an ISO, which is brought to where it is used.
fn others(images: &Images, image: &Image, args: &Args) -> Result<Vec<Node>> {
    let ImageKind::Base(pool) = image.kind else { return Ok(Vec::new()) };
    let mut nodes = images.inventory.compute_nodes(pool)?;
    nodes.retain(|node| node.id != args.node_id);
    Ok(nodes)
}

/// The part of every node is the image's bytes: checked and made a layer on the first, carried to the others.
fn adopt(images: &Images, args: &Args, execution: &Execution) -> Result<()> {
    let image = images.image(args.image)?;
    // All of them now: the whole does not grow when the others begin.
    let others = others(images, &image, args)?;
    for node in others.iter().map(|node| node.id).chain([args.node_id]) {
        execution.part_begins(node, image.disk_size);
    }
    let node = images.inventory.client_within(args.node_id, FIRST_CONNECTION)?;
    let mut watch = Watch {
        progress: &mut |progress| execution.part_progress(args.node_id, part_of(&image, progress)),
        cancel: execution.cancel_flag(),
    };
    let facts = node.adopt_image(args.image, args.layer(), args.disk, &mut watch)?;
    let sha256 = match &args.sha256 {
        Some(sha256) => sha256.clone(),
        None => hash(&node, args.layer(), &mut watch)?,
    };
    let name = image.name.clone();
    images.store.write(|tx| {
        let image = store::find(tx, args.image)?.ok_or_else(|| super::unknown(args.image))?;
        let ImageFacts { virtual_size, disk_size, boots, hints, .. } = facts;
        store::adopted(tx, &Image { sha256, virtual_size, disk_size, boots, hints, ..image })?;
        note_copy(tx, &copy(args, CopyState::Ready, &facts.path))?;
        if facts.mended {
            let (action, module) = ("log-image-mended", "images");
            let entry = audit::Entry { action, subject: &name, module, fault: None };
            audit::write_in_tx(tx, &execution.actor, &entry)?;
        }
        Ok(())
    })?;
    execution.part_ends(args.node_id, Ok(()));
    Ok(())
}

/// What a node says of its work, in bytes of the image.
pub(super) fn part_of(image: &Image, Progress { done, total }: Progress) -> u64 {
    let bytes =
        u128::from(image.disk_size) * u128::from(done.min(total)) / u128::from(total.max(1));
    u64::try_from(bytes).unwrap_or(image.disk_size)
}

pub(super) fn hash(
    node: &crate::node::client::NodeClient,
    layer: LayerRef,
    watch: &mut Watch<'_>,
) -> Result<String> {
    let facts = node.inspect_layers(vec![layer], true, watch)?.into_iter().next();
    facts.map(|facts| facts.sha256).ok_or_else(|| Error::internal("a layer was not inspected"))
}

fn remove_layer(images: &Images, args: &Args, _: &Execution) -> Result<()> {
    let node = images.inventory.client_within(args.node_id, FIRST_CONNECTION)?;
    for item in node.remove_layers(vec![args.layer()])? {
        item.result.map_err(Error::from)?;
    }
    Ok(())
}

/// To the other nodes of the pool, side by side. A node that cannot take it now fails its own part: the image is
/// good.
fn distribute(images: &Images, args: &Args, execution: &Execution) -> Result<()> {
    let image = images.image(args.image)?;
    let nodes = others(images, &image, args)?;
    // By now its size as a layer is known.
    nodes.iter().for_each(|node| execution.part_begins(node.id, image.disk_size));
    let work = nodes.iter().map(|node| (node.id, node));
    let results = side_by_side(work, |id, node| {
        let mut told = |done, _| execution.part_progress(id, done);
        let copied = images.ensure_on(&image, node, execution.cancel_flag(), &mut told);
        if copied.is_ok() {
            execution.part_ends(id, Ok(()));
        }
        copied
    });
    for (node, copied) in results {
        if let Err(error) = copied {
            tracing::warn!(image.uuid = %image.uuid, node.id = node.number(), error = error.detail(), "image not copied");
            execution.part_ends(node, Err(Fault::from(&error)));
        }
    }
    execution.check_cancelled()
}
