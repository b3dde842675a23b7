//! One attendant per node: does what is to be done on it when it arrives, when asked, and again after a failure.
//!
//! ```text
//!   node arrives ───► every duty is due ┐
//!   asked, a change ─► one duty is due  ├─► the node's attendant does what is due longest, one after the other
//!   failed, periodic ► due at a time    ┘
//! ```
//!
//! What is due is state and no message: nothing can be missed, and what is asked for several times is done once. The
//! attendants of several nodes work side by side, so that one that hangs holds nobody else. A duty that fails or
//! panics is a problem of its node, shown until it succeeds; the others go on. One that was done may tell of a problem
//! that it found, too: it is not done again for that.

use std::collections::{BTreeMap, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::{Notify, oneshot};
use tokio::time::sleep_until;

use super::NodeStatus;
use crate::error::{Context, Error, Fault, Result};
use crate::store::{NodeId, now};

/// Pause after a failure, doubled up to the maximum.
const RETRY_FIRST: Duration = Duration::from_secs(5);
const RETRY_MAX: Duration = Duration::from_secs(60);

/// What is done on each node. Those due at the same time are done in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Duty {
    /// Networks and reservations are as the rows say.
    Networks,
    /// Domains and files are those of the rows.
    Domains,
    /// Keys of system users are those of the grants.
    SshKeys,
    /// Uploads that nobody continues are thrown away.
    LeftUploads,
    /// Saves of templates that were abandoned while it did not answer come to their end.
    LeftSaves,
    /// Discs that guests ejected are out of their drives.
    EjectedDiscs,
    /// Templates that are tried on another disk bus have come up, or are as before.
    BusSwitches,
    /// Layers and files for downloads that nobody needs any more are thrown away.
    UnusedLayers,
}

impl Duty {
    /// The name on the wire.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Networks => "networks",
            Self::Domains => "domains",
            Self::SshKeys => "ssh-keys",
            Self::LeftUploads => "left-uploads",
            Self::LeftSaves => "left-saves",
            Self::EjectedDiscs => "ejected-discs",
            Self::BusSwitches => "bus-switches",
            Self::UnusedLayers => "unused-layers",
        }
    }

    /// Whether it can be done on a node in this state.
    const fn can_be_done(self, status: NodeStatus) -> bool {
        match (self, status) {
            (_, NodeStatus::Active) => true,
            (_, NodeStatus::Shutdown) => false,
            (Self::SshKeys | Self::LeftUploads, NodeStatus::Error) => true,
            (_, NodeStatus::Error) => false,
        }
    }

    /// How long after its last success it is done again, even if nobody asks.
    const fn every(self) -> Option<Duration> {
        match self {
            Self::Domains => Some(Duration::from_secs(180)),
            // They only take room.
            Self::UnusedLayers => Some(Duration::from_secs(3600)),
            Self::Networks
            | Self::SshKeys
            | Self::LeftUploads
            | Self::LeftSaves
            | Self::EjectedDiscs
            | Self::BusSwitches => None,
        }
    }
}

/// A duty that could not be done on a node, or what it found there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub duty: Duty,
    /// Of the last attempt, or found by it.
    pub fault: Fault,
    /// When it failed first, in seconds since 1970.
    pub since: i64,
}

type Work = dyn Fn(NodeId) -> Result<Option<Fault>> + Send + Sync;

/// The attendants of all nodes. Cheap to clone.
#[derive(Clone)]
pub struct Attendants {
    inner: Arc<Inner>,
}

struct Inner {
    status: Box<dyn Fn(NodeId) -> NodeStatus + Send + Sync>,
    /// Called when problems of a node came, changed or went.
    told: Box<dyn Fn() + Send + Sync>,
    retry_first: Duration,
    state: Mutex<State>,
    /// Signalled when a duty was done or failed, and when a node went away.
    ended: Condvar,
}

#[derive(Default)]
struct State {
    works: BTreeMap<Duty, Arc<Work>>,
    nodes: HashMap<NodeId, Attended>,
}

/// What an attendant knows of its node.
#[derive(Default)]
struct Attended {
    wake: Arc<Notify>,
    /// Whether it has its attendant.
    has_attendant: bool,
    /// None of ours any more.
    is_gone: bool,
    turns: BTreeMap<Duty, Turn>,
}

/// A duty on a node.
#[derive(Default)]
struct Turn {
    due: Option<Instant>,
    begun: u64,
    ended: u64,
    /// Failures since the last success or arrival.
    failures: u32,
    /// Whether the problem is that it could not be done.
    has_failed: bool,
    problem: Option<Problem>,
}

