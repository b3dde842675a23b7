//! Makes a template on its node, of whose rows `create.rs` has written the first: its layers, its machine, and that
//! desktops get it.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::machine::watched;
use super::{Template, Templates, store};
use crate::error::{Error, Result};
use crate::images;
use crate::inventory::StorageRole;
use crate::node::protocol::{LayerKind, LayerRef};
use crate::operations::{Action, Execution, Lane, PERCENT, Saga, nothing};

pub(super) const CREATE: &str = "template-create";
pub(super) const COPY: &str = "template-copy";

/// The first version of every template.
pub(super) const FIRST: u32 = 1;

/// Of the operation.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Args {
    pub template: Uuid,
    pub source: Option<Source>,
}

/// What a copy is made of, disk by disk.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Source {
    pub template: Uuid,
    pub layers: Vec<Origin>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Origin {
    pub position: u32,
    pub uuid: Uuid,
    pub storage: String,
}

pub(super) fn register(templates: &Templates) {
    const STEPS: &[Action<Templates, Args>] = &[
        Action::new("rows", nothing, remove_rows),
        Action::new("image", image, nothing),
        Action::new("layers", layers, remove_layers),
        Action::new("domain", domain, remove_domain),
        Action::new("publish", publish, withdraw),
        Action::new("ready", finish, nothing),
    ];
    for kind in [CREATE, COPY] {
        let saga = Saga::new(Lane::Copy, templates.clone(), STEPS);
        templates.operations.register(kind, saga);
    }
}

fn remove_rows(templates: &Templates, args: &Args, _: &Execution) -> Result<()> {
    templates.forget(args.template)
}

fn image(templates: &Templates, args: &Args, execution: &Execution) -> Result<()> {
    execution.span(0, 40);
    if args.source.is_some() {
        return Ok(());
    }
    let template = templates.find(args.template)?;
    let Some(image) = template.base_image else {
        return templates.ship_discs(&template, execution);
    };
    let image = templates.images.base_image(image)?;
    let node = templates.inventory.node_by_id(template.node_id)?;
    let mut told = |done, total| execution.progress(done, total);
    templates.images.ensure_on(&image, &node, execution.cancel_flag(), &mut told).map(drop)
}

fn layers(templates: &Templates, args: &Args, execution: &Execution) -> Result<()> {
    // A copy's disks are written here, which for a new template is nothing.
    execution.span(40, 70);
    let template = templates.find(args.template)?;
    let client = templates.client_of(&template)?;
    let made = templates.store.read(|conn| store::placed_layers(conn, &template))?;
    for placed in &made {
        let layer = placed.layer_ref();
        match &args.source {
            None => {
                let below = placed.layer.below.map(|uuid| base_layer(templates, &template, uuid));
                client.create_layer(layer, below.transpose()?, placed.layer.size)?;
            }
            Some(source) => {
                let origin = source.layers.iter().find(|from| from.position == placed.position);
                let origin = origin.ok_or_else(|| Error::internal("a disk without its origin"))?;
                let from = LayerRef {
                    uuid: origin.uuid,
                    kind: LayerKind::TemplateVersion,
                    storage: origin.storage.clone(),
                };
                watched(execution, |watch| client.flatten(from, layer, watch))?;
            }
        }
    }
    templates.note_made(template.node_id, &made)
}

fn base_layer(templates: &Templates, template: &Template, image: Uuid) -> Result<LayerRef> {
    let copy = templates.store.read(|conn| images::ready_copy(conn, image, template.node_id))?;
    match copy {
        Some(copy) => Ok(copy.layer_ref(LayerKind::BaseImage)),
        None => {
            let storage =
                templates.inventory.storage_for(template.node_id, StorageRole::TemplateSystem)?;
            Ok(LayerRef { uuid: image, kind: LayerKind::BaseImage, storage })
        }
    }
}

fn remove_layers(templates: &Templates, args: &Args, _: &Execution) -> Result<()> {
    let template = templates.find(args.template)?;
    let layers = templates.store.read(|conn| store::placed_layers(conn, &template))?;
    let layers = layers.iter().map(store::PlacedLayer::layer_ref).collect();
    templates.remove_files(template.node_id, layers)
}

fn domain(templates: &Templates, args: &Args, execution: &Execution) -> Result<()> {
    execution.span(70, 90);
    templates.define(&templates.find(args.template)?, execution)
}

fn remove_domain(templates: &Templates, args: &Args, _: &Execution) -> Result<()> {
    templates.undefine(&templates.find(args.template)?)
}

fn publish(templates: &Templates, args: &Args, execution: &Execution) -> Result<()> {
    execution.span(90, 95);
    templates.publish(&templates.find(args.template)?, FIRST)
}

fn withdraw(templates: &Templates, args: &Args, _: &Execution) -> Result<()> {
    templates.withdraw(&templates.find(args.template)?)
}

fn finish(templates: &Templates, args: &Args, execution: &Execution) -> Result<()> {
    execution.span(95, PERCENT);
    let template = templates.find(args.template)?;
    templates.measure(&template, execution)?;
    let saved = store::SavedVersion::new(FIRST, "", &execution.actor.name);
    templates.store.write(|tx| {
        store::note_version(tx, template.id, &saved)?;
        store::set_created(tx, args.template, FIRST)
    })
}
