//! The running operation as its actions see it.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use uuid::Uuid;

use super::progress::Progress;
use super::{Actor, Item, State};
use crate::error::{Error, Fault, Kind, Result};
use crate::node::cancel::{CancelFlag, cancelled};
use crate::store::NodeId;

/// What an action is given to work with.
pub struct Execution {
    pub uuid: Uuid,
    pub actor: Actor,
    pub(super) cancel: CancelFlag,
    pub(super) abandoned: AtomicBool,
    pub(super) progress: Arc<Progress>,
    pub(super) items: Mutex<Vec<Item>>,
}

impl Execution {
    /// Says how far it is. Cheap: kept in memory and told a few times a second.
    pub fn progress(&self, done: u64, total: u64) {
        self.progress.set(done, total);
    }

    /// From now on what an action tells is this part of the whole, in percent.
    pub fn span(&self, low: u64, high: u64) {
        self.progress.span(low, high);
    }

    /// A node begins with its part, of `total` things. The progress of the whole is the sum of its parts.
    pub fn part_begins(&self, node: NodeId, total: u64) {
        self.progress.begin(node, total);
    }

    pub fn part_progress(&self, node: NodeId, done: u64) {
        self.progress.advance(node, done);
    }

    pub fn part_ends(&self, node: NodeId, result: Result<(), Fault>) {
        self.progress.end(node, result);
    }

    /// A node did some of the things of its part; the fault is the first of those that were not done.
    pub fn part_ends_partly(&self, node: NodeId, fault: Fault) {
        self.progress.end_partly(node, fault);
    }

    /// Why nodes did nothing of their part, also before a restart.
    pub fn failed_parts(&self) -> BTreeMap<NodeId, Fault> {
        let parts = self.progress.told().parts.into_iter();
        let failed = parts.filter(|(_, part)| part.state != State::Partly);
        failed.filter_map(|(node, part)| Some((node, part.fault?))).collect()
    }

    /// Goes on with the nodes that did their part.
    ///
    /// # Errors
    /// When none did, and when somebody asked to stop.
    pub fn some_part(&self) -> Result<()> {
        let parts = self.progress.told().parts.len();
        let failed = self.failed_parts();
        if failed.values().any(is_cancel) {
            return Err(cancelled());
        }
        match failed.values().next() {
            Some(first) if failed.len() == parts => Err(Error::from(first.clone())),
            _ => Ok(()),
        }
    }

    /// Fails when somebody asked to stop; long loops ask between their pieces.
    pub fn check_cancelled(&self) -> Result<()> {
        self.cancel.check()
    }

    /// For calls that stop by themselves.
    pub fn cancel_flag(&self) -> &CancelFlag {
        &self.cancel
    }

    /// Whether the undo shall leave to the reconciler what it cannot reach.
    pub fn is_abandoned(&self) -> bool {
        self.abandoned.load(Ordering::Relaxed)
    }

    /// Notes how it went for one thing of a batch; the action itself goes on. Noting the same thing
    /// again replaces what was noted.
    pub fn item(&self, uuid: Uuid, name: &str, result: Result<(), Fault>) {
        let mut items = self.items.lock().unwrap_or_else(PoisonError::into_inner);
        let item = Item { uuid, name: name.to_owned(), fault: result.err() };
        match items.iter_mut().find(|known| known.uuid == uuid) {
            Some(known) => *known = item,
            None => items.push(item),
        }
    }

    /// Which things of a batch are done, also before a restart.
    pub fn done_items(&self) -> HashSet<Uuid> {
        let items = self.items.lock().unwrap_or_else(PoisonError::into_inner);
        items.iter().filter(|item| item.fault.is_none()).map(|item| item.uuid).collect()
    }

    /// Of which things of a batch it is noted how it went, also before a restart.
    pub fn noted_items(&self) -> HashSet<Uuid> {
        let items = self.items.lock().unwrap_or_else(PoisonError::into_inner);
        items.iter().map(|item| item.uuid).collect()
    }

    /// Notes things that were refused when the batch was submitted.
    pub fn note_refused(&self, refused: &[Item]) {
        for item in refused {
            self.item(item.uuid, &item.name, item.fault.clone().map_or(Ok(()), Err));
        }
    }
}

/// Whether something ended because it was asked to.
fn is_cancel(fault: &Fault) -> bool {
    fault.kind == Kind::Cancelled
}
