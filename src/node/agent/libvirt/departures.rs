//! Waiting for domains to go off: by libvirt's events, never by asking again and again.

use std::collections::{HashMap, HashSet};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use uuid::Uuid;

#[derive(Default)]
pub struct Departures(Mutex<Watches>);

#[derive(Default)]
struct Watches {
    next: u64,
    open: HashMap<u64, (HashSet<Uuid>, Sender<Departure>)>,
}

/// What a waiting one is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Departure {
    Off(Uuid),
    /// The connection is new. Domains may have gone off in between: ask once.
    Reconnected,
}

/// Hears of departures until it is dropped.
pub struct Watching<'a> {
    departures: &'a Departures,
    number: u64,
    source: Receiver<Departure>,
}

impl Departures {
    /// From now on each of these domains that goes off is told. To be called before it is asked to, so
    /// that none is missed.
    pub fn watch(&self, domains: &[Uuid]) -> Watching<'_> {
        let (sink, source) = mpsc::channel();
        let mut watches = self.lock();
        let number = watches.next;
        watches.next += 1;
        watches.open.insert(number, (domains.iter().copied().collect(), sink));
        Watching { departures: self, number, source }
    }

    pub fn off(&self, domain: Uuid) {
        self.tell(Departure::Off(domain), |domains| domains.contains(&domain));
    }

    pub fn reconnected(&self) {
        self.tell(Departure::Reconnected, |_| true);
    }

    fn tell(&self, departure: Departure, concerns: impl Fn(&HashSet<Uuid>) -> bool) {
        for (domains, sink) in self.lock().open.values() {
            if concerns(domains) {
                // It stops listening just now when this fails.
                let _ = sink.send(departure);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Watches> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watching<'_> {
    /// The next departure; `None` after `patience` without one.
    pub fn next(&self, patience: Duration) -> Option<Departure> {
        self.source.recv_timeout(patience).ok()
    }
}

impl Drop for Watching<'_> {
    fn drop(&mut self) {
        self.departures.lock().open.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_waits_for_a_domain_hears_of_it() {
        let departures = Departures::default();
        let (mine, other) = (Uuid::new_v4(), Uuid::new_v4());
        let waiting = departures.watch(&[mine]);
        departures.off(other);
        departures.off(mine);
        assert_eq!(waiting.next(Duration::ZERO), Some(Departure::Off(mine)));
        assert_eq!(waiting.next(Duration::ZERO), None);
        drop(waiting);
        assert!(departures.lock().open.is_empty());
    }
}
