//! Keeps the link to each node's agent, and passes on what it says.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc::{
    Receiver, Sender, UnboundedReceiver, UnboundedSender, channel, unbounded_channel,
};
use tokio::sync::{broadcast, watch};
use tokio::task::{JoinHandle, spawn_blocking};

use super::store::nodes::RowAgent;
use super::{Duty, Inventory, NodeAgent, Way, store};
use crate::error::{Error, Fault, Kind, Result, joined};
use crate::node::client::NodeClient;
use crate::node::link;
use crate::node::local::{connect_socket, start_in_process};
use crate::node::protocol::{AgentConfig, Event, NicFacts};
use crate::store::{Changed, NodeId, Topic};

/// Pause before a lost link is opened again, doubled up to the maximum.
const PAUSE_FIRST: Duration = Duration::from_millis(500);
/// Before a network that went down again and again is looked at once more.
const NETWORK_PAUSE: Duration = Duration::from_secs(5);
const PAUSE_MAX: Duration = Duration::from_secs(10);
/// A link that stood so long was a good one. Longer than the longest pause: two controllers that drive each other off
/// go on doing so slowly.
const STEADY: Duration = Duration::from_secs(30);

/// Least time between two writes of a node's status, and between two questions what it is: what an agent tells costs
/// its controller no more than this, however often it tells it.
const STATUS_PACE: Duration = Duration::from_millis(200);
const FACTS_PACE: Duration = Duration::from_secs(1);

impl Inventory {
    /// Connects to the agents of all nodes now and again whenever a link is lost, until the runtime
    /// ends; follows nodes that are added, changed and removed. `local`: of this machine, unless its row says
    /// otherwise. Returns when the nodes are known; none needs to be connected yet.
    pub fn keep_nodes(&self, local: NodeAgent) -> Result<()> {
        let changes = self.inner.store.changes();
        let mut keepers = Keepers { inventory: self.clone(), local, running: HashMap::new() };
        keepers.follow(self.node_agents()?);
        tokio::spawn(keepers.keep(changes));
        Ok(())
    }

    fn node_agents(&self) -> Result<Vec<RowAgent>> {
        self.inner.store.read(store::nodes::agents)
    }
}

/// One keeper for each node.
struct Keepers {
    inventory: Inventory,
    local: NodeAgent,
    running: HashMap<NodeId, (NodeAgent, JoinHandle<()>)>,
}

impl Keepers {
    async fn keep(mut self, mut changes: broadcast::Receiver<Changed>) {
        loop {
            match changes.recv().await {
                Ok(changed) if !changed.topics.contains(Topic::Nodes) => continue,
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            }
            let inventory = self.inventory.clone();
            match on_thread(move || inventory.node_agents()).await {
                Ok(nodes) => self.follow(nodes),
                Err(error) if error.kind() == Kind::Cancelled => return,
                Err(error) => tracing::error!(error = error.detail(), "nodes not read"),
            }
        }
    }

    /// Ends the keepers of nodes that are gone or are reached otherwise now, and begins those that lack.
    fn follow(&mut self, nodes: Vec<RowAgent>) {
        let mut wanted = HashMap::new();
        for (node, is_local, agent) in nodes {
            match agent {
                Ok(Some(agent)) => drop(wanted.insert(node, agent)),
                Ok(None) if is_local => drop(wanted.insert(node, self.local.clone())),
                Ok(None) => self.refuse(node, Error::unreachable("node-without-agent")),
                Err(error) => self.refuse(node, error),
            }
        }
        let inventory = &self.inventory;
        self.running.retain(|node, (agent, keeper)| {
            let stays = wanted.get(node) == Some(agent);
            if !stays {
                keeper.abort();
                inventory.inner.links.forget(*node);
                inventory.inner.attendants.forget(*node);
            }
            stays
        });
        for (node, agent) in wanted {
            self.running.entry(node).or_insert_with(|| {
                let keeper = Keeper::new(self.inventory.clone(), node, agent.clone());
                (agent, tokio::spawn(keeper.keep()))
            });
        }
    }

    /// Its row does not say how to reach it.
    fn refuse(&self, node: NodeId, why: Error) {
        tracing::error!(node.id = node.number(), error = why.detail(), "node cannot be connected");
        self.inventory.inner.links.disconnected(node, why.into());
        let inventory = self.inventory.clone();
        tokio::spawn(async move { save_status(&inventory, node).await });
    }
}

/// How long to wait before a link is opened again.
#[derive(Default)]
struct Pauses {
    /// Attempts since the last link that was a good one.
    attempts: u32,
}

impl Pauses {
    /// One that was lost soon after it came about, driven off by another controller perhaps, is no better than one
    /// that did not.
    fn stood(&mut self, time: Duration) {
        if time >= STEADY {
            self.attempts = 0;
        }
    }

