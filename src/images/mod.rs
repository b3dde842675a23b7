//! Base images, and the copies of layers on the nodes.
//!
//! A base image begins as an upload: its bytes go straight to a storage of this machine's node, and only
//! when they are whole does a row appear, in the same transaction as the operation that checks them.
//! Copies are rows for base images and for versions of templates alike: a row comes before its file and
//! goes after it.

mod add;
mod bring;
mod copies;
mod delete;
pub mod os_type;
mod resync;
mod store;
mod tidy;
mod transfer;
mod upload;

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use rusqlite::Connection;
use tokio::runtime::Handle;
use uuid::Uuid;

pub use add::NewImage;
pub use copies::{CopyState, LayerCopy};
pub use store::{ImageLine, note_copy, ready_copy, ready_nodes};
pub use upload::{Arrived, Upload};

use transfer::Transfers;

use crate::error::{Error, Result};
use crate::inventory::Inventory;
use crate::operations::Operations;
use crate::store::list::{ListQuery, Page};
use crate::store::{PoolId, Store, now};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImageState {
    /// Its upload is complete and is being looked at.
    Checking,
    Ready,
    Deleting,
}

impl ImageState {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Checking => "checking",
            Self::Ready => "ready",
            Self::Deleting => "deleting",
        }
    }

    fn parse(word: &str) -> Result<Self> {
        match word {
            "checking" => Ok(Self::Checking),
            "ready" => Ok(Self::Ready),
            "deleting" => Ok(Self::Deleting),
            other => Err(Error::internal(format_args!("image state {other} in the database"))),
        }
    }
}

/// A base image. Sizes in bytes.
#[derive(Debug, Clone)]
pub struct BaseImage {
    pub id: i64,
    /// Also its layer's.
    pub uuid: Uuid,
    pub pool_id: PoolId,
    pub name: String,
    pub os_type: String,
    /// Of the file as it was uploaded.
    pub md5: String,
    /// Of the layer; empty while it is checked.
    pub sha256: String,
    /// What a guest sees.
    pub virtual_size: u64,
    pub disk_size: u64,
    pub state: ImageState,
    pub created_at: i64,
    pub updated_at: Option<i64>,
}

/// The base images of this installation. Cheap to clone.
#[derive(Clone)]
pub struct Images {
    store: Store,
    operations: Operations,
    inventory: Inventory,
    /// For the calls that carry bytes, which operations make from threads of their own.
    runtime: Handle,
    transfers: Transfers,
    /// Uploads of this process that are under way.
    uploads: Arc<Mutex<HashSet<Uuid>>>,
}

impl Images {
    /// To be called within the runtime. Makes its operations known.
    pub fn new(store: Store, operations: Operations, inventory: Inventory) -> Self {
        let runtime = Handle::current();
        let transfers = Transfers::new(runtime.clone());
        let images =
            Self { store, operations, inventory, runtime, transfers, uploads: Arc::default() };
        add::register(&images);
        delete::register(&images);
        resync::register(&images);
        images
    }

    /// # Errors
    /// `image-unknown`
    pub fn base_image(&self, uuid: Uuid) -> Result<BaseImage> {
        self.store.read(|conn| store::find(conn, uuid))
    }

    /// As [`Images::base_image`], within a transaction.
    pub fn base_image_in(&self, conn: &Connection, uuid: Uuid) -> Result<BaseImage> {
        store::find(conn, uuid)
    }

    /// The images of a pool.
    ///
    /// # Errors
    /// `pool-unknown`
    pub fn list(&self, pool: Uuid, query: ListQuery) -> Result<Page<ImageLine>> {
        let pool = self.inventory.pool(pool)?;
        store::list(&self.store, &query.with("pool_id", pool.id))
    }

    /// # Errors
    /// `pool-unknown`, `image-unknown`
    pub fn line(&self, pool: Uuid, uuid: Uuid) -> Result<ImageLine> {
        let image = self.in_pool(pool, uuid)?;
        self.store.read(|conn| store::line(conn, image))
    }

    /// Names of those among the uuids that exist.
    pub fn names(&self, images: &[Uuid]) -> Result<Vec<String>> {
        self.store.read(|conn| store::names(conn, images))
    }

    /// Changes name and operating system.
    ///
    /// # Errors
    /// `image-name-taken`
    pub fn edit(&self, pool: Uuid, uuid: Uuid, name: &str, os_type: &str) -> Result<()> {
        let image = self.in_pool(pool, uuid)?;
        self.store.write(|tx| {
            require_free_name(tx, image.pool_id, name, Some(uuid))?;
            store::edit(tx, uuid, name, os_type, now())
        })
    }

    fn in_pool(&self, pool: Uuid, uuid: Uuid) -> Result<BaseImage> {
        let pool = self.inventory.pool(pool)?;
        let image = self.base_image(uuid)?;
        if image.pool_id == pool.id {
            Ok(image)
        } else {
            Err(Error::not_found("image-unknown").arg("uuid", uuid))
        }
    }
}

fn require_free_name(
    conn: &Connection,
    pool_id: PoolId,
    name: &str,
    except: Option<Uuid>,
) -> Result<()> {
    match store::uuid_of_name(conn, pool_id, name)? {
        Some(other) if Some(other) != except => {
            Err(Error::conflict("image-name-taken").arg("field", "name").arg("name", name))
        }
        _ => Ok(()),
    }
}
