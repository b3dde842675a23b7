//! What a function that carries out a request gets besides the request.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::error::Result;
use crate::node::cancel::CancelFlag;
use crate::node::protocol::Progress;

/// Ten steps a second look smooth in a progress bar; more only fill the link.
const PROGRESS_PAUSE: Duration = Duration::from_millis(100);

/// One call under way: its progress goes out, the wish to stop comes in.
pub struct Call {
    cancel: CancelFlag,
    report: Box<dyn Fn(Progress) + Send + Sync>,
    began: Instant,
    /// Milliseconds after `began` before which no progress is sent.
    silent_until: AtomicU64,
}

impl Call {
    pub fn new(cancel: CancelFlag, report: impl Fn(Progress) + Send + Sync + 'static) -> Self {
        Self {
            cancel,
            report: Box::new(report),
            began: Instant::now(),
            silent_until: AtomicU64::new(0),
        }
    }

    /// A call that nobody watches or stops, for work that the agent does on its own accord.
    pub fn unwatched() -> Self {
        Self::new(CancelFlag::new(), |_| ())
    }

    /// Reports how far the work is. May be called as often as wanted: what comes too soon after the one
    /// before is dropped, unless it is the last.
    pub fn progress(&self, done: u64, total: u64) {
        let now = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        if done < total && now < self.silent_until.load(Ordering::Relaxed) {
            return;
        }
        let pause = u64::try_from(PROGRESS_PAUSE.as_millis()).unwrap_or(u64::MAX);
        self.silent_until.store(now.saturating_add(pause), Ordering::Relaxed);
        (self.report)(Progress { done, total });
    }

    /// # Errors
    /// Of kind `Cancelled` once the caller has gone or asked to stop. To be asked between steps.
    pub fn check(&self) -> Result<()> {
        self.cancel.check()
    }

    pub fn cancel_flag(&self) -> &CancelFlag {
        &self.cancel
    }
}
