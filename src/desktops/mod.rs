//! Templates, education groups, desktop groups, desktops, and who gets which.
//!
//! ```text
//!   education.rs  class rooms              group.rs seat.rs  what a desktop group and a desktop are
//!   capacity.rs   what there is for more   limits.rs  how much of its node each may use
//!   deploy.rs change.rs rename.rs remove.rs power.rs  what people do with them; domains.rs nodes.rs machines.rs  on the nodes
//!   actual.rs     what nodes report → rows  reconcile/  what nodes have, compared with the rows
//!   first_start/  what guests do when their system disk begins
//!   consoles.rs viewers.rs turns.rs  screens    guests.rs  what a guest says of itself    templates/ spec.rs  what desktops are made like
//! ```

mod actual;
mod capacity;
mod change;
mod consoles;
mod deploy;
mod domains;
mod education;
mod first_start;
mod group;
mod guests;
pub mod hardware;
mod limits;
mod machines;
mod nodes;
mod power;
mod reach;
mod reconcile;
mod remove;
mod rename;
mod seat;
pub mod spec;
mod spread;
mod store;
pub mod templates;
mod turns;
mod viewers;

use std::sync::{Arc, Mutex, PoisonError};

use tokio::runtime::Handle;
use tokio::sync::mpsc::UnboundedReceiver;
use uuid::Uuid;

pub use capacity::{CapacityQuery, NodeCapacity};
pub use change::{Changed, DesktopGroupChange};
pub use consoles::{Beside, Holder, Screen, Ticket};
pub use deploy::NewDesktopGroup;
pub use education::{EducationGroup, EducationGroupChange, NewEducationGroup};
pub use first_start::start::{FirstStart, Outcome, StartScript};
pub use group::{DesktopGroup, GroupDisk, GroupKind, Stage};
pub use guests::GuestSight;
pub use power::{DesktopPowerAction, Named, check_kind};
pub use reach::Reach;
pub use seat::{Desktop, SeatStatus, UNREADABLE};
pub use viewers::{Connection, ViewerPlace};

use crate::error::{Error, Result};
use crate::identity::Tickets;
use crate::inventory::Inventory;
use crate::networks::Networks;
use crate::node::protocol::DomainUse;
use crate::operations::{LiveSettings, Operations};
use crate::store::list::{ListQuery, Page};
use crate::store::visible::Visible;
use crate::store::{Store, now};
use actual::{Snapshot, Snapshots};
use consoles::PICTURES;
use first_start::sights::FirstStarts;
use guests::QUESTIONS;
use reconcile::Hopeless;
use turns::Turns;
use viewers::Viewers;

/// Seconds that a deletion is remembered for nodes that are away.
const REMEMBERED: i64 = 400 * 24 * 60 * 60;

/// The desktops of this installation and what they are made of. Cheap to clone.
#[derive(Clone)]
pub struct Desktops {
    store: Store,
    operations: Operations,
    inventory: Inventory,
    networks: Networks,
    runtime: Handle,
    snapshots: Snapshots,
    /// The other end of `snapshots`, until [`Desktops::start`].
    unread: Arc<Mutex<Option<UnboundedReceiver<Snapshot>>>>,
    /// For consoles.
    tickets: Arc<Mutex<Tickets<Ticket>>>,
    viewers: Arc<Mutex<Viewers>>,
    picture_turns: Turns,
    question_turns: Turns,
    first_starts: FirstStarts,
    hopeless: Arc<Hopeless>,
    live: LiveSettings,
}

impl Desktops {
    /// To be called within the runtime. Makes its operations known. `live`: how long a guest gets to shut itself down.
    pub fn new(
        store: Store,
        operations: Operations,
        inventory: Inventory,
        networks: Networks,
        live: LiveSettings,
    ) -> Self {
        let (snapshots, unread) = Snapshots::channel();
        let desktops = Self {
            store,
            operations,
            inventory,
            networks,
            runtime: Handle::current(),
            snapshots,
            unread: Arc::new(Mutex::new(Some(unread))),
            tickets: Arc::default(),
            viewers: Arc::default(),
            picture_turns: Turns::new(PICTURES),
            question_turns: Turns::new(QUESTIONS),
            first_starts: FirstStarts::channel(),
            hopeless: Arc::default(),
            live,
        };
        deploy::register(&desktops);
        change::register(&desktops);
        remove::register(&desktops);
        rename::register(&desktops);
        power::register(&desktops);
        reconcile::register(&desktops);
        desktops
    }

    /// From now on follows what nodes report and mends what differs. Call it before nodes are connected.
    pub fn start(&self) {
        let forgotten = self.store.write(|tx| store::gone::forget_before(tx, now() - REMEMBERED));
        if let Err(error) = forgotten {
            tracing::warn!(error = error.detail(), "deletions are remembered longer");
        }
        let unread = self.unread.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(unread) = unread else { return };
        self.keep_first_starts();
        self.runtime.spawn(self.clone().track(self.inventory.events(), unread));
        self.keep_looking();
    }

    /// Education desktop groups.
    pub fn desktop_groups(
        &self,
        visible: &Visible,
        query: ListQuery,
    ) -> Result<Page<DesktopGroup>> {
        let query = query.seen_by(visible);
        store::groups::list(&self.store, &query.with("kind", GroupKind::Education.number()))
    }

    /// A desktop of an education desktop group, and what its node told of it last while it runs.
    ///
    /// # Errors
    /// `desktop-unknown`, also for one that the caller may not see
    pub fn desktop(&self, visible: &Visible, uuid: Uuid) -> Result<(Desktop, Option<DomainUse>)> {
        let page = self.desktops(visible, ListQuery::default().with("uuid", uuid))?;
        let unknown = || Error::not_found("desktop-unknown").arg("uuid", uuid);
        let desktop = page.results.into_iter().next().ok_or_else(unknown)?;
        let node = self.store.read(|conn| store::seats::seat(conn, visible, uuid))?.node_id;
        let sample = self.inventory.sample(node).filter(|_| desktop.power.is_on());
        let used = sample
            .and_then(|sample| sample.domains.iter().find(|domain| domain.uuid == uuid).cloned());
        Ok((desktop, used))
    }

    /// Desktops of education desktop groups.
    pub fn desktops(&self, visible: &Visible, query: ListQuery) -> Result<Page<Desktop>> {
        let query = query.seen_by(visible).with("kind", GroupKind::Education.number());
        let mut page = store::seats::list(&self.store, &query)?;
        for desktop in &mut page.results {
            // What still works on others may be done with this one.
            let work = desktop.work.take();
            desktop.work = work.filter(|(kind, _)| !power::is_done(kind, desktop.power));
        }
        if *visible != Visible::All {
            // What works on it may be named after desktops and groups that the caller does not see.
            for desktop in &mut page.results {
                desktop.work = desktop.work.take().map(|(kind, _)| (kind, desktop.name.clone()));
            }
        }
        Ok(page)
    }
}
