//! Sets the clocks of guests that went on after a pause, one after another: who paused many need not wait for those that
//! do not answer.

use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Mutex, PoisonError, Weak};

use uuid::Uuid;

use crate::node::agent::libvirt::Inner;
use crate::node::protocol::{GuestStep, GuestTask};

/// Where guests that went on are told of.
pub struct Clocks(Mutex<Sender<Uuid>>);

impl Clocks {
    pub fn new() -> (Self, Receiver<Uuid>) {
        let (sender, receiver) = mpsc::channel();
        (Self(Mutex::new(sender)), receiver)
    }

    /// Returns at once.
    pub fn set_soon(&self, domain: Uuid) {
        let clocks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if clocks.send(domain).is_err() {
            tracing::error!(%domain, "nobody sets clocks any more");
        }
    }
}

/// Until the hypervisor is gone.
pub fn keep_clocks(inner: &Weak<Inner>, resumed: &Receiver<Uuid>) {
    while let Ok(domain) = resumed.recv() {
        let Some(inner) = inner.upgrade() else { return };
        let task = GuestTask { domain, run: None, step: GuestStep::SetTime };
        if let Err(error) = inner.guest_task(&task) {
            tracing::debug!(%domain, error = error.detail(), "clock not set after a pause");
        }
    }
}
