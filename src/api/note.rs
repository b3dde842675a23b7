//! The line of a request in the audit log.
//!
//! It is written in two steps. *Begun*, it goes into the transaction of the first change that the handler
//! makes ([`companion`]): a line that cannot be written undoes the change, and the end of an operation comes
//! after the request that started it. *Closed*, it says how the request went; when only that cannot be
//! written, the client is still told the truth, and the log says that the outcome is not known.

use std::cell::Cell;
use std::collections::HashMap;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::App;
use crate::error::{Error, Fault, Kind, Result};
use crate::operations::{Actor, audit};
use crate::store::companion::{self, Companion};
use crate::store::{LineId, Tx, now};

/// Waits that are remembered at a time.
const WAITS: usize = 1_000;
/// Characters of a name by which they are told apart.
const WAITS_NAME: usize = 64;

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
    /// An operation goes on with it, whose end says how it went.
    goes_on: bool,
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

    /// What was asked for is done by an operation: its end says how it went.
    pub fn goes_on(&self) {
        self.lock().goes_on = true;
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
            Some(line) if state.goes_on => audit::name(&app.store, line, actor, &state.subject),
            Some(line) => audit::close(&app.store, line, actor, &entry),
            None if state.goes_on || is_trifle(app, actor, error) => Ok(()),
            None => audit::write(&app.store, actor, &entry),
        }
    }
}

/// Nobody did nothing: signing out without a session. Nor may a stranger fill the log with requests that
/// were not even looked at, or that name nobody. Of the attempts to sign in that have to wait the first of each
/// wait is noted: the failures that lead to a wait are in the log too, so that these are no more than they.
fn is_trifle(app: &App, actor: &Actor, error: Option<&Error>) -> bool {
    let overlooked = |error: &Error| match error.key() {
        "sign-in-locked" => !app.waits.is_first(&actor.name, actor.address, seconds(error), now()),
        key => matches!(error.kind(), Kind::TooMany) || key.starts_with("field-"),
    };
    actor.name.is_empty() || actor.user_id.is_none() && error.is_some_and(overlooked)
}

fn seconds(error: &Error) -> i64 {
    let told = error.args().find(|(name, _)| *name == "seconds");
    told.and_then(|(_, value)| value.parse().ok()).unwrap_or(0)
}

/// Who has to wait before they may try to sign in again, of those whose refusal was noted.
#[derive(Default)]
pub struct Waits(Mutex<HashMap<(String, Option<IpAddr>), i64>>);

impl Waits {
    /// Whether it is the first attempt of a wait. Of more than [`WAITS`] at a time nothing is noted.
    fn is_first(&self, name: &str, from: Option<IpAddr>, seconds: i64, now: i64) -> bool {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, until| *until > now);
        let who = (name.chars().take(WAITS_NAME).collect(), from);
        if known.len() >= WAITS || known.contains_key(&who) {
            return false;
        }
        known.insert(who, now + seconds.max(1));
        true
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_attempt_of_each_wait_is_noted_and_never_more_than_can_be_remembered() {
        let waits = Waits::default();
        let home = Some(IpAddr::from([192, 0, 2, 7]));
        assert!(waits.is_first("ann", home, 8, 100));
        assert!(!waits.is_first("ann", home, 7, 101));
        assert!(waits.is_first("ann", None, 7, 101) && waits.is_first("bob", home, 7, 101));
        assert!(waits.is_first("ann", home, 16, 108), "the next wait");
        let many = (0..2 * WAITS).filter(|n| waits.is_first(&format!("guess{n}"), home, 60, 108));
        assert_eq!(many.count(), WAITS - 1);
    }
}
