//! What is heard of desktops, and its way to the task that looks after first starts.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use uuid::Uuid;

use crate::node::protocol::{DomainState, PowerState};

/// What was last heard of a desktop.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sight {
    /// When it was started; `None` when it is off.
    pub run: Option<i64>,
    /// See [`DomainState::life`].
    pub life: Option<i64>,
    /// Whether the agent in its guest listens.
    pub agent: bool,
}

impl Sight {
    /// `None` for one that is just being started: it is not off, and since when it is on is not written yet.
    pub fn of(state: &DomainState) -> Option<Self> {
        if !matches!(state.power, PowerState::Running | PowerState::Paused) {
            return Some(Self::default());
        }
        state.started_at.map(|run| Self { run: Some(run), life: state.life, agent: state.agent })
    }
}

/// What the task hears.
#[derive(Debug)]
pub enum Heard {
    Seen(Vec<(Uuid, Sight)>),
    /// Their rows ask for another first start.
    Again(Vec<Uuid>),
}

/// The way to the task. Clones are the same.
#[derive(Clone)]
pub struct FirstStarts {
    sender: UnboundedSender<Heard>,
    /// The other end, until the task begins.
    unread: Arc<Mutex<Option<UnboundedReceiver<Heard>>>>,
}

impl FirstStarts {
    pub fn channel() -> Self {
        let (sender, receiver) = unbounded_channel();
        Self { sender, unread: Arc::new(Mutex::new(Some(receiver))) }
    }

    pub fn tell(&self, heard: Heard) {
        if self.sender.send(heard).is_err() {
            tracing::error!("nobody looks after first starts any more");
        }
    }

    /// For the task, once.
    pub fn take(&self) -> Option<UnboundedReceiver<Heard>> {
        self.unread.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_is_just_being_started_is_not_off() {
        let mut state = DomainState { agent: true, ..DomainState::sample(Uuid::nil()) };
        assert_eq!(Sight::of(&state), Some(Sight::default()));
        for power in [PowerState::Running, PowerState::Paused] {
            (state.power, state.started_at) = (power, None);
            assert_eq!(Sight::of(&state), None);
            state.started_at = Some(7);
            assert_eq!(Sight::of(&state), Some(Sight { run: Some(7), life: None, agent: true }));
        }
    }
}
