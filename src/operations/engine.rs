//! The engine as others see it: kinds are registered, operations submitted, cancelled, abandoned and waited for.

use std::collections::HashSet;
use std::io;
use std::sync::{Arc, Condvar, Mutex, PoisonError, RwLock};
use std::time::Duration;

use serde::de::DeserializeOwned;
use tokio::sync::{broadcast, oneshot};
use uuid::Uuid;

use super::dispatcher::dispatch;
use super::inner::Inner;
use super::saga::Saga;
use super::store::{self, list, locks};
use super::{Actor, Audience, NewOperation, Operation, State};
use crate::error::{Context, Error, Result};
use crate::store::list::{ListQuery, Page};
use crate::store::visible::Visible;
use crate::store::{Store, Tx};

/// What a request got for its submission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SubmittedOperation(pub Uuid);

/// The engine. Cheap to clone.
#[derive(Clone)]
pub struct Operations {
    pub(super) inner: Arc<Inner>,
}

impl Operations {
    pub fn new(store: Store) -> Self {
        Self::with_threads(store, |work| {
            std::thread::Builder::new().name("operation".into()).spawn(work).map(drop)
        })
    }

    pub(super) fn with_threads(
        store: Store,
        spawn: impl Fn(Box<dyn FnOnce() + Send>) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        let (updates, _) = broadcast::channel(1024);
        let inner = Inner {
            store,
            spawn: Box::new(spawn),
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
        tracing::debug!(kinds = ?self.inner.kinds(), "kinds of operations");
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

    /// Writes the operation and everything that it works on in one transaction, then runs it. What takes time, such
    /// as asking a node, belongs before the call: everybody else who writes waits meanwhile.
    pub fn submit(
        &self,
        actor: &Actor,
        prepare: impl FnOnce(&Tx<'_>) -> Result<NewOperation>,
    ) -> Result<SubmittedOperation> {
        let prepare = |tx: &Tx<'_>| Ok(((), prepare(tx)?));
        self.submit_with(actor, prepare).map(|((), submitted)| submitted)
    }

    /// As [`Operations::submit`]; also gives what `prepare` read or wrote.
    pub fn submit_with<T>(
        &self,
        actor: &Actor,
        prepare: impl FnOnce(&Tx<'_>) -> Result<(T, NewOperation)>,
    ) -> Result<(T, SubmittedOperation)> {
        let (written, uuid) = self.inner.store.write(|tx| {
            let (written, new) = prepare(tx)?;
            Ok((written, store::insert(tx, &new, actor)?))
        })?;
        Ok((written, self.begin(uuid)))
    }

    /// Says that there is an operation whose row was just committed.
    pub(super) fn begin(&self, uuid: Uuid) -> SubmittedOperation {
        self.inner.wake();
        self.inner.tell(uuid);
        SubmittedOperation(uuid)
    }

    /// Ends what was scheduled of this kind on the subject; call it in the transaction that schedules the
    /// successor, or takes away what it would work on.
    pub fn unschedule(&self, tx: &Tx<'_>, kind: &str, subject: Uuid) -> Result<()> {
        for uuid in store::unschedule(tx, kind, subject)? {
            let inner = Arc::clone(&self.inner);
            tx.after_commit(move || inner.tell(uuid));
        }
        Ok(())
    }

    /// Asks an operation to stop. It is undone as after a failure; past its commit point it only ends. What has not
    /// begun is over at once.
    ///
    /// # Errors
    /// `operation-unknown`, `operation-over`, `operation-undoing`
    pub fn cancel(&self, uuid: Uuid) -> Result<()> {
        let before = self.inner.store.write(|tx| store::request_cancel(tx, uuid))?;
        if before == State::Scheduled {
            self.inner.lock().resting.remove(&uuid);
            self.inner.tell(uuid);
            self.inner.tell_end(uuid);
        } else if let Some(running) = self.inner.lock().running.get(&uuid) {
            running.cancel.cancel();
        }
        self.inner.wake();
        Ok(())
    }

    /// Ends an undo that is stuck: each of its actions is tried once more, and what cannot be reached is left to the
    /// reconciler, which removes what no row knows when the node is back.
    ///
    /// # Errors
    /// `operation-unknown`, `operation-not-stuck`
    pub fn abandon(&self, uuid: Uuid) -> Result<()> {
        self.inner.store.write(|tx| store::request_abandon(tx, uuid))?;
        self.inner.lock().resting.remove(&uuid);
        self.inner.wake();
        Ok(())
    }

    pub fn find(&self, uuid: Uuid) -> Result<Operation> {
        self.find_seen(&Visible::All, uuid)
    }

    /// # Errors
    /// `operation-unknown`, also for one that the caller may not see
    pub fn find_seen(&self, visible: &Visible, uuid: Uuid) -> Result<Operation> {
        let mut operation = self.inner.store.read(|conn| list::find_seen(conn, visible, uuid))?;
        self.inner.complete(&mut operation);
        Ok(operation)
    }

    /// Those of these that there are, with who may see them.
    pub fn with_audience(&self, uuids: &[Uuid]) -> Result<Vec<(Operation, Audience)>> {
        let mut found = self.inner.store.read(|conn| list::with_audience(conn, uuids))?;
        found.iter_mut().for_each(|(operation, _)| self.inner.complete(operation));
        Ok(found)
    }

    /// Those that the caller may see.
    pub fn list(&self, visible: &Visible, query: ListQuery) -> Result<Page<Operation>> {
        let mut page = list::list(&self.inner.store, &query.seen_by(visible))?;
        page.results.iter_mut().for_each(|operation| self.inner.complete(operation));
        Ok(page)
    }

    /// Waits until the operation is over, at most so long, and returns it as it is then. No thread waits meanwhile.
    pub async fn wait(&self, uuid: Uuid, patience: Duration) -> Result<Operation> {
        // Before the look: what ends between the two is not missed.
        let ended = self.ended(uuid);
        let seen = self.look(uuid).await?;
        if seen.state.is_over() || patience.is_zero() {
            return Ok(seen);
        }
        // Either way the row says how it stands.
        let _ = tokio::time::timeout(patience, ended).await;
        self.look(uuid).await
    }

    async fn look(&self, uuid: Uuid) -> Result<Operation> {
        let operations = self.clone();
        let found = tokio::task::spawn_blocking(move || operations.find(uuid)).await;
        found.context("look at an operation")?
    }

    /// Resolves when the operation ends after now.
    fn ended(&self, uuid: Uuid) -> oneshot::Receiver<()> {
        let (sender, receiver) = oneshot::channel();
        let mut state = self.inner.lock();
        let waiting = state.waiting.entry(uuid).or_default();
        waiting.retain(|other| !other.is_closed());
        waiting.push(sender);
        receiver
    }

    pub(super) fn store(&self) -> &Store {
        &self.inner.store
    }

    /// Uuids of operations whose state or progress changed.
    pub fn updates(&self) -> broadcast::Receiver<Uuid> {
        self.inner.updates.subscribe()
    }

    /// Uuids that running operations hold: reconcilers leave them alone.
    pub fn locked(&self) -> Result<HashSet<Uuid>> {
        self.inner.store.read(locks::locked)
    }
}
