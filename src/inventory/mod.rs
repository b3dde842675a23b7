//! Pools, nodes, what is in a node, and the links to the nodes' agents.
//!
//! ```text
//!   pools.rs   resource pools            first_start.rs  what a fresh installation begins with
//!   nodes.rs   nodes as people see them  facts.rs        what a node said of itself → rows
//!   links.rs   who is connected, last samples            keeper.rs  keeps the link to each node's agent
//!   attendants.rs  what is done on each node that arrives  clients.rs   the way to a node's agent
//!   ssh_access.rs  who signs in to which node by ssh     ssh_keys.rs  their keys on the nodes
//! ```

mod agents;
mod attendants;
mod clients;
mod facts;
mod fan_out;
mod first_start;
mod keeper;
mod links;
mod nodes;
mod pools;
mod ssh_access;
mod ssh_keys;
mod store;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::broadcast;
use uuid::Uuid;

pub use agents::{NodeAgent, Way};
pub use attendants::{Duty, Problem};
pub use clients::{Answering, FIRST_CONNECTION};
pub use fan_out::{side_by_side, side_by_side_telling};
pub use nodes::{Address, Nic, NodeDetail, StorageUse};
pub use pools::{NewPool, PoolLine};
pub use ssh_access::SshGrant;
use ssh_keys::SshProblems;
pub use ssh_keys::{FoundKey, FoundKeys};

use crate::error::{Error, Fault, Result};
use crate::node::protocol::{Event, Sample};
use crate::store::{NodeId, PoolId, Store, Topic};
use attendants::Attendants;
use links::Links;

/// Name of the pool and of the other things that a fresh installation has.
pub const DEFAULT_NAME: &str = "default";

/// A resource pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pool {
    pub id: PoolId,
    pub uuid: Uuid,
    pub name: String,
    pub desc: Option<String>,
    pub is_default: bool,
    pub created_at: i64,
    pub updated_at: Option<i64>,
}

/// What a node is for; the numbers are document 002's `type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeRole {
    ControllerAndCompute = 1,
    StandbyAndCompute = 2,
    Controller = 3,
    Standby = 4,
    Compute = 5,
}

impl NodeRole {
    pub const fn number(self) -> i64 {
        self as i64
    }

    pub fn parse(number: i64) -> Result<Self> {
        match number {
            1 => Ok(Self::ControllerAndCompute),
            2 => Ok(Self::StandbyAndCompute),
            3 => Ok(Self::Controller),
            4 => Ok(Self::Standby),
            5 => Ok(Self::Compute),
            other => Err(Error::internal(format_args!("node role {other} in the database"))),
        }
    }

    /// Whether desktops can run there.
    pub const fn computes(self) -> bool {
        matches!(self, Self::ControllerAndCompute | Self::StandbyAndCompute | Self::Compute)
    }

    /// Whether it is, or may become, the controller.
    pub const fn controls(self) -> bool {
        !matches!(self, Self::Compute)
    }

    /// The role with desktops added.
    pub const fn with_compute(self) -> Self {
        match self {
            Self::Controller => Self::ControllerAndCompute,
            Self::Standby => Self::StandbyAndCompute,
            other => other,
        }
    }
}

/// How a node is, as its link and its hypervisor tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeStatus {
    Active,
    /// The agent answers, libvirt does not.
    Error,
    /// The agent does not answer.
    Shutdown,
}

impl NodeStatus {
    pub const ALL: [Self; 3] = [Self::Active, Self::Error, Self::Shutdown];

    pub const fn word(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Error => "error",
            Self::Shutdown => "shutdown",
        }
    }

    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.word() == word)
    }
}

/// A machine. Memory in bytes.
#[derive(Debug, Clone)]
pub struct Node {
    pub id: NodeId,
    pub uuid: Uuid,
    pub name: String,
    pub role: NodeRole,
    pub ip: String,
    /// Empty until the node has been connected once, as the other facts.
    pub hostname: String,
    pub cpu_model: String,
    pub cpu_count: u32,
    pub memory: u64,
    pub gpu: String,
    /// Operating system, libvirt and QEMU.
    pub versions: String,
    pub virt_type: String,
    pub status: NodeStatus,
    /// Why it is not active.
    pub fault: Option<Fault>,
    pub created_at: i64,
    pub updated_at: Option<i64>,
}

/// What a storage is for; the numbers are document 002's `role`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StorageRole {
    TemplateSystem = 1,
    TemplateData = 2,
    DesktopSystem = 3,
    DesktopData = 4,
}

impl StorageRole {
    pub const fn number(self) -> u8 {
        self as u8
    }
}

/// Pools, nodes and their links. Cheap to clone.
#[derive(Clone)]
pub struct Inventory {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    installation: Uuid,
    links: Arc<Links>,
    attendants: Attendants,
    ssh_problems: Mutex<SshProblems>,
}