    fn next(&mut self) -> Duration {
        let pause = PAUSE_FIRST.saturating_mul(2_u32.saturating_pow(self.attempts));
        self.attempts = self.attempts.saturating_add(1);
        pause.min(PAUSE_MAX)
    }
}

/// Where it is said what has to be done of a node's events.
struct Due {
    status: Sender<()>,
    facts: Sender<()>,
    nics: watch::Sender<Arc<[NicFacts]>>,
}

struct Keeper {
    inventory: Inventory,
    node: NodeId,
    way: Way,
    config: AgentConfig,
}

impl Keeper {
    fn new(inventory: Inventory, node: NodeId, agent: NodeAgent) -> Self {
        let NodeAgent { way, libvirt_uri, virt_type, storages } = agent;
        let installation = inventory.installation();
        let known = Vec::new();
        let config = AgentConfig { installation, libvirt_uri, virt_type, storages, known };
        Self { inventory, node, way, config }
    }

    async fn keep(self) {
        let mut pauses = Pauses::default();
        loop {
            let (sender, events) = unbounded_channel();
            let why: Fault = match self.arrive(sender).await {
                Ok(client) => {
                    let arrived = Instant::now();
                    self.listen(events).await;
                    client.close();
                    pauses.stood(arrived.elapsed());
                    client.refusal().unwrap_or_else(|| link::lost().into())
                }
                // The server ends.
                Err(error) if error.kind() == Kind::Cancelled => return,
                Err(error) => error.into(),
            };
            let pause = pauses.next();
            tracing::warn!(
                node.id = self.node.number(),
                error = why.detail,
                retry_ms = pause.as_millis(),
                "node not connected"
            );
            self.inventory.inner.links.disconnected(self.node, why);
            self.inventory.inner.attendants.left();
            self.save_status().await;
            tokio::time::sleep(pause).await;
        }
    }

    /// Connects, and asks the node what it is.
    async fn arrive(&self, events: UnboundedSender<Event>) -> Result<NodeClient> {
        let (inventory, node) = (self.inventory.clone(), self.node);
        let known = on_thread(move || inventory.known_storages(node)).await?;
        let config = AgentConfig { known, ..self.config.clone() };
        let client = match &self.way {
            Way::InProcess => start_in_process(config, events).await?,
            Way::Socket(path) => connect_socket(path, config, events).await?,
        };
        let (inventory, node, asked) = (self.inventory.clone(), self.node, client.clone());
        let hypervisor = on_thread(move || {
            // A node that cannot say what it is may still work: what was known of it stays.
            if let Err(error) = inventory.take_facts(node, &asked) {
                tracing::warn!(node.id = node.number(), error = error.detail(), "facts not taken");
            }
            // Asking it for something is the one sure way to learn whether the hypervisor answers.
            Ok(asked.list_domains().err().map(Fault::from))
        })
        .await?;
        tracing::info!(
            node.id = self.node.number(),
            hypervisor = hypervisor.as_ref().map_or("up", |why| why.detail.as_str()),
            "node connected"
        );
        self.inventory.inner.links.connected(self.node, client.clone(), hypervisor);
        self.save_status().await;
        self.inventory.inner.attendants.arrived(self.node);
        Ok(client)
    }

    /// Passes on events until the link ends. What follows from them is done beside, and once for all that came
    /// meanwhile: events are never waited with.
    async fn listen(&self, events: UnboundedReceiver<Event>) {
        let (status, status_due) = channel(1);
        let (facts, facts_due) = channel(1);
        let (nics, latest_nics) = watch::channel(Arc::from([]));
        let passed = async {
            let due = Due { status, facts, nics };
            tokio::join!(self.pass_on(events, due), self.keep_status(status_due));
        };
        tokio::select! {
            () = passed => {}
            () = self.keep_facts(facts_due) => {}
            () = self.keep_nics(latest_nics) => {}
        }
    }

