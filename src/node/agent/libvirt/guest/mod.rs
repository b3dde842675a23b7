//! Asks the agent in a guest, by its own words: the *QEMU Guest Agent Protocol Reference*, carried by libvirt.

mod answers;
mod clocks;
mod programs;
mod tasks;

pub(super) use clocks::{Clocks, keep_clocks};

use std::time::{Duration, Instant};

use serde_json::Value;
use uuid::Uuid;
use virt::domain::Domain;
use virt::error::{Error as Cause, ErrorNumber};

use super::Hypervisor;
use super::agent_channel::has_agent;
use super::errors::is_code;
use super::states::says_not_running;
use crate::error::{Error, Result};
use crate::node::protocol::{AGENT_ABSENT, AGENT_SILENT, GuestFacts};

/// Seconds that an agent gets for one answer.
const ANSWER: i32 = 5;

/// What an agent gets for all of them: what it does not say by then is left out.
const ALL_ANSWERS: Duration = Duration::from_secs(15);

/// Bytes of one answer that are looked at. libvirt itself lets an agent say ten million.
const ANSWER_LIMIT: usize = 1 << 20;

impl Hypervisor {
    /// What the agent in a guest says of it. What an older agent does not know is left out.
    ///
    /// # Errors
    /// `domain-not-running`, `guest-agent-absent`, `guest-agent-silent`.
    pub fn guest(&self, uuid: Uuid) -> Result<GuestFacts> {
        let (domain, metadata) = self.inner.running_domain(uuid)?;
        let name = &metadata.spec.owner.name;
        if self.inner.link.is_simulator() || !has_agent(&domain)? {
            return Err(Error::conflict(AGENT_ABSENT).arg("object", name));
        }
        facts(&Agent { domain: &domain, name, end: Instant::now() + ALL_ANSWERS })
    }
}

/// The first answer tells whether anybody is there; of the others each may fail for itself.
fn facts(agent: &Agent<'_>) -> Result<GuestFacts> {
    let Some(about) = agent.ask("guest-info")? else { return Err(agent.silent()) };
    let system = agent.ask("guest-get-osinfo")?;
    let host_name = agent.ask("guest-get-host-name")?;
    let nics = agent.ask("guest-network-get-interfaces")?;
    let users = agent.ask("guest-get-users")?;
    let filesystems = agent.ask("guest-get-fsinfo")?;
    Ok(GuestFacts {
        agent: answers::text(&about, "version").unwrap_or_default(),
        host_name: host_name.and_then(|answer| answers::text(&answer, "host-name")),
        system: system.as_ref().and_then(answers::system),
        kernel: system.and_then(|answer| answers::text(&answer, "kernel-release")),
        nics: answers::nics(nics),
        users: answers::users(users),
        filesystems: answers::filesystems(filesystems),
    })
}

struct Agent<'a> {
    domain: &'a Domain,
    name: &'a str,
    end: Instant,
}

impl Agent<'_> {
    /// `None` for what this agent does not know or will not tell, and for noise.
    ///
    /// # Errors
    /// `guest-agent-silent`, `domain-not-running`.
    fn ask(&self, command: &str) -> Result<Option<Value>> {
        if Instant::now() >= self.end {
            return Ok(None);
        }
        let command = format!(r#"{{"execute":"{command}"}}"#);
        match self.domain.qemu_agent_command(&command, ANSWER, 0) {
            Ok(answer) => Ok(answers::returned(&answer, ANSWER_LIMIT)),
            Err(cause) if says_silent(&cause) => Err(self.silent().because(cause)),
            Err(cause) if says_not_running(&cause) => {
                Err(Error::conflict("domain-not-running").arg("object", self.name).because(cause))
            }
            Err(cause) => {
                tracing::debug!(name = self.name, command, %cause, "not told by a guest agent");
                Ok(None)
            }
        }
    }

    fn silent(&self) -> Error {
        Self::silent_of(self.name)
    }

    fn silent_of(name: &str) -> Error {
        Error::busy(AGENT_SILENT).arg("object", name)
    }
}

fn says_silent(cause: &Cause) -> bool {
    use ErrorNumber::{AgentCommandTimeout, AgentUnresponsive, AgentUnsynced, OperationTimeout};
    // The last: another question is still open.
    [AgentUnresponsive, AgentUnsynced, AgentCommandTimeout, OperationTimeout]
        .into_iter()
        .any(|number| is_code(cause, number))
}
