//! Runs operations: one thread for each, at most [`AT_ONCE`], woken when one is submitted.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;
use tokio::sync::broadcast;
use uuid::Uuid;

use super::saga::{AnySaga, Execution, Saga};
use super::store::{self, Work};
use super::{Actor, NewOperation, Operation, State, audit};
use crate::error::{Error, Fault, Kind, Result};
use crate::node::cancel::CancelFlag;
use crate::store::list::{ListQuery, Page};
use crate::store::visible::Visible;
use crate::store::{Store, Tx, now};

/// Operations that run at the same time; each mostly waits for a node.
const AT_ONCE: usize = 16;
/// Progress is written and sent at most this often per operation.
const REPORT_EVERY: Duration = Duration::from_millis(250);
/// An undo that failed waits this long before it is tried again, doubled up to the maximum.
const RETRY_FIRST: Duration = Duration::from_secs(2);
const RETRY_MAX: Duration = Duration::from_secs(60);

/// What a request got for its submission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SubmittedOperation(pub Uuid);

/// The engine. Cheap to clone.
#[derive(Clone)]
pub struct Operations {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    sagas: RwLock<HashMap<&'static str, Arc<dyn AnySaga>>>,
    state: Mutex<EngineState>,
    /// Signalled when something was submitted, ended or is to stop.
    changed: Condvar,
    updates: broadcast::Sender<Uuid>,
}

#[derive(Default)]
struct EngineState {
    running: HashMap<Uuid, CancelFlag>,
    /// Undos that wait for another try.
    resting: HashMap<Uuid, (Instant, Duration)>,
    stopping: bool,
    /// Raised by every submission and end; the dispatcher looks again when it differs.
    generation: u64,
}

impl Operations {
    pub fn new(store: Store) -> Self {
        let (updates, _) = broadcast::channel(1024);
        let inner = Inner {
            store,
            sagas: RwLock::default(),
            state: Mutex::default(),
            changed: Condvar::new(),
            updates,
        };
        Self { inner: Arc::new(inner) }
    }

