//! ISOs in the CD drives of a template's own machine: put in, taken out, and ejected by the guest.
//!
//! ```text
//!   attach   row ─► the ISO on the template's node ─► in the drive
//!   detach   out of the drive ─► row gone               an ISO that a row names is not deleted
//! ```

use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::store::{self, Disc};
use super::{Template, Templates, ready};
use crate::desktops::spec::DRIVES;
use crate::error::{Error, Kind, Result};
use crate::images::{Image, require_ready};
use crate::inventory::{Duty, FIRST_CONNECTION};
use crate::node::protocol::DomainSpec;
use crate::operations::{
    Action, Actor, Execution, Lane, Lock, NewOperation, Saga, SubmittedOperation, audit, nothing,
};
use crate::store::NodeId;

/// When an operation was in the way.
const SOON: Duration = Duration::from_secs(2);

const ATTACH: &str = "template-attach";
const DETACH: &str = "template-detach";

#[derive(Debug, Serialize, Deserialize)]
struct Args {
    template: Uuid,
    /// Drives and the ISOs that come into them, or out of them.
    discs: Vec<(u32, Uuid)>,
}

impl Args {
    fn of(template: Uuid, discs: &[Disc]) -> Self {
        Self { template, discs: discs.iter().map(|disc| (disc.drive, disc.iso)).collect() }
    }
}

pub(super) fn register(templates: &Templates) {
    const INTO: &[Action<Templates, Args>] = &[
        Action::new("rows", nothing, take_out),
        Action::new("ship", ship, nothing),
        Action::new("insert", insert, nothing),
    ];
    const OUT: &[Action<Templates, Args>] =
        &[Action::new("eject", eject, insert), Action::new("rows", remove_rows, nothing)];
    let saga = Saga::new(Lane::Copy, templates.clone(), INTO);
    templates.operations.register(ATTACH, saga);
    templates.operations.register(DETACH, Saga::new(Lane::Quick, templates.clone(), OUT));
}

impl Templates {
    /// Puts an ISO into a free drive of the template's own machine, also while it runs.
    ///
    /// # Errors
    /// `template-unknown`, `template-in-the-works`, `iso-unknown`, `iso-not-ready`, `disc-in-drive`, `drives-full`,
    /// `node-unreachable`
    pub fn attach(&self, actor: &Actor, uuid: Uuid, iso: Uuid) -> Result<SubmittedOperation> {
        self.client_of(&self.find(uuid)?)?;
        self.operations.submit(actor, |tx| {
            let template = ready(tx, uuid)?;
            let iso = self.images.iso_in(tx, iso)?;
            require_ready(&iso)?;
            let drive = free_drive(&template, &store::discs(tx, template.id)?, &iso)?;
            store::insert_disc(tx, template.id, drive, iso.uuid)?;
            let args = Args { template: uuid, discs: vec![(drive, iso.uuid)] };
            let operation = NewOperation::new(ATTACH, &args, uuid, &template.name)?;
            Ok(operation.locking([Lock::new(iso.uuid, iso.name)]))
        })
    }

    /// Takes an ISO out of its drive, or all that there are, also when the guest has them locked.
    ///
    /// # Errors
    /// `template-unknown`, `template-in-the-works`, `disc-not-in-drive`, `drives-empty`, `node-unreachable`
    pub fn detach(
        &self,
        actor: &Actor,
        uuid: Uuid,
        iso: Option<Uuid>,
    ) -> Result<SubmittedOperation> {
        self.client_of(&self.find(uuid)?)?;
        self.operations.submit(actor, |tx| {
            let template = ready(tx, uuid)?;
            let mut discs = store::discs(tx, template.id)?;
            if discs.is_empty() {
                return Err(Error::conflict("drives-empty").arg("name", template.name));
            }
            discs.retain(|disc| iso.is_none_or(|iso| disc.iso == iso));
            if discs.is_empty() {
                let error = Error::conflict("disc-not-in-drive").arg("name", template.name);
                return Err(error.arg("uuid", iso.unwrap_or_default()));
            }
            NewOperation::new(DETACH, &Args::of(uuid, &discs), uuid, &template.name)
        })
    }

    /// What is in the drives of a template's own machine.
    ///
    /// # Errors
    /// `template-unknown`
    pub fn discs(&self, uuid: Uuid) -> Result<Vec<Disc>> {
        self.store.read(|conn| store::discs(conn, store::find(conn, uuid)?.id))
    }

