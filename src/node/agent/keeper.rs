//! Keeps an agent between the connections of its controllers, so that desktops restore themselves while
//! the controller restarts, and lets the newest controller win.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::OwnedMutexGuard;
use uuid::Uuid;

use super::Agent;
use crate::error::{Context, Error, Result};
use crate::node::cancel::CancelFlag;
use crate::node::protocol::AgentConfig;

/// One in a process, for all connections.
#[derive(Default)]
pub struct Keeper {
    agent: Mutex<Option<Arc<Agent>>>,
    current: Arc<Mutex<Option<Arc<Served>>>>,
    /// Held by the connection that works, until its calls have ended.
    working: Arc<tokio::sync::Mutex<()>>,
}

/// The controller that is connected.
struct Served {
    installation: Uuid,
    /// Set when a newer controller comes.
    replaced: CancelFlag,
}

/// The right to be the one controller.
pub struct Turn {
    served: Arc<Served>,
    current: Arc<Mutex<Option<Arc<Served>>>>,
    _working: Option<OwnedMutexGuard<()>>,
}

impl Turn {
    /// Waits for a newer controller.
    pub async fn replaced(&self) {
        self.served.replaced.cancelled().await;
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut current = lock(&self.current);
        if current.as_ref().is_some_and(|served| Arc::ptr_eq(served, &self.served)) {
            *current = None;
        }
    }
}

impl Keeper {
    /// Ends the connection of an earlier controller and waits for its calls. One that hangs is left
    /// behind after `patience`: all requests may be repeated, also beside themselves.
    ///
    /// # Errors
    /// `agent-serves-another` while a controller of another installation is connected: both would come back for ever,
    /// and neither's desktops be looked after.
    pub async fn take_over(&self, installation: Uuid, patience: Duration) -> Result<Turn> {
        let served = Arc::new(Served { installation, replaced: CancelFlag::new() });
        if let Some(earlier) = self.replace(&served)? {
            earlier.replaced.cancel();
        }
        let mut turn = Turn { served, current: self.current.clone(), _working: None };
        match tokio::time::timeout(patience, self.working.clone().lock_owned()).await {
            Ok(working) => turn._working = Some(working),
            Err(_) => tracing::warn!("calls of an earlier controller still run"),
        }
        Ok(turn)
    }

    fn replace(&self, served: &Arc<Served>) -> Result<Option<Arc<Served>>> {
        let mut current = lock(&self.current);
        match &*current {
            Some(other) if other.installation != served.installation => {
                Err(Error::conflict("agent-serves-another").arg("installation", other.installation))
            }
            _ => Ok(current.replace(served.clone())),
        }
    }

    /// The agent with this configuration: the one that is there, or a new one in its place once that has let go of
    /// its storages; one that hangs is waited for as long as `patience`.
    ///
    /// # Errors
    /// Those of [`Agent::start`].
    pub async fn agent(&self, config: AgentConfig, patience: Duration) -> Result<Arc<Agent>> {
        let earlier = lock(&self.agent).take();
        let agent = match earlier {
            Some(agent) if *agent.config() == config => agent,
            earlier => {
                // Two agents must not look after the same domains.
                if let Some(earlier) = earlier {
                    let released = earlier.disks().storages().released();
                    drop(earlier);
                    if tokio::time::timeout(patience, released.cancelled()).await.is_err() {
                        tracing::warn!("an agent with another configuration still works");
                    }
                }
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
