//! What comes next in a first start: pure, so that what is written can be gone on with after a kill at any point.
//!
//! ```text
//!   clock → name → name-runs → script → script-begins → script-runs → end
//! ```

use std::time::Duration;

use super::names::{Nameable, Pattern};
use super::sights::Sight;
use super::start::{AGAIN, FirstStart, Outcome, StartScript, Step};
use crate::error::{Error, Fault};
use crate::node::protocol::{
    AGENT_ABSENT, AGENT_REFUSES, AGENT_SILENT, GuestEnd, GuestScript, GuestStep, GuestTold,
    RUN_ENDED,
};

/// Times that a script is begun in a guest that starts anew while it runs, or right behind it.
const RESTARTS: u32 = 2;

/// Seconds behind the end of a script in which a new life counts as its doing: what asks for a restart does not wait for it.
const RESTARTING: i64 = 180;

/// Seconds after the start of a machine in which a first start begins by itself. Later somebody may work in the guest: its
/// row is an older backup's, or nobody was there to begin it.
const LATE: i64 = 3600;

/// Seconds that an agent which does not answer is asked again, and one that went away is waited for.
const SILENCE: i64 = 600;

/// Seconds that a guest gets for its host name.
const NAMING: i64 = 60;

/// Seconds after its own limit until a script counts as one that hangs.
const GRACE: i64 = 60;

/// What `timeout` and the agent's own script answer for what took too long.
const TIMED_OUT: i32 = 124;

/// What a desktop's first start is to be, and how far it is.
#[derive(Debug, Clone)]
pub struct Plan {
    pub desktop: Nameable,
    pub address: String,
    /// Empty for none.
    pub host_names: String,
    pub script: StartScript,
    pub row: Option<FirstStart>,
}

/// What to do with a desktop now.
#[derive(Debug, PartialEq, Eq)]
pub enum Move {
    /// Nothing, in this life.
    Settled,
    /// Nothing before something is heard of it.
    Wait,
    /// Write the row, and look again.
    Write(FirstStart),
    /// The row is of no use any more.
    Forget,
    /// Write the row, then ask the guest.
    Ask(FirstStart, GuestStep),
}

/// How soon to look again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    In(Duration),
    /// In so long, and not with those that answer.
    Silent(Duration),
    /// When something is heard of it.
    Wait,
    Settled,
}

pub fn next(plan: &Plan, sight: &Sight, now: i64) -> Move {
    let Some(row) = &plan.row else {
        return if may_begin(sight, now) { begin(sight, 0, now) } else { Move::Settled };
    };
    let Some(run) = sight.run else { return off(row, now) };
    let life = sight.life.unwrap_or_default();
    if row.life == AGAIN {
        return Move::Write(FirstStart { life, run, ..row.clone() });
    }
    if row.life != life {
        return match may_begin(sight, now) {
            true => begin(sight, restarts(row, life), now),
            // Of a life that is over.
            false => off(row, now),
        };
    }
    if row.state != Outcome::Running {
        return Move::Settled;
    }
    if row.run != run {
        return match row.is_in_script() {
            true => Move::Write(row.failed("first-start-restarted", plan, now)),
            false => Move::Write(FirstStart { run, ..row.at(Step::Clock, now) }),
        };
    }
    match sight.agent {
        true => ask(plan, row, now),
        false => away(plan, row, now),
    }
}

fn may_begin(sight: &Sight, now: i64) -> bool {
    sight.life.is_some() && sight.run.is_some_and(|run| now - run <= LATE)
}

/// How often its script was begun in vain, seen from a life that begins.
fn restarts(row: &FirstStart, life: i64) -> u32 {
    let restarts_it = |end: i64| (life - end).abs() <= RESTARTING;
    let is_by_script = row.step == Step::ScriptRuns && row.ended_at.is_some_and(restarts_it);
    if row.is_in_script() || is_by_script { row.restarts + 1 } else { 0 }
}

/// The agent is not there.
fn away(plan: &Plan, row: &FirstStart, now: i64) -> Move {
    match row.step {
        Step::ScriptRuns if is_overdue(plan, row, now) => {
            Move::Write(row.failed("first-start-silent", plan, now))
        }
        Step::ScriptRuns => Move::Wait,
        _ if now - row.step_at <= SILENCE => Move::Wait,
        Step::ScriptBegins => Move::Write(row.failed("first-start-lost", plan, now)),
        _ => {
            let error = Error::conflict(AGENT_ABSENT).arg("object", &plan.desktop.name);
            Move::Write(row.ended(Some(error), now))
        }
    }
}

fn begin(sight: &Sight, restarts: u32, now: i64) -> Move {
    match (sight.run, sight.life) {
        (Some(run), Some(life)) if sight.agent => {
            Move::Write(FirstStart { restarts, ..FirstStart::new(life, run, now) })
        }
        (Some(_), Some(_)) => Move::Wait,
        _ => Move::Settled,
    }
}

