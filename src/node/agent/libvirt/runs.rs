//! Who went off while nobody looked: while the agent was exchanged, or libvirt's daemon.
//!
//! A file beside the disks of each domain that restores says that it runs, as far as this agent knows. Of one that is
//! off and was neither seen to end nor asked to, libvirt keeps only that it ended by itself. A guest that reset itself
//! ends so, and would stay off; one that shut itself down does too. It is taken for a reset when it was a moment ago:
//! the machine comes back clean, as after any reset, and who wanted it off can switch it off again.

use std::fs;
use std::path::Path;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use uuid::Uuid;
use virt::domain::Domain;

use super::claims::Marks;
use super::states;
use super::{Inner, errors::Libvirt};
use crate::error::{Kind, Result};
use crate::node::agent::disks::Disks;
use crate::node::protocol::{DomainState, PowerState};

/// Longer than the exchange of a package takes.
const A_MOMENT: Duration = Duration::from_secs(600);

/// Where libvirt writes what became of each domain.
const LOGS: &str = "/var/log/libvirt/qemu";

/// How libvirt notes there that a guest ended by itself.
const BY_ITSELF: &str = "shutting down, reason=shutdown";

/// Writes down who runs, on a thread of its own: a storage that hangs holds up no news.
pub struct Notes(Mutex<Sender<Run>>);

/// A domain, and whether it would have to be started anew after a reset.
type Run = (Uuid, bool);

impl Notes {
    /// Until the last clone of its owner is gone.
    pub fn start(disks: Disks, switching_off: Marks) -> Self {
        let (sender, runs) = mpsc::channel();
        super::spawn("run-notes", move || keep(&disks, &switching_off, &runs));
        Self(Mutex::new(sender))
    }
}

fn keep(disks: &Disks, switching_off: &Marks, runs: &Receiver<Run>) {
    for (uuid, runs) in runs {
        // Now, not when it was told: who is switched off meanwhile has forgotten it already.
        let kept = match runs && !switching_off.has(uuid) {
            true => disks.note_run(uuid),
            false => disks.forget_run(uuid),
        };
        if let Err(error) = kept {
            tracing::warn!(%uuid, error = error.detail(), "that it runs was not noted");
        }
    }
}

impl Inner {
    /// Notes whether a domain runs that would have to be started anew after a reset. Returns at once.
    pub(super) fn keep_run(&self, state: &DomainState) {
        let is_on = matches!(state.power, PowerState::Running | PowerState::Paused);
        let restores = state.restore.iter().any(|(_, restore)| *restore);
        let notes = self.notes.0.lock().unwrap_or_else(PoisonError::into_inner);
        if notes.send((state.uuid, is_on && restores)).is_err() {
            tracing::error!(uuid = %state.uuid, "nobody notes who runs any more");
        }
    }

    /// Whether a domain that is off is to be started, since its guest may have reset itself unseen.
    pub(super) fn was_reset_unseen(&self, uuid: Uuid) -> bool {
        if self.switching_off.has(uuid) || !self.disks.has_run(uuid) {
            return false;
        }
        let found = self.find_domain(uuid).and_then(|found| match found {
            Some((domain, _)) => ended_by_itself(&domain),
            None => Ok(false),
        });
        let was_reset = found.unwrap_or_else(|error| {
            if error.kind() != Kind::NodeUnreachable {
                tracing::warn!(%uuid, error = error.detail(), "how it ended is not known");
            }
            false
        });
        if was_reset {
            tracing::warn!(%uuid, "went off while nobody looked, and is started as after a reset");
        }
        was_reset
    }
}

fn ended_by_itself(domain: &Domain) -> Result<bool> {
    let power = states::power(domain)?;
    // libvirt forgets the reason when its daemon ends; what it logged stays.
    if power.state != PowerState::Off || !matches!(power.reason, "shutdown" | "off") {
        return Ok(false);
    }
    let name = domain.name().libvirt("ask for the name of", "a domain")?;
    Ok(is_logged(&Path::new(LOGS).join(format!("{name}.log"))))
}

/// Whether the last that was logged is that it ended by itself, a moment ago.
fn is_logged(log: &Path) -> bool {
    let Ok(content) = fs::read(log) else { return false };
    let last = String::from_utf8_lossy(&content);
    let last = last.lines().rfind(|line| line.contains("shutting down, reason="));
    let changed = fs::metadata(log).and_then(|meta| meta.modified());
    let age = changed.map(|at| SystemTime::now().duration_since(at).unwrap_or_default());
    last.is_some_and(|line| line.ends_with(BY_ITSELF)) && age.is_ok_and(|age| age < A_MOMENT)
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn only_what_ended_by_itself_a_moment_ago_counts() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("pc.log");
        assert!(!is_logged(&log));
        let by_itself = "2026-01-02 03:04:05.678+0000: shutting down, reason=shutdown\n";
        let cut = by_itself.replace("=shutdown", "=destroyed");
        for (content, counts) in [
            (by_itself.to_owned(), true),
            (format!("{cut}qemu: started\n{by_itself}qemu: terminating on signal 15\n"), true),
            (format!("{by_itself}{cut}"), false),
            ("char device redirected to /dev/pts/1\n".to_owned(), false),
        ] {
            fs::write(&log, &content).unwrap();
            assert_eq!(is_logged(&log), counts, "{content}");
        }
        fs::write(&log, by_itself).unwrap();
        let file = fs::File::options().write(true).open(&log).unwrap();
        file.set_modified(SystemTime::now() - A_MOMENT * 2).unwrap();
        assert!(!is_logged(&log), "long ago");
    }
}
