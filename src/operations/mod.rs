//! Long work (progress, resume, undo, cancel) and the audit log.
//!
//! ```text
//!   scheduled ──► queued ──► running ──► succeeded
//!                   │           │ a step failed, or cancel
//!                   │           ▼
//!                   │        undoing ──► failed | cancelled
//!                   └──────────────────► cancelled
//! ```
//!
//! An operation is a row and a [`Saga`]: idempotent steps, each with its undo. The row is written
//! in the same transaction as what it works on, so that what was acknowledged is done or undone also
//! after a kill. An undo that cannot reach its node stays `undoing` and is tried again.

pub mod audit;
mod batch;
mod engine;
mod retention;
mod saga;
mod store;
#[cfg(test)]
mod tests;

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use batch::{Admitted, BatchSubmission};
pub use engine::{Operations, SubmittedOperation};
pub use saga::{Action, Execution, PERCENT, Saga, nothing};
pub use store::holders;

use crate::error::{Error, Fault, Result};

/// Who asked.
#[derive(Debug, Clone)]
pub struct Actor {
    /// Empty for the server itself.
    pub user_id: Option<i64>,
    pub name: String,
    pub address: Option<IpAddr>,
    pub request_id: String,
}

impl Actor {
    /// The server acting on its own, for instance when it registers its machine.
    pub fn system() -> Self {
        Self { user_id: None, name: "system".into(), address: None, request_id: String::new() }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Scheduled,
    Queued,
    Running,
    Undoing,
    Succeeded,
    Failed,
    Cancelled,
}

impl State {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Undoing => "undoing",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    fn parse(word: &str) -> Result<Self> {
        const ALL: [State; 7] = [
            State::Scheduled,
            State::Queued,
            State::Running,
            State::Undoing,
            State::Succeeded,
            State::Failed,
            State::Cancelled,
        ];
        let found = ALL.into_iter().find(|state| state.word() == word);
        found.ok_or_else(|| Error::internal(format_args!("operation state {word} in the database")))
    }

    pub const fn is_over(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }
}

/// How it went for one thing of a batch.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Item {
    pub uuid: Uuid,
    pub name: String,
    /// `None` is success.
    pub fault: Option<Fault>,
}

/// An operation as its row tells it.
#[derive(Debug, Clone)]
pub struct Operation {
    pub uuid: Uuid,
    /// Also the message key of its title.
    pub kind: String,
    pub subject: String,
    pub subject_name: String,
    pub state: State,
    pub done: u64,
    pub total: u64,
    pub fault: Option<Fault>,
    pub items: Vec<Item>,
    pub owner_name: String,
    pub run_at: Option<i64>,
    pub created_at: i64,
    pub finished_at: Option<i64>,
}

impl Operation {
    /// 0 to 100.
    pub fn percent(&self) -> u32 {
        match (self.state, self.total) {
            (State::Succeeded, _) => 100,
            (_, 0) => 0,
            (_, total) => u32::try_from(self.done.min(total) * 100 / total).unwrap_or(100),
        }
    }
}

/// What to do, written together with the rows that it works on.
#[derive(Debug)]
pub struct NewOperation {
    kind: &'static str,
    args: serde_json::Value,
    subject: Uuid,
    subject_name: String,
    locks: Vec<Uuid>,
    total: u64,
    run_at: Option<i64>,
}

impl NewOperation {
    /// `kind` names a registered [`Saga`]; `args` must be of its argument type.
    pub fn new(
        kind: &'static str,
        args: &impl Serialize,
        subject: Uuid,
        subject_name: &str,
    ) -> Result<Self> {
        let args = serde_json::to_value(args).map_err(Error::internal)?;
        let subject_name = subject_name.to_owned();
        let locks = vec![subject];
        Ok(Self { kind, args, subject, subject_name, locks, total: 0, run_at: None })
    }

    /// What its progress counts up to, for those who look before it has begun.
    pub fn counting_to(mut self, total: u64) -> Self {
        self.total = total;
        self
    }

    /// Further things that nothing else may change meanwhile; the subject is locked by itself.
    pub fn locking(mut self, more: impl IntoIterator<Item = Uuid>) -> Self {
        for uuid in more {
            if !self.locks.contains(&uuid) {
                self.locks.push(uuid);
            }
        }
        self
    }

    /// Takes these locks instead of the subject.
    pub fn locking_only(mut self, locks: impl IntoIterator<Item = Uuid>) -> Self {
        self.locks.clear();
        self.locking(locks)
    }

    /// Starts at this time (Unix seconds) instead of now; takes its locks only then.
    pub fn at(mut self, time: i64) -> Self {
        self.run_at = Some(time);
        self
    }
}
