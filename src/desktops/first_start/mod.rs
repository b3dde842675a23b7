//! What happens when a desktop's system disk begins as its template's, at its first start and after each restore: the clock
//! is set, the host name where its group asks for one, and the template's script runs, all by the agent in the guest.
//!
//! ```text
//!   names.rs  host names by a pattern      steps.rs  what comes next, by what is written
//!   engine.rs who is to be asked when      round.rs  asks the guests of one node, and writes what they said
//! ```

mod engine;
mod names;
mod round;
mod steps;

use uuid::Uuid;

pub use engine::{FirstStarts, Heard, Sight};
pub use names::{Nameable, Pattern};
pub use steps::Plan;

use super::Desktops;
use super::group::DesktopGroup;
use super::power::{Named, ready_name, split};
use super::store::{first_starts, groups, seats};
use super::templates::Template;
use crate::error::{Error, Fault, Result};
use crate::node::protocol::Shell;
use crate::operations::Item;
use crate::store::now;
use crate::store::visible::Visible;

/// In the place of a life, of what was asked for again.
pub const AGAIN: i64 = -1;

/// Bytes of a script.
pub const SCRIPT_LIMIT: usize = 64 << 10;

/// How long a script may take.
pub const MINUTES: std::ops::RangeInclusive<u32> = 1..=240;

/// What a template's desktops run at their first start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartScript {
    pub shell: Shell,
    /// Empty for none.
    pub text: String,
    pub minutes: u32,
}

impl StartScript {
    fn seconds(&self) -> i64 {
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

/// A desktop and the host name that it would get, or why it cannot.
type Proposal = (String, Result<String>);

impl Desktops {
    /// How a desktop's first start went; `None` for one that had none yet.
    ///
    /// # Errors
    /// `desktop-unknown`
    pub fn first_start(&self, visible: &Visible, desktop: Uuid) -> Result<Option<FirstStart>> {
        self.store.read(|conn| {
            seats::seat(conn, visible, desktop)?;
            first_starts::find(conn, desktop)
        })
    }

    /// Begins the first starts of desktops that run again, each as soon as its agent answers.
    ///
    /// # Errors
    /// Of one: `desktop-unknown`, `desktop-renamed`, `desktop-not-running`, `first-start-runs`.
    pub fn first_start_again(&self, visible: &Visible, wanted: &[Named]) -> Result<Vec<Item>> {
        let (uuids, names) = split(wanted);
        let (begun, items) = self.store.write(|tx| {
            let seats = seats::seen(tx, visible, &uuids)?;
            let running = first_starts::running(tx, &uuids)?;
            let mut begun = Vec::new();
            let mut items = Vec::new();
            for (uuid, name) in wanted {
                let may = || {
                    let name = names.get(uuid).copied();
                    let seat = super::power::find_seat(&seats, *uuid, name, None)?;
                    ready_name(&seats, *uuid)?;
                    let about = |key| Err(Error::conflict(key).arg("name", &seat.name));
                    match seat.power.is_on() {
                        false => about("desktop-not-running"),
                        true if running.contains(uuid) => about("first-start-runs"),
                        true => Ok(()),
                    }
                };
                let fault = may().err().map(Fault::from);
                if fault.is_none() {
                    begun.push((*uuid, FirstStart::again(now())));
                }
                items.push(Item { uuid: *uuid, name: name.clone(), fault });
            }
            first_starts::write(tx, &begun)?;
            Ok((begun, items))
        })?;
        self.first_starts.tell(Heard::Again(begun.into_iter().map(|(uuid, _)| uuid).collect()));
        Ok(items)
    }

    /// The pattern of a group's host names, empty for none, and what its desktops get by `pattern`, or by that.
    ///
    /// # Errors
    /// `desktop-group-unknown`, `host-names-placeholder`, `host-names-long`
    pub fn host_names(
        &self,
        visible: &Visible,
        group: Uuid,
        pattern: Option<&str>,
    ) -> Result<(String, Vec<Proposal>)> {
        let (stored, desktops) = self.store.read(|conn| {
            groups::find_visible(conn, visible, group)?;
            Ok((first_starts::host_names(conn, group)?, first_starts::nameable(conn, group)?))
        })?;
        let text = pattern.unwrap_or(&stored);
        if text.is_empty() {
            return Ok((stored, Vec::new()));
        }
        let names = Pattern::parse(text)?.names(&desktops);
        Ok((stored, desktops.into_iter().map(|desktop| desktop.name).zip(names).collect()))
    }

    /// From their next first start on the desktops of a group get host names by this pattern; none where it is empty.
    ///
    /// # Errors
    /// `desktop-group-unknown`, and that of the first desktop that could not have its name.
    pub fn set_host_names(
        &self,
        visible: &Visible,
        group: &DesktopGroup,
        pattern: &str,
    ) -> Result<()> {
        self.store.write(|tx| {
            groups::find_visible(tx, visible, group.uuid)?;
            if !pattern.is_empty() {
                let names =
                    Pattern::parse(pattern)?.names(&first_starts::nameable(tx, group.uuid)?);
                names.into_iter().try_for_each(|name| name.map(drop))?;
            }
            first_starts::set_host_names(tx, group.uuid, pattern)
        })
    }

    /// What desktops of a template run at their first start.
    pub fn start_script(&self, template: &Template) -> Result<StartScript> {
        self.store.read(|conn| first_starts::script(conn, template.id))
    }

    /// From their next first start on desktops of a template run this.
    ///
    /// # Errors
    /// `first-start-script-long`, `number-out-of-range`
    pub fn set_start_script(&self, template: &Template, script: &StartScript) -> Result<()> {
        if script.text.len() > SCRIPT_LIMIT {
            let error = Error::bad_input("first-start-script-long").arg("field", "script");
            return Err(error.arg("limit", SCRIPT_LIMIT >> 10));
        }
        if script.text.contains('\0') {
            return Err(Error::bad_input("first-start-script-binary").arg("field", "script"));
        }
        if !MINUTES.contains(&script.minutes) {
            let error = Error::bad_input("number-out-of-range").arg("field", "minutes");
            return Err(error.arg("low", MINUTES.start()).arg("high", MINUTES.end()));
        }
        self.store.write(|tx| first_starts::set_script(tx, template.id, script))
    }
}
