//! Compares what a node has with what the rows say, and mends the difference.
//!
//! ```text
//!   node arrives, a domain vanishes, every few minutes ─► look ─► plan (pure) ─► execute
//! ```
//!
//! The node is asked first and the rows are read after. A row is written before its domain or file is made and goes
//! after it, unless its node was away then: that it was deleted is kept, and what the node still has of it is removed.
//! What running operations hold is left alone.
//! Only desktops are made anew and corrected here; templates mend themselves in their own operations, but for what is
//! published of them.
//!
//! What neither a row knows nor its deletion is of another database: of a newer one than the file that somebody put back,
//! or of rows that a damage took. It is somebody's. So it is never deleted: `lost` sets such domains and files aside, and
//! leaves guests that run alone until they are off.

mod execute;
mod hopeless;
mod layers;
mod lost;
mod plan;

use std::collections::HashSet;
use std::time::Duration;

use uuid::Uuid;

pub(super) use execute::register;
pub use hopeless::Hopeless;
pub use plan::{Known, KnownDomain};

use super::Desktops;
use crate::error::Result;
use crate::inventory::Duty;
use crate::store::NodeId;

/// After a domain vanished: an operation that removed it has let go of it by then.
const SOON: Duration = Duration::from_secs(2);

impl Desktops {
    /// From now on looks at every node that arrives, and at all of them now and then. Within the runtime; returns at
    /// once.
    pub(super) fn keep_looking(&self) {
        let desktops = self.clone();
        self.inventory.attend_telling(Duty::Domains, move |node| {
            let (report, problem) = desktops.reconcile(node)?;
            if !report.is_empty() {
                tracing::info!(node.id = node.number(), ?report, "node mended");
            }
            Ok(problem)
        });
    }

    /// Looks at every node that answers. Returns at once.
    pub(super) fn look_at_all(&self) {
        self.inventory.ask_all(Duty::Domains);
    }

    /// Looks at a node in a moment.
    pub(super) fn look_soon(&self, node: NodeId) {
        self.inventory.ask_after(Duty::Domains, node, SOON);
    }

    /// Looks at the nodes of these desktops in a moment.
    pub(super) fn look_again(&self, desktops: &[Uuid]) -> Result<()> {
        let nodes = self.store.read(|conn| super::store::seats::nodes_of(conn, desktops))?;
        nodes.keys().for_each(|node| self.look_soon(*node));
        Ok(())
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
    /// Copies of layers whose file is gone, or is there again.
    pub layers: usize,
    pub removed_files: usize,
    /// Domains and files that the database does not know.
    pub set_aside: usize,
}

impl Report {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What operations hold: no business of a reconciler.
type Held = HashSet<Uuid>;
