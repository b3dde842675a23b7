//! A gate: few work behind it at once and few may wait, so that a flood of sign-ins costs neither the
//! memory nor the threads that other requests need.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::error::{Error, Kind, Result};

/// Cheap to clone.
#[derive(Clone)]
pub struct Gate(Arc<Inner>);

struct Inner {
    at_once: usize,
    waiting: usize,
    counts: Mutex<Counts>,
    freed: Condvar,
}

#[derive(Default)]
struct Counts {
    running: usize,
    waiting: usize,
}

impl Gate {
    pub fn new(at_once: usize, waiting: usize) -> Self {
        let (counts, freed) = (Mutex::default(), Condvar::new());
        Self(Arc::new(Inner { at_once, waiting, counts, freed }))
    }

    /// Waits for a turn; it is given back when dropped.
    ///
    /// # Errors
    /// `sign-in-busy` when too many wait already
    pub fn pass(&self) -> Result<Pass> {
        let counts = self.lock();
        if counts.running >= self.0.at_once && counts.waiting >= self.0.waiting {
            return Err(Error::new(Kind::TooMany, "sign-in-busy"));
        }
        Ok(self.enter(counts))
    }

    /// As [`Self::pass`], for work that nobody waits for: it comes in whatever waits already.
    pub fn pass_patiently(&self) -> Pass {
        self.enter(self.lock())
    }

    fn enter(&self, mut counts: MutexGuard<'_, Counts>) -> Pass {
        counts.waiting += 1;
        while counts.running >= self.0.at_once {
            counts = self.0.freed.wait(counts).unwrap_or_else(PoisonError::into_inner);
        }
        counts.waiting -= 1;
        counts.running += 1;
        drop(counts);
        Pass(self.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.0.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A turn.
pub struct Pass(Gate);

impl Drop for Pass {
    fn drop(&mut self) {
        self.0.lock().running -= 1;
        self.0.0.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_work_at_once_and_few_wait() {
        let gate = Gate::new(2, 5);
        let passes: Vec<_> = (0..2).map(|_| gate.pass().expect("a turn")).collect();
        let waiting: Vec<_> = (0..5)
            .map(|_| {
                let gate = gate.clone();
                std::thread::spawn(move || gate.pass().map(drop))
            })
            .collect();
        let started = std::time::Instant::now();
        while gate.lock().waiting < 5 {
            assert!(started.elapsed().as_secs() < 20, "threads do not come to wait");
            std::thread::yield_now();
        }
        let error = gate.pass().err().expect("one too many");
        assert_eq!(error.key(), "sign-in-busy");
        drop(passes);
        for thread in waiting {
            thread.join().expect("no panic").expect("gets its turn");
        }
    }
}
