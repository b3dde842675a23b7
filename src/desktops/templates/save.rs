//! Saving a template: its working disks become the next version.
//!
//! What was edited is never lost. Once a disk is frozen it stays a link of the chain, also when the
//! version could not be completed: the template goes on from there, and the next save makes a version of
//! it all.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::bus_switch::require_none;
use super::layers::new_copy;
use super::machine::{all_done, watched};
use super::store::{self, Layer, PlacedLayer, SavedVersion};
use super::template::Left;
use super::{Template, TemplateState, Templates, ready};
use crate::desktops::machines::Settling;
use crate::desktops::spec::Storages;
use crate::error::{Error, Fault, Result};
use crate::images;
use crate::inventory::Duty;
use crate::node::cancel::CancelFlag;
use crate::node::client::Watch;
use crate::node::protocol::{
    DISABLED, DISOBEYED, DiskRole, FirmwareState, FrozenDisk, GuestStep, GuestTask, Hardware,
    PowerAction,
};
use crate::operations::{
    Action, Actor, Execution, Lane, NewOperation, Saga, SubmittedOperation, audit, nothing,
};
use crate::store::{NodeId, Topic, Tx, now};

pub(super) const KIND: &str = "template-save";

/// Until a node is asked about an abandoned save: its operation must have ended.
const PAUSE: Duration = Duration::from_secs(1);

#[derive(Debug, Serialize, Deserialize)]
struct Args {
    template: Uuid,
    /// What was changed, in the words of who saves.
    #[serde(default)]
    note: String,
}

pub(super) fn register(templates: &Templates) {
    const STEPS: &[Action<Templates, Args>] = &[
        Action::new("begin", begin, give_up),
        Action::new("shut down", shut_down, nothing),
        Action::new("freeze", freeze, nothing),
        Action::new("publish", publish, publish_previous),
        Action::new("ready", finish, nothing).commits(),
        Action::new("measure", measure, nothing),
    ];
    templates.operations.register(KIND, Saga::new(Lane::Copy, templates.clone(), STEPS));
}

impl Templates {
    /// Saves the template now, or at this time (Unix seconds) instead of any time set before. `note` says what was
    /// changed.
    ///
    /// # Errors
    /// `template-unknown`, `template-in-the-works`, `template-broken`, `save-time-past`, `bus-switch-under-way`
    pub fn save(
        &self,
        actor: &Actor,
        template: Uuid,
        at: Option<i64>,
        note: &str,
    ) -> Result<SubmittedOperation> {
        if at.is_some_and(|at| at <= now()) {
            return Err(Error::bad_input("save-time-past").arg("field", "run_date"));
        }
        self.operations.submit(actor, |tx| {
            let args = Args { template, note: note.to_owned() };
            match at {
                None => {
                    let found = ready(tx, template)?;
                    require_none(tx, &found)?;
                    NewOperation::new(KIND, &args, template, &found.name)
                }
                Some(at) => {
                    let found = store::find(tx, template)?;
                    self.operations.unschedule(tx, KIND, template)?;
                    Ok(NewOperation::new(KIND, &args, template, &found.name)?.at(at))
                }
            }
        })
    }
}

impl Templates {
    /// Nobody knows what its disks stand on: nothing of them is deleted, and nobody uses the template before its node is
    /// back.
    pub(super) fn leave_to_node(&self, template: &Template, left: Left) -> Result<()> {
        let fault = Fault::from(&Error::conflict(left.key()).arg("name", &template.name));
        self.store
            .write(|tx| store::set_state(tx, template.uuid, TemplateState::Failed, Some(&fault)))?;
        // It may have come back a moment ago.
        self.inventory.ask_after(Duty::LeftSaves, template.node_id, PAUSE);
        Ok(())
    }

    /// Ends what was abandoned of templates while this node did not answer; the first error.
    pub(super) fn end_left(&self, node_id: NodeId) -> Result<()> {
        let busy = self.operations.locked()?;
        let templates = self.store.read(|conn| store::on_node(conn, node_id))?;
        let idle = templates.iter().filter(|template| !busy.contains(&template.uuid));
        let ended: Vec<Result<()>> = idle
            .filter_map(|template| match template.left()? {
                Left::Save => Some(self.keep_frozen(template)),
                Left::Revert => Some(self.end_revert(template)),
            })
            .collect();
        ended.into_iter().collect()
    }

    /// What was abandoned is at its end: the template can be used, and says that it failed. Unless somebody deletes it by
    /// now.
    pub(super) fn can_be_used_again(&self, template: &Template, why: &'static str) -> Result<()> {
        let fault = Fault::from(&Error::conflict(why).arg("name", &template.name));
        self.store.write(|tx| match store::find_if_there(tx, template.uuid)? {
            Some(now) if now.state == template.state => {
                store::set_state(tx, template.uuid, TemplateState::Ready, Some(&fault))
            }
            _ => Ok(()),
        })
    }

