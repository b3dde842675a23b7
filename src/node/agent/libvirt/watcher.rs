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
use crate::error::{Fault, Kind, Result};
use crate::node::protocol::{DomainList, DomainState, Event, PowerState};

/// The domains of this installation as they were last told.
#[derive(Default)]
pub struct Known(Mutex<HashMap<Uuid, Told>>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Told {
    State(Box<DomainState>),
    Unreadable(Fault),
}

impl Known {
    /// Whether it is news.
    fn put(&self, uuid: Uuid, told: Told) -> bool {
        let mut known = self.lock();
        if known.get(&uuid) == Some(&told) {
            return false;
        }
        known.insert(uuid, told);
        true
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

    fn lock(&self) -> MutexGuard<'_, HashMap<Uuid, Told>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Until [`Signal::Stop`].
pub fn run(inner: &Arc<Inner>, source: &Receiver<Signal>) {
    let mut watcher = Watcher { inner, ending: Endings::default() };
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
    ending: Endings,
}

/// Domains whose QEMU is about to end, and whether that is for a reset of their guest.
#[derive(Default)]
struct Endings(HashMap<Uuid, bool>);

impl Endings {
    /// A QEMU that stands still after its guest was reset is ended by libvirt with a signal, of which it tells too: the
    /// reset stays the reason.
    fn note(&mut self, domain: Uuid, reason: &str) {
        *self.0.entry(domain).or_default() |= reason.ends_with("-reset");
    }

    /// `None` when nobody heard why it ended.
    fn take(&mut self, domain: Uuid) -> Option<bool> {
        self.0.remove(&domain)
    }
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
                self.ending.note(domain, &reason);
                None
            }
            Signal::Rebooted { domain } => {
                restorer::rebooted(self.inner, domain);
                Some(domain)
            }
            Signal::TrayOpened { domain } => {
                if self.inner.known.has(domain) {
                    self.inner.events.send(Event::TrayOpened { uuid: domain });
                }
                None
            }
            Signal::NetworkStopped { network } | Signal::DhcpEnded { network, at_once: false } => {
                self.inner.mend_network_soon(network);
                None
            }
            Signal::DhcpEnded { network, at_once: true } => {
                self.inner.events.send(Event::NetworkDown { uuid: network });
                None
            }
            Signal::Connected => {
                self.ending = Endings::default();
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
                let was_reset = match self.ending.take(domain) {
                    Some(was_reset) => was_reset && !self.inner.switching_off.has(domain),
                    // Its QEMU ended while libvirt's daemon was away, or was killed.
                    None => self.inner.was_reset_unseen(domain),
                };
                if was_reset {
                    restorer::start_anew(self.inner, domain);
                }
                self.inner.departures.off(domain);
            }
            Change::Started => {
                self.ending.take(domain);
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
        match self.inner.all_states() {
            Ok(domains) => {
                let off = domains.states.iter().filter(|state| state.power == PowerState::Off);
                for state in off.filter(|state| self.inner.was_reset_unseen(state.uuid)) {
                    restorer::start_anew(self.inner, state.uuid);
                }
                self.inner.tell_all(domains);
                self.inner.departures.reconnected();
            }
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
        let state = match domain.as_ref().map_or(Ok(None), |domain| self.state_of(domain)) {
            Err(error) if error.kind() == Kind::NodeUnreachable => return Err(error),
            Err(error) => {
                self.announce_unreadable(uuid, error.into());
                return Ok(());
            }
            Ok(state) => state,
        };
        match state {
            Some(state) if self.is_between(&state) => {}
            Some(state) => self.announce(state),
            None => self.gone(uuid),
        }
        Ok(())
    }

    /// Between the end of the old and the start of the new.
    fn is_between(&self, state: &DomainState) -> bool {
        state.power != PowerState::Running && self.restoring.has(state.uuid)
    }

    pub(super) fn announce(&self, state: DomainState) {
        self.keep_run(&state);
        if self.known.put(state.uuid, Told::State(Box::new(state.clone()))) {
            self.events.send(Event::Domain(Arc::new(state)));
        }
    }

    fn announce_unreadable(&self, uuid: Uuid, fault: Fault) {
        if self.known.put(uuid, Told::Unreadable(fault.clone())) {
            tracing::error!(%uuid, error = fault.detail, "a domain cannot be read and is left alone");
            self.events.send(Event::DomainUnreadable { uuid, fault: Box::new(fault) });
        }
    }

    fn gone(&self, uuid: Uuid) {
        if self.known.remove(uuid) {
            self.events.send(Event::DomainGone { uuid });
        }
    }

    fn tell_all(&self, DomainList { states, unreadable }: DomainList) {
        let readable = states.iter().map(|state| state.uuid);
        let present: HashSet<Uuid> = readable.chain(unreadable.iter().map(|item| item.0)).collect();
        for uuid in self.known.uuids() {
            if !present.contains(&uuid) {
                self.gone(uuid);
            }
        }
        for state in states.into_iter().filter(|state| !self.is_between(state)) {
            self.keep_run(&state);
            self.known.put(state.uuid, Told::State(Box::new(state.clone())));
            self.events.send(Event::Domain(Arc::new(state)));
        }
        for (uuid, fault) in unreadable {
            self.announce_unreadable(uuid, fault);
        }
    }

    /// The states of all domains of this installation. One that cannot be read takes nothing from the others.
    pub(super) fn all_states(&self) -> Result<DomainList> {
        let domains =
            self.connect()?.list_all_domains(0).libvirt("list the domains of", "libvirt")?;
        let mut list = DomainList::default();
        for domain in &domains {
            match self.state_of(domain) {
                Ok(state) => list.states.extend(state),
                Err(error) if error.kind() == Kind::NodeUnreachable => return Err(error),
                Err(error) => {
                    let uuid = domain.uuid().libvirt("ask for the uuid of", "a domain")?;
                    list.unreadable.push((uuid, error.into()));
                }
            }
        }
        Ok(list)
    }

    /// `None` for a domain of someone else, or one that has just gone.
    fn state_of(&self, domain: &Domain) -> Result<Option<DomainState>> {
        let marked = states::read(domain, metadata::Which::Current)?;
        let Some(marked) = marked.filter(|marked| self.may_be_ours(marked)) else {
            return Ok(None);
        };
        let Some(mut state) = states::state(domain, marked)? else { return Ok(None) };
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reset_stays_the_reason_when_qemu_is_ended_for_it() {
        let [reset, shut_down, unheard] = [(); 3].map(|()| Uuid::new_v4());
        let mut endings = Endings::default();
        for reason in ["guest-reset", "host-signal"] {
            endings.note(reset, reason);
        }
        for reason in ["guest-shutdown", "host-signal"] {
            endings.note(shut_down, reason);
        }
        let ended = [reset, shut_down, unheard, reset].map(|domain| endings.take(domain));
        assert_eq!(ended, [Some(true), Some(false), None, None]);
    }
}
