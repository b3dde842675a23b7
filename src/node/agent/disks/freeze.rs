//! Turns the working disk of a stopped domain into a layer.
//!
//! ```text
//!   before:  overlay (written)                layer: none
//!   1        renamed                          layer: the written disk
//!   2        none                             layer: read-only
//!   3        overlay (new, empty) ──────────► layer
//! ```
//!
//! After a kill in between the layer exists and no overlay stands on it: a repeated call does the rest.
//! A disk that would hide or lose what was written into another one is refused; see `chain`.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use uuid::Uuid;

use super::chain::{adds_nothing, strayed};
use super::{Disks, as_full_storage, layer_facts};
use crate::error::{Context, Error, Result};
use crate::node::agent::call::Call;
use crate::node::agent::files;
use crate::node::agent::program::Program;
use crate::node::agent::storage::Storage;
use crate::node::protocol::{DiskSpec, ImageFacts, LayerRef};

/// Copying a whole disk to another file system, on the slowest of machines.
const COPY_PATIENCE: Duration = Duration::from_secs(6 * 3600);

/// More than an empty disk of any size takes.
const OVERLAY_ROOM: u64 = 1 << 20;

impl Disks {
    /// Makes the domain's disk the layer `layer` and gives the domain an empty disk on top of it.
    /// Only for a domain that is off.
    ///
    /// # Errors
    /// `disk-missing` when there is neither the disk nor the layer, `disk-strayed`, `storage-ran-full`; nothing is
    /// changed then.
    pub fn freeze(
        &self,
        domain: Uuid,
        disk: &DiskSpec,
        layer: &LayerRef,
        call: &Call,
    ) -> Result<ImageFacts> {
        let overlay = self.overlay_path(disk, domain)?;
        let target = self.layer_path(layer)?;
        if !files::exists(&target)? {
            if !files::exists(&overlay)? {
                return Err(Error::not_found("disk-missing").arg("path", overlay.display()));
            }
            self.require_chain(&overlay, &disk.below)?;
            // Seen before the disk is renamed rather than after.
            self.storages().get(&disk.storage)?.require_free(OVERLAY_ROOM)?;
            self.move_to_layer(&overlay, layer, &target, call)?;
        }
        files::make_layer(&target)?;
        let found = self.overlay_header(disk, domain)?;
        let stands_on = found.as_ref().and_then(|header| header.backing.as_deref());
        if stands_on != Some(target.as_path()) {
            if found.is_some() && !adds_nothing(&overlay, &target, call)? {
                return Err(strayed(&overlay, &target));
            }
            self.fresh_overlay(disk, domain, layer)?;
            self.sync(&disk.storage)?;
        }
        layer_facts(layer, &target)
    }

    fn move_to_layer(
        &self,
        overlay: &Path,
        layer: &LayerRef,
        target: &Path,
        call: &Call,
    ) -> Result<()> {
        let storage = self.storage_of(layer)?;
        files::sync_file(overlay)?;
        match fs::rename(overlay, target) {
            Ok(()) => {
                files::sync_parent(overlay)?;
                files::sync_parent(target)
            }
            Err(cause) if cause.kind() == ErrorKind::CrossesDevices => {
                copy_to_layer(overlay, &storage, target, call)
            }
            Err(cause) => Err(files::on_storage(target, cause)),
        }
    }
}

/// The layer's storage is another file system than the disk's.
fn copy_to_layer(overlay: &Path, storage: &Storage, target: &Path, call: &Call) -> Result<()> {
    let size = fs::metadata(overlay).context(format_args!("look at {}", overlay.display()))?.len();
    storage.require_room(size)?;
    let temporary = storage.temporary();
    let copied = Program::new("cp", COPY_PATIENCE)
        .args(["--sparse=always", "--reflink=auto", "--"])
        .arg(overlay)
        .arg(&temporary)
        .cancel(call.cancel_flag())
        .output()
        .map_err(|error| as_full_storage(error, target))
        .and_then(|_| place_layer(&temporary, target));
    if copied.is_err() {
        files::remove_if_there(&temporary)?;
    }
    copied
}

/// Gives a finished file its name as a layer: durable, read-only, all at once.
pub(super) fn place_layer(temporary: &Path, target: &Path) -> Result<()> {
    files::make_layer(temporary)?;
    files::sync_file(temporary)?;
    files::rename_durably(temporary, target)
}