    /// Keeps what was frozen, as links of the chain, and forgets the rest; the template can be used then.
    fn keep_frozen(&self, template: &Template) -> Result<()> {
        let making = in_the_making(self, template)?;
        let refs = making.iter().map(|(_, placed)| placed.layer_ref()).collect();
        let mut watch = Watch { progress: &mut |_| (), cancel: &CancelFlag::new() };
        let facts = self.client_of(template)?.inspect_layers(refs, false, &mut watch)?;
        let is_there = |uuid: Uuid| facts.iter().any(|facts| facts.uuid == uuid && facts.exists);
        let frozen: Vec<PlacedLayer> = making
            .iter()
            .filter(|(_, placed)| is_there(placed.layer.uuid))
            .map(|(_, placed)| placed.clone())
            .collect();
        self.note_made(template.node_id, &frozen)?;
        self.store.write(|tx| {
            for (disk, placed) in &making {
                let uuid = placed.layer.uuid;
                if is_there(uuid) {
                    store::set_layer_version(tx, uuid, None)?;
                    store::set_disk_top(tx, disk.id, uuid)?;
                } else {
                    store::delete_layers(tx, &[uuid])?;
                }
            }
            Ok(())
        })?;
        // A frozen disk whose domain had not got its new one yet.
        self.define_unwatched(template)?;
        self.can_be_used_again(template, "template-save-failed")
    }
}

/// Writes the rows of the next version's layers.
fn begin(templates: &Templates, args: &Args, _: &Execution) -> Result<()> {
    let template = templates.find(args.template)?;
    let storages = templates.storages(template.node_id)?;
    templates.store.write(|tx| {
        let template = store::find(tx, args.template)?;
        // Killed after this step: the rows are there.
        if template.state == TemplateState::Updating {
            return Ok(());
        }
        let template = ready(tx, template.uuid)?;
        require_none(tx, &template)?;
        insert_version(tx, &template, &storages)?;
        store::set_state(tx, template.uuid, TemplateState::Updating, None)
    })
}

fn insert_version(tx: &Tx<'_>, template: &Template, storages: &Storages) -> Result<()> {
    for disk in store::disks(tx, template.id)? {
        let layer = Layer {
            uuid: Uuid::new_v4(),
            template_id: template.id,
            disk_id: disk.id,
            version: Some(template.version + 1),
            below: Some(disk.top),
            size: disk.size,
            hardware: template.hardware.clone(),
            state: FirmwareState::default(),
        };
        store::insert_layer(tx, &layer)?;
        let copy = new_copy(layer.uuid, template.node_id, storages.of(disk.role));
        images::note_copy(tx, &copy)?;
    }
    Ok(())
}

/// The layers of the version in the making, with their disks.
pub(super) fn in_the_making(
    templates: &Templates,
    template: &Template,
) -> Result<Vec<(super::TemplateDisk, PlacedLayer)>> {
    templates.store.read(|conn| {
        let disks = store::disks(conn, template.id)?;
        let layers = store::placed_layers(conn, template)?;
        let next = Some(template.version + 1);
        let pair = |placed: PlacedLayer| {
            let disk = disks.iter().find(|disk| disk.id == placed.layer.disk_id)?;
            Some((disk.clone(), placed))
        };
        Ok(layers
            .into_iter()
            .filter(|placed| placed.layer.version == next)
            .filter_map(pair)
            .collect())
    })
}

fn shut_down(templates: &Templates, args: &Args, execution: &Execution) -> Result<()> {
    let template = templates.find(args.template)?;
    // One that somebody undefined is made again: its disks are what counts.
    templates.define(&template, execution)?;
    let client = templates.client_of(&template)?;
    let (machines, Templates { store: rows, runtime, .. }) = ([template.machine()], templates);
    let of = (PowerAction::End, machines.as_slice());
    let settling = Settling::of(rows, runtime, Topic::Templates, store::on_since, of)?;
    let power = |how| {
        let uuids = vec![template.uuid];
        all_done(watched(execution, |watch| client.power(how, uuids, watch))?)
    };
    match power((PowerAction::Stop, templates.live.now()?.shutdown_patience())) {
        Err(error) if [DISOBEYED, DISABLED].contains(&error.key()) => {
            cut_off(templates, &template, execution, || power((PowerAction::End, Duration::ZERO)))?;
        }
        other => other?,
    }
    settling.wait(&[template.uuid])
}

/// Ends a guest that does not shut down, with its file systems held where it has an agent.
fn cut_off(
    templates: &Templates,
    template: &Template,
    execution: &Execution,
    end: impl FnOnce() -> Result<()>,
) -> Result<()> {
    // What its guest had not written is not in the version: whoever saves is to know.
    let action = match guest(templates, template, GuestStep::Freeze) {
        Ok(()) => "log-template-save-frozen",
        Err(error) => {
            tracing::info!(error = error.detail(), "cut off without its guest's knowledge");
            "log-template-save-cut"
        }
    };
    let entry = audit::Entry { action, subject: &template.name, module: "operations", fault: None };
    // Holding them may have taken a while, in which somebody thought better of it.
    let ended = execution
        .check_cancelled()
        .and_then(|()| audit::write(&templates.store, &execution.actor, &entry))
        .and_then(|_| end());
    if ended.is_err() {
        thaw(templates, template);
    }
    ended
}

