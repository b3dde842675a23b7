//! Goes back to an older version of a template: it becomes the newest one, under the next number.
//!
//! ```text
//!   before:  base ◄─ 1 ◄─ 2 ◄─ 3                 ◄─ the template's working disk
//!   after:   base ◄─ 1 ◄─ 2 ◄─ 3
//!                    ▲
//!                    └── 4 (as 1)                ◄─ the template's working disk
//! ```
//!
//! Nothing is copied and nothing is lost: 2 and 3 stay in the history. Processors, memory and network are no part of a
//! version; disks stay as large as they are, and one that the version did not have stays as it is.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::bus_switch::require_none;
use super::history::unknown;
use super::layers::new_copy;
use super::save::in_the_making;
use super::store::{self, Layer, PlacedLayer, SavedVersion};
use super::template::Left;
use super::{Template, TemplateState, Templates, ready};
use crate::error::{Error, Result};
use crate::images;
use crate::operations::{
    Action, Actor, Execution, Lane, NewOperation, Saga, SubmittedOperation, nothing,
};
use crate::store::{DiskId, Tx};

pub(super) const KIND: &str = "template-revert";

#[derive(Debug, Serialize, Deserialize)]
struct Args {
    template: Uuid,
    /// The older version.
    origin: u32,
    /// The version that it becomes.
    version: u32,
    note: String,
    disks: Vec<Turned>,
}

/// A disk of the template, and what it stands on before and after.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Turned {
    disk: DiskId,
    before: Uuid,
    /// The older version's layer.
    below: Uuid,
    /// The new version's layer upon it.
    layer: Uuid,
}

pub(super) fn register(templates: &Templates) {
    const STEPS: &[Action<Templates, Args>] = &[
        Action::new("begin", begin, forget_layers),
        Action::new("layers", make_layers, remove_layers),
        Action::new("switch", switch, switch_back),
        Action::new("publish", publish, publish_previous),
        Action::new("ready", finish, nothing).commits(),
        Action::new("measure", measure, nothing),
    ];
    templates.operations.register(KIND, Saga::new(Lane::Build, templates.clone(), STEPS));
}

impl Templates {
    /// Makes an older version the newest one.
    ///
    /// # Errors
    /// `template-unknown`, `template-version-unknown`, `template-version-newest`, `template-must-be-off`,
    /// `template-not-saved`, `bus-switch-under-way`, `template-in-the-works`
    pub fn revert(
        &self,
        actor: &Actor,
        template: Uuid,
        origin: u32,
        note: &str,
    ) -> Result<SubmittedOperation> {
        self.operations.submit(actor, |tx| {
            let template = ready(tx, template)?;
            check(tx, &template, origin)?;
            let layers = store::placed_layers(tx, &template)?;
            let disks = store::disks(tx, template.id)?;
            let turned = disks.iter().map(|disk| Turned {
                disk: disk.id,
                before: disk.top,
                below: layer_of(&layers, disk.id, origin).unwrap_or(disk.top),
                layer: Uuid::new_v4(),
            });
            let args = Args {
                template: template.uuid,
                origin,
                version: template.version + 1,
                note: note.to_owned(),
                disks: turned.collect(),
            };
            NewOperation::new(KIND, &args, template.uuid, &template.name)
        })
    }
}

/// The working disks are made anew: only while they hold nothing that no version has.
fn check(tx: &Tx<'_>, template: &Template, origin: u32) -> Result<()> {
    let about = |error: Error| Err(error.arg("name", &template.name).arg("version", origin));
    if origin == template.version {
        return about(Error::conflict("template-version-newest").arg("field", "version"));
    }
    if !store::kept_versions(tx, template.id)?.contains(&origin) {
        return Err(unknown(template, origin));
    }
    if template.power.is_on() {
        return about(Error::conflict("template-must-be-off"));
    }
    if template.changed {
        return about(Error::conflict("template-not-saved"));
    }
    require_none(tx, template)
}

fn layer_of(layers: &[PlacedLayer], disk: DiskId, version: u32) -> Option<Uuid> {
    let is_it = |layer: &Layer| layer.disk_id == disk && layer.version == Some(version);
    layers.iter().find(|placed| is_it(&placed.layer)).map(|placed| placed.layer.uuid)
}

/// Writes the rows of the new version's layers.
fn begin(templates: &Templates, args: &Args, _: &Execution) -> Result<()> {
    templates.store.write(|tx| {
        let template = store::find(tx, args.template)?;
        // Killed after this action: the rows are there.
        if template.state == TemplateState::Updating {
            return Ok(());
        }
        let template = ready(tx, args.template)?;
        check(tx, &template, args.origin)?;
        let layers = store::placed_layers(tx, &template)?;
        let disks = store::disks(tx, template.id)?;
        let hardware = store::version_hardware(tx, template.id, args.origin)?;
        store::set_hardware(tx, template.uuid, &hardware)?;
        for turned in &args.disks {
            let below = layers.iter().find(|placed| placed.layer.uuid == turned.below);
            let below = below.ok_or_else(|| unknown(&template, args.origin))?;
            let disk = disks.iter().find(|disk| disk.id == turned.disk);
            let layer = Layer {
                uuid: turned.layer,
                template_id: template.id,
                disk_id: turned.disk,
                version: Some(args.version),
                below: Some(turned.below),
                size: disk.map_or(below.layer.size, |disk| disk.size),
                hardware: hardware.clone(),
                state: below.layer.state.clone(),
            };
            store::insert_layer(tx, &layer)?;
            images::note_copy(tx, &new_copy(layer.uuid, template.node_id, &below.storage))?;
        }
        store::set_state(tx, template.uuid, TemplateState::Updating, None)
    })
}

