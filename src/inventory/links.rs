//! The registry of live links: who is connected, why others are not, and what they last said.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::broadcast;

use super::NodeStatus;
use crate::error::{Error, Fault};
use crate::node::client::NodeClient;
use crate::node::link;
use crate::node::protocol::{Event, Sample};
use crate::store::NodeId;

/// Events that a slow listener may be behind; then it compares the whole state instead. Each domain is told when its
/// node connects: 50 nodes with 200 each may do so at once, and listeners write to the database meanwhile. An event
/// is small, as what it says is shared.
const EVENTS_KEPT: usize = 16_384;

pub struct Links {
    nodes: Mutex<HashMap<NodeId, Live>>,
    /// Signalled when a node's first connection succeeded or failed.
    settled: Condvar,
    events: broadcast::Sender<(NodeId, Event)>,
}

/// A node's link as it is now.
#[derive(Default)]
struct Live {
    client: Option<NodeClient>,
    /// Why there is no client; `None` while the first connection is being made.
    link: Option<Fault>,
    /// Why its hypervisor does not answer.
    hypervisor: Option<Fault>,
    /// Why one of its storages cannot be used.
    storage: Option<Fault>,
    sample: Option<Arc<Sample>>,
}

impl Live {
    /// `None` while the first connection is being made.
    fn client(&self) -> Option<Result<NodeClient, Fault>> {
        match (&self.client, &self.link) {
            (Some(client), _) if client.is_alive() => Some(Ok(client.clone())),
            (_, Some(fault)) => Some(Err(fault.clone())),
            (Some(_), None) => Some(Err(link::lost().into())),
            (None, None) => None,
        }
    }
}

impl Links {
    pub fn new() -> Self {
        let (events, _) = broadcast::channel(EVENTS_KEPT);
        Self { nodes: Mutex::default(), settled: Condvar::new(), events }
    }

    fn nodes(&self) -> MutexGuard<'_, HashMap<NodeId, Live>> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn client_now(&self, node: NodeId) -> Result<NodeClient, Fault> {
        self.nodes().entry(node).or_default().client().unwrap_or_else(|| Err(not_yet()))
    }

    /// Waits for the first connection, at most so long.
    pub fn client_within(&self, node: NodeId, patience: Duration) -> Result<NodeClient, Fault> {
        let deadline = Instant::now() + patience;
        let mut nodes = self.nodes();
        loop {
            if let Some(settled) = nodes.entry(node).or_default().client() {
                return settled;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(not_yet());
            }
            let waited = self.settled.wait_timeout(nodes, left);
            nodes = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    pub fn connected(&self, node: NodeId, client: NodeClient, hypervisor: Option<Fault>) {
        let mut nodes = self.nodes();
        let live = nodes.entry(node).or_default();
        live.client = Some(client);
        live.link = None;
        live.hypervisor = hypervisor;
        drop(nodes);
        self.settled.notify_all();
    }

    pub fn disconnected(&self, node: NodeId, why: Fault) {
        let mut nodes = self.nodes();
        *nodes.entry(node).or_default() = Live { link: Some(why), ..Live::default() };
        drop(nodes);
        self.settled.notify_all();
    }

    /// The node is none of ours any more: its link ends.
    pub fn forget(&self, node: NodeId) {
        let live = self.nodes().remove(&node);
        if let Some(client) = live.and_then(|live| live.client) {
            client.close();
        }
        self.settled.notify_all();
    }

    pub fn set_hypervisor(&self, node: NodeId, why_down: Option<Fault>) {
        self.nodes().entry(node).or_default().hypervisor = why_down;
    }

    pub fn set_storage(&self, node: NodeId, why_unusable: Option<Fault>) {
        self.nodes().entry(node).or_default().storage = why_unusable;
    }

    /// Why one of a node's storages cannot be used.
    pub fn storage_fault(&self, node: NodeId) -> Option<Fault> {
        self.nodes().get(&node)?.storage.clone()
    }

    pub fn set_sample(&self, node: NodeId, sample: Arc<Sample>) {
        self.nodes().entry(node).or_default().sample = Some(sample);
    }

    pub fn sample(&self, node: NodeId) -> Option<Arc<Sample>> {
        self.nodes().get(&node)?.sample.clone()
    }

    pub fn why_down(&self, node: NodeId) -> Option<Fault> {
        self.state(node).1
    }

    /// Status and, when it is not active, the reason.
    pub fn state(&self, node: NodeId) -> (NodeStatus, Option<Fault>) {
        let nodes = self.nodes();
        let Some(live) = nodes.get(&node) else {
            return (NodeStatus::Shutdown, Some(not_yet()));
        };
        match (&live.client, &live.link, &live.hypervisor) {
            (Some(client), _, None) if client.is_alive() => (NodeStatus::Active, None),
            (Some(client), _, Some(why)) if client.is_alive() => {
                (NodeStatus::Error, Some(why.clone()))
            }
            (_, Some(why), _) => (NodeStatus::Shutdown, Some(why.clone())),
            (Some(_), None, _) => (NodeStatus::Shutdown, Some(link::lost().into())),
            (None, None, _) => (NodeStatus::Shutdown, Some(not_yet())),
        }
    }

    pub fn events(&self) -> broadcast::Receiver<(NodeId, Event)> {
        self.events.subscribe()
    }

    pub fn announce(&self, node: NodeId, event: Event) {
        // Nobody listening is fine.
        let _ = self.events.send((node, event));
    }
}

fn not_yet() -> Fault {
    Error::unreachable("node-not-yet-connected").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Beyond what the tests take.
    const LONG: Duration = Duration::from_secs(600);

    #[test]
    fn a_node_that_failed_answers_at_once_and_says_why() {
        let links = Links::new();
        links.disconnected(NodeId::new(1), Error::unreachable("agent-not-listening").into());
        for answer in [links.client_now(NodeId::new(1)), links.client_within(NodeId::new(1), LONG)]
        {
            assert_eq!(answer.err().expect("no client").key, "agent-not-listening");
        }
        assert_eq!(links.state(NodeId::new(1)).0, NodeStatus::Shutdown);
    }

    #[test]
    fn who_does_not_wait_hears_that_the_first_connection_is_being_made() {
        let links = Links::new();
        for answer in
            [links.client_now(NodeId::new(1)), links.client_within(NodeId::new(1), Duration::ZERO)]
        {
            assert_eq!(answer.err().expect("no client").key, "node-not-yet-connected");
        }
    }

    #[test]
    fn the_first_connection_is_waited_for_until_it_fails() {
        let links = Arc::new(Links::new());
        let other = Arc::clone(&links);
        let waiting = std::thread::spawn(move || {
            other.client_within(NodeId::new(7), LONG).err().map(|fault| fault.key)
        });
        std::thread::sleep(Duration::from_millis(50));
        links.disconnected(NodeId::new(7), Error::unreachable("node-link-noise").into());
        assert_eq!(waiting.join().expect("join").as_deref(), Some("node-link-noise"));
    }
}
