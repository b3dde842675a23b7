//! Compares what a node has with what the rows say, and mends the difference.
//!
//! ```text
//!   node arrives, a domain vanishes, every few minutes ─► look ─► plan (pure) ─► execute
//! ```
//!
//! The node is asked first and the rows are read after. A row is written before its domain or file is made and goes
//! after it, so what the node has and no row knows belongs to nobody. What running operations hold is left alone.
//! Only desktops are made anew and corrected here; templates mend themselves in their own operations, but for what is
//! published of them.
//!
//! After `carrel restore` the rows are those of an older day, and what was made since looks like nobody's. So the first
//! look at each node after it deletes nothing: `lost` sets such domains and files aside.

mod execute;
mod lost;
mod plan;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::task::spawn_blocking;
use uuid::Uuid;

pub(super) use execute::register;
pub use plan::{Known, KnownDomain};

use super::Desktops;
use crate::error::{Result, logged};

/// Everything is compared this often even if nothing was reported.
const EVERY: Duration = Duration::from_secs(180);
/// After a domain vanished: an operation that removed it has let go of it by then.
const SOON: Duration = Duration::from_secs(2);

/// Which nodes are being looked at, and which are to be looked at again after that.
#[derive(Clone, Default)]
pub struct Looks(Arc<Mutex<HashMap<i64, Look>>>);

#[derive(Debug, Clone, Copy, Default)]
struct Look {
    running: bool,
    again: bool,
    /// One is coming in a moment.
    planned: bool,
}

impl Looks {
    fn with<T>(&self, node: i64, change: impl FnOnce(&mut Look) -> T) -> T {
        let mut looks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        change(looks.entry(node).or_default())
    }

    /// Whether the caller shall look now; if somebody looks already, they will once more.
    fn begin(&self, node: i64) -> bool {
        self.with(node, |look| {
            look.again = look.running;
            !std::mem::replace(&mut look.running, true)
        })
    }

    /// Whether to look once more.
    fn end(&self, node: i64) -> bool {
        self.with(node, |look| {
            look.running = look.again;
            std::mem::take(&mut look.again)
        })
    }
}

impl Desktops {
    /// Looks at nodes that arrive, and at all of them now and then, until the server ends.
    pub(super) async fn keep_looking(self, mut arrivals: Receiver<i64>) {
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        // The first tick comes at once; nodes that are there then have not been looked at.
        loop {
            tokio::select! {
                arrived = arrivals.recv() => match arrived {
                    Ok(node) => self.look(node),
                    Err(RecvError::Lagged(_)) => self.look_at_all(),
                    Err(RecvError::Closed) => return,
                },
                _ = ticks.tick() => self.look_at_all(),
            }
        }
    }

    /// Looks at every node that answers. Returns at once.
    pub(super) fn look_at_all(&self) {
        let desktops = self.clone();
        self.runtime.spawn(async move {
            let inventory = desktops.inventory.clone();
            let nodes = spawn_blocking(move || inventory.nodes()).await;
            for node in logged("reading nodes", nodes).into_iter().flatten() {
                if desktops.inventory.is_up(node.id) {
                    desktops.look(node.id);
                }
            }
        });
    }

    /// Looks at a node in a moment.
    pub(super) fn look_soon(&self, node: i64) {
        if self.looks.with(node, |look| std::mem::replace(&mut look.planned, true)) {
            return;
        }
        let desktops = self.clone();
        self.runtime.spawn(async move {
            tokio::time::sleep(SOON).await;
            desktops.looks.with(node, |look| look.planned = false);
            desktops.look(node);
        });
    }

    /// Looks at the nodes of these desktops in a moment.
    pub(super) fn look_again(&self, desktops: &[Uuid]) -> Result<()> {
        let nodes = self.store.read(|conn| super::store::seats::nodes_of(conn, desktops))?;
        nodes.keys().for_each(|node| self.look_soon(*node));
        Ok(())
    }

    /// Looks at a node now. Returns at once.
    fn look(&self, node: i64) {
        if !self.looks.begin(node) {
            return;
        }
        let desktops = self.clone();
        self.runtime.spawn_blocking(move || {
            loop {
                match desktops.reconcile(node) {
                    Ok(report) if report.is_empty() => {}
                    Ok(report) => tracing::info!(node.id = node, ?report, "node mended"),
                    Err(error) => {
                        tracing::warn!(node.id = node, error = error.detail(), "node not compared");
                    }
                }
                if !desktops.looks.end(node) {
                    return;
                }
            }
        });
    }
}

/// What was done about a node.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Report {
    pub removed_domains: usize,
    pub remade_domains: usize,
    /// Domains that would have been restored against what their group says, or not be.
    pub corrected_domains: usize,
    pub published_templates: usize,
    pub removed_files: usize,
    /// Domains and files that a restored database does not know.
    pub set_aside: usize,
}

impl Report {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What operations hold: no business of a reconciler.
type Held = HashSet<Uuid>;