    async fn pass_on(&self, mut events: UnboundedReceiver<Event>, due: Due) {
        let Due { status, facts, nics } = due;
        let links = &self.inventory.inner.links;
        // A full channel says it already.
        let ask = |due: &Sender<()>| due.try_send(()).unwrap_or_default();
        while let Some(event) = events.recv().await {
            match &event {
                Event::Sample(sample) => links.set_sample(self.node, Arc::clone(sample)),
                Event::Hypervisor { up: true, .. } => {
                    links.set_hypervisor(self.node, None);
                    ask(&status);
                    ask(&facts);
                }
                Event::Hypervisor { up: false, reason } => {
                    let why = Error::unreachable("node-hypervisor-down").arg("reason", reason);
                    links.set_hypervisor(self.node, Some(why.into()));
                    ask(&status);
                }
                Event::NetworkDown { .. } => {
                    let attendants = &self.inventory.inner.attendants;
                    attendants.ask_after(Duty::Networks, self.node, NETWORK_PAUSE);
                }
                Event::Nics(now) => drop(nics.send_replace(Arc::clone(now))),
                Event::TrayOpened { .. } => {
                    let attendants = &self.inventory.inner.attendants;
                    attendants.ask_after(Duty::EjectedDiscs, self.node, Duration::ZERO);
                }
                Event::Domain(_)
                | Event::DomainGone { .. }
                | Event::DomainUnreadable { .. }
                | Event::MachineTypeReplaced { .. } => {}
            }
            links.announce(self.node, event);
        }
    }

    /// Writes the status whenever it is due, until nobody can say so any more and the last is written.
    async fn keep_status(&self, mut due: Receiver<()>) {
        while due.recv().await.is_some() {
            self.save_status().await;
            tokio::time::sleep(STATUS_PACE).await;
        }
    }

    /// Whenever the hypervisor came back, perhaps as another version, asks the node what it is; now and again while
    /// one of its storages is not mounted, which nothing tells. Never ends.
    async fn keep_facts(&self, mut due: Receiver<()>) {
        let links = &self.inventory.inner.links;
        loop {
            let lacked = links.storage_fault(self.node).is_some();
            let asked = tokio::select! {
                asked = due.recv() => match asked {
                    Some(()) => true,
                    None => break,
                },
                () = tokio::time::sleep(PAUSE_MAX), if lacked => false,
            };
            self.refresh().await;
            let lacks = links.storage_fault(self.node).is_some();
            if lacked != lacks {
                self.save_status().await;
            }
            // What cannot be done without a storage is not begun again and again.
            if asked || (lacked && !lacks) {
                self.inventory.inner.attendants.arrived(self.node);
            }
            tokio::time::sleep(FACTS_PACE).await;
        }
        std::future::pending().await
    }

    /// Writes what network cards there are whenever they are others. Never ends.
    async fn keep_nics(&self, mut latest: watch::Receiver<Arc<[NicFacts]>>) {
        while latest.changed().await.is_ok() {
            let nics = Arc::clone(&latest.borrow_and_update());
            let (inventory, node) = (self.inventory.clone(), self.node);
            let saved = on_thread(move || inventory.take_nics(node, &nics)).await;
            if let Err(error) = saved {
                tracing::warn!(
                    node.id = node.number(),
                    error = error.detail(),
                    "network cards not written"
                );
            }
            tokio::time::sleep(FACTS_PACE).await;
        }
        std::future::pending().await
    }

    async fn refresh(&self) {
        let (inventory, node) = (self.inventory.clone(), self.node);
        let asked =
            on_thread(move || inventory.take_facts(node, &inventory.client_now(node)?)).await;
        if let Err(error) = asked {
            tracing::warn!(node.id = node.number(), error = error.detail(), "facts not refreshed");
        }
    }

    async fn save_status(&self) {
        save_status(&self.inventory, self.node).await;
    }
}

/// Writes the status into the node's row, for lists and for the console's events.
async fn save_status(inventory: &Inventory, node: NodeId) {
    let inventory = inventory.clone();
    let saved = on_thread(move || {
        let links = &inventory.inner.links;
        let (status, why_down) = links.state(node);
        // What runs on it goes on.
        let fault = why_down.or_else(|| links.storage_fault(node));
        inventory
            .inner
            .store
            .write(|tx| store::nodes::save_status(tx, node, status, fault.as_ref()).map(drop))
    });
    if let Err(error) = saved.await
        && error.kind() != Kind::Cancelled
    {
        tracing::error!(node.id = node.number(), error = error.detail(), "status not written");
    }
}

async fn on_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let outcome = joined("work of the inventory", spawn_blocking(work).await);
    outcome.unwrap_or_else(|| Err(Error::new(Kind::Cancelled, "cancelled")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_grows_until_a_link_has_stood_for_long() {
        let mut pauses = Pauses::default();
        let mut waited = Vec::new();
        for _ in 0..7 {
            pauses.stood(Duration::from_secs(9));
            waited.push(pauses.next().as_millis());
        }
        assert_eq!(waited, [500, 1000, 2000, 4000, 8000, 10_000, 10_000]);
        pauses.stood(STEADY);
        assert_eq!(pauses.next(), PAUSE_FIRST);
        pauses.attempts = u32::MAX;
        assert_eq!((pauses.next(), pauses.next()), (PAUSE_MAX, PAUSE_MAX));
    }
}
