//! Turns libvirt's events into ours, on a thread that may ask libvirt in turn.

use std::collections::{HashMap, HashSet};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use uuid::Uuid;
use virt::domain::Domain;
use virt::error::ErrorNumber;

use super::errors::{Libvirt, optional};
use super::events::{Change, Signal};
use super::{Inner, metadata, restorer, states};
use crate::error::{Kind, Result};
use crate::node::protocol::{DomainState, Event, PowerState};

/// The domains of this installation as they were last told.
#[derive(Default)]
pub struct Known(Mutex<HashMap<Uuid, DomainState>>);

impl Known {
    /// Whether it is news.
    fn put(&self, state: &DomainState) -> bool {
        self.lock().insert(state.uuid, state.clone()).as_ref() != Some(state)
    }

    fn remove(&self, domain: Uuid) -> bool {
        self.lock().remove(&domain).is_some()
    }

    pub fn has(&self, domain: Uuid) -> bool {
        self.lock().contains_key(&domain)
    }

    fn uuids(&self) -> Vec<Uuid> {
        self.lock().keys().copied().collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Uuid, DomainState>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Until [`Signal::Stop`].
pub fn run(inner: &Arc<Inner>, source: &Receiver<Signal>) {
    let mut watcher = Watcher { inner, resetting: HashSet::new() };
    while let Ok(first) = source.recv() {
        // Hundreds of events at once often speak of the same few domains: each is asked for once.
        let mut changed = Vec::new();
        for signal in std::iter::once(first).chain(source.try_iter()) {
            if signal == Signal::Stop {
                return;
            }
            if let Some(domain) = watcher.take(signal)
                && !changed.contains(&domain)
            {
                changed.push(domain);
            }
        }
        for domain in changed {
            watcher.tell(domain);
        }
    }
}

struct Watcher<'a> {
    inner: &'a Arc<Inner>,
    /// Domains whose guest was reset, and whose QEMU is about to end for it.
    resetting: HashSet<Uuid>,
}

impl Watcher<'_> {
    /// The domain whose state may be news.
    fn take(&mut self, signal: Signal) -> Option<Uuid> {
        match signal {
            Signal::Changed { domain, change } => {
                self.changed(domain, change);
                Some(domain)
            }
            Signal::Ending { domain, reason } => {
                // `guest-reset` by the guest, `host-qmp-system-reset` by someone on the node.
                if reason.ends_with("-reset") {
                    self.resetting.insert(domain);
                }
                None
            }
            Signal::Rebooted { domain } => {
                restorer::rebooted(self.inner, domain);
                Some(domain)
            }
            Signal::Connected => {
                self.resetting.clear();
                self.tell_all();
                None
            }
            Signal::Lost => {
                self.inner.link.lost();
                None
            }
            Signal::Stop => None,
        }
    }

    fn changed(&mut self, domain: Uuid, change: Change) {
        match change {
            Change::Stopped => {
                let was_reset = self.resetting.remove(&domain);
                if was_reset && !self.inner.switching_off.has(domain) {
                    restorer::start_anew(self.inner, domain);
                }
                self.inner.departures.off(domain);
            }
            Change::Started => {
                self.resetting.remove(&domain);
            }
            Change::Defined | Change::Undefined | Change::Other => {}
        }
    }

    fn tell(&self, domain: Uuid) {
        if let Err(error) = self.inner.tell(domain) {
            // Without a connection everything is told again when it is back.
            if error.kind() != Kind::NodeUnreachable {
                tracing::error!(%domain, error = error.detail(), "state of a domain not read");
            }
        }
    }

    fn tell_all(&self) {
        match self.inner.tell_all() {
            Ok(()) => self.inner.departures.reconnected(),
            Err(error) => {
                tracing::error!(error = error.detail(), "states of the domains not read");
            }
        }
        if let Err(error) = self.inner.refresh_networks() {
            tracing::error!(error = error.detail(), "reservations of the networks not looked at");
        }
        restorer::resume(self.inner);
    }
}

impl Inner {
    /// Tells the controller what a domain is now, if that is news.
    pub(super) fn tell(&self, uuid: Uuid) -> Result<()> {
        let found = self.connect()?.lookup_domain_by_uuid(uuid);
        let domain = optional(found, ErrorNumber::NoDomain, "look for", uuid)?;
        let state = domain.as_ref().map(|domain| self.state_of(domain)).transpose()?.flatten();
        match state {
            // Between the end of the old and the start of the new.
            Some(state) if self.restoring.has(uuid) && state.power != PowerState::Running => {}
            Some(state) => self.announce(state),
            None => self.gone(uuid),
        }
        Ok(())
    }

    pub(super) fn announce(&self, state: DomainState) {
        if self.known.put(&state) {
            self.events.send(Event::Domain(state));
        }
    }

    fn gone(&self, uuid: Uuid) {
        if self.known.remove(uuid) {
            self.events.send(Event::DomainGone { uuid });
        }
    }

    fn tell_all(&self) -> Result<()> {
        let states = self.all_states()?;
        let present: HashSet<Uuid> = states.iter().map(|state| state.uuid).collect();
        for uuid in self.known.uuids() {
            if !present.contains(&uuid) {
                self.gone(uuid);
            }
        }
        for state in states {
            self.known.put(&state);
            self.events.send(Event::Domain(state));
        }
        Ok(())
    }

    /// The states of all domains of this installation.
    pub(super) fn all_states(&self) -> Result<Vec<DomainState>> {
        let domains =
            self.connect()?.list_all_domains(0).libvirt("list the domains of", "libvirt")?;
        let mut states = Vec::with_capacity(domains.len());
        for domain in &domains {
            states.extend(self.state_of(domain)?);
        }
        Ok(states)
    }

    /// `None` for a domain of someone else, or one that has just gone.
    fn state_of(&self, domain: &Domain) -> Result<Option<DomainState>> {
        let state = states::state(domain)?;
        let ours = state.filter(|state| state.owner.installation == self.config.installation);
        let Some(mut state) = ours else { return Ok(None) };
        if state.power == PowerState::Running && state.started_at.is_none() {
            state.started_at = Some(note_started(domain)?);
        }
        Ok(Some(state))
    }
}

/// For a domain that someone else started: from the moment when it was seen.
fn note_started(domain: &Domain) -> Result<i64> {
    let now = now();
    match metadata::write_started(domain, now) {
        Err(cause) if states::says_not_running(&cause) => Ok(now),
        written => written.libvirt("note the start of", "a domain").map(|()| now),
    }
}

/// Unix seconds.
pub fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
