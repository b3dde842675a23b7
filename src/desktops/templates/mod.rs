//! Templates: the machines that desktops are made like.
//!
//! ```text
//!   base image ◄─ version 1 ◄─ version 2 ◄─ … ◄─ the template's own working disk
//!                                  ▲
//!                                  └── overlays of desktops
//! ```
//!
//! Saving freezes the working disks as the next version's layers and publishes them on the node; desktops
//! get them at their next restore. When a chain has become long it is copied into one layer that stands
//! alone. Versions stay in the history until somebody removes them, and old layers until nothing stands on them.
//!
//! ```text
//!   create.rs site.rs  a new one, also a copy: its rows, its place; make.rs  the rest, on its node
//!   change.rs  attributes and disks        bus_switch/   over to a faster disk bus, and back
//!   power.rs   starting, stopping, editing     delete.rs   removing all of it
//!   save.rs    the next version                export.rs   downloading the system disk
//!   history.rs its versions                    revert.rs   back to an older one
//!   flatten.rs short chains                    downloads.rs  who may fetch which file
//!   tidy.rs    what is needed no more          machine.rs  its own domain on its node
//!   layers.rs  rows of layers in the making       discs.rs   ISOs in its CD drives
//! ```

mod bus_switch;
mod change;
mod create;
mod delete;
mod discs;
mod downloads;
mod export;
mod flatten;
mod history;
mod layers;
mod limits;
mod machine;
mod make;
mod power;
mod processors;
mod revert;
mod save;
mod site;
pub mod store;
mod template;
mod tidy;

use std::sync::Arc;

use tokio::runtime::Handle;
use uuid::Uuid;

pub use bus_switch::state::{BusSwitch, Phase as BusSwitchPhase};
pub use change::{Change, DiskChange};
pub use create::{CopyTemplate, NewDisk, NewSystem, NewTemplate};
pub use export::Download;
pub use history::Version;
pub use limits::{MEMORY_LEAST, MEMORY_LIMIT_GIB, SIZE_LIMIT, VCPU_LIMIT};
pub use power::TemplatePowerAction;
pub use site::Place;
pub use store::{Disc, TemplateLine, VersionCopy};
pub use template::{Classify, Power, Template, TemplateDisk, TemplateState, device_name};

use crate::error::{Error, Result};
use crate::images::Images;
use crate::inventory::{FIRST_CONNECTION, Inventory, Node};
use crate::networks::Networks;
use crate::operations::{LiveSettings, Operations};
use crate::store::list::{ListQuery, Page};
use crate::store::{Store, Tx};
use downloads::Downloads;
use template::Left;

/// The templates of this installation. Cheap to clone.
#[derive(Clone)]
pub struct Templates {
    store: Store,
    operations: Operations,
    inventory: Inventory,
    networks: Networks,
    images: Images,
    runtime: Handle,
    downloads: Arc<Downloads>,
    live: LiveSettings,
}

/// A node with the disks of a template's newest version that are on it.
#[derive(Debug, Clone)]
pub struct NodeImages {
    pub node: Node,
    pub copies: Vec<VersionCopy>,
    /// Whether desktops of the template are on it.
    pub has_desktops: bool,
}

impl Templates {
    /// To be called within the runtime. Makes its operations known. `live`: how long a guest gets to shut itself down.
    pub fn new(
        store: Store,
        operations: Operations,
        inventory: Inventory,
        networks: Networks,
        images: Images,
        live: LiveSettings,
    ) -> Self {
        let downloads = Arc::default();
        let runtime = Handle::current();
        let templates =
            Self { store, operations, inventory, networks, images, runtime, downloads, live };
        make::register(&templates);
        power::register(&templates);
        save::register(&templates);
        change::register(&templates);
        discs::register(&templates);
        bus_switch::register(&templates);
        delete::register(&templates);
        export::register(&templates);
        flatten::register(&templates);
        revert::register(&templates);
        templates
    }

    /// # Errors
    /// `template-unknown`
    pub fn find(&self, uuid: Uuid) -> Result<Template> {
        self.store.read(|conn| store::find(conn, uuid))
    }

    pub fn list(&self, query: &ListQuery) -> Result<Page<TemplateLine>> {
        store::list(&self.store, query)
    }

    /// Where a template's newest version is among the nodes of a pool.
    ///
    /// # Errors
    /// `pool-unknown`, `template-unknown`
    pub fn images_in_pool(&self, pool: Uuid, template: Uuid) -> Result<Vec<NodeImages>> {
        let pool = self.inventory.pool(pool)?;
        let (copies, with_desktops) = self.store.read(|conn| {
            let template = store::find(conn, template)?;
            let copies = store::version_copies(conn, &template)?;
            Ok((copies, store::nodes_with_desktops(conn, template.id)?))
        })?;
        let images_of = |node: Node| NodeImages {
            copies: copies.iter().filter(|copy| copy.node_id == node.id).cloned().collect(),
            has_desktops: with_desktops.contains(&node.id),
            node,
        };
        Ok(self.inventory.compute_nodes(pool.id)?.into_iter().map(images_of).collect())
    }

    /// Whether this is the uuid of a template.
    pub fn is_template(&self, uuid: Uuid) -> Result<bool> {
        self.store.read(|conn| Ok(store::find_if_there(conn, uuid)?.is_some()))
    }

    /// Ctrl-Alt-Del to the template's own machine.
    ///
    /// # Errors
    /// `template-not-running`, `node-unreachable`
    pub fn send_ctrl_alt_del(&self, uuid: Uuid) -> Result<Template> {
        let template = self.find(uuid)?;
        if !template.power.is_on() {
            return Err(Error::conflict("template-not-running").arg("name", template.name));
        }
        self.inventory
            .client_within(template.node_id, FIRST_CONNECTION)?
            .send_ctrl_alt_del(uuid)?;
        Ok(template)
    }
}

/// The template, when nothing stands against working on it.
///
/// # Errors
/// `template-unknown`, `template-in-the-works`, `template-broken`, `template-save-abandoned`,
/// `template-revert-abandoned`
fn ready(tx: &Tx<'_>, uuid: Uuid) -> Result<Template> {
    let template = store::find(tx, uuid)?;
    match template.state {
        TemplateState::Ready => Ok(template),
        TemplateState::Failed => {
            let key = template.left().map_or("template-broken", Left::key);
            Err(Error::conflict(key).arg("name", template.name))
        }
        TemplateState::Creating | TemplateState::Updating | TemplateState::Deleting => {
            Err(Error::busy("template-in-the-works").arg("name", template.name))
        }
    }
}
