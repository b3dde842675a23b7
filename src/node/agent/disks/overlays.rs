//! The writable disks of domains: empty overlays, made by the hundred.
//!
//! What is in an empty overlay depends only on the path of what it stands on and on its size. So
//! `qemu-img` makes one, and the others are copies of its few written blocks.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use uuid::Uuid;

use super::chain::require_files;
use super::{Disks, as_full_storage, header};
use crate::error::{Context, Error, Kind, Result};
use crate::node::agent::files;
use crate::node::agent::program::Program;
use crate::node::agent::qcow2::{self, Header};
use crate::node::agent::storage::Storage;
use crate::node::protocol::{DiskSpec, DomainSpec, LayerRef};

/// Making an empty qcow2 or its growing writes a few blocks; a minute means a stuck file system.
const PATIENCE: Duration = Duration::from_secs(60);

/// More layers than this are rarely cloned by turns; each costs about 200 bytes and its blocks.
const PROTOTYPES_KEPT: usize = 128;

const BLOCK: usize = 4096;

/// An empty overlay in memory: its length, and the blocks that are not all zero.
pub(super) struct Prototype {
    length: u64,
    blocks: Vec<(u64, Vec<u8>)>,
}

impl Disks {
    /// Where a domain's disk stands or will stand.
    ///
    /// # Errors
    /// When its storage is not one of this agent's or not there.
    pub fn overlay_path(&self, disk: &DiskSpec, domain: Uuid) -> Result<PathBuf> {
        Ok(self.storages().get(&disk.storage)?.overlay(domain, disk.uuid))
    }

    /// Where the variables of a domain's UEFI are: beside its system disk.
    ///
    /// # Errors
    /// `domain-without-disk`
    pub fn nvram_path(&self, spec: &DomainSpec) -> Result<PathBuf> {
        Ok(self.system_storage(spec)?.nvram(spec.uuid))
    }

    /// Writes them whole or not at all.
    ///
    /// # Errors
    /// `domain-without-disk`, `storage-ran-full`
    pub fn write_nvram(&self, spec: &DomainSpec, content: &[u8]) -> Result<()> {
        let storage = self.system_storage(spec)?;
        storage.make_domain_dir(spec.uuid)?;
        files::write_durably(&storage.temporary(), &storage.nvram(spec.uuid), content, 0o600)
    }

    pub(super) fn system_storage(&self, spec: &DomainSpec) -> Result<Storage> {
        let without = || Error::conflict("domain-without-disk").arg("object", &spec.owner.name);
        let system = spec.disks.iter().min_by_key(|disk| disk.index).ok_or_else(without)?;
        self.storages().get(&system.storage)
    }

    /// What stands there now: its size and the path of the layer below. `None` when nothing does.
    pub fn overlay_header(&self, disk: &DiskSpec, domain: Uuid) -> Result<Option<Header>> {
        let path = self.overlay_path(disk, domain)?;
        if files::exists(&path)? { qcow2::read(&path) } else { Ok(None) }
    }

    /// Puts an empty overlay on `below` in the place of whatever was there. It is as large as the spec says, or as the
    /// layer when that is larger. Only for a domain that is off. Durable after [`Disks::sync`].
    ///
    /// # Errors
    /// `layer-missing` when `below` is not on this node, `storage-ran-full`.
    pub fn fresh_overlay(&self, disk: &DiskSpec, domain: Uuid, below: &LayerRef) -> Result<()> {
        let storage = self.storages().get(&disk.storage)?;
        let _layers = self.0.layers.read().unwrap_or_else(PoisonError::into_inner);
        let (layer, layer_header) = self.layer_header(below)?;
        require_files(layer_header.backing.as_deref())?;
        let size = disk.size.max(layer_header.virtual_size);
        let prototype = self.prototype(&storage, &layer, size)?;
        storage.make_domain_dir(domain)?;
        let temporary = storage.temporary();
        let path = storage.overlay(domain, disk.uuid);
        let placed = prototype.write(&temporary).and_then(|()| {
            fs::rename(&temporary, &path).map_err(|cause| files::on_storage(&path, cause))
        });
        if placed.is_err() {
            files::remove_if_there(&temporary)?;
        }
        placed
    }

