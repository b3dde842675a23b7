//! The disks of a node: read-only layers, overlays on them, uploads on their way to become layers.
//!
//! Every function may be repeated after a kill at any moment and then finishes what was begun. Work in progress has a
//! name in `<storage>/tmp`, and an agent throws it away when it starts.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, RwLock};

use uuid::Uuid;

use crate::error::{Context, Error, Result};
use crate::node::agent::qcow2::{self, Header};
use crate::node::agent::storage::{Storage, Storages};
use crate::node::protocol::{ImageFacts, ImageHints, LayerKind, LayerRef};

mod adopt;
mod append;
mod boots;
mod chain;
mod driver_disk;
mod format;
mod former;
mod freeze;
mod inventory;
mod layers;
mod lost;
mod ova;
mod overlays;
mod probe;
mod publish;
mod receive;
mod runs;
mod seed;
mod virtio;

/// Clones are the same.
#[derive(Clone)]
pub struct Disks(Arc<Inner>);

struct Inner {
    storages: Storages,
    prototypes: Mutex<HashMap<(PathBuf, u64), Arc<overlays::Prototype>>>,
    /// Sums of uploads that may be continued, as far as they have come.
    sums: Mutex<HashMap<Uuid, receive::Sums>>,
    /// Read while something is put on a layer, written while layers are removed: no layer goes away
    /// between the look whether anything stands on it and its removal.
    layers: RwLock<()>,
}

impl Disks {
    /// Makes the folders of the storages.
    #[cfg(test)]
    pub fn open(storages: &[String]) -> Self {
        Self::with(Storages::open(storages).expect("no other agent"))
    }

    /// As an agent of this installation: storages of another one are left alone, and those that it worked in before,
    /// `known`, when they are not mounted. The nil installation has none: it only looks.
    ///
    /// # Errors
    /// `storage-taken` when another agent works in one of them.
    pub fn open_for(storages: &[String], known: &[String], installation: Uuid) -> Result<Self> {
        if installation.is_nil() {
            return Ok(Self::with(Storages::only_looking(storages)));
        }
        Storages::open_for(storages, known, installation).map(Self::with)
    }

    fn with(storages: Storages) -> Self {
        let (prototypes, sums, layers) = (Mutex::default(), Mutex::default(), RwLock::default());
        Self(Arc::new(Inner { storages, prototypes, sums, layers }))
    }

    pub fn storages(&self) -> &Storages {
        &self.0.storages
    }

    /// Where a layer stands or will stand.
    ///
    /// # Errors
    /// When its storage is not one of this agent's or not there.
    pub fn layer_path(&self, layer: &LayerRef) -> Result<PathBuf> {
        self.storages().layer_path(layer)
    }

    /// Makes all that was written in a storage durable; once at the end of a batch.
    pub fn sync(&self, storage: &str) -> Result<()> {
        self.storages().get(storage)?.sync()
    }

    fn storage_of(&self, layer: &LayerRef) -> Result<Storage> {
        self.storages().get(&layer.storage)
    }

    /// Where a layer stands.
    ///
    /// # Errors
    /// As [`Disks::layer_path`], and `layer-missing` when the file is not there.
    pub fn present_layer(&self, layer: &LayerRef) -> Result<PathBuf> {
        let path = self.layer_path(layer)?;
        if !path.exists() {
            return Err(Error::not_found("layer-missing")
                .arg("uuid", layer.uuid)
                .arg("path", path.display()));
        }
        Ok(path)
    }

    /// # Errors
    /// `layer-missing` when the file is not there, `image-damaged` when it is no qcow2.
    fn layer_header(&self, layer: &LayerRef) -> Result<(PathBuf, Header)> {
        let path = self.present_layer(layer)?;
        let header = header(&path)?;
        Ok((path, header))
    }
}

fn header(path: &Path) -> Result<Header> {
    qcow2::read(path)?.ok_or_else(|| {
        Error::conflict("image-damaged")
            .arg("path", path.display())
            .arg("message", "no qcow2 header")
    })
}

/// What a program says that found no room is something the administrator can mend.
fn as_full_storage(error: Error, target: &Path) -> Error {
    if error.detail().contains("No space left on device") {
        Error::no_room("storage-ran-full").arg("path", target.display()).because(error)
    } else {
        error
    }
}

/// What the file of a layer is; `exists` is false when there is none. Without its hash.
fn layer_facts(layer: &LayerRef, path: &Path) -> Result<ImageFacts> {
    use std::os::unix::fs::MetadataExt;
    let mut facts = ImageFacts {
        uuid: layer.uuid,
        path: path.to_string_lossy().into_owned(),
        virtual_size: 0,
        disk_size: 0,
        length: 0,
        sha256: String::new(),
        exists: path.exists(),
        mended: false,
        boots: None,
        hints: ImageHints::default(),
    };
    if facts.exists {
        let meta = path.metadata().context(format_args!("look at {}", path.display()))?;
        facts.virtual_size = match layer.kind {
            LayerKind::Iso => meta.len(),
            LayerKind::BaseImage | LayerKind::TemplateVersion => header(path)?.virtual_size,
        };
        facts.disk_size = meta.blocks() * 512;
        facts.length = meta.len();
    }
    Ok(facts)
}

#[cfg(test)]
mod freeze_tests;
#[cfg(test)]
mod lost_tests;
#[cfg(test)]
mod tests;
