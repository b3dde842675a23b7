//! What a restored database does not know, kept for the administrator instead of deleted.
//!
//! ```text
//!   <storage>/lost/<time>/desktops/<domain uuid>/<disk uuid>.qcow2   its disks
//!   <storage>/lost/<time>/desktops/<domain uuid>/domain.xml          its definition, with the disks where they are now
//!   <storage>/lost/<time>/desktops/<domain uuid>/nvram.fd, tpm2-00.permall   what its firmware kept
//!   <storage>/lost/<time>/templates, base                            layers, pointers
//! ```
//!
//! Disks name what they stand on by its path: a layer below one of them stays in its place too, under both names,
//! and is not removed from there as long as the disk is there. Whoever needs none of it deletes the folder.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::PoisonError;

use uuid::Uuid;

use super::Disks;
use super::inventory::{interpret, names};
use crate::error::{Context, Error, Result};
use crate::node::agent::files;
use crate::node::agent::storage::Storage;
use crate::node::protocol::{FileKind, StoredFile};

/// QEMU, as another user, reads a disk here when the administrator defines its domain again.
const WALK_ONLY: u32 = 0o711;
const DEFINITION: &str = "domain.xml";
const TPM: &str = "tpm2-00.permall";

impl Disks {
    /// Writes a domain's definition beside its disks, naming them where [`Disks::set_aside_overlays`] moves them.
    pub fn keep_definition(&self, at: i64, domain: Uuid, xml: &str) -> Result<()> {
        let folder = format!("/desktops/{domain}/");
        let moved = xml.replace(&folder, &format!("/lost/{at}{folder}"));
        self.keep_beside(domain, DEFINITION, moved.as_bytes())
    }

    /// Writes the state of a domain's TPM beside its disks, under swtpm's name.
    pub fn keep_tpm(&self, domain: Uuid, content: &[u8]) -> Result<()> {
        self.keep_beside(domain, TPM, content)
    }

    fn keep_beside(&self, domain: Uuid, name: &str, content: &[u8]) -> Result<()> {
        let own = |storage: &Storage| storage.domain_dir(domain).is_dir();
        let storage =
            self.storages().usable().find(own).or_else(|| self.storages().usable().next());
        let Some(storage) = storage else { return Ok(()) };
        let dir = storage.make_domain_dir(domain)?;
        files::write_durably(&storage.temporary(), &dir.join(name), content, 0o600)
    }

    /// Moves a domain's folders, in whatever storage. None counts as moved.
    pub fn set_aside_overlays(&self, at: i64, domain: Uuid) -> Result<()> {
        for storage in self.storages().usable() {
            let dir = storage.domain_dir(domain);
            if dir.is_dir() {
                set_aside(&storage, at, &dir)?;
            }
        }
        Ok(())
    }

    /// Moves files that `list_files` has found. Layers on which something stands stay too.
    ///
    /// # Errors
    /// `file-name-unknown` for what the layout does not know: nothing is moved then.
    pub fn set_aside_files(&self, at: i64, wanted: &[StoredFile]) -> Result<()> {
        if let Some(file) =
            wanted.iter().find(|file| interpret(&file.path) != Some((file.kind, file.uuid)))
        {
            return Err(Error::bad_input("file-name-unknown").arg("path", &file.path));
        }
        let _layers = self.0.layers.write().unwrap_or_else(PoisonError::into_inner);
        // Pointers go first: a layer that only they keep goes too.
        for file in wanted.iter().filter(|file| !matches!(file.kind, FileKind::Layer(_))) {
            let storage = self.storages().get(&file.storage)?;
            let path = storage.root().join(&file.path);
            match file.kind {
                FileKind::Overlay => set_aside(&storage, at, &storage.domain_dir(file.uuid))?,
                _ => set_aside(&storage, at, &path)?,
            }
        }
        let users = self.users()?;
        for file in wanted.iter().filter(|file| matches!(file.kind, FileKind::Layer(_))) {
            let storage = self.storages().get(&file.storage)?;
            let path = storage.root().join(&file.path);
            if users.contains_key(&path) {
                keep_too(&storage, at, &path)?;
            } else {
                set_aside(&storage, at, &path)?;
            }
        }
        Ok(())
    }

    /// Disks and layers that were set aside.
    pub(super) fn list_lost(&self) -> Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        for storage in self.storages().usable() {
            for time in names(&storage.lost())? {
                let time = storage.lost().join(time);
                let desktops = time.join("desktops");
                let domains = names(&desktops)?.into_iter().map(|domain| desktops.join(domain));
                for folder in domains.chain([time.join("templates"), time.join("base")]) {
                    let images =
                        names(&folder)?.into_iter().filter(|name| name.ends_with(".qcow2"));
                    found.extend(images.map(|name| folder.join(name)));
                }
            }
        }
        Ok(found)
    }
}

/// Moves a file or folder to the same place below `lost`. An absent one counts as moved.
fn set_aside(storage: &Storage, at: i64, path: &Path) -> Result<()> {
    let target = target(storage, at, path)?;
    match fs::rename(path, &target) {
        Err(cause) if cause.kind() == ErrorKind::NotFound => return Ok(()),
        other => other.map_err(|cause| files::on_storage(&target, cause))?,
    }
    tracing::warn!(from = %path.display(), to = %target.display(), "set aside");
    files::sync_parent(path)?;
    files::sync_parent(&target)
}

/// A second name for a layer that is in use now and may go when it is not.
fn keep_too(storage: &Storage, at: i64, path: &Path) -> Result<()> {
    let target = target(storage, at, path)?;
    match fs::hard_link(path, &target) {
        Err(cause) if matches!(cause.kind(), ErrorKind::NotFound | ErrorKind::AlreadyExists) => {
            return Ok(());
        }
        other => other.map_err(|cause| files::on_storage(&target, cause))?,
    }
    tracing::warn!(path = %path.display(), also = %target.display(), "set aside");
    files::sync_parent(&target)
}

/// Where it goes; makes the folders.
fn target(storage: &Storage, at: i64, path: &Path) -> Result<PathBuf> {
    let below = path.strip_prefix(storage.root()).context("a file outside of its storage")?;
    let lost = storage.lost();
    let mut target = lost.join(at.to_string());
    files::make_dir(&lost, WALK_ONLY)?;
    files::make_dir(&target, WALK_ONLY)?;
    let mut parts = below.components().peekable();
    while let Some(part) = parts.next() {
        target.push(part);
        if parts.peek().is_some() {
            files::make_dir(&target, WALK_ONLY)?;
        }
    }
    Ok(target)
}
