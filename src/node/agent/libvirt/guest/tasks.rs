//! What the agent in a guest is asked to do. Each is one command, so that nothing here waits for what a guest runs; who
//! asked looks again.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};
use virt::domain::Domain;
use virt::error::{Error as Cause, ErrorNumber};

use super::programs::{self, Program};
use super::{ANSWER, ANSWER_LIMIT, Agent, answers, says_not_running, says_silent};
use crate::error::{Error, Fault, Result};
use crate::node::agent::call::Call;
use crate::node::agent::libvirt::agent_channel::has_agent;
use crate::node::agent::libvirt::errors::{is_code, is_connection_lost};
use crate::node::agent::libvirt::{Hypervisor, Inner, batch, metadata, watcher};
use crate::node::protocol::{
    AGENT_ABSENT, AGENT_REFUSES, GuestEnd, GuestStep, GuestTask, GuestTold, RUN_ENDED, RUN_OVER,
    SCRIPT_OUTPUT,
};

/// Seconds that a guest gets to write out what its file systems have in memory.
const FREEZE: i32 = 20;

/// How long it is waited for others that talk with an agent.
const IN_TURN: Duration = Duration::from_secs(60);

/// Characters of a refusal that are told.
const REASON: usize = 300;

impl Hypervisor {
    /// Does each, some at a time; answers in their order.
    pub fn guest_tasks(&self, tasks: &[GuestTask], call: &Call) -> Vec<Result<GuestTold, Fault>> {
        let told: Vec<Mutex<Option<Result<GuestTold, Fault>>>> =
            tasks.iter().map(|_| Mutex::default()).collect();
        let next = AtomicUsize::new(0);
        let work = || {
            loop {
                let at = next.fetch_add(1, Ordering::Relaxed);
                let (Some(task), Some(place)) = (tasks.get(at), told.get(at)) else { return };
                let done = call.check().and_then(|()| self.inner.guest_task(task));
                let mut place = place.lock().unwrap_or_else(PoisonError::into_inner);
                *place = Some(done.map_err(Fault::from));
            }
        };
        thread::scope(|scope| {
            for _ in 1..batch::width().min(tasks.len()) {
                scope.spawn(work);
            }
            work();
        });
        let missing = || Err(Error::internal("a task of a guest without an outcome").into());
        told.into_iter()
            .map(|place| {
                place.into_inner().unwrap_or_else(PoisonError::into_inner).unwrap_or_else(missing)
            })
            .collect()
    }
}

impl Inner {
    /// # Errors
    /// `domain-not-running`, `guest-agent-absent`, `guest-agent-silent`, `guest-agent-refuses`, `guest-run-ended`,
    /// `guest-run-over`, `libvirt-down`.
    pub(super) fn guest_task(&self, task: &GuestTask) -> Result<GuestTold> {
        let (domain, metadata) = self.running_domain(task.domain)?;
        let name = &metadata.spec.owner.name;
        require_run(&domain, task.run, Error::conflict(RUN_ENDED).arg("object", name))?;
        if self.link.is_simulator() || !has_agent(&domain)? {
            return Err(Error::conflict(AGENT_ABSENT).arg("object", name));
        }
        let told = carry_out(&Doer { domain: &domain, name }, &task.step)?;
        // What it said then may be of another run.
        require_run(&domain, task.run, Error::conflict(RUN_OVER).arg("object", name))?;
        Ok(told)
    }
}

fn require_run(domain: &Domain, run: Option<i64>, otherwise: Error) -> Result<()> {
    match run {
        Some(_) if metadata::read_started(domain)? != run => Err(otherwise),
        _ => Ok(()),
    }
}

fn carry_out(agent: &Doer<'_>, step: &GuestStep) -> Result<GuestTold> {
    match step {
        GuestStep::SetTime => {
            let nanoseconds = watcher::now().saturating_mul(1_000_000_000);
            agent.tell("guest-set-time", &json!({"time": nanoseconds}), ANSWER)?;
            Ok(GuestTold::Done)
        }
        GuestStep::SetHostName { name } => {
            let about = agent.tell("guest-get-osinfo", &json!({}), ANSWER);
            let is_windows = about
                .is_ok_and(|about| answers::text(&about, "id").as_deref() == Some("mswindows"));
            agent.begin(&programs::host_name(name, is_windows))
        }
        GuestStep::RunScript(script) => agent.begin(&programs::script(script)),
        GuestStep::Look { pid } => agent.look(*pid),
        GuestStep::Freeze => {
            let state = agent.tell_in_turn("guest-fsfreeze-status")?;
            if state.as_str() != Some("frozen") {
                agent.tell("guest-fsfreeze-freeze", &json!({}), FREEZE)?;
            }
            Ok(GuestTold::Done)
        }
        GuestStep::Thaw => {
            agent.tell("guest-fsfreeze-thaw", &json!({}), FREEZE)?;
            Ok(GuestTold::Done)
        }
    }
}

struct Doer<'a> {
    domain: &'a Domain,
    name: &'a str,
}

