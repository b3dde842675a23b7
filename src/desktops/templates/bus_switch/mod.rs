//! A template's machine goes over to a faster disk bus, for which its system needs a driver that it loads at its start.
//!
//! ```text
//!   begin ──► preparing: a small disk is on the new bus, so that the system loads its driver
//!               │  try: shut down, all disks on the new bus, started        undo, or its deadline: the small disk goes
//!               ▼
//!             trying: does it come up?
//!               │  its guest agent answers, or somebody says so: confirmed
//!               └─ somebody says no, or the deadline passes: switched off, on the old bus again
//! ```
//!
//! It waits for people and for guests, so it is a row with a deadline and no operation; each arrow is one. The hardware of
//! the template's row is always what its machine is defined with: `try` writes the row and defines, `undo` defines and
//! writes the row, and both may run twice. A version cannot be saved in between: nobody knows yet whether it starts.

pub(super) mod state;
mod steps;
mod watch;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::store;
use super::template::Noted;
use super::{Template, Templates, ready};
use crate::error::{Error, Result};
use crate::node::protocol::DiskBus;
use crate::operations::{Actor, NewOperation, SubmittedOperation};
use crate::store::{Tx, now};

use state::{BusSwitch, Phase};
pub(super) use steps::register;

/// Seconds that the small disk stays when nobody goes on: a week.
const PREPARING: i64 = 7 * 86_400;
/// Minutes that a system may be given to come up: a day.
pub const MINUTES_MOST: u32 = 24 * 60;

/// Who ends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum By {
    Person,
    /// Its agent answers.
    Guest,
    Deadline,
}

#[derive(Debug, Serialize, Deserialize)]
struct Args {
    template: Uuid,
    /// As it was when it was asked for.
    switch: BusSwitch,
    by: By,
    /// Seconds that the system gets to come up.
    patience: i64,
    /// What was noted of the working disks before they are tried on another bus.
    noted: Option<Noted>,
}

impl Args {
    fn new(template: Uuid, switch: BusSwitch, by: By) -> Self {
        Self { template, switch, by, patience: 0, noted: None }
    }
}

impl Templates {
    /// Gives the machine a small disk on the new bus, also while it runs.
    ///
    /// # Errors
    /// `template-unknown`, `template-in-the-works`, `bus-switch-under-way`, `bus-switch-needless`, `bus-switch-target`,
    /// `node-unreachable`
    pub fn begin_bus_switch(
        &self,
        actor: &Actor,
        uuid: Uuid,
        to: DiskBus,
    ) -> Result<SubmittedOperation> {
        if !matches!(to, DiskBus::Virtio | DiskBus::VirtioScsi) {
            return Err(Error::bad_input("bus-switch-target").arg("field", "to"));
        }
        self.client_of(&self.find(uuid)?)?;
        self.operations.submit(actor, |tx| {
            let template = ready(tx, uuid)?;
            require_none(tx, &template)?;
            let from = template.hardware.disk_bus;
            if !matches!(from, DiskBus::Sata | DiskBus::Ide) {
                let error = Error::conflict("bus-switch-needless").arg("name", &template.name);
                return Err(error.arg("bus", from.word()));
            }
            let deadline = now() + PREPARING;
            let switch = BusSwitch { phase: Phase::Preparing, from, to, deadline };
            store::insert_bus_switch(tx, template.id, &switch)?;
            let args = Args::new(uuid, switch, By::Person);
            NewOperation::new(steps::BEGIN, &args, uuid, &template.name)
        })
    }

    /// Shuts the machine down and starts it with all disks on the new bus. When it does not come up within so many minutes,
    /// all is undone.
    ///
    /// # Errors
    /// `template-unknown`, `template-in-the-works`, `bus-switch-none`, `bus-switch-tried-already`, `bus-switch-minutes`,
    /// `node-unreachable`
    pub fn try_bus(&self, actor: &Actor, uuid: Uuid, minutes: u32) -> Result<SubmittedOperation> {
        if !(1..=MINUTES_MOST).contains(&minutes) {
            let error = Error::bad_input("bus-switch-minutes").arg("field", "minutes");
            return Err(error.arg("most", MINUTES_MOST));
        }
        self.client_of(&self.find(uuid)?)?;
        self.operations.submit(actor, |tx| {
            let template = ready(tx, uuid)?;
            let switch = require(tx, &template)?;
            if switch.phase != Phase::Preparing {
                let error = Error::conflict("bus-switch-tried-already");
                return Err(error.arg("name", &template.name));
            }
            let Template { changed, editing, .. } = template;
            let noted = Some(Noted { template: uuid, changed, editing });
            let patience = i64::from(minutes) * 60;
            let args = Args { patience, noted, ..Args::new(uuid, switch, By::Person) };
            NewOperation::new(steps::TRY, &args, uuid, &template.name)
        })
    }

    /// It came up: the machine stays on the new bus.
    ///
    /// # Errors
    /// `template-unknown`, `template-in-the-works`, `bus-switch-none`, `bus-switch-not-tried`
    pub fn confirm_bus(&self, actor: &Actor, uuid: Uuid) -> Result<SubmittedOperation> {
        self.confirm_bus_by(actor, uuid, By::Person)
    }

    fn confirm_bus_by(&self, actor: &Actor, uuid: Uuid, by: By) -> Result<SubmittedOperation> {
        self.operations.submit(actor, |tx| {
            let template = ready(tx, uuid)?;
            let switch = require(tx, &template)?;
            if switch.phase != Phase::Trying {
                let error = Error::conflict("bus-switch-not-tried").arg("name", &template.name);
                return Err(error);
            }
            let args = Args::new(uuid, switch, by);
            NewOperation::new(steps::CONFIRM, &args, uuid, &template.name)
        })
    }

    /// The machine is as it was before: on its old bus, and without the small disk. One that was tried is switched off.
    ///
    /// # Errors
    /// `template-unknown`, `template-in-the-works`, `bus-switch-none`, `node-unreachable`
    pub fn undo_bus_switch(&self, actor: &Actor, uuid: Uuid) -> Result<SubmittedOperation> {
        self.client_of(&self.find(uuid)?)?;
        self.undo_bus_switch_by(actor, uuid, By::Person)
    }

    fn undo_bus_switch_by(&self, actor: &Actor, uuid: Uuid, by: By) -> Result<SubmittedOperation> {
        self.operations.submit(actor, |tx| {
            let template = ready(tx, uuid)?;
            let args = Args::new(uuid, require(tx, &template)?, by);
            NewOperation::new(steps::UNDO, &args, uuid, &template.name)
        })
    }
}

fn require(tx: &Tx<'_>, template: &Template) -> Result<BusSwitch> {
    let none = || Error::conflict("bus-switch-none").arg("name", &template.name);
    store::bus_switch(tx, template.id)?.ok_or_else(none)
}

/// # Errors
/// `bus-switch-under-way`
pub(super) fn require_none(tx: &Tx<'_>, template: &Template) -> Result<()> {
    match store::bus_switch(tx, template.id)? {
        Some(_) => Err(Error::conflict("bus-switch-under-way").arg("name", &template.name)),
        None => Ok(()),
    }
}
