//! How far a running operation is, kept in memory: the row is written at each action and at the end.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::{Part, State};
use crate::error::{Fault, Kind};
use crate::store::NodeId;

/// Progress is told at most this often per operation.
const TELL_EVERY: Duration = Duration::from_millis(250);

/// What operations count to whose actions have little in common.
pub const PERCENT: u64 = 100;

/// What is known of an operation's advance.
#[derive(Debug, Clone, Default)]
pub(super) struct Told {
    pub done: u64,
    pub total: u64,
    /// By node.
    pub parts: BTreeMap<NodeId, Part>,
}

/// The advance of one running operation.
pub(super) struct Progress {
    inner: Mutex<Inner>,
    tell: Box<dyn Fn() + Send + Sync>,
}

#[derive(Default)]
struct Inner {
    told: Told,
    /// The part of the whole, in percent, that the action's own progress is.
    span: Option<(u64, u64)>,
    last: Option<Instant>,
}

impl Progress {
    /// `tell` is called when there is something new to be shown, a few times a second at most.
    pub fn new(tell: impl Fn() + Send + Sync + 'static) -> Self {
        Self { inner: Mutex::default(), tell: Box::new(tell) }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn told(&self) -> Told {
        self.lock().told.clone()
    }

    /// As the row says it, before the operation goes on.
    pub fn load(&self, told: Told) {
        self.lock().told = told;
    }

    pub fn set(&self, done: u64, total: u64) {
        self.change(false, |inner| match inner.span {
            None => (inner.told.done, inner.told.total) = (done, total),
            Some(_) if total == 0 => {}
            Some((low, high)) => {
                let part = u128::from(high - low) * u128::from(done.min(total)) / u128::from(total);
                let part = u64::try_from(part).unwrap_or(high - low);
                (inner.told.done, inner.told.total) = (low + part, PERCENT);
            }
        });
    }

    pub fn span(&self, low: u64, high: u64) {
        self.change(true, |inner| {
            inner.span = Some((low, high.max(low)));
            (inner.told.done, inner.told.total) = (low, PERCENT);
        });
    }

    /// A node begins with its part, of so many things.
    pub fn begin(&self, node: NodeId, total: u64) {
        self.part(node, true, |part| {
            (part.state, part.done, part.total, part.fault) = (State::Running, 0, total, None);
        });
    }

    pub fn advance(&self, node: NodeId, done: u64) {
        self.part(node, false, |part| part.done = done.min(part.total));
    }

    pub fn end(&self, node: NodeId, result: Result<(), Fault>) {
        self.part(node, true, |part| part.end(result));
    }

    pub fn end_partly(&self, node: NodeId, fault: Fault) {
        self.part(node, true, |part| (part.state, part.fault) = (State::Partly, Some(fault)));
    }

    /// What has no end of its own ends as the whole did.
    pub fn end_all(&self, fault: Option<&Fault>) {
        let mut inner = self.lock();
        for part in inner.told.parts.values_mut().filter(|part| !part.state.is_over()) {
            part.end(fault.map_or(Ok(()), |fault| Err(fault.clone())));
        }
    }

    fn part(&self, node: NodeId, must: bool, change: impl FnOnce(&mut Part)) {
        self.change(must, |inner| {
            change(inner.told.parts.entry(node).or_insert_with(|| Part::of(node, 0)));
            let total: u64 = inner.told.parts.values().map(|part| part.total).sum();
            if inner.span.is_none() && total > 0 {
                let done = inner.told.parts.values().map(|part| part.done).sum();
                (inner.told.done, inner.told.total) = (done, total);
            }
        });
    }

    fn change(&self, must: bool, change: impl FnOnce(&mut Inner)) {
        let mut inner = self.lock();
        change(&mut inner);
        let whole = inner.told.done >= inner.told.total;
        if inner.last.is_some_and(|at| at.elapsed() < TELL_EVERY) && !whole && !must {
            return;
        }
        inner.last = Some(Instant::now());
        drop(inner);
        (self.tell)();
    }
}

impl Part {
    pub(super) fn of(node_id: NodeId, total: u64) -> Self {
        let (node_name, state) = (String::new(), State::Queued);
        Self { node_id, node_name, state, done: 0, total, fault: None }
    }

    fn end(&mut self, result: Result<(), Fault>) {
        self.state = match &result {
            Ok(()) => State::Succeeded,
            Err(fault) if fault.kind == Kind::Cancelled => State::Cancelled,
            Err(_) => State::Failed,
        };
        if result.is_ok() {
            self.done = self.total;
        }
        self.fault = result.err();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    #[test]
    fn the_whole_is_the_sum_of_its_parts() {
        let progress = Progress::new(|| ());
        progress.begin(NodeId::new(1), 10);
        progress.begin(NodeId::new(2), 30);
        let whole = || (progress.told().done, progress.told().total);
        assert_eq!(whole(), (0, 40));
        progress.advance(NodeId::new(2), 20);
        progress.advance(NodeId::new(1), 5);
        assert_eq!(whole(), (25, 40), "neither part hides the other");
        progress.end(NodeId::new(1), Ok(()));
        progress.end(NodeId::new(2), Err(Error::unreachable("node-unreachable").into()));
        assert_eq!(whole(), (30, 40));
        let states: Vec<State> = progress.told().parts.values().map(|part| part.state).collect();
        assert_eq!(states, [State::Succeeded, State::Failed]);
    }

    #[test]
    fn parts_without_an_end_end_as_the_whole() {
        let progress = Progress::new(|| ());
        progress.begin(NodeId::new(1), 1);
        progress.end(NodeId::new(1), Ok(()));
        progress.begin(NodeId::new(2), 1);
        progress.end_all(Some(&crate::node::cancel::cancelled().into()));
        let states: Vec<State> = progress.told().parts.values().map(|part| part.state).collect();
        assert_eq!(states, [State::Succeeded, State::Cancelled]);
    }
}
