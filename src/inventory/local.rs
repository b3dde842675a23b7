//! Keeps the link to the agent of the controller's own machine, and passes on what it says.

use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::spawn_blocking;

use super::{Inventory, store};
use crate::error::{Error, Fault, Kind, Result, joined};
use crate::node::client::NodeClient;
use crate::node::link;
use crate::node::local::{connect_socket, start_in_process};
use crate::node::protocol::{AgentConfig, Event};

/// Pause before a lost link is opened again, doubled up to the maximum.
const PAUSE_FIRST: Duration = Duration::from_millis(500);
const PAUSE_MAX: Duration = Duration::from_secs(10);

/// How this machine's agent is reached and what it is told.
#[derive(Debug, Clone)]
pub struct LocalAgent {
    /// `None`: the agent runs inside this process.
    pub socket: Option<PathBuf>,
    pub libvirt_uri: String,
    /// `auto`, `kvm` or `qemu`.
    pub virt_type: String,
    /// Absolute paths.
    pub storages: Vec<String>,
}

impl Inventory {
    /// Connects to this machine's agent now and again whenever the link is lost, until the runtime
    /// ends. Returns at once.
    pub fn connect_local(&self, agent: LocalAgent) -> Result<()> {
        let node = self.local_node()?;
        let config = AgentConfig {
            installation: self.installation(),
            libvirt_uri: agent.libvirt_uri,
            virt_type: agent.virt_type,
            storages: agent.storages,
        };
        let keeper =
            Keeper { inventory: self.clone(), node: node.id, config, socket: agent.socket };
        tokio::spawn(keeper.keep());
        Ok(())
    }
}

struct Keeper {
    inventory: Inventory,
    node: i64,
    config: AgentConfig,
    socket: Option<PathBuf>,
}

impl Keeper {
    async fn keep(self) {
        let mut pause = PAUSE_FIRST;
        loop {
            let (sender, events) = unbounded_channel();
            let why: Fault = match self.arrive(sender).await {
                Ok(client) => {
                    pause = PAUSE_FIRST;
                    self.listen(events).await;
                    client.close();
                    link::lost().into()
                }
                // The server ends.
                Err(error) if error.kind() == Kind::Cancelled => return,
                Err(error) => error.into(),
            };
            tracing::warn!(
                node.id = self.node,
                error = why.detail,
                retry_ms = pause.as_millis(),
                "node not connected"
            );
            self.inventory.inner.links.disconnected(self.node, why);
            self.save_status().await;
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    /// Connects, and asks the node what it is.
    async fn arrive(&self, events: UnboundedSender<Event>) -> Result<NodeClient> {
        let config = self.config.clone();
        let client = match &self.socket {
            None => start_in_process(config, events).await?,
            Some(path) => connect_socket(path, config, events).await?,
        };
        let (inventory, node, asked) = (self.inventory.clone(), self.node, client.clone());
        let hypervisor = on_thread(move || {
            // A node that cannot say what it is may still work: what was known of it stays.
            if let Err(error) = inventory.take_facts(node, &asked) {
                tracing::warn!(node.id = node, error = error.detail(), "facts not taken");
            }
            // Asking it for something is the one sure way to learn whether the hypervisor answers.
            Ok(asked.list_domains().err().map(Fault::from))
        })
        .await?;
        tracing::info!(
            node.id = self.node,
            hypervisor = hypervisor.as_ref().map_or("up", |why| why.detail.as_str()),
            "node connected"
        );
        self.inventory.inner.links.connected(self.node, client.clone(), hypervisor);
        self.save_status().await;
        self.inventory.inner.links.announce_arrival(self.node);
        Ok(client)
    }

    /// Passes on events until the link ends.
    async fn listen(&self, mut events: UnboundedReceiver<Event>) {
        let links = &self.inventory.inner.links;
        while let Some(event) = events.recv().await {
            match &event {
                Event::Sample(sample) => links.set_sample(self.node, sample.as_ref().clone()),
                Event::Hypervisor { up: true, .. } => {
                    links.set_hypervisor(self.node, None);
                    self.save_status().await;
                    self.refresh();
                }
                Event::Hypervisor { up: false, reason } => {
                    let why = Error::unreachable("node-hypervisor-down").arg("reason", reason);
                    links.set_hypervisor(self.node, Some(why.into()));
                    self.save_status().await;
                }
                _ => {}
            }
            links.announce(self.node, event);
        }
    }

    /// The hypervisor came back, perhaps as another version: asks again beside the events.
    fn refresh(&self) {
        let (inventory, node) = (self.inventory.clone(), self.node);
        tokio::spawn(async move {
            let again = inventory.clone();
            let asked = on_thread(move || again.take_facts(node, &again.client(node)?)).await;
            if let Err(error) = asked {
                tracing::warn!(node.id = node, error = error.detail(), "facts not refreshed");
            }
            inventory.inner.links.announce_arrival(node);
        });
    }

    /// Writes the status into the node's row, for lists and for the console's events.
    async fn save_status(&self) {
        let (inventory, node) = (self.inventory.clone(), self.node);
        let saved = on_thread(move || {
            let (status, fault) = inventory.inner.links.state(node);
            inventory
                .inner
                .store
                .write(|tx| store::nodes::save_status(tx, node, status, fault.as_ref()).map(drop))
        });
        if let Err(error) = saved.await
            && error.kind() != Kind::Cancelled
        {
            tracing::error!(node.id = self.node, error = error.detail(), "status not written");
        }
    }
}

async fn on_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let outcome = joined("work of the inventory", spawn_blocking(work).await);
    outcome.unwrap_or_else(|| Err(Error::new(Kind::Cancelled, "cancelled")))
}
