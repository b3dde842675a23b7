//! A guest with a real agent, asked past Carrel: what is true inside.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::lab::LabNode;
use super::wait::wait_for;

/// Seconds to the drawn desktop. It takes a minute and a half on an idle machine, several times that beside other work.
const DRAWN: &str = "900";
const ANSWER: Duration = Duration::from_secs(120);

/// A machine of [`debian_desktop`](super::debian_desktop) on a node of the lab.
pub struct DebianDesktop<'a> {
    pub node: &'a LabNode,
    pub uuid: String,
}

impl DebianDesktop<'_> {
    /// What the agent answers, `None` while it does not.
    pub fn agent(&self, command: &str, arguments: &Value) -> Option<Value> {
        let question = json!({"execute": command, "arguments": arguments}).to_string();
        let virsh = ["virsh", "-q", "qemu-agent-command", "--timeout", "30", &self.uuid, &question];
        let output = self.node.try_exec(&virsh);
        let answer = output.status.success().then_some(output.stdout)?;
        let mut answer: Value = serde_json::from_slice(&answer).expect("an answer in JSON");
        Some(answer["return"].take())
    }

    /// What a shell inside says, as root; `None` when its status is not 0, or nobody answers.
    pub fn try_sh(&self, script: &str) -> Option<String> {
        self.run(script)?.ok()
    }

    /// As [`Self::try_sh`].
    ///
    /// # Panics
    /// When it says nothing.
    #[track_caller]
    pub fn sh(&self, script: &str) -> String {
        let ended = self.run(script).unwrap_or_else(|| panic!("{script}: no answer of the guest"));
        ended.unwrap_or_else(|said| panic!("{script} failed in the guest: {said}"))
    }

    /// What a shell inside says; when its status is not 0, what it complains of.
    fn run(&self, script: &str) -> Option<Result<String, String>> {
        let run = json!({"path": "/bin/sh", "arg": ["-c", script], "capture-output": true});
        let process = json!({"pid": self.agent("guest-exec", &run)?["pid"]});
        let end = wait_for(script, ANSWER, || {
            let status = self.agent("guest-exec-status", &process)?;
            (status["exited"] == true).then_some(status)
        });
        let said = |of: &str| {
            let said = STANDARD.decode(end[of].as_str().unwrap_or_default()).expect("base64");
            String::from_utf8_lossy(&said).trim_end().to_owned()
        };
        Some(if end["exitcode"] == 0 { Ok(said("out-data")) } else { Err(said("err-data")) })
    }

    /// Begins a program in the session of who is signed in.
    #[track_caller]
    pub fn open(&self, program: &str) {
        let inside =
            format!("DISPLAY=:0 NO_AT_BRIDGE=1 setsid {program} >/dev/null 2>&1 </dev/null &");
        self.sh(&format!("su ana -c '{inside}'"));
    }

    /// Waits until the desktop of a boot that goes on is drawn: the serial line says it. Nothing else is asked
    /// meanwhile, since each question would take from the little that such a boot has.
    #[track_caller]
    pub fn drawn(&self) {
        let line = self.node.virsh(&["ttyconsole", &self.uuid]);
        self.node.exec(&["timeout", DRAWN, "grep", "-m", "1", "GUEST DESKTOP", line.trim()]);
    }
}