impl Turn {
    fn ask(&mut self, at: Instant) {
        self.due = Some(self.due.map_or(at, |due| due.min(at)));
    }
}

/// What an attendant does next.
enum Next {
    Do(Duty, Arc<Work>),
    Wait(Arc<Notify>, Option<Instant>),
    Leave,
}

impl Attendants {
    /// `status` says how a node is, `told` is called from a thread of its own when problems changed.
    pub fn new(
        status: impl Fn(NodeId) -> NodeStatus + Send + Sync + 'static,
        told: impl Fn() + Send + Sync + 'static,
    ) -> Self {
        Self::with_retry(status, told, RETRY_FIRST)
    }

    fn with_retry(
        status: impl Fn(NodeId) -> NodeStatus + Send + Sync + 'static,
        told: impl Fn() + Send + Sync + 'static,
        retry_first: Duration,
    ) -> Self {
        let (status, told) = (Box::new(status), Box::new(told));
        let (state, ended) = (Mutex::default(), Condvar::new());
        Self { inner: Arc::new(Inner { status, told, retry_first, state, ended }) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on this is how the duty is done, on a thread of its own that may block. It is due on every node
    /// that is here already. What it gives is a problem of the node that it found.
    pub fn attend(
        &self,
        duty: Duty,
        work: impl Fn(NodeId) -> Result<Option<Fault>> + Send + Sync + 'static,
    ) {
        self.state().works.insert(duty, Arc::new(work));
        self.ask_all(duty);
    }

    /// The node is here, or can do again what it could not: everything is due. Within the runtime.
    pub fn arrived(&self, node: NodeId) {
        let mut state = self.state();
        let State { works, nodes } = &mut *state;
        let attended = nodes.entry(node).or_default();
        attended.is_gone = false;
        for duty in works.keys() {
            let turn = attended.turns.entry(*duty).or_default();
            turn.failures = 0;
            turn.ask(Instant::now());
        }
        attended.wake.notify_one();
        if !std::mem::replace(&mut attended.has_attendant, true) {
            tokio::spawn(self.clone().stay(node));
        }
    }

    /// The node went away: nobody need wait for it.
    pub fn left(&self) {
        // Whoever waits has read the node's status under this lock, or reads it after.
        drop(self.state());
        self.inner.ended.notify_all();
    }

    /// The node is none of ours any more: its attendant leaves.
    pub fn forget(&self, node: NodeId) {
        let mut state = self.state();
        if let Some(attended) = state.nodes.get_mut(&node) {
            attended.is_gone = true;
            attended.wake.notify_one();
            if !attended.has_attendant {
                state.nodes.remove(&node);
            }
        }
        drop(state);
        self.left();
    }

    /// The duty is to be done on the node after a pause, or once more if it is being done then. Returns at once. A
    /// node that is not here has it done when it arrives.
    pub fn ask_after(&self, duty: Duty, node: NodeId, pause: Duration) {
        if let Some(attended) = self.state().nodes.get_mut(&node) {
            attended.turns.entry(duty).or_default().ask(Instant::now() + pause);
            attended.wake.notify_one();
        }
    }

    /// The duty is to be done on every node now. Returns at once.
    pub fn ask_all(&self, duty: Duty) {
        for attended in self.state().nodes.values_mut() {
            attended.turns.entry(duty).or_default().ask(Instant::now());
            attended.wake.notify_one();
        }
    }

    /// Asks for the duty on the node and waits until it was done from beginning to end after this call. Blocks.
    ///
    /// # Errors
    /// What the duty failed with; `None` when the node is not here or went away: it is done when the node arrives.
    pub fn ask_and_wait(&self, duty: Duty, node: NodeId) -> Option<Result<()>> {
        let mut state = self.state();
        let attended = state.nodes.get_mut(&node)?;
        let turn = attended.turns.entry(duty).or_default();
        turn.ask(Instant::now());
        let awaited = turn.begun + 1;
        attended.wake.notify_one();
        loop {
            if !state.works.contains_key(&duty) || !duty.can_be_done((self.inner.status)(node)) {
                return None;
            }
            let turn = state.nodes.get(&node)?.turns.get(&duty)?;
            if turn.ended >= awaited {
                let problem = turn.problem.clone().filter(|_| turn.has_failed);
                return Some(problem.map_or(Ok(()), |problem| Err(problem.fault.into())));
            }
            state = self.inner.ended.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// What could not be done on the node, in the order of the duties.
    pub fn problems(&self, node: NodeId) -> Vec<Problem> {
        let state = self.state();
        let turns = state.nodes.get(&node).into_iter().flat_map(|attended| attended.turns.values());
        turns.filter_map(|turn| turn.problem.clone()).collect()
    }

    /// The life of an attendant.
    async fn stay(self, node: NodeId) {
        loop {
            match self.next(node) {
                Next::Leave => return,
                Next::Do(duty, work) => self.run(node, duty, work).await,
                Next::Wait(wake, None) => wake.notified().await,
                Next::Wait(wake, Some(until)) => tokio::select! {
                    () = wake.notified() => {}
                    () = sleep_until(until.into()) => {}
                },
            }
        }
    }

    fn next(&self, node: NodeId) -> Next {
        let mut state = self.state();
        let State { works, nodes } = &mut *state;
        let Some(attended) = nodes.get_mut(&node) else { return Next::Leave };
        if attended.is_gone {
            nodes.remove(&node);
            return Next::Leave;
        }
        let status = (self.inner.status)(node);
        let due = attended.turns.iter_mut().filter_map(|(duty, turn)| {
            let (due, work) = (turn.due?, works.get(duty)?);
            duty.can_be_done(status).then_some((due, *duty, turn, work))
        });
        // Of several with the same time the first.
        match due.min_by_key(|(due, ..)| *due) {
            Some((due, duty, turn, work)) if due <= Instant::now() => {
                turn.due = None;
                turn.begun += 1;
                Next::Do(duty, Arc::clone(work))
            }
            other => Next::Wait(Arc::clone(&attended.wake), other.map(|(due, ..)| due)),
        }
    }

    /// On a thread of its own: nodes that hang must not use up those of requests.
    async fn run(&self, node: NodeId, duty: Duty, work: Arc<Work>) {
        let (sender, ended) = oneshot::channel::<()>();
        let attendants = self.clone();
        let run = move || {
            let caught = catch_unwind(AssertUnwindSafe(|| work(node)));
            let panicked = |_| Err(Error::internal(format_args!("{} panicked", duty.word())));
            if attendants.end(node, duty, caught.unwrap_or_else(panicked)) {
                (attendants.inner.told)();
            }
            drop(sender);
        };
        let begun = thread::Builder::new().name(format!("node {node}")).spawn(run);
        match begun.context("begin a thread for a node") {
            // The sender only goes, it never sends.
            Ok(_) => drop(ended.await),
            // `told` may block, and the next attempt says it again.
            Err(error) => drop(self.end(node, duty, Err(error))),
        }
    }

    /// Whether the node's problems are others now.
    fn end(&self, node: NodeId, duty: Duty, result: Result<Option<Fault>>) -> bool {
        let can_be_done = duty.can_be_done((self.inner.status)(node));
        let mut state = self.state();
        let Some(turn) = state.nodes.get_mut(&node).and_then(|node| node.turns.get_mut(&duty))
        else {
            return false;
        };
        turn.ended = turn.begun;
        let before = turn.problem.take();
        let since = || before.as_ref().map_or_else(now, |problem| problem.since);
        match result {
            Ok(found) => {
                turn.failures = 0;
                turn.has_failed = false;
                turn.problem = found.map(|fault| Problem { duty, fault, since: since() });
                if let Some(every) = duty.every() {
                    turn.ask(Instant::now() + every);
                }
            }
            // It is done when the node arrives; why it is away is no problem of this duty.
            Err(error) if !can_be_done => {
                tracing::info!(
                    node.id = node.number(),
                    duty = duty.word(),
                    error = error.detail(),
                    "the node went away"
                );
                turn.problem.clone_from(&before);
            }
            Err(error) => {
                tracing::warn!(
                    node.id = node.number(),
                    duty = duty.word(),
                    error = error.detail(),
                    "not done on a node"
                );
                turn.ask(Instant::now() + self.inner.pause(turn.failures));
                turn.failures = turn.failures.saturating_add(1);
                turn.has_failed = true;
                turn.problem = Some(Problem { duty, fault: error.into(), since: since() });
            }
        }
        let differs = turn.problem != before;
        drop(state);
        self.inner.ended.notify_all();
        differs
    }
}

impl Inner {
    fn pause(&self, failures: u32) -> Duration {
        self.retry_first.saturating_mul(2_u32.saturating_pow(failures)).min(RETRY_MAX)
    }
}

#[cfg(test)]
mod tests;
