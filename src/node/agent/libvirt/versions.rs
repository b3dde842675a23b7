//! Versions of libvirt and QEMU and how guests are run, learned beside other work.
//!
//! libvirt looks at a QEMU that it does not know as soon as somebody asks for it, and then it is tried whether KVM
//! executes guests: on a busy machine up to a minute at the first start. Nothing but making domains has to wait for it.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use virt::connect::Connect;

use super::errors::Libvirt;
use super::{Hypervisor, Inner, spawn};
use crate::error::Result;
use crate::node::protocol::Event;

/// Versions for people, and how guests are run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Versions {
    pub libvirt: String,
    /// Of QEMU; for the simulator libvirt's own number for it.
    pub qemu: String,
    /// `kvm`, `qemu` or `test`.
    pub virt_type: String,
}

/// What is known so far.
#[derive(Default)]
pub struct Learned {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Of the connection that is there, or of the one before while that one is asked.
    versions: Option<Versions>,
    learning: bool,
    /// Somebody asked in vain, or got what may be old.
    missed: bool,
}

impl Learned {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn get(&self, patience: Duration) -> Option<Versions> {
        let open = |state: &mut State| state.learning || state.versions.is_none();
        let waited = self.changed.wait_timeout_while(self.lock(), patience, open);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.missed |= open(&mut state);
        state.versions.clone()
    }

    fn begin(&self) {
        self.lock().learning = true;
    }

    /// Gives whether somebody asked before.
    fn end(&self, versions: Option<Versions>) -> bool {
        let mut state = self.lock();
        state.learning = false;
        if versions.is_some() {
            state.versions = versions;
        }
        let missed = std::mem::take(&mut state.missed);
        drop(state);
        self.changed.notify_all();
        missed
    }
}

impl Hypervisor {
    /// `None` without libvirt, and when it needs longer than this; an event tells when it is known then.
    pub fn versions(&self, patience: Duration) -> Option<Versions> {
        self.inner.connect().ok()?;
        self.inner.learned.get(patience)
    }
}

impl Inner {
    fn ask_versions(&self) -> Result<Versions> {
        let connect = self.connect()?;
        let (libvirt, qemu) = numbers(&connect)?;
        Ok(Versions {
            libvirt: dotted(libvirt),
            qemu: dotted(qemu),
            virt_type: self.virt_type.get(&self.link)?,
        })
    }
}

/// To be called when a connection has been made; returns at once.
pub fn learn(inner: &Arc<Inner>) {
    inner.learned.begin();
    let inner = inner.clone();
    spawn("libvirt-versions", move || {
        let versions = inner.ask_versions();
        if let Err(error) = &versions {
            tracing::warn!(error = error.detail(), "not found out how guests are run");
        }
        if inner.learned.end(versions.ok()) {
            inner.events.send(Event::Hypervisor { up: true, reason: String::new() });
        }
    });
}

/// Of libvirt and QEMU, as libvirt writes them, asked now.
pub fn numbers(connect: &Connect) -> Result<(u32, u32)> {
    let libvirt = connect.lib_version().libvirt("ask for the version of", "libvirt")?;
    let qemu = connect.hyp_version().libvirt("ask for the version of", "QEMU")?;
    Ok((libvirt, qemu))
}

/// libvirt writes 9.0.2 as 9000002.
pub fn dotted(number: u32) -> String {
    format!("{}.{}.{}", number / 1_000_000, number / 1000 % 1000, number % 1000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    fn versions() -> Versions {
        Versions { libvirt: "9.0.0".into(), qemu: "7.2.0".into(), virt_type: "kvm".into() }
    }

    #[test]
    fn versions_are_written_with_dots() {
        assert_eq!(dotted(9_000_000), "9.0.0");
        assert_eq!(dotted(7_002_022), "7.2.22");
    }

    #[test]
    fn who_asks_too_early_is_told_later() {
        let learned = Learned::default();
        learned.begin();
        assert_eq!(learned.get(Duration::ZERO), None);
        assert!(learned.end(Some(versions())), "somebody is to be told");
        assert_eq!(learned.get(Duration::ZERO), Some(versions()));
        // The next connection: what was known is given out and may be old.
        learned.begin();
        assert_eq!(learned.get(Duration::ZERO), Some(versions()));
        assert!(learned.end(None), "it could not be asked");
        assert_eq!(learned.get(Duration::ZERO), Some(versions()));
    }

    #[test]
    fn who_waits_long_enough_needs_no_news() {
        let learned = Arc::new(Learned::default());
        learned.begin();
        let other = learned.clone();
        let waiting = std::thread::spawn(move || {
            let begun = Instant::now();
            (other.get(Duration::from_secs(60)), begun.elapsed())
        });
        assert!(!learned.end(Some(versions())));
        let (got, after) = waiting.join().expect("join");
        assert_eq!(got, Some(versions()));
        assert!(after < Duration::from_secs(30));
    }
}
