//! Waiting for a condition instead of for a time.

use std::thread::sleep;
use std::time::{Duration, Instant};

/// Asks `probe` until it answers `Some`, and gives that. `what` names the condition in the failure.
///
/// # Panics
/// When the condition does not hold within `limit`.
#[track_caller]
pub fn wait_for<T>(what: &str, limit: Duration, mut probe: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    // a short step first: most conditions hold within milliseconds
    let mut step = Duration::from_millis(10);
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(started.elapsed() < limit, "waited {limit:?} in vain for: {what}");
        sleep(step);
        step = (step * 2).min(Duration::from_millis(250));
    }
}

/// Waits until `probe` is true.
///
/// # Panics
/// When it stays false for `limit`.
#[track_caller]
pub fn wait_until(what: &str, limit: Duration, mut probe: impl FnMut() -> bool) {
    wait_for(what, limit, || probe().then_some(()));
}