/// What was begun in a guest that is off came to no end; what was not begun is at its next start.
fn off(row: &FirstStart, now: i64) -> Move {
    match (row.state, row.is_in_script()) {
        (Outcome::Running, true) => {
            Move::Write(row.ended(Some(Error::conflict("first-start-cut")), now))
        }
        (Outcome::Running, false) => Move::Forget,
        _ => Move::Settled,
    }
}

/// The agent is there.
fn ask(plan: &Plan, row: &FirstStart, now: i64) -> Move {
    match row.step {
        Step::Clock => Move::Ask(row.clone(), GuestStep::SetTime),
        Step::Name if plan.host_names.is_empty() => Move::Write(row.at(Step::Script, now)),
        Step::Name => {
            match Pattern::parse(&plan.host_names).and_then(|it| it.name(&plan.desktop)) {
                Ok(name) => {
                    let row = FirstStart { host_name: name.clone(), ..row.clone() };
                    Move::Ask(row, GuestStep::SetHostName { name })
                }
                Err(error) => Move::Write(row.at(Step::Script, now).faulty(error)),
            }
        }
        Step::Script if plan.script.text.is_empty() => Move::Write(row.ended(None, now)),
        Step::Script if row.restarts >= RESTARTS => {
            let row = FirstStart { restarts: 0, ..row.clone() };
            Move::Write(row.failed("first-start-restarts", plan, now))
        }
        Step::Script => {
            Move::Ask(row.at(Step::ScriptBegins, now), GuestStep::RunScript(script(plan)))
        }
        // Whoever asked did not hear the answer.
        Step::ScriptBegins => Move::Write(row.failed("first-start-lost", plan, now)),
        Step::NameRuns | Step::ScriptRuns => match row.pid {
            Some(pid) => Move::Ask(row.clone(), GuestStep::Look { pid }),
            None => Move::Write(row.failed("first-start-lost", plan, now)),
        },
    }
}

fn script(plan: &Plan) -> GuestScript {
    let variables = [
        ("CARREL_NAME", plan.desktop.name.clone()),
        ("CARREL_NUMBER", plan.desktop.number.to_string()),
        ("CARREL_ADDRESS", plan.address.clone()),
        ("CARREL_GROUP", plan.desktop.group.clone()),
    ];
    GuestScript {
        shell: plan.script.shell,
        text: plan.script.text.clone(),
        variables: variables.map(|(name, value)| (name.to_owned(), value)).to_vec(),
        seconds: u32::try_from(plan.script.seconds()).unwrap_or(u32::MAX),
    }
}

fn is_overdue(plan: &Plan, row: &FirstStart, now: i64) -> bool {
    now - row.step_at > plan.script.seconds() + GRACE
}

