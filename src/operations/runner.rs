//! One operation from where its row stands to its end.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::inner::Inner;
use super::progress::Progress;
use super::saga::{ARGS_VERSION, AnySaga};
use super::store::work::{self, Saved, Work};
use super::store::{self, locks};
use super::{Execution, Item, State, audit};
use crate::error::{Error, Fault, Kind, Result};
use crate::node::cancel::{CancelFlag, cancelled};
use crate::store::now;

pub(super) enum Outcome {
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

pub(super) struct Runner<'a> {
    inner: &'a Arc<Inner>,
    work: Work,
    /// The action it is at.
    at: usize,
    /// How long it rests when its undo fails.
    pause: Duration,
    execution: Execution,
}

impl<'a> Runner<'a> {
    pub fn new(
        inner: &'a Arc<Inner>,
        mut work: Work,
        cancel: CancelFlag,
        progress: Arc<Progress>,
        pause: Duration,
    ) -> Self {
        progress.load(std::mem::take(&mut work.told));
        let execution = Execution {
            uuid: work.uuid,
            actor: work.actor.clone(),
            cancel,
            abandoned: AtomicBool::new(work.abandoned),
            progress,
            items: Mutex::new(std::mem::take(&mut work.items)),
        };
        Self { inner, work, at: 0, pause, execution }
    }

    pub fn run(mut self) -> Result<Outcome> {
        let (saga, at) = match self.saga() {
            Ok(found) => found,
            Err(error) => return self.give_up(error),
        };
        self.at = at;
        let saga = saga.as_ref();
        if self.work.state == State::Scheduled {
            match self.take_locks()? {
                Locks::Taken => {}
                Locks::Held => return Ok(Outcome::Again),
                Locks::Forgotten => return Ok(Outcome::Over),
            }
        }
        tracing::info!(operation.uuid = %self.work.uuid, operation.kind = self.work.kind,
            action = saga.name(self.at), state = self.work.state.word(), "operation runs");
        if self.work.state != State::Undoing {
            self.forward(saga)?;
        }
        match self.work.state {
            State::Undoing => self.backward(saga),
            _ => {
                let state = self.how_it_went();
                self.end(saga, state).map(|()| Outcome::Over)
            }
        }
    }

    /// What it does, and the action that its row names.
    fn saga(&self) -> Result<(Arc<dyn AnySaga>, usize)> {
        let Work { kind, action, args_version, .. } = &self.work;
        let unknown = || Error::conflict("operation-kind-unknown").arg("kind", kind);
        let saga = self.inner.saga(kind).ok_or_else(unknown)?;
        let place = action.as_deref().map_or(Some(0), |name| saga.place(name));
        match place {
            Some(at) if *args_version == ARGS_VERSION && at < saga.len() => Ok((saga, at)),
            _ => Err(unknown()),
        }
    }

    /// Another version of Carrel began this and this one cannot go on with it: it must not hold its things for ever.
    fn give_up(mut self, error: Error) -> Result<Outcome> {
        tracing::error!(operation.uuid = %self.work.uuid, operation.kind = self.work.kind,
            action = self.work.action, "an operation that this version does not know is given up");
        self.work.fault = Some(Fault::from(error));
        let action = self.work.action.clone();
        self.finish(State::Failed, action.as_deref())?;
        Ok(Outcome::Over)
    }

    fn take_locks(&mut self) -> Result<Locks> {
        let taken = self.inner.store.write(|tx| {
            if !work::is_scheduled(tx, self.work.id)? {
                return Ok(Locks::Forgotten);
            }
            locks::lock(tx, self.work.id, &self.work.locks)?;
            work::set_queued(tx, self.work.id)?;
            Ok(Locks::Taken)
        });
        match taken {
            Ok(Locks::Taken) => {
                self.work.state = State::Queued;
                Ok(Locks::Taken)
            }
            Err(error) if error.kind() == Kind::Busy => Ok(Locks::Held),
            other => other,
        }
    }

    fn forward(&mut self, saga: &dyn AnySaga) -> Result<()> {
        while self.at < saga.len() {
            self.save(saga, State::Running)?;
            // Somebody may have asked between the look at the row and now.
            if self.inner.store.read(|conn| store::is_cancel_requested(conn, self.work.id))? {
                self.execution.cancel.cancel();
            }
            // Behind the commit point the action looks itself: it may have nothing left to do.
            let asked = match saga.is_committed(self.at) {
                true => Ok(()),
                false => self.execution.check_cancelled(),
            };
            let result = match asked {
                Ok(()) => guarded(|| saga.run(self.at, &self.work.args, &self.execution)),
                Err(cancelled) => Err(cancelled),
            };
            // A node that hung until its link broke could not say that it stopped.
            let result = result.map_err(|error| match error.kind() {
                Kind::NodeUnreachable if self.execution.cancel.is_cancelled() => cancelled(),
                _ => error,
            });
            if let Err(error) = result {
                let stays = saga.is_committed(self.at);
                tracing::warn!(operation.uuid = %self.work.uuid, operation.kind = self.work.kind,
                    action = saga.name(self.at), error = %error.detail(), stays, "action failed");
                self.work.fault = Some(Fault::from(error));
                return match stays {
                    true => Ok(()),
                    false => self.save(saga, State::Undoing),
                };
            }
            self.at += 1;
        }
        Ok(())
    }

