//! What an operation does: steps with their undo, and what a step is given to work with.

use std::sync::{Mutex, PoisonError};

use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::{Actor, Item};
use crate::error::{Context, Fault, Result};
use crate::node::cancel::CancelFlag;

/// A step of a saga. Both functions may run again after a kill and must then finish what is there.
pub struct Action<D, A> {
    /// For the log.
    pub name: &'static str,
    pub run: fn(&D, &A, &Execution) -> Result<()>,
    pub undo: fn(&D, &A, &Execution) -> Result<()>,
}

/// The undo of a step that leaves nothing behind.
pub fn nothing<D, A>(_: &D, _: &A, _: &Execution) -> Result<()> {
    Ok(())
}

/// The steps of a kind of operation together with what they work on.
pub struct Saga<D: 'static, A: 'static> {
    pub domain: D,
    pub steps: &'static [Action<D, A>],
}

/// A saga with its types hidden.
pub(super) trait AnySaga: Send + Sync {
    fn len(&self) -> usize;
    fn name(&self, step: usize) -> &'static str;
    fn run(&self, step: usize, args: &str, execution: &Execution) -> Result<()>;
    fn undo(&self, step: usize, args: &str, execution: &Execution) -> Result<()>;
}

impl<D: Send + Sync + 'static, A: DeserializeOwned + 'static> AnySaga for Saga<D, A> {
    fn len(&self) -> usize {
        self.steps.len()
    }

    fn name(&self, step: usize) -> &'static str {
        self.steps[step].name
    }

    fn run(&self, step: usize, args: &str, execution: &Execution) -> Result<()> {
        (self.steps[step].run)(&self.domain, &parse(args)?, execution)
    }

    fn undo(&self, step: usize, args: &str, execution: &Execution) -> Result<()> {
        (self.steps[step].undo)(&self.domain, &parse(args)?, execution)
    }
}

fn parse<A: DeserializeOwned>(args: &str) -> Result<A> {
    serde_json::from_str(args).context("read the arguments of an operation")
}

/// Takes what is done, of how much, and whether it must not be left out.
type Report = dyn Fn(u64, u64, bool) + Send + Sync;

/// What operations count to whose steps have little in common.
pub const PERCENT: u64 = 100;

/// The running operation as its steps see it.
pub struct Execution {
    pub uuid: Uuid,
    pub actor: Actor,
    pub(super) cancel: CancelFlag,
    pub(super) report: Box<Report>,
    pub(super) items: Mutex<Vec<Item>>,
    /// The part of the whole, in percent, that the step's own progress is.
    pub(super) span: Mutex<Option<(u64, u64)>>,
}

impl Execution {
    /// Says how far it is. Cheap: written and sent at most a few times a second.
    pub fn progress(&self, done: u64, total: u64) {
        let span = *self.span.lock().unwrap_or_else(PoisonError::into_inner);
        match span {
            None => (self.report)(done, total, false),
            Some(_) if total == 0 => {}
            Some((low, high)) => {
                let part = u128::from(high - low) * u128::from(done.min(total)) / u128::from(total);
                let part = u64::try_from(part).unwrap_or(high - low);
                (self.report)(low + part, PERCENT, false);
            }
        }
    }

    /// From now on what a step tells is this part of the whole, in percent.
    pub fn span(&self, low: u64, high: u64) {
        *self.span.lock().unwrap_or_else(PoisonError::into_inner) = Some((low, high.max(low)));
        (self.report)(low, PERCENT, true);
    }

    /// Fails when somebody asked to stop; long loops ask between their pieces.
    pub fn check_cancelled(&self) -> Result<()> {
        self.cancel.check()
    }

    /// For calls that stop by themselves.
    pub fn cancel_flag(&self) -> &CancelFlag {
        &self.cancel
    }

    /// Notes how it went for one thing of a batch; the step itself goes on. Noting the same thing
    /// again replaces what was noted.
    pub fn item(&self, uuid: Uuid, name: &str, result: Result<(), Fault>) {
        let mut items = self.items.lock().unwrap_or_else(PoisonError::into_inner);
        let item = Item { uuid, name: name.to_owned(), fault: result.err() };
        match items.iter_mut().find(|known| known.uuid == uuid) {
            Some(known) => *known = item,
            None => items.push(item),
        }
    }

    /// Notes things that were refused when the batch was submitted.
    pub fn note_refused(&self, refused: &[Item]) {
        for item in refused {
            self.item(item.uuid, &item.name, item.fault.clone().map_or(Ok(()), Err));
        }
    }
}