    /// Makes a kind known. All kinds are registered before [`Operations::start`].
    pub fn register<D, A>(&self, kind: &'static str, saga: Saga<D, A>)
    where
        D: Send + Sync + 'static,
        A: DeserializeOwned + 'static,
    {
        let mut sagas = self.inner.sagas.write().unwrap_or_else(PoisonError::into_inner);
        let previous = sagas.insert(kind, Arc::new(saga));
        assert!(previous.is_none(), "operation kind {kind} registered twice");
    }

    /// Resumes what an earlier process left and from now on runs what is submitted.
    pub fn start(&self) -> Result<()> {
        let inner = Arc::clone(&self.inner);
        std::thread::Builder::new()
            .name("operations".into())
            .spawn(move || dispatch(&inner))
            .map_err(|cause| Error::internal("start the operations thread").because(cause))?;
        Ok(())
    }

    /// Starts no further operation and asks nobody to stop: running ones resume after the restart.
    pub fn stop(&self) {
        self.inner.lock().stopping = true;
        self.inner.changed.notify_all();
    }

    /// Writes the operation and everything that it works on in one transaction, then runs it.
    pub fn submit(
        &self,
        actor: &Actor,
        prepare: impl FnOnce(&Tx<'_>) -> Result<NewOperation>,
    ) -> Result<SubmittedOperation> {
        let submitted = self.submit_if(actor, |tx| prepare(tx).map(Some))?;
        submitted.ok_or_else(|| Error::internal("an operation was not submitted"))
    }

    /// As [`Operations::submit`]; without an operation only what `prepare` wrote is kept.
    pub(super) fn submit_if(
        &self,
        actor: &Actor,
        prepare: impl FnOnce(&Tx<'_>) -> Result<Option<NewOperation>>,
    ) -> Result<Option<SubmittedOperation>> {
        let uuid = self.inner.store.write(|tx| {
            let new = prepare(tx)?;
            new.map(|new| store::insert(tx, &new, actor)).transpose()
        })?;
        if let Some(uuid) = uuid {
            self.inner.wake();
            let _ = self.inner.updates.send(uuid);
        }
        Ok(uuid.map(SubmittedOperation))
    }

    /// Forgets what was scheduled of this kind on the subject; call it in the transaction that
    /// schedules the successor.
    pub fn unschedule(&self, tx: &Tx<'_>, kind: &str, subject: Uuid) -> Result<()> {
        store::unschedule(tx, kind, subject)
    }

    /// Asks an operation to stop; it is undone as after a failure.
    pub fn cancel(&self, uuid: Uuid) -> Result<()> {
        self.inner.store.write(|tx| store::request_cancel(tx, uuid))?;
        if let Some(flag) = self.inner.lock().running.get(&uuid) {
            flag.cancel();
        }
        self.inner.wake();
        Ok(())
    }

    pub fn find(&self, uuid: Uuid) -> Result<Operation> {
        self.inner.store.read(|conn| store::find(conn, uuid))
    }

    /// Those that the caller may see.
    pub fn list(&self, visible: &Visible, query: ListQuery) -> Result<Page<Operation>> {
        store::list(&self.inner.store, &query.seen_by(visible))
    }

    /// # Errors
    /// `operation-unknown`, also for one that the caller may not see
    pub fn find_seen(&self, visible: &Visible, uuid: Uuid) -> Result<Operation> {
        self.inner.store.read(|conn| store::find_seen(conn, visible, uuid))
    }

    /// Waits until the operation is over, at most so long, and returns it as it is then.
    pub fn wait(&self, uuid: Uuid, patience: Duration) -> Result<Operation> {
        let deadline = Instant::now() + patience;
        loop {
            let seen = self.inner.lock().generation;
            let operation = self.find(uuid)?;
            let left = deadline.saturating_duration_since(Instant::now());
            if operation.state.is_over() || left.is_zero() {
                return Ok(operation);
            }
            let guard = self.inner.lock();
            if guard.generation == seen {
                drop(self.inner.changed.wait_timeout(guard, left));
            }
        }
    }

    pub(super) fn store(&self) -> &Store {
        &self.inner.store
    }

    /// Uuids of operations whose state or progress changed.
    pub fn updates(&self) -> broadcast::Receiver<Uuid> {
        self.inner.updates.subscribe()
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, EngineState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self) {
        self.lock().generation += 1;
        self.changed.notify_all();
    }
}

/// The dispatcher: starts what may start, sleeps until something changes or is due.
fn dispatch(inner: &Arc<Inner>) {
    loop {
        let seen = inner.lock().generation;
        let due = match start_ready(inner) {
            Ok(due) => due,
            Err(error) => {
                tracing::error!(error = %error.detail(), "operations cannot be read");
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
fn start_ready(inner: &Arc<Inner>) -> Result<Option<Duration>> {
    let mut due: Option<Duration> = None;
    let mut wait_for = |time: Duration| due = Some(due.map_or(time, |known| known.min(time)));
    for work in inner.store.read(store::open_work)? {
        let mut state = inner.lock();
        if state.stopping {
            return Ok(None);
        }
        if state.running.contains_key(&work.uuid) || state.running.len() >= AT_ONCE {
            continue;
        }
        if let Some((until, _)) = state.resting.get(&work.uuid) {
            let left = until.saturating_duration_since(Instant::now());
            if !left.is_zero() {
                wait_for(left);
                continue;
            }
        }
        if let (State::Scheduled, Some(at), false) = (work.state, work.run_at, work.cancel) {
            let left = u64::try_from(at - now()).unwrap_or(0);
            if left > 0 {
                // An hour at most: a changed clock is noticed.
                wait_for(Duration::from_secs(left.min(3600)));
                continue;
            }
        }
        let cancel = CancelFlag::default();
        if work.cancel {
            cancel.cancel();
        }
        state.running.insert(work.uuid, cancel.clone());
        drop(state);
        spawn(inner, work.id, work.uuid, cancel)?;
    }
    Ok(due)
}

fn spawn(inner: &Arc<Inner>, id: i64, uuid: Uuid, cancel: CancelFlag) -> Result<()> {
    let inner = Arc::clone(inner);
    let started = std::thread::Builder::new().name("operation".into()).spawn(move || {
        let outcome = run(&inner, id, cancel);
        let mut state = inner.lock();
        state.running.remove(&uuid);
        match outcome {
            Ok(Outcome::Over) => {
                state.resting.remove(&uuid);
            }
            Ok(Outcome::Again) => rest(&mut state, uuid),
            Err(error) => {
                tracing::error!(operation.uuid = %uuid, error = %error.detail(), "operation stuck");
                rest(&mut state, uuid);
            }
        }
        drop(state);
        inner.wake();
        let _ = inner.updates.send(uuid);
    });
    started.map(drop).map_err(|cause| Error::internal("start an operation").because(cause))
}

/// Runs an operation that nobody else does, from where its row stands now: since it was listed it may have ended, or
/// have been forgotten for a successor.
fn run(inner: &Arc<Inner>, id: i64, cancel: CancelFlag) -> Result<Outcome> {
    match inner.store.read(|conn| store::work(conn, id))? {
        Some(work) => Runner::new(inner, work, cancel).run(),
        None => Ok(Outcome::Over),
    }
}

fn rest(state: &mut EngineState, uuid: Uuid) {
    let before = state.resting.get(&uuid).map(|(_, pause)| *pause);
    let pause = before.map_or(RETRY_FIRST, |pause| (pause * 2).min(RETRY_MAX));
    state.resting.insert(uuid, (Instant::now() + pause, pause));
}

enum Outcome {
    Over,
    /// Not yet; to be tried again after a rest.
    Again,
}

/// What became of an operation whose time has come.
enum Locks {
    Taken,
    /// Something else works on the subject.
    Held,
    /// It was unscheduled meanwhile: there is nothing to do.
    Forgotten,
}

/// One operation from where its row stands to its end.
struct Runner<'a> {
    inner: &'a Arc<Inner>,
    id: i64,
    kind: String,
    args: String,
    locks: Vec<Uuid>,
    state: State,
    step: usize,
    fault: Option<Fault>,
    execution: Execution,
}

impl<'a> Runner<'a> {
    fn new(inner: &'a Arc<Inner>, work: Work, cancel: CancelFlag) -> Self {
        let report = reporter(Arc::clone(inner), work.id, work.uuid);
        let execution = Execution {
            uuid: work.uuid,
            actor: work.actor,
            cancel,
            report: Box::new(report),
            items: Mutex::new(work.items),
            span: Mutex::default(),
        };
        let Work { id, kind, args, locks, state, step, fault, .. } = work;
        Self { inner, id, kind, args, locks, state, step, fault, execution }
    }

    fn run(mut self) -> Result<Outcome> {
        let sagas = self.inner.sagas.read().unwrap_or_else(PoisonError::into_inner);
        let saga = sagas.get(self.kind.as_str()).cloned();
        drop(sagas);
        let Some(saga) = saga else {
            return Err(Error::internal(format_args!("no saga for operation {}", self.kind)));
        };
        if self.state == State::Scheduled {
            match self.take_locks()? {
                Locks::Taken => {}
                Locks::Held => return Ok(Outcome::Again),
                Locks::Forgotten => return Ok(Outcome::Over),
            }
        }
        tracing::info!(operation.uuid = %self.execution.uuid, operation.kind = self.kind, step = self.step,
            state = self.state.word(), "operation runs");
        if self.state != State::Undoing {
            self.forward(saga.as_ref())?;
        }
        match self.state {
            State::Undoing => self.backward(saga.as_ref()),
            _ => self.end(State::Succeeded).map(|()| Outcome::Over),
        }
    }

    fn take_locks(&mut self) -> Result<Locks> {
        let taken = self.inner.store.write(|tx| {
            if !store::is_scheduled(tx, self.id)? {
                return Ok(Locks::Forgotten);
            }
            store::lock(tx, self.id, &self.locks)?;
            store::save_step(tx, self.id, State::Queued, 0, None, &[])?;
            Ok(Locks::Taken)
        });
        match taken {
            Ok(Locks::Taken) => {
                self.state = State::Queued;
                Ok(Locks::Taken)
            }
            Err(error) if error.kind() == Kind::Busy => Ok(Locks::Held),
            other => other,
        }
    }

    fn forward(&mut self, saga: &dyn AnySaga) -> Result<()> {
        while self.step < saga.len() {
            self.save(State::Running)?;
            // Somebody may have asked between the look at the row and now.
            if self.inner.store.read(|conn| store::is_cancel_requested(conn, self.id))? {
                self.execution.cancel.cancel();
            }
            let result = match self.execution.check_cancelled() {
                Ok(()) => guarded(|| saga.run(self.step, &self.args, &self.execution)),
                Err(cancelled) => Err(cancelled),
            };
            if let Err(error) = result {
                tracing::warn!(operation.uuid = %self.execution.uuid, operation.kind = self.kind,
                    step = saga.name(self.step), error = %error.detail(), "step failed, undoing");
                self.fault = Some(Fault::from(error));
                return self.save(State::Undoing);
            }
            self.step += 1;
        }
        Ok(())
    }

    fn backward(&mut self, saga: &dyn AnySaga) -> Result<Outcome> {
        // The failed step may have done half of its work: it is undone too.
        let mut next = (self.step + 1).min(saga.len());
        while next > 0 {
            let step = next - 1;
            if let Err(error) = guarded(|| saga.undo(step, &self.args, &self.execution)) {
                tracing::warn!(operation.uuid = %self.execution.uuid, step = saga.name(step),
                    error = %error.detail(), "undo failed, trying again later");
                return Ok(Outcome::Again);
            }
            next = step;
            if step > 0 {
                self.step = step - 1;
                self.save(State::Undoing)?;
            }
        }
        let cancelled = self.fault.as_ref().is_some_and(|fault| fault.kind == Kind::Cancelled);
        self.end(if cancelled { State::Cancelled } else { State::Failed })?;
        Ok(Outcome::Over)
    }

    fn save(&mut self, state: State) -> Result<()> {
        self.state = state;
        let items = self.execution.items.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (id, step, fault) = (self.id, self.step, self.fault.as_ref());
        self.inner.store.write(|tx| store::save_step(tx, id, state, step, fault, &items))?;
        let _ = self.inner.updates.send(self.execution.uuid);
        Ok(())
    }

    fn end(&mut self, state: State) -> Result<()> {
        let items = self.execution.items.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (id, step, fault) = (self.id, self.step, self.fault.as_ref());
        self.inner.store.write(|tx| {
            store::save_step(tx, id, state, step, fault, &items)?;
            store::finish(tx, id, state)?;
            audit::operation_ended(tx, &self.execution.actor, id, &items)
        })?;
        tracing::info!(operation.uuid = %self.execution.uuid, operation.kind = self.kind,
            state = state.word(), "operation ended");
        Ok(())
    }
}

/// A panic in a step is a failed step, not a lost operation.
fn guarded(step: impl FnOnce() -> Result<()>) -> Result<()> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(step)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Err(Error::internal(text.unwrap_or_else(|| "a step panicked".into())))
    })
}

/// Writes progress at most every [`REPORT_EVERY`].
fn reporter(inner: Arc<Inner>, id: i64, uuid: Uuid) -> impl Fn(u64, u64, bool) + Send + Sync {
    let last: Mutex<Option<Instant>> = Mutex::new(None);
    move |done, total, must| {
        let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_some_and(|at| at.elapsed() < REPORT_EVERY) && done < total && !must {
            return;
        }
        *last = Some(Instant::now());
        if let Err(error) = inner.store.write(|tx| store::save_progress(tx, id, done, total)) {
            tracing::warn!(error = %error.detail(), "progress not written");
        }
        let _ = inner.updates.send(uuid);
    }
}

impl Operations {
    /// Uuids that running operations hold: reconcilers leave them alone.
    pub fn locked(&self) -> Result<HashSet<Uuid>> {
        let work = self.inner.store.read(store::open_work)?;
        Ok(work.into_iter().filter(|w| w.state != State::Scheduled).flat_map(|w| w.locks).collect())
    }
}

#[cfg(test)]
impl Operations {
    /// Takes an operation as the dispatcher does and runs it; what happens `meanwhile` its runner does not know yet.
    pub(super) fn run_after(&self, uuid: Uuid, meanwhile: impl FnOnce()) -> Result<()> {
        let inner = &self.inner;
        let work = inner.store.read(store::open_work)?.into_iter().find(|work| work.uuid == uuid);
        let work = work.ok_or_else(|| Error::internal("the operation is over"))?;
        let runner = Runner::new(inner, work, CancelFlag::default());
        meanwhile();
        runner.run().map(drop)
    }

    /// Runs what the dispatcher listed a moment ago, whatever became of it since.
    pub(super) fn run_listed(&self, id: i64) -> Result<()> {
        run(&self.inner, id, CancelFlag::default()).map(drop)
    }
}