    /// Brings what is to be in the template's drives to its node.
    pub(super) fn ship_discs(&self, template: &Template, execution: &Execution) -> Result<()> {
        let discs = self.store.read(|conn| store::discs(conn, template.id))?;
        let node = self.inventory.node_by_id(template.node_id)?;
        for disc in discs {
            let iso = self.images.iso(disc.iso)?;
            let mut told = |done, total| execution.progress(done, total);
            self.images.ensure_on(&iso, &node, execution.cancel_flag(), &mut told)?;
        }
        Ok(())
    }

    /// What guests of this node's templates ejected comes out of their drives for good.
    pub(super) fn note_ejected(&self, node: NodeId) -> Result<()> {
        let client = self.inventory.client_within(node, FIRST_CONNECTION)?;
        for (uuid, drive) in client.list_ejected()? {
            let submitted = self.operations.submit(&Actor::system(), |tx| {
                let template = ready(tx, uuid)?;
                let mut discs = store::discs(tx, template.id)?;
                discs.retain(|disc| disc.drive == drive);
                NewOperation::new(DETACH, &Args::of(uuid, &discs), uuid, &template.name)
            });
            match submitted {
                Ok(_) => {}
                Err(error) if error.kind() == Kind::Busy => {
                    self.inventory.ask_after(Duty::EjectedDiscs, node, SOON);
                }
                // One that is broken is left alone, and one of a row that was deleted.
                Err(error) if matches!(error.kind(), Kind::Conflict | Kind::NotFound) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

fn free_drive(template: &Template, discs: &[Disc], iso: &Image) -> Result<u32> {
    if discs.iter().any(|disc| disc.iso == iso.uuid) {
        let error = Error::conflict("disc-in-drive").arg("iso", &iso.name);
        return Err(error.arg("name", &template.name));
    }
    let is_free = |drive: &u32| discs.iter().all(|disc| disc.drive != *drive);
    (0..DRIVES).find(is_free).ok_or_else(|| {
        let names: Vec<&str> = discs.iter().map(|disc| disc.name.as_str()).collect();
        let error = Error::conflict("drives-full").arg("name", &template.name);
        error.arg("isos", names.join(", "))
    })
}

fn ship(templates: &Templates, args: &Args, execution: &Execution) -> Result<()> {
    templates.ship_discs(&templates.find(args.template)?, execution)
}

/// As the rows say.
fn insert(templates: &Templates, args: &Args, _: &Execution) -> Result<()> {
    let template = templates.find(args.template)?;
    let spec = templates.own_spec(&template)?;
    set_drives(templates, &template, spec).map(drop)
}

/// Whether a guest had one of its discs locked. A machine that somebody undefined is made again.
fn set_drives(templates: &Templates, template: &Template, spec: DomainSpec) -> Result<bool> {
    match templates.client_of(template)?.set_drives(spec) {
        Err(error) if error.key() == "domain-missing" => {
            templates.define_unwatched(template).map(|()| false)
        }
        set => set,
    }
}

fn take_out(templates: &Templates, args: &Args, execution: &Execution) -> Result<()> {
    remove_rows(templates, args, execution)?;
    insert(templates, args, execution)
}

/// As the rows will say.
fn eject(templates: &Templates, args: &Args, execution: &Execution) -> Result<()> {
    let template = templates.find(args.template)?;
    let mut spec = templates.own_spec(&template)?;
    for (drive, _) in &args.discs {
        if let Some(cd) = spec.cds.get_mut(*drive as usize) {
            cd.iso = None;
        }
    }
    let was_locked = set_drives(templates, &template, spec)?;
    if was_locked {
        let (action, module) = ("log-disc-taken", "templates");
        let entry = audit::Entry { action, subject: &template.name, module, fault: None };
        templates.store.write(|tx| audit::write_in_tx(tx, &execution.actor, &entry))?;
    }
    Ok(())
}

fn remove_rows(templates: &Templates, args: &Args, _: &Execution) -> Result<()> {
    templates.store.write(|tx| {
        let template = store::find(tx, args.template)?;
        args.discs
            .iter()
            .try_for_each(|(drive, iso)| store::delete_disc(tx, template.id, *drive, *iso))
    })
}