impl Doer<'_> {
    /// What an agent returns for a command that it carried out.
    fn tell(&self, command: &str, arguments: &Value, seconds: i32) -> Result<Value> {
        match self.command(command, arguments, seconds) {
            Ok(answer) => self.returned(command, &answer),
            Err(cause) => Err(self.failed(command, cause)),
        }
    }

    /// As [`Self::tell`], behind whoever else talks with the agent: libvirt waits a minute for a guest that its agent was to
    /// shut down.
    fn tell_in_turn(&self, command: &str) -> Result<Value> {
        let end = Instant::now() + IN_TURN;
        loop {
            match self.command(command, &json!({}), ANSWER) {
                Ok(answer) => return self.returned(command, &answer),
                // libvirt itself has waited for half a minute.
                Err(cause)
                    if is_code(&cause, ErrorNumber::OperationTimeout) && Instant::now() < end => {}
                Err(cause) => return Err(self.failed(command, cause)),
            }
        }
    }

    fn command(
        &self,
        command: &str,
        arguments: &Value,
        seconds: i32,
    ) -> std::result::Result<String, Cause> {
        let text = json!({"execute": command, "arguments": arguments}).to_string();
        self.domain.qemu_agent_command(&text, seconds, 0)
    }

    fn returned(&self, command: &str, answer: &str) -> Result<Value> {
        answers::returned(answer, ANSWER_LIMIT).ok_or_else(|| self.refuses(command, "?".to_owned()))
    }

    fn failed(&self, command: &str, cause: Cause) -> Error {
        if is_connection_lost(&cause) {
            let error = Error::unreachable("libvirt-down").arg("reason", cause.message());
            return error.because(cause);
        }
        if says_silent(&cause) || says_nothing_of(command, &cause) {
            return Agent::silent_of(self.name).because(cause);
        }
        if says_not_running(&cause) {
            return Error::conflict("domain-not-running").arg("object", self.name).because(cause);
        }
        let reason = answers::shown(cause.message(), REASON);
        self.refuses(command, reason).because(cause)
    }

    fn refuses(&self, command: &str, reason: String) -> Error {
        let error = Error::conflict(AGENT_REFUSES).arg("object", self.name);
        error.arg("command", command).arg("message", reason)
    }

    fn begin(&self, program: &Program) -> Result<GuestTold> {
        let began = self.tell("guest-exec", &program.arguments(), ANSWER)?;
        let pid = began.get("pid").and_then(Value::as_i64).filter(|pid| *pid > 0);
        pid.map(|pid| GuestTold::Began { pid })
            .ok_or_else(|| self.refuses("guest-exec", "no pid".to_owned()))
    }

    fn look(&self, pid: i64) -> Result<GuestTold> {
        match self.tell("guest-exec-status", &json!({"pid": pid}), ANSWER) {
            Ok(status) => Ok(status_of(status)),
            Err(error) if error.key() == AGENT_REFUSES => {
                tracing::debug!(name = self.name, error = error.detail(), "not known in the guest");
                Ok(GuestTold::Forgotten)
            }
            Err(error) => Err(error),
        }
    }
}

/// libvirt has one code for what an agent refuses and for a channel to it that breaks; in every language its word for a
/// refusal names the command.
fn says_nothing_of(command: &str, cause: &Cause) -> bool {
    is_code(cause, ErrorNumber::InternalError) && !cause.message().contains(command)
}

/// An agent that says nonsense of what was begun knows nothing of it.
fn status_of(status: Value) -> GuestTold {
    #[derive(Deserialize)]
    #[serde(rename_all = "kebab-case")]
    struct Status {
        exited: bool,
        exitcode: Option<i64>,
        signal: Option<i64>,
        out_data: Option<String>,
        err_data: Option<String>,
        #[serde(default)]
        out_truncated: bool,
    }
    let Ok(status) = serde_json::from_value::<Status>(status) else { return GuestTold::Forgotten };
    if !status.exited {
        return GuestTold::StillRuns;
    }
    let mut output = Vec::new();
    for data in [status.out_data, status.err_data].into_iter().flatten() {
        output.extend(STANDARD.decode(data.trim()).unwrap_or_default());
    }
    let is_cut = status.out_truncated || output.len() > SCRIPT_OUTPUT;
    output.truncate(SCRIPT_OUTPUT);
    // Windows' codes of crashes have all 32 bits.
    let number = |number: Option<i64>| number.map(|number| number as i32);
    GuestTold::Ended(GuestEnd {
        code: number(status.exitcode),
        signal: number(status.signal),
        output,
        is_cut,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_program_is_taken_as_it_is_and_never_whole() {
        assert_eq!(status_of(json!({"exited": false})), GuestTold::StillRuns);
        let end =
            json!({"exited": true, "exitcode": 3, "out-data": "AP9oaQo=", "err-data": "b2g="});
        let GuestTold::Ended(end) = status_of(end) else { panic!("it ended") };
        assert_eq!((end.code, end.signal, end.is_cut), (Some(3), None, false));
        assert_eq!(end.output, b"\0\xffhi\noh");
        let killed = status_of(json!({"exited": true, "signal": 9}));
        assert_eq!(killed, GuestTold::Ended(GuestEnd { signal: Some(9), ..GuestEnd::default() }));
        let much = STANDARD.encode(vec![b'x'; SCRIPT_OUTPUT + 1]);
        let much = status_of(json!({"exited": true, "exitcode": 0, "out-data": much}));
        let GuestTold::Ended(much) = much else { panic!("it ended") };
        assert_eq!((much.output.len(), much.is_cut), (SCRIPT_OUTPUT, true));
        let crash = status_of(json!({"exited": true, "exitcode": 3_221_225_477_i64}));
        assert!(matches!(crash, GuestTold::Ended(GuestEnd { code: Some(-1_073_741_819), .. })));
        for nonsense in [
            json!(7),
            json!({}),
            json!({"exited": "yes"}),
            json!({"exited": true, "exitcode": "0"}),
        ] {
            assert_eq!(status_of(nonsense), GuestTold::Forgotten);
        }
        let noise = json!({"exited": true, "exitcode": 0, "out-data": "no base64!"});
        assert!(matches!(status_of(noise), GuestTold::Ended(end) if end.output.is_empty()));
    }
}
