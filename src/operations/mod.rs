//! Long work (progress, resume, undo, cancel) and the audit log.
//!
//! ```text
//!   scheduled ──► queued ──► running ──► succeeded
//!                   │           │ │ a node failed; or cancelled or failed behind the commit point
//!                   │           │ └────► partly
//!                   │           │ an action failed, or cancel
//!                   │           ▼
//!                   │        undoing ──► failed | cancelled
//!                   └──────────────────► cancelled
//! ```
//!
//! An operation is a row and a [`Saga`]: idempotent actions, each with its undo. The row is written
//! in the same transaction as what it works on, so that what was acknowledged is done or undone also
//! after a kill. An undo that cannot reach its node stays `undoing`, says why and is tried again; who
//! does not want to wait abandons it, and the reconciler does the rest when the node is back.
//!
//! ```text
//!   engine.rs      what others call          dispatcher.rs lanes.rs  who may run now
//!   runner.rs      one operation to its end  saga.rs execution.rs    what kinds are made of
//!   progress.rs    how far, in memory        batch.rs                many things at once
//! ```

pub mod audit;
mod batch;
mod dispatcher;
mod engine;
mod execution;
mod inner;
mod lanes;
mod live;
mod progress;
mod retention;
mod runner;
mod saga;
mod store;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use batch::{Admitted, BatchSubmission};
pub use engine::{Operations, SubmittedOperation};
pub use execution::Execution;
pub use lanes::Lane;
pub use live::{Chosen, LiveSettings};
pub use progress::PERCENT;
pub use saga::{Action, Saga, nothing};
pub use store::locks::holders;

use crate::error::{Error, Fault, Kind, Result};
use crate::store::visible::Visible;
use crate::store::{EducationGroupId, NodeId, UserId};

/// Who asked.
#[derive(Debug, Clone)]
pub struct Actor {
    /// Empty for the server itself.
    pub user_id: Option<UserId>,
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
    /// What was done stays, but it is not all.
    Partly,
    Failed,
    Cancelled,
}

impl State {
    pub const ALL: [Self; 8] = [
        Self::Scheduled,
        Self::Queued,
        Self::Running,
        Self::Undoing,
        Self::Succeeded,
        Self::Partly,
        Self::Failed,
        Self::Cancelled,
    ];

    pub const fn word(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Undoing => "undoing",
            Self::Succeeded => "succeeded",
            Self::Partly => "partly",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    fn parse(word: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|state| state.word() == word);
        found.ok_or_else(|| Error::internal(format_args!("operation state {word} in the database")))
    }

    pub const fn is_over(self) -> bool {
        matches!(self, Self::Succeeded | Self::Partly | Self::Failed | Self::Cancelled)
    }
}

/// What an operation counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    Bytes,
    /// Things such as desktops.
    Items,
    /// Nothing that means something by itself: only the percentage does.
    None,
}

impl Unit {
    pub const ALL: [Self; 3] = [Self::Bytes, Self::Items, Self::None];

    pub const fn word(self) -> &'static str {
        match self {
            Self::Bytes => "bytes",
            Self::Items => "items",
            Self::None => "none",
        }
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

impl Item {
    /// Whether it is neither done nor failed, because somebody asked to stop.
    pub fn is_cancelled(&self) -> bool {
        self.fault.as_ref().is_some_and(|fault| fault.kind == Kind::Cancelled)
    }
}

/// What one node has to do in an operation.
#[derive(Debug, Clone)]
pub struct Part {
    pub node_id: NodeId,
    /// As the node was called when the operation began.
    pub node_name: String,
    /// `Queued`, `Running` or one of the ends.
    pub state: State,
    pub done: u64,
    pub total: u64,
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
    /// Of `done` and `total`, also those of the parts.
    pub unit: Unit,
    pub fault: Option<Fault>,
    pub items: Vec<Item>,
    pub owner_name: String,
    pub run_at: Option<i64>,
    pub created_at: i64,
    pub finished_at: Option<i64>,
    /// By node; empty where nodes have no part of their own.
    pub parts: Vec<Part>,
    /// Why the undo does not come to its end, or did not until it was abandoned.
    pub undo_fault: Option<Fault>,
    /// Unix seconds.
    pub stuck_since: Option<i64>,
    pub next_try: Option<i64>,
    pub abandoned: bool,
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

/// A thing that an operation holds, and the name by which a refusal tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lock {
    pub uuid: Uuid,
    pub name: String,
}

impl Lock {
    pub fn new(uuid: Uuid, name: impl Into<String>) -> Self {
        Self { uuid, name: name.into() }
    }
}

/// Who may see an operation, for those who hear of it without asking: what `store/list.rs` makes a condition of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audience {
    owner: Option<UserId>,
    /// Rows of the education groups that it works in; `None` for one that is gone.
    groups: Vec<Option<EducationGroupId>>,
}

impl Audience {
    /// Whether somebody who sees this much is among it.
    pub fn has(&self, visible: &Visible) -> bool {
        match visible {
            Visible::All => true,
            Visible::Within { owner, .. } if owner.is_some() && *owner == self.owner => true,
            Visible::Within { .. } => {
                !self.groups.is_empty() && self.groups.iter().all(|group| visible.has(*group))
            }
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
    locks: Vec<Lock>,
    total: u64,
    run_at: Option<i64>,
    parts: Vec<Part>,
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
        let locks = vec![Lock::new(subject, subject_name.clone())];
        Ok(Self {
            kind,
            args,
            subject,
            subject_name,
            locks,
            total: 0,
            run_at: None,
            parts: Vec::new(),
        })
    }

    /// What its progress counts up to, for those who look before it has begun.
    pub fn counting_to(mut self, total: u64) -> Self {
        self.total = total;
        self
    }

    /// Further things that nothing else may change meanwhile; the subject is locked by itself.
    pub fn locking(mut self, more: impl IntoIterator<Item = Lock>) -> Self {
        let mut held: HashSet<Uuid> = self.locks.iter().map(|lock| lock.uuid).collect();
        self.locks.extend(more.into_iter().filter(|lock| held.insert(lock.uuid)));
        self
    }

    /// Takes these locks instead of the subject.
    pub fn locking_only(mut self, locks: impl IntoIterator<Item = Lock>) -> Self {
        self.locks.clear();
        self.locking(locks)
    }

    /// Where it works, and on how many things of each node: it waits for a place on each.
    pub fn on(mut self, nodes: impl IntoIterator<Item = (NodeId, usize)>) -> Self {
        self.parts.extend(nodes.into_iter().map(|(node, total)| Part::of(node, total as u64)));
        self
    }

    /// Starts at this time (Unix seconds) instead of now; takes its locks only then.
    pub fn at(mut self, time: i64) -> Self {
        self.run_at = Some(time);
        self
    }
}