/// Has the agent in the template's guest do this.
fn guest(templates: &Templates, template: &Template, step: GuestStep) -> Result<()> {
    let task = GuestTask { domain: template.uuid, run: None, step };
    let told = templates.client_of(template)?.guest_tasks(vec![task])?;
    told.into_iter().try_for_each(|told| told.map(drop).map_err(Error::from))
}

/// A guest whose plug was not pulled goes on, also when a kill came between.
fn thaw(templates: &Templates, template: &Template) {
    if let Err(error) = guest(templates, template, GuestStep::Thaw) {
        tracing::debug!(template.uuid = %template.uuid, error = error.detail(), "not thawed");
    }
}

fn freeze(templates: &Templates, args: &Args, execution: &Execution) -> Result<()> {
    let template = templates.find(args.template)?;
    let making = in_the_making(templates, &template)?;
    // Not defined again here: when an earlier try was cut off behind a frozen disk, the rows still name the
    // layer below it, and a new empty disk on that would hide what was edited.
    let client = templates.client_of(&template)?;
    let layers = making
        .iter()
        .map(|(disk, placed)| FrozenDisk { disk: disk.uuid, layer: placed.layer_ref() })
        .collect();
    watched(execution, |watch| client.freeze_disks(template.uuid, layers, watch))?;
    let layers: Vec<PlacedLayer> = making.iter().map(|(_, placed)| placed.clone()).collect();
    templates.note_made(template.node_id, &layers)?;
    let state = firmware_state(templates, &template)?;
    templates.store.write(|tx| {
        if let Some((_, system)) = making.iter().find(|(disk, _)| disk.role == DiskRole::System) {
            store::set_layer_state(tx, system.layer.uuid, &state)?;
        }
        making
            .iter()
            .try_for_each(|(disk, placed)| store::set_disk_top(tx, disk.id, placed.layer.uuid))
    })
}

/// What the firmware of the template's machine keeps; of one that did not run since its last version, what that has.
fn firmware_state(templates: &Templates, template: &Template) -> Result<FirmwareState> {
    let Hardware { firmware, tpm, .. } = &template.hardware;
    if !firmware.is_uefi() {
        return Ok(FirmwareState::default());
    }
    let before = templates.store.read(|conn| {
        let hardware = store::version_hardware(conn, template.id, template.version)?;
        match hardware.firmware == *firmware {
            true => store::version_state(conn, template.id, template.version),
            false => Ok(FirmwareState::default()),
        }
    })?;
    let state = templates.client_of(template)?.read_firmware(template.uuid)?.or(before);
    Ok(FirmwareState { tpm: state.tpm.filter(|_| *tpm), ..state })
}

fn publish(templates: &Templates, args: &Args, _: &Execution) -> Result<()> {
    let template = templates.find(args.template)?;
    templates.publish(&template, template.version + 1)
}

fn publish_previous(templates: &Templates, args: &Args, _: &Execution) -> Result<()> {
    let template = templates.find(args.template)?;
    templates.publish(&template, template.version)
}

fn finish(templates: &Templates, args: &Args, execution: &Execution) -> Result<()> {
    let template = templates.find(args.template)?;
    // Counted a second time after a kill, it would skip a version.
    if template.state == TemplateState::Updating {
        let version = template.version + 1;
        let saved = SavedVersion::new(version, &args.note, &execution.actor.name);
        templates.store.write(|tx| {
            store::note_version(tx, template.id, &saved)?;
            store::set_saved(tx, template.uuid, version)
        })?;
    }
    Ok(())
}

/// The new version is out: what fails here is told and takes nothing back.
fn measure(templates: &Templates, args: &Args, execution: &Execution) -> Result<()> {
    let template = templates.find(args.template)?;
    templates.measure(&template, execution)?;
    templates.keep_chains_short(&execution.actor, template.uuid)
}

fn give_up(templates: &Templates, args: &Args, execution: &Execution) -> Result<()> {
    let found = templates.store.read(|conn| store::find_if_there(conn, args.template))?;
    let Some(template) = found.filter(|found| found.state == TemplateState::Updating) else {
        return Ok(());
    };
    tracing::warn!(template.uuid = %template.uuid, operation.uuid = %execution.uuid, "save given up");
    thaw(templates, &template);
    match templates.keep_frozen(&template) {
        Err(error) if execution.is_abandoned() => {
            tracing::warn!(template.uuid = %template.uuid, error = error.detail(), "left to its node");
            templates.leave_to_node(&template, Left::Save)
        }
        done => done,
    }
}
