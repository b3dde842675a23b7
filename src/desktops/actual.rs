//! Follows what nodes report: power states of templates and desktops.
//!
//! One task is the only writer of power states. Events are gathered for a moment, because starting a class makes
//! hundreds of them, and written in one transaction. A full list of a node's domains passes through the same task:
//! what an event said after the list was asked for is newer and stays.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::spawn_blocking;
use tokio::time::sleep_until;
use uuid::Uuid;

use super::Desktops;
use super::first_start::sights::{Heard, Sight};
use super::seat::UNREADABLE;
use super::store::actual;
use super::templates::{self, Power};
use crate::error::{Fault, Result, logged};
use crate::node::protocol::{DomainList, DomainState, Event, OwnerKind, PowerState};
use crate::operations::{Actor, audit};
use crate::store::{NodeId, Tx};

/// At most one write in this time.
const GATHER: Duration = Duration::from_millis(100);
/// How long it is remembered when an event came: longer than a list takes on a busy node.
const REMEMBER: Duration = Duration::from_secs(120);

/// All domains of a node, as a list that was asked for at `asked` gave them.
pub struct Snapshot {
    pub asked: Instant,
    pub domains: DomainList,
}

/// The way of snapshots to the task.
#[derive(Clone)]
pub struct Snapshots(UnboundedSender<Snapshot>);

impl Snapshots {
    pub fn channel() -> (Self, UnboundedReceiver<Snapshot>) {
        let (sender, receiver) = unbounded_channel();
        (Self(sender), receiver)
    }

    pub fn send(&self, snapshot: Snapshot) {
        if self.0.send(snapshot).is_err() {
            tracing::error!("nobody follows the nodes' states any more");
        }
    }
}

/// What a domain was seen as.
enum Seen {
    State(Arc<DomainState>),
    /// The node's agent cannot read it.
    Unreadable(Fault),
    Gone,
}

impl Seen {
    /// `None` for a template, and for what may go on unseen.
    fn sight(&self) -> Option<Sight> {
        match self {
            Self::State(state) if state.owner.kind == OwnerKind::Desktop => Sight::of(state),
            Self::State(_) | Self::Unreadable(_) => None,
            Self::Gone => Some(Sight::default()),
        }
    }
}

struct Tracker {
    desktops: Desktops,
    waiting: HashMap<Uuid, Seen>,
    /// When the last event of a domain came.
    heard: HashMap<Uuid, Instant>,
    /// Machines that have another type now, each in words.
    replaced: Vec<String>,
    last_write: Option<Instant>,
}

impl Desktops {
    /// Follows events and snapshots until the server ends.
    pub(super) async fn track(
        self,
        mut events: Receiver<(NodeId, Event)>,
        mut snapshots: UnboundedReceiver<Snapshot>,
    ) {
        let mut tracker = Tracker {
            desktops: self,
            waiting: HashMap::new(),
            heard: HashMap::new(),
            replaced: Vec::new(),
            last_write: None,
        };
        loop {
            let due = tracker.due();
            tokio::select! {
                event = events.recv() => match event {
                    Ok((node, event)) => tracker.take(node, event),
                    Err(RecvError::Lagged(missed)) => {
                        tracing::warn!(missed, "events of nodes were missed: looking at all nodes");
                        tracker.desktops.look_at_all();
                    }
                    Err(RecvError::Closed) => return,
                },
                Some(snapshot) = snapshots.recv() => tracker.merge(snapshot),
                () = sleep_until(due.unwrap_or_else(Instant::now).into()), if due.is_some() => {
                    tracker.write().await;
                }
            }
        }
    }
}

impl Tracker {
    fn due(&self) -> Option<Instant> {
        if self.waiting.is_empty() && self.replaced.is_empty() {
            return None;
        }
        Some(self.last_write.map_or_else(Instant::now, |last| last + GATHER))
    }

