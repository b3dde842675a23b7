//! Does the same to machines of several nodes, desktops or templates, and waits until rows show what was switched.
//!
//! Every node does its part by itself. A machine is done, failed, or neither because somebody asked to stop; the
//! operation ends `partly` when some machines failed, `failed` when all did, and `cancelled` when it was stopped
//! before the last of them.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use rusqlite::Connection;
use tokio::runtime::Handle;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

use super::nodes;
use crate::error::{Error, Fault, Kind, Result};
use crate::inventory::Inventory;
use crate::node::cancel::cancelled;
use crate::node::client::{NodeClient, Watch};
use crate::node::protocol::{ItemResult, PowerAction};
use crate::operations::Execution;
use crate::store::{Changed, NodeId, Store, Topic};

/// How long an operation waits at most until the lists show what it has done. What events did not tell by then, the
/// next look at the node corrects.
const SETTLE: Duration = Duration::from_millis(1_500);

/// A desktop, or a template's own machine.
#[derive(Debug, Clone)]
pub struct Machine {
    pub uuid: Uuid,
    pub name: String,
    pub node_id: NodeId,
}

/// How it went for each machine.
#[derive(Debug, Default)]
pub struct Outcomes {
    pub done: Vec<Uuid>,
    pub failed: Vec<(Uuid, Fault)>,
    /// Not begun, or broken off, because somebody asked to stop.
    pub stopped: Vec<Uuid>,
}

impl Outcomes {
    /// Those that are not as they should be.
    pub fn not_done(&self) -> Vec<Uuid> {
        self.failed.iter().map(|(uuid, _)| *uuid).chain(self.stopped.iter().copied()).collect()
    }

    /// Those that failed of this error.
    pub fn failed_of(&self, key: &str) -> Vec<Uuid> {
        let of_it = self.failed.iter().filter(|(_, fault)| fault.key == key);
        of_it.map(|(uuid, _)| *uuid).collect()
    }

    /// # Errors
    /// Of kind [`Kind::Cancelled`] when something was left undone on request.
    pub fn require_all_begun(&self) -> Result<()> {
        if self.stopped.is_empty() { Ok(()) } else { Err(cancelled()) }
    }

    fn take(&mut self, uuid: Uuid, result: Result<(), Fault>) {
        match result {
            Ok(()) => self.done.push(uuid),
            Err(fault) if fault.kind == Kind::Cancelled => self.stopped.push(uuid),
            Err(fault) => self.failed.push((uuid, fault)),
        }
    }
}

/// Calls each node with its machines, side by side, and notes how it went for each of them.
pub fn carry_out(
    inventory: &Inventory,
    execution: &Execution,
    machines: &[Machine],
    call: impl Fn(&NodeClient, NodeId, Vec<Uuid>, &mut Watch<'_>) -> Result<Vec<ItemResult>> + Sync,
) -> Outcomes {
    let mut by_node: BTreeMap<NodeId, Vec<Uuid>> = BTreeMap::new();
    for machine in machines {
        by_node.entry(machine.node_id).or_default().push(machine.uuid);
    }
    let mut of_things: HashMap<Uuid, Result<(), Fault>> = HashMap::new();
    let mut of_nodes: HashMap<NodeId, Fault> = HashMap::new();
    for (node, result) in nodes::each_item(inventory, execution, by_node, call) {
        match result {
            Ok(items) => of_things.extend(items.into_iter().map(|item| (item.uuid, item.result))),
            Err(error) => drop(of_nodes.insert(node, Fault::from(error))),
        }
    }
    let mut outcomes = Outcomes::default();
    for Machine { uuid, name, node_id } in machines {
        let of_node = || of_nodes.get(node_id).cloned().map(Err);
        let silent = || Err(Error::internal("a node said nothing of a machine").into());
        let result = of_things.remove(uuid).or_else(of_node).unwrap_or_else(silent);
        execution.item(*uuid, name, result.clone());
        outcomes.take(*uuid, result);
    }
    outcomes
}

/// Since when each machine that is on runs, in Unix seconds, as rows tell it.
pub type OnSince = HashMap<Uuid, Option<i64>>;

/// Waits until rows show what an operation has done.
pub struct Settling<'a> {
    store: &'a Store,
    runtime: &'a Handle,
    /// Of the rows; who writes what nodes report tells its news.
    topic: Topic,
    read: fn(&Connection, &[Uuid]) -> Result<OnSince>,
    action: PowerAction,
    before: OnSince,
}

impl<'a> Settling<'a> {
    /// To be made before the nodes are asked. `read` gives those of the machines that are on.
    pub fn of(
        store: &'a Store,
        runtime: &'a Handle,
        topic: Topic,
        read: fn(&Connection, &[Uuid]) -> Result<OnSince>,
        (action, machines): (PowerAction, &[Machine]),
    ) -> Result<Self> {
        let uuids: Vec<Uuid> = machines.iter().map(|machine| machine.uuid).collect();
        let before = store.read(|conn| read(conn, &uuids))?;
        Ok(Self { store, runtime, topic, read, action, before })
    }

    /// Waits a moment until the nodes' news of these machines are in the rows, so that who asks next sees what was
    /// done. Blocks.
    pub fn wait(&self, done: &[Uuid]) -> Result<()> {
        let until = Instant::now() + SETTLE;
        // Before the first look: what is written between the two is not missed.
        let mut news = self.store.changes();
        while !self.is_shown(done)? {
            let next = async { timeout_at(until, self.next(&mut news)).await };
            if self.runtime.block_on(next).is_err() {
                break;
            }
        }
        Ok(())
    }

    async fn next(&self, news: &mut Receiver<Changed>) {
        loop {
            match news.recv().await {
                Ok(changed) if !changed.topics.contains(self.topic) => {}
                Err(RecvError::Closed) => std::future::pending().await,
                Ok(_) | Err(RecvError::Lagged(_)) => return,
            }
        }
    }

    fn is_shown(&self, done: &[Uuid]) -> Result<bool> {
        let on = self.store.read(|conn| (self.read)(conn, done))?;
        let is_anew =
            |uuid: &Uuid| on.get(uuid).is_some_and(|at| self.before.get(uuid) != Some(at));
        Ok(match self.action {
            PowerAction::Start | PowerAction::Resume | PowerAction::Pause => on.len() == done.len(),
            PowerAction::Stop | PowerAction::End | PowerAction::HardStop => on.is_empty(),
            PowerAction::Reboot | PowerAction::HardReboot => done.iter().all(is_anew),
            // The machine goes on as before.
            PowerAction::Reset => true,
        })
    }
}
