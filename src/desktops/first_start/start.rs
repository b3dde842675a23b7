//! What a first start is.

use std::ops::RangeInclusive;

use crate::error::Fault;
use crate::node::protocol::Shell;

/// In the place of a life, of what was asked for again.
pub const AGAIN: i64 = -1;

/// Bytes of a script.
pub const SCRIPT_LIMIT: usize = 64 << 10;

/// How long a script may take.
pub const MINUTES: RangeInclusive<u32> = 1..=240;

/// What a template's desktops run at their first start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartScript {
    pub shell: Shell,
    /// Empty for none.
    pub text: String,
    pub minutes: u32,
}

impl StartScript {
    pub fn seconds(&self) -> i64 {
        i64::from(self.minutes) * 60
    }
}

/// How a first start went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Running,
    Succeeded,
    Failed,
}

impl Outcome {
    pub const ALL: [Self; 3] = [Self::Running, Self::Succeeded, Self::Failed];

    pub const fn word(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
        }
    }

    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.word() == word)
    }
}

/// What is done, or waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Clock,
    Name,
    NameRuns,
    Script,
    /// The guest is being told to run it: written before, so that it is never told twice.
    ScriptBegins,
    ScriptRuns,
}

impl Step {
    const ALL: [Self; 6] = [
        Self::Clock,
        Self::Name,
        Self::NameRuns,
        Self::Script,
        Self::ScriptBegins,
        Self::ScriptRuns,
    ];

    pub const fn word(self) -> &'static str {
        match self {
            Self::Clock => "clock",
            Self::Name => "name",
            Self::NameRuns => "name-runs",
            Self::Script => "script",
            Self::ScriptBegins => "script-begins",
            Self::ScriptRuns => "script-runs",
        }
    }

    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|step| step.word() == word)
    }
}

/// The newest first start of a desktop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirstStart {
    /// Of its system disk: when it began.
    pub life: i64,
    /// When the machine was started that the step is of.
    pub run: i64,
    pub state: Outcome,
    pub step: Step,
    /// Of what runs in the guest.
    pub pid: Option<i64>,
    /// How many lives before this one ended while their script ran.
    pub restarts: u32,
    pub began_at: i64,
    pub step_at: i64,
    pub ended_at: Option<i64>,
    /// That it was given.
    pub host_name: String,
    pub exit_code: Option<i32>,
    /// What the script printed, or what gave the name when that failed.
    pub output: Vec<u8>,
    /// It printed more.
    pub is_cut: bool,
    pub fault: Option<Fault>,
}