impl Inventory {
    /// Reads who this installation is; a fresh one gets its identity, the pool `default` and this
    /// machine as its first node. No node is connected yet: see [`Inventory::keep_nodes`].
    pub fn open(store: Store) -> Result<Self> {
        let installation = first_start::prepare(&store)?;
        let links = Arc::new(Links::new());
        let attendants = attendants(&store, &links);
        let inner =
            Inner { store, installation, links, attendants, ssh_problems: Mutex::default() };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Identity of this installation: agents touch nothing of another one.
    pub fn installation(&self) -> Uuid {
        self.inner.installation
    }

    /// The machine that the controller runs on.
    pub fn local_node(&self) -> Result<Node> {
        self.inner.store.read(store::nodes::local)
    }

    /// # Errors
    /// `node-unknown`
    pub fn node(&self, uuid: Uuid) -> Result<Node> {
        self.inner.store.read(|conn| store::nodes::find(conn, uuid))
    }

    pub fn node_by_id(&self, id: NodeId) -> Result<Node> {
        self.inner.store.read(|conn| store::nodes::by_id(conn, id))
    }

    /// All nodes, oldest first.
    pub fn nodes(&self) -> Result<Vec<Node>> {
        self.inner.store.read(store::nodes::all)
    }

    /// The nodes of a pool on which desktops can run, oldest first.
    pub fn compute_nodes(&self, pool_id: PoolId) -> Result<Vec<Node>> {
        let nodes = self.inner.store.read(|conn| store::nodes::in_pool(conn, pool_id))?;
        Ok(nodes.into_iter().filter(|node| node.role.computes()).collect())
    }

    /// # Errors
    /// `pool-unknown`
    pub fn pool(&self, uuid: Uuid) -> Result<Pool> {
        self.inner.store.read(|conn| store::pools::find(conn, uuid))
    }

    /// The pool of what belongs to one.
    pub fn pool_of(&self, id: PoolId) -> Result<Pool> {
        self.inner.store.read(|conn| store::pools::by_id(conn, id))
    }

    /// Path of the node's storage with this role.
    ///
    /// # Errors
    /// `node-without-storage` when the node was never connected.
    pub fn storage_for(&self, node_id: NodeId, role: StorageRole) -> Result<String> {
        self.inner.store.read(|conn| storage_in(conn, node_id, role))
    }
    /// Paths of the storages that were worked in on a node.
    fn known_storages(&self, node_id: NodeId) -> Result<Vec<String>> {
        let storages = self.inner.store.read(|conn| store::facts::storages(conn, &[node_id]))?;
        Ok(storages.into_iter().map(|storage| storage.path).collect())
    }

    /// What agents tell on their own accord, with the id of their node.
    pub fn events(&self) -> broadcast::Receiver<(NodeId, Event)> {
        self.inner.links.events()
    }

    /// From now on does the duty in this way on each node: when it arrives, when asked, and again after a failure. It
    /// runs on a thread of its own and may block. Within the runtime; returns at once.
    pub fn attend(&self, duty: Duty, work: impl Fn(NodeId) -> Result<()> + Send + Sync + 'static) {
        self.attend_telling(duty, move |node| work(node).map(|()| None));
    }

    /// As [`Inventory::attend`], where the work may find a problem of its node, which is shown until it finds none.
    pub fn attend_telling(
        &self,
        duty: Duty,
        work: impl Fn(NodeId) -> Result<Option<Fault>> + Send + Sync + 'static,
    ) {
        self.inner.attendants.attend(duty, work);
    }

    /// The duty is to be done on the node after a pause. Returns at once.
    pub fn ask_after(&self, duty: Duty, node: NodeId, pause: Duration) {
        self.inner.attendants.ask_after(duty, node, pause);
    }

    /// The duty is to be done on every node now. Returns at once.
    pub fn ask_all(&self, duty: Duty) {
        self.inner.attendants.ask_all(duty);
    }

    /// The newest figures of a node, while it is connected.
    pub fn sample(&self, node_id: NodeId) -> Option<Arc<Sample>> {
        self.inner.links.sample(node_id)
    }

    /// Whether the agent answers, whatever its hypervisor does.
    pub fn is_linked(&self, node_id: NodeId) -> bool {
        self.inner.links.state(node_id).0 != NodeStatus::Shutdown
    }

    /// Why nothing can be made on a node: it is down, or one of its storages is not mounted.
    pub fn why_unfit(&self, node_id: NodeId) -> Option<Fault> {
        self.why_down(node_id).or_else(|| self.inner.links.storage_fault(node_id))
    }

    /// Why the agent or the hypervisor does not answer.
    pub fn why_down(&self, node_id: NodeId) -> Option<Fault> {
        self.inner.links.why_down(node_id)
    }
}

fn attendants(store: &Store, links: &Arc<Links>) -> Attendants {
    let (store, links) = (store.clone(), Arc::clone(links));
    let tell = move || {
        let told = store.write(|tx| {
            tx.changed(Topic::Nodes);
            Ok(())
        });
        if let Err(error) = told {
            tracing::warn!(error = error.detail(), "problems of a node were not told");
        }
    };
    Attendants::new(move |node| links.state(node).0, tell)
}

/// As [`Inventory::storage_for`], for who reads already.
///
/// # Errors
/// `node-without-storage` when the node was never connected.
pub fn storage_in(conn: &Connection, node_id: NodeId, role: StorageRole) -> Result<String> {
    let storages = store::facts::storages(conn, &[node_id])?;
    let found = storages.into_iter().find(|storage| storage.has(role));
    match found {
        Some(storage) => Ok(storage.path),
        None => {
            let node = store::nodes::by_id(conn, node_id)?;
            Err(Error::unreachable("node-without-storage").arg("name", node.name))
        }
    }
}
