//! Keeps an agent between the connections of its controllers, so that desktops restore themselves while
//! the controller restarts, and lets the newest controller win.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::OwnedMutexGuard;
use uuid::Uuid;

use super::kept::KeptConfig;
use super::{Agent, libvirt};
use crate::error::{Context, Error, Result};
use crate::node::cancel::CancelFlag;
use crate::node::protocol::AgentConfig;

/// One in a process, for all connections.
#[derive(Default)]
pub struct Keeper {
    /// Held while one is started: a second beside it would find the storages taken.
    agent: tokio::sync::Mutex<Option<Arc<Agent>>>,
    /// Where the next start finds what this one was told; an agent inside its controller needs none.
    kept: Option<Arc<KeptConfig>>,
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
    /// One whose agent is there again after the process was.
    pub fn with(kept: KeptConfig) -> Self {
        Self { kept: Some(Arc::new(kept)), ..Self::default() }
    }

    /// Starts the agent that the last controller had, so that guests restore and networks are served before one comes.
    /// Without it, whatever is the reason, the next controller's is started.
    pub async fn resume(&self) {
        let Some(kept) = self.kept.clone() else { return };
        let mut agent = self.agent.lock().await;
        if agent.is_some() {
            return;
        }
        let resumed = on_thread(move || {
            let Some(config) = kept.read()? else { return Ok(None) };
            libvirt::require_local(&config.libvirt_uri)?;
            Agent::start(config).map(Some)
        });
        match resumed.await {
            Ok(resumed) => *agent = resumed,
            Err(error) => tracing::error!(
                error = error.detail(),
                "guests are not looked after before a controller comes"
            ),
        }
    }

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
        let mut current = self.agent.lock().await;
        let mut told = config.clone();
        let agent = match current.take() {
            Some(agent) if is_same(agent.config(), &config) => agent,
            earlier => {
                // Two agents must not look after the same domains.
                if let Some(earlier) = earlier {
                    let released = earlier.disks().storages().released();
                    drop(earlier);
                    if tokio::time::timeout(patience, released.cancelled()).await.is_err() {
                        tracing::warn!("an agent with another configuration still works");
                    }
                }
                on_thread(move || Agent::start(config)).await?
            }
        };
        *current = Some(agent.clone());
        if let Some(kept) = self.kept.clone() {
            let agent = agent.clone();
            let keeping = move || {
                // Claimed just now, perhaps: without its mark it is no new one at the next start, but not mounted.
                told.known = agent.disks().storages().known(&told.known);
                keep(&kept, &told);
                Ok(())
            };
            on_thread(keeping).await?;
        }
        Ok(agent)
    }
}

/// Whether an agent can go on as it is. Which storages were worked in matters when one is started.
fn is_same(one: &AgentConfig, other: &AgentConfig) -> bool {
    AgentConfig { known: Vec::new(), ..one.clone() }
        == AgentConfig { known: Vec::new(), ..other.clone() }
}

/// What could not be kept is missing only when the machine starts without its controller.
fn keep(kept: &KeptConfig, config: &AgentConfig) {
    // Who only looks has no guests.
    if config.installation.is_nil() {
        return;
    }
    if let Err(error) = kept.write(config) {
        tracing::error!(
            error = error.detail(),
            "not kept: guests are not looked after when the agent starts without a controller"
        );
    }
}

async fn on_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work).await.context("start an agent")?
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
