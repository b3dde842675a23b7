//! How the controller and its nodes are: findings of the doctor, samples, and the counts of the first page.

pub mod doctor;
mod figures;
mod store;

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::broadcast::error::RecvError;

pub use figures::{DiskUse, NodeFigures, TopData};

use crate::error::Result;
use crate::inventory::Inventory;
use crate::node::protocol::{Event, Sample};
use crate::store::visible::Visible;
use crate::store::{NodeId, Store};

/// How long samples stay in memory. Charts of the first page average over less than a minute.
const KEEP: Duration = Duration::from_secs(5 * 60);
/// Samples of a node at most, should an agent send them too often.
const KEEP_COUNT: usize = 300;

/// Counts of the first page.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Statistic {
    pub nodes: u32,
    pub nodes_active: u32,
    pub desktops: u32,
    pub desktops_running: u32,
    pub pools: u32,
}

/// Samples of one node with the time at which they came: its own clock may differ.
type History = VecDeque<(Instant, Arc<Sample>)>;

/// Samples and counts. Cheap to clone.
#[derive(Clone)]
pub struct Monitor {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    inventory: Inventory,
    history: Mutex<HashMap<NodeId, History>>,
}

impl Monitor {
    pub fn new(store: Store, inventory: Inventory) -> Self {
        Self { inner: Arc::new(Inner { store, inventory, history: Mutex::default() }) }
    }

    /// From now on keeps the samples that nodes send. Call it in the runtime.
    pub fn keep_samples(&self) {
        let monitor = self.clone();
        let mut events = self.inner.inventory.events();
        tokio::spawn(async move {
            loop {
                match events.recv().await {
                    Ok((node, Event::Sample(sample))) => monitor.keep(node, sample),
                    // A gap in the samples does not matter to an average.
                    Ok(_) | Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return,
                }
            }
        });
    }

    fn keep(&self, node: NodeId, sample: Arc<Sample>) {
        let now = Instant::now();
        let mut all = self.history();
        let history = all.entry(node).or_default();
        history.push_back((now, sample));
        while history.len() > KEEP_COUNT
            || history.front().is_some_and(|(at, _)| now.duration_since(*at) > KEEP)
        {
            history.pop_front();
        }
    }

    /// The samples of a node that came within this period, oldest first; the newest one when the
    /// period is shorter than the pause between two.
    fn samples(&self, node: NodeId, period: Duration) -> Vec<Arc<Sample>> {
        let now = Instant::now();
        let all = self.history();
        let Some(history) = all.get(&node) else {
            return self.inner.inventory.sample(node).into_iter().collect();
        };
        let recent = history.iter().filter(|(at, _)| now.duration_since(*at) <= period);
        let recent: Vec<Arc<Sample>> = recent.map(|(_, sample)| Arc::clone(sample)).collect();
        match recent.is_empty() {
            false => recent,
            true => self.inner.inventory.sample(node).into_iter().collect(),
        }
    }

    fn history(&self) -> MutexGuard<'_, HashMap<NodeId, History>> {
        self.inner.history.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The busiest nodes, averaged over the last `period`.
    pub fn top(&self, period: Duration) -> Result<TopData> {
        let nodes = self.inner.inventory.active_details()?;
        let figures = nodes.into_iter().filter_map(|detail| {
            let samples = self.samples(detail.node.id, period);
            figures::of_node(&detail, &samples)
        });
        Ok(figures::top(figures.collect()))
    }

    /// Counts of what the caller may see.
    pub fn statistic(&self, visible: &Visible) -> Result<Statistic> {
        self.inner.store.read(|conn| store::statistic(conn, visible))
    }
}