/// The row after an answer.
pub fn take(
    plan: &Plan,
    row: &FirstStart,
    told: Result<GuestTold, Fault>,
    now: i64,
) -> (FirstStart, Next) {
    const AT_ONCE: Next = Next::In(Duration::ZERO);
    let asked = now - row.step_at;
    let again = |least: i64, most: i64| {
        let seconds = (asked / 8).clamp(least, most);
        Next::In(Duration::from_secs(seconds.unsigned_abs()))
    };
    match (row.step, told) {
        // Nobody asked for the time: an agent that cannot set it does the rest.
        (Step::Clock, Ok(_)) => (row.at(Step::Name, now), AT_ONCE),
        (Step::Clock, Err(fault)) if fault.key == AGENT_REFUSES => {
            (row.at(Step::Name, now), AT_ONCE)
        }
        (Step::Name, Ok(GuestTold::Began { pid })) => {
            let row = FirstStart { pid: Some(pid), ..row.at(Step::NameRuns, now) };
            (row, Next::In(Duration::from_secs(1)))
        }
        (Step::NameRuns, Ok(GuestTold::StillRuns)) if asked <= NAMING => (row.clone(), again(1, 5)),
        (Step::NameRuns, Ok(GuestTold::Ended(GuestEnd { code: Some(0), .. }))) => {
            (row.at(Step::Script, now), AT_ONCE)
        }
        (Step::NameRuns, Ok(told)) => {
            let output = match told {
                GuestTold::Ended(end) => end.output,
                _ => Vec::new(),
            };
            let row = FirstStart { output, ..row.at(Step::Script, now) };
            let error = Error::conflict("first-start-name").arg("name", &row.host_name);
            (row.faulty(error), AT_ONCE)
        }
        (Step::ScriptBegins, Ok(GuestTold::Began { pid })) => {
            let row = FirstStart { pid: Some(pid), ..row.at(Step::ScriptRuns, now) };
            (row, Next::In(Duration::from_secs(1)))
        }
        (Step::ScriptRuns, Ok(GuestTold::StillRuns)) => match is_overdue(plan, row, now) {
            true => (row.failed("first-start-hangs", plan, now), Next::Settled),
            false => (row.clone(), again(1, 15)),
        },
        (Step::ScriptRuns, Ok(GuestTold::Ended(end))) => {
            (ended(plan, row, end, now), Next::Settled)
        }
        (Step::ScriptRuns, Ok(GuestTold::Forgotten)) => {
            (row.failed("first-start-restarted", plan, now), Next::Settled)
        }
        (Step::Name | Step::ScriptBegins, Err(fault)) if fault.key == AGENT_REFUSES => {
            (row.ended(Some(fault.into()), now), Next::Settled)
        }
        // It may have begun all the same.
        (Step::ScriptBegins, Err(fault)) if fault.key == AGENT_SILENT => {
            (row.failed("first-start-lost", plan, now), Next::Settled)
        }
        (Step::ScriptBegins, Err(fault)) if was_not_asked(&fault) => {
            (row.at(Step::Script, row.step_at), Next::Wait)
        }
        (Step::ScriptRuns, Err(fault))
            if fault.key == AGENT_SILENT && is_overdue(plan, row, now) =>
        {
            (row.failed("first-start-silent", plan, now), Next::Settled)
        }
        (step, Err(fault))
            if fault.key == AGENT_SILENT && step != Step::ScriptRuns && asked > SILENCE =>
        {
            (row.ended(Some(fault.into()), now), Next::Settled)
        }
        (_, Err(fault)) if fault.key == AGENT_SILENT => {
            let pause = (asked / 8).clamp(5, 60).unsigned_abs();
            (row.clone(), Next::Silent(Duration::from_secs(pause)))
        }
        (_, Err(fault)) if was_not_asked(&fault) => (row.clone(), Next::Wait),
        // The node did not answer, or libvirt on it.
        (_, Err(_)) => (row.clone(), Next::In(Duration::from_secs(30))),
        (_, Ok(_)) => (row.failed("first-start-lost", plan, now), Next::Settled),
    }
}

/// Whether the guest cannot have heard anything.
fn was_not_asked(fault: &Fault) -> bool {
    [AGENT_ABSENT, RUN_ENDED, "domain-not-running", "domain-missing"].contains(&fault.key.as_str())
}

fn ended(plan: &Plan, row: &FirstStart, end: GuestEnd, now: i64) -> FirstStart {
    let GuestEnd { code, signal, output, is_cut } = end;
    let took_long = now - row.step_at >= plan.script.seconds();
    let row = FirstStart { exit_code: code, output, is_cut, ..row.clone() };
    match code {
        Some(0) => row.ended(None, now),
        Some(TIMED_OUT) if took_long => row.failed("first-start-timeout", plan, now),
        Some(code) => row.ended(Some(Error::conflict("first-start-failed").arg("code", code)), now),
        None => {
            let signal = signal.unwrap_or_default();
            row.ended(Some(Error::conflict("first-start-killed").arg("signal", signal)), now)
        }
    }
}

impl FirstStart {
    fn new(life: i64, run: i64, now: i64) -> Self {
        Self {
            life,
            run,
            state: Outcome::Running,
            step: Step::Clock,
            pid: None,
            restarts: 0,
            began_at: now,
            step_at: now,
            ended_at: None,
            host_name: String::new(),
            exit_code: None,
            output: Vec::new(),
            is_cut: false,
            fault: None,
        }
    }

    /// To be begun again, whatever life the desktop is in.
    pub fn again(now: i64) -> Self {
        Self::new(AGAIN, 0, now)
    }

    fn is_in_script(&self) -> bool {
        self.state == Outcome::Running && matches!(self.step, Step::ScriptBegins | Step::ScriptRuns)
    }

    fn at(&self, step: Step, now: i64) -> Self {
        Self { step, step_at: now, pid: None, ..self.clone() }
    }

    /// What comes first is told.
    fn faulty(self, error: Error) -> Self {
        Self { fault: self.fault.or_else(|| Some(error.into())), ..self }
    }

    fn failed(&self, key: &'static str, plan: &Plan, now: i64) -> Self {
        let error = Error::conflict(key).arg("count", plan.script.minutes);
        self.ended(Some(error), now)
    }

    fn ended(&self, error: Option<Error>, now: i64) -> Self {
        let fault = self.fault.clone().or(error.map(Fault::from));
        let state = if fault.is_some() { Outcome::Failed } else { Outcome::Succeeded };
        Self { state, fault, pid: None, ended_at: Some(now), ..self.clone() }
    }
}

#[cfg(test)]
#[path = "steps_tests.rs"]
mod tests;