    fn take(&mut self, node: NodeId, event: Event) {
        match event {
            Event::Domain(state) => {
                self.heard.insert(state.uuid, Instant::now());
                self.waiting.insert(state.uuid, Seen::State(state));
            }
            Event::DomainUnreadable { uuid, fault } => {
                self.heard.insert(uuid, Instant::now());
                self.waiting.insert(uuid, Seen::Unreadable(*fault));
            }
            Event::DomainGone { uuid } => {
                self.heard.insert(uuid, Instant::now());
                self.waiting.insert(uuid, Seen::Gone);
                // Perhaps somebody undefined it behind Carrel's back.
                self.desktops.look_soon(node);
            }
            Event::MachineTypeReplaced { uuid, name, from, to } => {
                self.replaced.push(format!("{name} ({uuid}: {from} → {to})"));
            }
            // The inventory's.
            Event::Hypervisor { .. }
            | Event::NetworkDown { .. }
            | Event::TrayOpened { .. }
            | Event::Nics(_)
            | Event::Sample(_) => {}
        }
    }

    fn merge(&mut self, snapshot: Snapshot) {
        let DomainList { states, unreadable } = snapshot.domains;
        let readable = states.into_iter().map(|state| (state.uuid, Seen::State(Arc::new(state))));
        let others = unreadable.into_iter().map(|(uuid, fault)| (uuid, Seen::Unreadable(fault)));
        for (uuid, seen) in readable.chain(others) {
            let newer = self.heard.get(&uuid).is_some_and(|heard| *heard >= snapshot.asked);
            if !newer {
                self.waiting.insert(uuid, seen);
            }
        }
    }

    async fn write(&mut self) {
        let waiting = std::mem::take(&mut self.waiting);
        let store = self.desktops.store.clone();
        let waiting: Vec<(Uuid, Seen)> = waiting.into_iter().collect();
        let sights = waiting.iter().filter_map(|(uuid, seen)| Some((*uuid, seen.sight()?)));
        let sights = sights.collect();
        let replaced = std::mem::take(&mut self.replaced);
        let write = move || {
            store.write_in_parts(&waiting, write_all)?;
            store.write_in_parts(&replaced, tell_replaced)
        };
        let written = spawn_blocking(write).await;
        if logged("writing power states", written).is_none() {
            self.desktops.look_at_all();
        }
        // After the rows: a desktop that is new has one then.
        self.desktops.first_starts.tell(Heard::Seen(sights));
        let now = Instant::now();
        self.last_write = Some(now);
        self.heard.retain(|_, heard| now.duration_since(*heard) < REMEMBER);
    }
}

/// In the log, where an administrator finds why a guest saw other hardware.
fn tell_replaced(tx: &Tx<'_>, replaced: &[String]) -> Result<()> {
    replaced.iter().try_for_each(|subject| {
        let action = "log-machine-type-replaced";
        let entry = audit::Entry { action, subject, module: "node", fault: None };
        audit::write_in_tx(tx, &Actor::system(), &entry).map(drop)
    })
}

fn write_all(tx: &Tx<'_>, waiting: &[(Uuid, Seen)]) -> Result<()> {
    for (uuid, seen) in waiting {
        match seen {
            Seen::State(state) => match state.owner.kind {
                OwnerKind::Desktop => actual::set_desktop(tx, state)?,
                OwnerKind::Template => {
                    let power = Power(state.power);
                    templates::store::set_power(tx, *uuid, power, &state.reason, state.started_at)?;
                }
            },
            Seen::Unreadable(fault) => {
                actual::set_unreadable(tx, *uuid, fault)?;
                let power = Power(PowerState::Crashed);
                templates::store::set_power(tx, *uuid, power, UNREADABLE, None)?;
            }
            Seen::Gone => {
                actual::set_gone(tx, *uuid)?;
                let off = Power(PowerState::Off);
                templates::store::set_power(tx, *uuid, off, "undefined", None)?;
            }
        }
    }
    Ok(())
}
