//! Base images and ISOs, and the copies of layers on the nodes.
//!
//! An image begins as an upload: its bytes go straight to a storage of this machine's node, and only
//! when they are whole does a row appear, in the same transaction as the operation that checks them.
//! Copies are rows for images and for versions of templates alike: a row comes before its file and
//! goes after it.

mod add;
mod bring;
mod copies;
mod delete;
mod download;
mod kind;
pub mod os_type;
mod resumable;
mod resync;
mod store;
mod tidy;
mod transfer;
mod under_way;
mod upload;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use rusqlite::Connection;
use tokio::runtime::Handle;
use uuid::Uuid;

pub use copies::{CopyState, LayerCopy};
pub use download::{Download, file_name};
pub use kind::{ImageKind, IsoType, NewImage, NewKind};
pub use resumable::{Appending, NewUpload, Progressed, Unfinished, require_within};
pub use resync::require_ready;
pub use store::{CopyLine, ImageLine, boots, note_copy, ready_copy, ready_nodes};
pub use upload::{Arrived, Upload};

use transfer::Transfers;
use under_way::Writer;

use crate::error::{Error, Result};
use crate::identity::Tickets;
use crate::inventory::Inventory;
use crate::node::protocol::{Boots, ImageHints};
use crate::operations::Operations;
use crate::store::list::{ListQuery, Page};
use crate::store::{Store, now};

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

/// A base image or an ISO. Sizes in bytes.
#[derive(Debug, Clone)]
pub struct Image {
    pub id: i64,
    /// Also its layer's.
    pub uuid: Uuid,
    pub kind: ImageKind,
    pub name: String,
    pub desc: String,
    pub os_type: String,
    /// Of the file as it was uploaded.
    pub md5: String,
    /// Of the layer; empty while it is checked.
    pub sha256: String,
    /// What a guest sees.
    pub virtual_size: u64,
    pub disk_size: u64,
    pub state: ImageState,
    /// Which firmware it starts with, as far as its partition table tells.
    pub boots: Option<Boots>,
    pub hints: ImageHints,
    pub created_at: i64,
    pub updated_at: Option<i64>,
}

/// What shall be said of an ISO from now on; `None` stays as it is.
#[derive(Debug)]
pub struct IsoEdit {
    pub name: Option<String>,
    pub desc: Option<String>,
    pub os_type: Option<String>,
    pub of: Option<IsoType>,
}

/// The images of this installation. Cheap to clone.
#[derive(Clone)]
pub struct Images {
    store: Store,
    operations: Operations,
    inventory: Inventory,
    /// For the calls that carry bytes, which operations make from threads of their own.
    runtime: Handle,
    transfers: Transfers,
    /// Uploads of this process that are under way.
    uploads: Arc<Mutex<HashMap<Uuid, Arc<Writer>>>>,
    /// Who may fetch which ISO.
    downloads: Arc<Mutex<Tickets<Uuid>>>,
}

impl Images {
    /// To be called within the runtime. Makes its operations known.
    pub fn new(store: Store, operations: Operations, inventory: Inventory) -> Self {
        let runtime = Handle::current();
        let transfers = Transfers::new(runtime.clone());
        let (uploads, downloads) = (Arc::default(), Arc::default());
        let images = Self { store, operations, inventory, runtime, transfers, uploads, downloads };
        add::register(&images);
        delete::register(&images);
        resync::register(&images);
        images
    }

    /// # Errors
    /// `image-unknown`, also when it is an ISO.
    pub fn base_image(&self, uuid: Uuid) -> Result<Image> {
        self.store.read(|conn| self.base_image_in(conn, uuid))
    }

    /// As [`Images::base_image`], within a transaction.
    pub fn base_image_in(&self, conn: &Connection, uuid: Uuid) -> Result<Image> {
        let image = store::find(conn, uuid)?.filter(|image| image.kind.pool().is_some());
        image.ok_or_else(|| unknown(uuid))
    }

    /// # Errors
    /// `iso-unknown`, also when it is a base image.
    pub fn iso(&self, uuid: Uuid) -> Result<Image> {
        self.store.read(|conn| self.iso_in(conn, uuid))
    }

    /// As [`Images::iso`], within a transaction.
    pub fn iso_in(&self, conn: &Connection, uuid: Uuid) -> Result<Image> {
        let image = store::find(conn, uuid)?.filter(|image| image.kind.iso_type().is_some());
        image.ok_or_else(|| Error::not_found("iso-unknown").arg("uuid", uuid))
    }

    /// Of either kind.
    fn image(&self, uuid: Uuid) -> Result<Image> {
        self.store.read(|conn| store::find(conn, uuid))?.ok_or_else(|| unknown(uuid))
    }

    /// The images of a pool.
    ///
    /// # Errors
    /// `pool-unknown`
    pub fn list(&self, pool: Uuid, query: ListQuery) -> Result<Page<ImageLine>> {
        let pool = self.inventory.pool(pool)?;
        store::list(&self.store, &query.with("pool_id", pool.id))
    }

    /// The library of ISOs.
    pub fn list_isos(&self, query: &ListQuery) -> Result<Page<ImageLine>> {
        store::list_isos(&self.store, query)
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
            require_free_name(tx, image.kind, name, Some(uuid))?;
            let edited = Image { name: name.to_owned(), os_type: os_type.to_owned(), ..image };
            store::edit(tx, &edited, now())
        })
    }

    /// Changes what is said of an ISO; `None` stays as it is. Gives its name.
    ///
    /// # Errors
    /// `iso-unknown`, `iso-name-taken`
    pub fn edit_iso(&self, uuid: Uuid, edit: IsoEdit) -> Result<String> {
        self.store.write(|tx| {
            let iso = self.iso_in(tx, uuid)?;
            let edited = Image {
                name: edit.name.unwrap_or(iso.name),
                desc: edit.desc.unwrap_or(iso.desc),
                os_type: edit.os_type.unwrap_or(iso.os_type),
                kind: edit.of.map_or(iso.kind, ImageKind::Iso),
                ..iso
            };
            require_free_name(tx, edited.kind, &edited.name, Some(uuid))?;
            store::edit(tx, &edited, now())?;
            Ok(edited.name)
        })
    }

    fn in_pool(&self, pool: Uuid, uuid: Uuid) -> Result<Image> {
        let pool = self.inventory.pool(pool)?;
        let image = self.base_image(uuid)?;
        if image.kind == ImageKind::Base(pool.id) { Ok(image) } else { Err(unknown(uuid)) }
    }
}

fn unknown(uuid: Uuid) -> Error {
    Error::not_found("image-unknown").arg("uuid", uuid)
}

fn require_free_name(
    conn: &Connection,
    kind: ImageKind,
    name: &str,
    except: Option<Uuid>,
) -> Result<()> {
    match store::uuid_of_name(conn, kind, name)? {
        Some(other) if Some(other) != except => Err(name_taken(kind, name)),
        _ => Ok(()),
    }
}

fn name_taken(kind: ImageKind, name: &str) -> Error {
    let key = kind.key("image-name-taken", "iso-name-taken");
    Error::conflict(key).arg("field", "name").arg("name", name)
}
