//! What an operation does: actions with their undo.

use serde::de::DeserializeOwned;

use super::{Execution, Lane, Unit};
use crate::error::{Context, Result};

type Function<D, A> = fn(&D, &A, &Execution) -> Result<()>;

/// An action of a saga. Both functions may run again after a kill and must then finish what is there.
pub struct Action<D, A> {
    name: &'static str,
    run: Function<D, A>,
    undo: Function<D, A>,
    commits: bool,
}

impl<D, A> Action<D, A> {
    /// `name` is written into the operation's row: an action that is renamed needs a migration.
    pub const fn new(name: &'static str, run: Function<D, A>, undo: Function<D, A>) -> Self {
        Self { name, run, undo, commits: false }
    }

    /// Once this action is done nothing is undone any more: a cancel only stops, and what fails afterwards leaves the
    /// operation partly done.
    pub const fn commits(mut self) -> Self {
        self.commits = true;
        self
    }
}

/// The undo of an action that leaves nothing behind.
pub fn nothing<D, A>(_: &D, _: &A, _: &Execution) -> Result<()> {
    Ok(())
}

/// The actions of a kind of operation together with what they work on.
pub struct Saga<D: 'static, A: 'static> {
    lane: Lane,
    domain: D,
    actions: &'static [Action<D, A>],
    unit: Unit,
}

impl<D, A> Saga<D, A> {
    pub const fn new(lane: Lane, domain: D, actions: &'static [Action<D, A>]) -> Self {
        Self { lane, domain, actions, unit: Unit::None }
    }

    /// What its progress counts; nothing in particular when this is left out.
    pub const fn counting(mut self, unit: Unit) -> Self {
        self.unit = unit;
        self
    }
}

/// The form of all arguments so far. A kind whose arguments change so that the older ones cannot be read any more
/// gets a number of its own.
pub(super) const ARGS_VERSION: u32 = 1;

/// A saga with its types hidden.
pub(super) trait AnySaga: Send + Sync {
    fn lane(&self) -> Lane;
    fn unit(&self) -> Unit;
    fn len(&self) -> usize;
    fn name(&self, action: usize) -> &'static str;
    /// Whether what was done before this action stays.
    fn is_committed(&self, action: usize) -> bool;
    fn run(&self, action: usize, args: &str, execution: &Execution) -> Result<()>;
    fn undo(&self, action: usize, args: &str, execution: &Execution) -> Result<()>;

    /// Where the action of this name is.
    fn place(&self, name: &str) -> Option<usize> {
        (0..self.len()).find(|action| self.name(*action) == name)
    }
}

impl<D: Send + Sync + 'static, A: DeserializeOwned + 'static> AnySaga for Saga<D, A> {
    fn lane(&self) -> Lane {
        self.lane
    }

    fn unit(&self) -> Unit {
        self.unit
    }

    fn len(&self) -> usize {
        self.actions.len()
    }

    fn name(&self, action: usize) -> &'static str {
        self.actions[action].name
    }

    fn is_committed(&self, action: usize) -> bool {
        self.actions.iter().take(action).any(|done| done.commits)
    }

    fn run(&self, action: usize, args: &str, execution: &Execution) -> Result<()> {
        (self.actions[action].run)(&self.domain, &parse(args)?, execution)
    }

    fn undo(&self, action: usize, args: &str, execution: &Execution) -> Result<()> {
        (self.actions[action].undo)(&self.domain, &parse(args)?, execution)
    }
}

fn parse<A: DeserializeOwned>(args: &str) -> Result<A> {
    serde_json::from_str(args).context("read the arguments of an operation")
}