    /// Makes the overlay when it is missing, and enlarges one that is smaller than the spec says. What is in it stays.
    /// Only for a domain that is off. Says whether it was made.
    ///
    /// # Errors
    /// As [`Disks::fresh_overlay`].
    pub fn ensure_overlay(&self, disk: &DiskSpec, domain: Uuid, below: &LayerRef) -> Result<bool> {
        // One without a header is what a cut of power left of a file not yet synced.
        let Some(now) = self.overlay_header(disk, domain)? else {
            self.fresh_overlay(disk, domain, below)?;
            return Ok(true);
        };
        require_files(now.backing.as_deref())?;
        if now.virtual_size < disk.size {
            grow(&self.overlay_path(disk, domain)?, disk.size)?;
        }
        Ok(false)
    }

    /// Makes an overlay durable, and that it is there.
    pub fn sync_overlay(&self, disk: &DiskSpec, domain: Uuid) -> Result<()> {
        let path = self.overlay_path(disk, domain)?;
        files::sync_file(&path)?;
        files::sync_parent(&path)
    }

    /// Deletes all disks of a domain, in whatever storage. None counts as deleted.
    ///
    /// # Errors
    /// `storage-not-mounted`: what is in it would be left.
    pub fn remove_overlays(&self, domain: Uuid) -> Result<()> {
        self.storages().require_all()?;
        for storage in self.storages().usable() {
            let dir = storage.domain_dir(domain);
            match fs::remove_dir_all(&dir) {
                Err(cause) if cause.kind() != ErrorKind::NotFound => {
                    return Err(cause).context(format_args!("remove {}", dir.display()));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn prototype(&self, storage: &Storage, layer: &Path, size: u64) -> Result<Arc<Prototype>> {
        let key = (layer.to_owned(), size);
        // Held while qemu-img runs: a hundred who want the same wait for the one who makes it.
        let mut known = self.0.prototypes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(prototype) = known.get(&key) {
            return Ok(prototype.clone());
        }
        let prototype = Arc::new(Prototype::make(storage, layer, size)?);
        if known.len() >= PROTOTYPES_KEPT {
            known.clear();
        }
        known.insert(key, prototype.clone());
        Ok(prototype)
    }
}

impl Prototype {
    fn make(storage: &Storage, layer: &Path, size: u64) -> Result<Self> {
        let temporary = storage.temporary();
        let made =
            create_empty(&temporary, Some(layer), size).and_then(|()| Self::read(&temporary));
        files::remove_if_there(&temporary)?;
        made
    }

    fn read(path: &Path) -> Result<Self> {
        let content = fs::read(path).context("read a new overlay")?;
        let blocks = content
            .chunks(BLOCK)
            .enumerate()
            .filter(|(_, block)| block.iter().any(|byte| *byte != 0))
            .map(|(index, block)| ((index * BLOCK) as u64, block.to_vec()))
            .collect();
        Ok(Self { length: content.len() as u64, blocks })
    }

    fn write(&self, path: &Path) -> Result<()> {
        let file = files::create_new(path, 0o600)?;
        let written =
            self.blocks.iter().try_for_each(|(offset, block)| file.write_all_at(block, *offset));
        written
            .and_then(|()| file.set_len(self.length))
            .map_err(|cause| files::on_storage(path, cause))
    }
}

/// An empty qcow2, on a layer or on nothing.
pub(super) fn create_empty(path: &Path, below: Option<&Path>, size: u64) -> Result<()> {
    let mut run = Program::new("qemu-img", PATIENCE).args(["create", "-q", "-f", "qcow2"]);
    if let Some(layer) = below {
        run = run.args(["-F", "qcow2", "-b"]).arg(layer);
    }
    let made = run.arg(path).arg(size.to_string()).output();
    made.map(drop).map_err(|error| as_full_storage(error, path))
}

fn grow(path: &Path, size: u64) -> Result<()> {
    Program::new("qemu-img", PATIENCE)
        .args(["resize", "-q", "-f", "qcow2"])
        .arg(path)
        .arg(size.to_string())
        .output()
        .map_err(|cause| match as_full_storage(cause, path) {
            full if full.kind() == Kind::NoRoom => full,
            other => Error::conflict("disk-not-grown").arg("path", path.display()).because(other),
        })?;
    debug_assert_eq!(header(path)?.virtual_size, size);
    Ok(())
}
