//! Starts what may start: one thread for each operation, as many as the lanes take.

use std::sync::Arc;
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::State;
use super::inner::{EngineState, Inner, Running};
use super::lanes::Lane;
use super::progress::Progress;
use super::runner::{Outcome, Runner};
use super::store::work::{self, Open};
use crate::error::{Error, Result};
use crate::node::cancel::CancelFlag;
use crate::store::{OperationId, now};

/// An undo that failed waits this long before it is tried again, doubled up to the maximum.
const RETRY_FIRST: Duration = Duration::from_secs(2);
const RETRY_MAX: Duration = Duration::from_secs(60);

/// The dispatcher: starts what may start, sleeps until something changes or is due.
pub(super) fn dispatch(inner: &Arc<Inner>) {
    loop {
        let seen = inner.lock().generation;
        let due = match start_ready(inner) {
            Ok(due) => due,
            Err(error) => {
                tracing::error!(error = %error.detail(), "operations cannot be started");
                Some(RETRY_FIRST)
            }
        };
        let guard = inner.lock();
        if guard.stopping {
            return;
        }
        if guard.generation == seen {
            match due {
                Some(due) => drop(inner.changed.wait_timeout(guard, due)),
                None => drop(inner.changed.wait(guard)),
            }
        }
    }
}

/// Starts everything that may start; returns how long until the next thing is due.
pub(super) fn start_ready(inner: &Arc<Inner>) -> Result<Option<Duration>> {
    let mut due: Option<Duration> = None;
    for open in inner.store.read(work::open)? {
        let mut state = inner.lock();
        if state.stopping {
            return Ok(None);
        }
        if state.running.contains_key(&open.uuid) {
            continue;
        }
        if let Some(left) = time_left(&state, &open) {
            due = Some(due.map_or(left, |known| known.min(left)));
            continue;
        }
        let lane = inner.saga(&open.kind).map_or(Lane::Quiet, |saga| saga.lane());
        // What is cancelled before it began only lets go of its things: for that it needs no place, least of all on a
        // node that hangs.
        let is_withdrawn = open.cancel && open.state == State::Queued;
        if is_withdrawn || state.lanes.enter(open.uuid, lane, &open.nodes) {
            let running = running(inner, open.uuid, open.cancel);
            let cancel = running.cancel.clone();
            let progress = Arc::clone(&running.progress);
            state.running.insert(open.uuid, running);
            drop(state);
            spawn(inner, open.id, open.uuid, cancel, progress)?;
        }
    }
    Ok(due)
}

/// How long an operation that rests or is scheduled must still wait.
fn time_left(state: &EngineState, open: &Open) -> Option<Duration> {
    if let Some((until, _)) = state.resting.get(&open.uuid) {
        let left = until.saturating_duration_since(Instant::now());
        return (!left.is_zero()).then_some(left);
    }
    let (State::Scheduled, Some(at), false) = (open.state, open.run_at, open.cancel) else {
        return None;
    };
    let left = u64::try_from(at - now()).unwrap_or(0);
    // An hour at most: a changed clock is noticed.
    (left > 0).then(|| Duration::from_secs(left.min(3600)))
}

pub(super) fn running(inner: &Arc<Inner>, uuid: Uuid, cancelled: bool) -> Running {
    let cancel = CancelFlag::default();
    if cancelled {
        cancel.cancel();
    }
    let news = Arc::downgrade(inner);
    let tell = move || news.upgrade().into_iter().for_each(|inner| inner.tell(uuid));
    Running { cancel, progress: Arc::new(Progress::new(tell)) }
}

/// Gives the operation a thread. Without one it waits as before.
fn spawn(
    inner: &Arc<Inner>,
    id: OperationId,
    uuid: Uuid,
    cancel: CancelFlag,
    progress: Arc<Progress>,
) -> Result<()> {
    let work = {
        let inner = Arc::clone(inner);
        move || {
            let pause = next_pause(&inner.lock(), uuid);
            let outcome = run(&inner, id, cancel, progress, pause);
            ended(&inner, uuid, outcome, pause);
        }
    };
    (inner.spawn)(Box::new(work)).map_err(|cause| {
        let mut state = inner.lock();
        state.running.remove(&uuid);
        state.lanes.leave(uuid);
        Error::internal("start an operation").because(cause)
    })
}

/// Runs an operation that nobody else does, from where its row stands now: since it was listed it may have ended, or
/// have been forgotten for a successor.
pub(super) fn run(
    inner: &Arc<Inner>,
    id: OperationId,
    cancel: CancelFlag,
    progress: Arc<Progress>,
    pause: Duration,
) -> Result<Outcome> {
    match inner.store.read(|conn| work::work(conn, id))? {
        Some(work) => Runner::new(inner, work, cancel, progress, pause).run(),
        None => Ok(Outcome::Over),
    }
}

/// How long it rests if it does not come to its end now.
fn next_pause(state: &EngineState, uuid: Uuid) -> Duration {
    let before = state.resting.get(&uuid).map(|(_, pause)| *pause);
    before.map_or(RETRY_FIRST, |pause| (pause * 2).min(RETRY_MAX))
}

fn ended(inner: &Arc<Inner>, uuid: Uuid, outcome: Result<Outcome>, pause: Duration) {
    let mut state = inner.lock();
    state.running.remove(&uuid);
    state.lanes.leave(uuid);
    let is_over = match outcome {
        Ok(Outcome::Over) => true,
        Ok(Outcome::Again) => false,
        Err(error) => {
            tracing::error!(operation.uuid = %uuid, error = %error.detail(), "operation stuck");
            false
        }
    };
    match is_over {
        true => drop(state.resting.remove(&uuid)),
        false => drop(state.resting.insert(uuid, (Instant::now() + pause, pause))),
    }
    drop(state);
    inner.wake();
    inner.tell(uuid);
    if is_over {
        inner.tell_end(uuid);
    }
}
