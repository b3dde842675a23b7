//! What guests tell of their own memory, by the driver of the balloon.
//!
//! libvirt asks each QEMU in turn for it and waits for each, so it is asked on a thread of its own, one question at a
//! time: a QEMU that hangs makes the answers old, and old ones are not told. Without the driver a guest tells nothing.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use uuid::Uuid;
use virt::sys;

use super::domains::stats;
use super::{Inner, spawn};
use crate::error::Result;
use crate::node::protocol::GuestMemory;

/// Between two questions.
const PAUSE: Duration = Duration::from_secs(10);
/// So long an answer is told.
const FRESH: Duration = Duration::from_secs(60);
const KIB: u64 = 1 << 10;

/// What the guests told last.
#[derive(Default)]
pub struct Told(Mutex<State>);

#[derive(Default)]
struct State {
    asking: bool,
    asked: Option<Instant>,
    answered: Option<Instant>,
    answers: HashMap<Uuid, GuestMemory>,
}

impl Told {
    /// What guests told lately. Lets them be asked again when it is time; never waits.
    pub fn now(&self, inner: &Arc<Inner>) -> HashMap<Uuid, GuestMemory> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !state.asking && state.asked.is_none_or(|asked| asked.elapsed() >= PAUSE) {
            state.asking = true;
            state.asked = Some(Instant::now());
            let inner = Arc::clone(inner);
            spawn("guest-memory", move || inner.guest_memory.take(ask(&inner)));
        }
        match state.answered.is_some_and(|answered| answered.elapsed() < FRESH) {
            true => state.answers.clone(),
            false => HashMap::new(),
        }
    }

    fn take(&self, answers: Result<HashMap<Uuid, GuestMemory>>) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.asking = false;
        match answers {
            Ok(answers) => {
                state.answers = answers;
                state.answered = Some(Instant::now());
            }
            Err(error) => tracing::debug!(error = error.detail(), "guests tell no memory"),
        }
    }
}

fn ask(inner: &Inner) -> Result<HashMap<Uuid, GuestMemory>> {
    let records = stats(&inner.connect()?, sys::VIR_DOMAIN_STATS_BALLOON)?;
    let told = records.read(|record| Some((record.uuid()?, of(|name| record.number(name))?)));
    Ok(told.into_iter().filter(|(uuid, _)| inner.known.has(*uuid)).collect())
}

/// `None` where the guest has not told yet. libvirt's numbers are KiB.
fn of(number: impl Fn(&'static std::ffi::CStr) -> Option<u64>) -> Option<GuestMemory> {
    number(c"balloon.last-update").filter(|at| *at > 0)?;
    let total = number(c"balloon.available")?;
    // What its caches would give back counts as free; older drivers tell only what nothing uses.
    let free = number(c"balloon.usable").or_else(|| number(c"balloon.unused"))?;
    Some(GuestMemory { total: total * KIB, used: total.saturating_sub(free) * KIB })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(numbers: &[(&str, u64)]) -> Option<GuestMemory> {
        of(|name| {
            let found = numbers.iter().find(|(known, _)| Ok(*known) == name.to_str());
            found.map(|(_, number)| *number)
        })
    }

    #[test]
    fn a_guest_tells_what_it_uses_without_its_caches() {
        let all = [
            ("balloon.last-update", 1_700_000_000),
            ("balloon.available", 1000),
            ("balloon.unused", 100),
            ("balloon.usable", 700),
        ];
        assert_eq!(told(&all), Some(GuestMemory { total: 1000 << 10, used: 300 << 10 }));
        assert_eq!(told(&all[..3]), Some(GuestMemory { total: 1000 << 10, used: 900 << 10 }));
    }

    #[test]
    fn a_guest_without_a_driver_tells_nothing() {
        assert_eq!(told(&[("balloon.current", 1000), ("balloon.rss", 500)]), None);
        let never =
            [("balloon.last-update", 0), ("balloon.available", 1000), ("balloon.unused", 1000)];
        assert_eq!(told(&never), None, "it has not been asked yet");
    }
}
