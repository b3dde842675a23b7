//! Whether a client uses its connection: it asks, and it takes what it asked for.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// What is known of one connection.
pub struct Usage(Mutex<State>);

struct State {
    /// Requests that are being answered, event streams among them.
    open: usize,
    /// Since when there is none.
    quiet_since: Instant,
    /// Answers whose next piece waits for the client, and since when.
    unread: HashMap<u64, Instant>,
    next: u64,
}

/// One request that is being answered, until it is dropped.
pub struct InUse {
    usage: Arc<Usage>,
    number: u64,
}

impl Usage {
    pub fn new() -> Arc<Self> {
        let quiet_since = Instant::now();
        Arc::new(Self(Mutex::new(State { open: 0, quiet_since, unread: HashMap::new(), next: 0 })))
    }

    pub fn begin(self: &Arc<Self>) -> InUse {
        let mut state = self.lock();
        state.open += 1;
        state.next += 1;
        InUse { usage: Arc::clone(self), number: state.next }
    }

    /// Ends when the client has neither asked for anything for so long, nor taken what it asked for. Half a request is
    /// none. An answer that is not there yet is waited for.
    pub async fn given_up(&self, patience: Duration) {
        loop {
            let now = Instant::now();
            // What begins to wait later is due after this.
            let due = self.waits_since().unwrap_or(now) + patience;
            if due <= now {
                return;
            }
            sleep_until(due).await;
        }
    }

    fn waits_since(&self) -> Option<Instant> {
        let state = self.lock();
        if state.open == 0 { Some(state.quiet_since) } else { state.unread.values().min().copied() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl InUse {
    /// A piece of the answer waits for the client.
    pub fn handed(&self) {
        self.usage.lock().unread.insert(self.number, Instant::now());
    }

    /// The client has taken it.
    pub fn taken(&self) {
        self.usage.lock().unread.remove(&self.number);
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        let mut state = self.usage.lock();
        state.unread.remove(&self.number);
        state.open -= 1;
        if state.open == 0 {
            state.quiet_since = Instant::now();
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    const PATIENCE: Duration = Duration::from_millis(20);
    /// Much longer than that: who is not given up by now never is.
    const LONG: Duration = Duration::from_millis(200);

    async fn is_given_up(usage: &Usage) -> bool {
        timeout(LONG, usage.given_up(PATIENCE)).await.is_ok()
    }

    #[tokio::test]
    async fn who_asks_nothing_is_given_up_and_who_waits_for_the_server_is_not() {
        let usage = Usage::new();
        usage.given_up(PATIENCE).await;
        let asked = usage.begin();
        assert!(!is_given_up(&usage).await, "the server is at work");
        drop(asked);
        usage.given_up(PATIENCE).await;
    }

    #[tokio::test]
    async fn who_leaves_one_answer_unread_is_given_up_whatever_else_it_takes() {
        let usage = Usage::new();
        let (unread, read) = (usage.begin(), usage.begin());
        unread.handed();
        read.handed();
        read.taken();
        usage.given_up(PATIENCE).await;
        unread.taken();
        assert!(!is_given_up(&usage).await);
    }
}
