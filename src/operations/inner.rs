//! What engine, dispatcher and runners share.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use tokio::sync::{broadcast, oneshot};
use uuid::Uuid;

use super::Operation;
use super::lanes::Lanes;
use super::progress::Progress;
use super::saga::AnySaga;
use crate::node::cancel::CancelFlag;
use crate::store::Store;

/// Starts a thread that runs an operation.
pub(super) type Spawn = dyn Fn(Box<dyn FnOnce() + Send>) -> io::Result<()> + Send + Sync;

pub(super) struct Inner {
    pub store: Store,
    pub spawn: Box<Spawn>,
    pub sagas: RwLock<HashMap<&'static str, Arc<dyn AnySaga>>>,
    pub state: Mutex<EngineState>,
    /// Signalled when something was submitted, ended or is to stop.
    pub changed: Condvar,
    pub updates: broadcast::Sender<Uuid>,
}

/// An operation that has a thread.
pub(super) struct Running {
    pub cancel: CancelFlag,
    pub progress: Arc<Progress>,
}

#[derive(Default)]
pub(super) struct EngineState {
    pub running: HashMap<Uuid, Running>,
    pub lanes: Lanes,
    /// Undos that wait for another try, and how long they rest.
    pub resting: HashMap<Uuid, (Instant, Duration)>,
    pub waiting: HashMap<Uuid, Vec<oneshot::Sender<()>>>,
    pub stopping: bool,
    /// Raised by every submission and end; the dispatcher looks again when it differs.
    pub generation: u64,
}

impl Inner {
    pub fn lock(&self) -> MutexGuard<'_, EngineState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn saga(&self, kind: &str) -> Option<Arc<dyn AnySaga>> {
        self.sagas.read().unwrap_or_else(PoisonError::into_inner).get(kind).cloned()
    }

    /// Every kind that is known, in order.
    pub fn kinds(&self) -> Vec<&'static str> {
        let sagas = self.sagas.read().unwrap_or_else(PoisonError::into_inner);
        let mut kinds: Vec<_> = sagas.keys().copied().collect();
        kinds.sort_unstable();
        kinds
    }

    pub fn wake(&self) {
        self.lock().generation += 1;
        self.changed.notify_all();
    }

    /// Tells that there is something new of an operation. Nobody listening is fine.
    pub fn tell(&self, uuid: Uuid) {
        let _ = self.updates.send(uuid);
    }

    /// Those who wait for the end of an operation wait no longer.
    pub fn tell_end(&self, uuid: Uuid) {
        let waiting = self.lock().waiting.remove(&uuid).unwrap_or_default();
        for waiter in waiting {
            // One that went away needs no news.
            let _ = waiter.send(());
        }
    }

    /// Completes what a row says: what its kind counts, and how far it is, as rows are only as new as the last
    /// action that was begun.
    pub fn complete(&self, operation: &mut Operation) {
        if let Some(saga) = self.saga(&operation.kind) {
            operation.unit = saga.unit();
        }
        let state = self.lock();
        let Some(running) = state.running.get(&operation.uuid) else { return };
        let told = running.progress.told();
        drop(state);
        if operation.state.is_over() {
            return;
        }
        for part in &mut operation.parts {
            if let Some(newer) = told.parts.get(&part.node_id) {
                let node_name = std::mem::take(&mut part.node_name);
                *part = super::Part { node_name, ..newer.clone() };
            }
        }
        if told.total > 0 {
            (operation.done, operation.total) = (told.done, told.total);
        }
    }
}
