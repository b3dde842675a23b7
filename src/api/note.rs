//! The line of a request in the audit log.
//!
//! It is written in two steps. *Begun*, it goes into the transaction of the first change that the handler
//! makes ([`companion`]): a line that cannot be written undoes the change, and the end of an operation comes
//! after the request that started it. *Closed*, it says how the request went; when only that cannot be
//! written, the client is still told the truth, and the log says that the outcome is not known.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::App;
use crate::error::{Error, Fault, Kind, Result};
use crate::operations::{Actor, audit};
use crate::store::companion::{self, Companion};
use crate::store::{LineId, Tx};

/// What is known of the line; a copy is the same line.
#[derive(Debug, Clone, Default)]
pub struct Note(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// Message key and module; `None` for a row that is not audited.
    row: Option<(&'static str, &'static str)>,
    actor: Option<Actor>,
    subject: String,
    /// Of an answer that is a page and no error.
    fault: Option<Fault>,
    /// Its number, once it is begun.
    line: Option<LineId>,
}

impl Note {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The row that was chosen, and who asks.
    pub fn open(&self, row: Option<(&'static str, &'static str)>, actor: &Actor) {
        let mut state = self.lock();
        state.row = row;
        state.actor = Some(actor.clone());
    }

    /// Names what it is done to.
    pub fn about(&self, subject: String) {
        self.lock().subject = subject;
    }

    /// Somebody else than who the request came from: the holder of a ticket, who signed in just now.
    pub fn by(&self, actor: Actor) {
        self.lock().actor = Some(actor);
    }

    /// It failed, although the answer is none of an error.
    pub fn failed(&self, error: &Error) {
        self.lock().fault = Some(error.into());
    }

    /// Does the work of a handler; its first change and the line are one transaction. Strangers have no
    /// name yet: their line comes at the end.
    pub fn accompany<T>(&self, work: impl FnOnce() -> T) -> T {
        let is_due = {
            let State { row, actor, line, .. } = &*self.lock();
            let named = actor.as_ref().is_some_and(|actor| !actor.name.is_empty());
            row.is_some() && named && line.is_none()
        };
        match is_due {
            true => {
                let begun = Begun { note: self.clone(), line: Cell::new(None) };
                companion::with(Rc::new(begun), work)
            }
            false => work(),
        }
    }

    /// Says how it went.
    ///
    /// # Errors
    /// Those of the store
    pub fn close(&self, app: &App, error: Option<&Error>) -> Result<()> {
        let state = self.lock();
        let (Some((action, module)), Some(actor)) = (state.row, &state.actor) else {
            return Ok(());
        };
        let fault = error.map(Fault::from).or_else(|| state.fault.clone());
        let entry = audit::Entry { action, subject: &state.subject, module, fault: fault.as_ref() };
        match state.line {
            Some(line) => audit::close(&app.store, line, actor, &entry),
            None if is_trifle(actor, error) => Ok(()),
            None => audit::write(&app.store, actor, &entry),
        }
    }
}

/// Nobody did nothing: signing out without a session. Nor may a stranger fill the log with requests that
/// were not even looked at, or that name nobody.
fn is_trifle(actor: &Actor, error: Option<&Error>) -> bool {
    let overlooked =
        |error: &Error| matches!(error.kind(), Kind::TooMany) || error.key().starts_with("field-");
    actor.name.is_empty() || actor.user_id.is_none() && error.is_some_and(overlooked)
}

/// A line that goes with the first change.
struct Begun {
    note: Note,
    line: Cell<Option<LineId>>,
}

impl Companion for Begun {
    fn write(&self, tx: &Tx<'_>) -> Result<()> {
        let state = self.note.lock();
        let (Some((action, module)), Some(actor)) = (state.row, &state.actor) else {
            return Ok(());
        };
        let fault = Fault::from(Error::busy(audit::UNKNOWN));
        let entry = audit::Entry { action, subject: &state.subject, module, fault: Some(&fault) };
        self.line.set(Some(audit::write_in_tx(tx, actor, &entry)?));
        Ok(())
    }

    fn written(&self) {
        self.note.lock().line = self.line.get();
    }
}