fn forget_layers(templates: &Templates, args: &Args, execution: &Execution) -> Result<()> {
    let found = templates.store.read(|conn| store::find_if_there(conn, args.template))?;
    if let Some(template) = found.filter(|found| found.state == TemplateState::Updating)
        && execution.is_abandoned()
    {
        // Its working disk may stand on a new layer still: its rows stay until the node was asked.
        tracing::warn!(template.uuid = %template.uuid, "left to its node");
        return templates.leave_to_node(&template, Left::Revert);
    }
    let layers: Vec<Uuid> = args.disks.iter().map(|turned| turned.layer).collect();
    templates.store.write(|tx| {
        store::delete_layers(tx, &layers)?;
        match store::find_if_there(tx, args.template)? {
            Some(template) if template.state == TemplateState::Updating => {
                // Nothing was unsaved: it had what its version has.
                let hardware = store::version_hardware(tx, template.id, template.version)?;
                store::set_hardware(tx, args.template, &hardware)?;
                store::set_state(tx, args.template, TemplateState::Ready, None)
            }
            _ => Ok(()),
        }
    })
}

impl Templates {
    /// Takes back what was abandoned: the working disks, which hold nothing, stand on what they stood on before, and the
    /// new layers go.
    pub(super) fn end_revert(&self, template: &Template) -> Result<()> {
        if template.power.is_on() || template.changed {
            return Err(Error::conflict("template-must-be-off").arg("name", &template.name));
        }
        let making = in_the_making(self, template)?;
        let template = &self.hardware_of_version(template)?;
        self.undefine(template)?;
        self.define_unwatched(template)?;
        self.publish(template, template.version)?;
        let refs = making.iter().map(|(_, placed)| placed.layer_ref()).collect();
        self.remove_files(template.node_id, refs)?;
        let layers: Vec<Uuid> = making.iter().map(|(_, placed)| placed.layer.uuid).collect();
        self.store.write(|tx| store::delete_layers(tx, &layers))?;
        self.can_be_used_again(template, "template-revert-failed")
    }

    /// Gives the machine the hardware of its newest version, which it had before: its disks are that version's again.
    fn hardware_of_version(&self, template: &Template) -> Result<Template> {
        self.store.write(|tx| {
            let hardware = store::version_hardware(tx, template.id, template.version)?;
            store::set_hardware(tx, template.uuid, &hardware)?;
            store::find(tx, template.uuid)
        })
    }
}

/// The new layers, each with the one that it stands on.
fn pairs(
    templates: &Templates,
    args: &Args,
) -> Result<(Template, Vec<(PlacedLayer, PlacedLayer)>)> {
    templates.store.read(|conn| {
        let template = store::find(conn, args.template)?;
        let layers = store::placed_layers(conn, &template)?;
        let find = |uuid: Uuid| layers.iter().find(|placed| placed.layer.uuid == uuid).cloned();
        let pairs =
            args.disks.iter().filter_map(|turned| Some((find(turned.layer)?, find(turned.below)?)));
        Ok((template, pairs.collect()))
    })
}

fn make_layers(templates: &Templates, args: &Args, _: &Execution) -> Result<()> {
    let (template, pairs) = pairs(templates, args)?;
    let client = templates.client_of(&template)?;
    for (layer, below) in &pairs {
        client.create_layer(layer.layer_ref(), Some(below.layer_ref()), layer.layer.size)?;
    }
    let made: Vec<PlacedLayer> = pairs.into_iter().map(|(layer, _)| layer).collect();
    templates.note_made(template.node_id, &made)
}

fn remove_layers(templates: &Templates, args: &Args, _: &Execution) -> Result<()> {
    let (template, pairs) = pairs(templates, args)?;
    let layers = pairs.iter().map(|(layer, _)| layer.layer_ref()).collect();
    templates.remove_files(template.node_id, layers)
}

fn switch(templates: &Templates, args: &Args, execution: &Execution) -> Result<()> {
    stand_on(templates, args, execution, |turned| turned.layer)
}

fn switch_back(templates: &Templates, args: &Args, execution: &Execution) -> Result<()> {
    templates.hardware_of_version(&templates.find(args.template)?)?;
    stand_on(templates, args, execution, |turned| turned.before)
}

/// Makes the working disks, which hold nothing, anew on these layers.
fn stand_on(
    templates: &Templates,
    args: &Args,
    execution: &Execution,
    top: impl Fn(&Turned) -> Uuid,
) -> Result<()> {
    let template = templates.find(args.template)?;
    templates.store.write(|tx| {
        args.disks.iter().try_for_each(|turned| store::set_disk_top(tx, turned.disk, top(turned)))
    })?;
    templates.undefine(&template)?;
    templates.define(&template, execution)
}

fn publish(templates: &Templates, args: &Args, _: &Execution) -> Result<()> {
    templates.publish(&templates.find(args.template)?, args.version)
}

fn publish_previous(templates: &Templates, args: &Args, _: &Execution) -> Result<()> {
    let template = templates.find(args.template)?;
    templates.publish(&template, template.version)
}

fn finish(templates: &Templates, args: &Args, execution: &Execution) -> Result<()> {
    templates.store.write(|tx| {
        let template = store::find(tx, args.template)?;
        let origin = Some(args.origin);
        let saved = SavedVersion {
            origin,
            ..SavedVersion::new(args.version, &args.note, &execution.actor.name)
        };
        store::note_version(tx, template.id, &saved)?;
        store::set_saved(tx, args.template, args.version)
    })
}

/// The new version is out: what fails here is told and takes nothing back.
fn measure(templates: &Templates, args: &Args, execution: &Execution) -> Result<()> {
    let template = templates.find(args.template)?;
    templates.measure(&template, execution)?;
    templates.keep_chains_short(&execution.actor, template.uuid)
}
