//! Keeps an agent between the connections of its controllers, so that desktops restore themselves while
//! the controller restarts, and lets the newest controller win.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::OwnedMutexGuard;

use super::Agent;
use crate::error::{Context, Result};
use crate::node::cancel::CancelFlag;
use crate::node::protocol::AgentConfig;

/// One in a process, for all connections.
#[derive(Default)]
pub struct Keeper {
    agent: Mutex<Option<Arc<Agent>>>,
    /// Set when a newer controller comes.
    current: Mutex<CancelFlag>,
    /// Held by the connection that works, until its calls have ended.
    working: Arc<tokio::sync::Mutex<()>>,
}

/// The right to be the one controller.
pub struct Turn {
    replaced: CancelFlag,
    _working: Option<OwnedMutexGuard<()>>,
}

impl Turn {
    /// Waits for a newer controller.
    pub async fn replaced(&self) {
        self.replaced.cancelled().await;
    }
}

impl Keeper {
    /// Ends the connection of an earlier controller and waits for its calls. One that hangs is left
    /// behind after `patience`: all requests may be repeated, also beside themselves.
    pub async fn take_over(&self, patience: Duration) -> Turn {
        let replaced = CancelFlag::new();
        let earlier = std::mem::replace(&mut *lock(&self.current), replaced.clone());
        earlier.cancel();
        let working = tokio::time::timeout(patience, self.working.clone().lock_owned()).await;
        if working.is_err() {
            tracing::warn!("calls of an earlier controller still run");
        }
        Turn { replaced, _working: working.ok() }
    }

    /// The agent with this configuration: the one that is there, or a new one in its place.
    ///
    /// # Errors
    /// When its threads cannot be started.
    pub async fn agent(&self, config: AgentConfig) -> Result<Arc<Agent>> {
        let earlier = lock(&self.agent).take();
        let agent = match earlier {
            Some(agent) if *agent.config() == config => agent,
            earlier => {
                // Two agents must not look after the same domains.
                drop(earlier);
                tokio::task::spawn_blocking(move || Agent::start(config))
                    .await
                    .context("start an agent")??
            }
        };
        *lock(&self.agent) = Some(agent.clone());
        Ok(agent)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