    /// The state of one that was not undone.
    fn how_it_went(&mut self) -> State {
        if self.work.fault.is_some() {
            return State::Partly;
        }
        let items = self.items();
        if !items.is_empty() && items.iter().all(|item| item.fault.is_some()) {
            self.work.fault = items.into_iter().find_map(|item| item.fault);
            return State::Failed;
        }
        let parts = self.execution.progress.told().parts;
        if parts.values().all(|part| part.fault.is_none()) {
            let is_all = items.iter().all(|item| item.fault.is_none());
            return if is_all { State::Succeeded } else { State::Partly };
        }
        let failed = self.execution.failed_parts();
        if failed.len() < parts.len() {
            return State::Partly;
        }
        self.work.fault = failed.into_values().next();
        State::Failed
    }

    fn backward(&mut self, saga: &dyn AnySaga) -> Result<Outcome> {
        // The wish to stop is what the undo fulfils: it does not stop its calls.
        self.execution.cancel = CancelFlag::new();
        // The failed action may have done half of its work: it is undone too.
        let mut next = (self.at + 1).min(saga.len());
        while next > 0 {
            let action = next - 1;
            if let Err(error) = guarded(|| saga.undo(action, &self.work.args, &self.execution)) {
                tracing::warn!(operation.uuid = %self.work.uuid, action = saga.name(action),
                    error = %error.detail(), abandoned = self.execution.is_abandoned(), "undo failed");
                if !self.execution.is_abandoned() {
                    if !self.inner.store.read(|conn| store::is_abandoned(conn, self.work.id))? {
                        self.note_stuck(error)?;
                        return Ok(Outcome::Again);
                    }
                    // Once more: it may do less now that it knows.
                    self.execution.abandoned.store(true, Ordering::Relaxed);
                    continue;
                }
            }
            next = action;
            if action > 0 {
                self.at = action - 1;
                self.save(saga, State::Undoing)?;
            }
        }
        let cancelled = self.work.fault.as_ref().is_some_and(|fault| fault.kind == Kind::Cancelled);
        self.end(saga, if cancelled { State::Cancelled } else { State::Failed })?;
        Ok(Outcome::Over)
    }

    fn note_stuck(&self, error: Error) -> Result<()> {
        let fault = Fault::from(error);
        let next_try = now() + i64::try_from(self.pause.as_secs()).unwrap_or(0);
        self.inner.store.write(|tx| work::note_stuck(tx, self.work.id, &fault, next_try))
    }

    fn save(&mut self, saga: &dyn AnySaga, state: State) -> Result<()> {
        self.work.state = state;
        let (items, told) = (self.items(), self.execution.progress.told());
        let (id, fault) = (self.work.id, self.work.fault.as_ref());
        let action = Some(saga.name(self.at));
        let saved = Saved { id, state, action, fault, items: &items, told: &told };
        self.inner.store.write(|tx| work::save(tx, &saved))?;
        self.inner.tell(self.work.uuid);
        Ok(())
    }

    fn end(&mut self, saga: &dyn AnySaga, state: State) -> Result<()> {
        let last = self.at.min(saga.len() - 1);
        self.finish(state, Some(saga.name(last)))
    }

    fn finish(&mut self, state: State, action: Option<&str>) -> Result<()> {
        self.execution.progress.end_all(self.work.fault.as_ref());
        let (items, told) = (self.items(), self.execution.progress.told());
        let (id, fault) = (self.work.id, self.work.fault.as_ref());
        let saved = Saved { id, state, action, fault, items: &items, told: &told };
        self.inner.store.write(|tx| {
            work::save(tx, &saved)?;
            work::finish(tx, id)?;
            audit::operation_ended(tx, &self.execution.actor, id, &items)
        })?;
        tracing::info!(operation.uuid = %self.work.uuid, operation.kind = self.work.kind,
            state = state.word(), "operation ended");
        Ok(())
    }

    fn items(&self) -> Vec<Item> {
        self.execution.items.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A panic in an action is a failed action, not a lost operation.
fn guarded(action: impl FnOnce() -> Result<()>) -> Result<()> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(action)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Err(Error::internal(text.unwrap_or_else(|| "an action panicked".into())))
    })
}
