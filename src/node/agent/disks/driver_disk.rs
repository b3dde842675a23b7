//! The small disk that makes the system of a template's machine load the driver of its bus. Nothing is kept on it.

use std::path::PathBuf;

use super::Disks;
use crate::error::Result;
use crate::node::agent::files;
use crate::node::protocol::{DomainSpec, OwnerKind};

/// Large enough for any system to show it, and it takes no room: nothing is written there.
const SIZE: u64 = 16 << 20;

impl Disks {
    /// Where it is or will be: beside the system disk.
    ///
    /// # Errors
    /// `domain-without-disk`
    pub fn driver_disk_path(&self, spec: &DomainSpec) -> Result<PathBuf> {
        Ok(self.system_storage(spec)?.driver_disk(spec.uuid))
    }

    /// Makes it when it is missing.
    ///
    /// # Errors
    /// `domain-without-disk`, `storage-ran-full`
    pub fn make_driver_disk(&self, spec: &DomainSpec) -> Result<()> {
        let path = self.driver_disk_path(spec)?;
        if files::exists(&path)? {
            return Ok(());
        }
        let storage = self.system_storage(spec)?;
        storage.make_domain_dir(spec.uuid)?;
        let temporary = storage.temporary();
        let made = files::create_new(&temporary, 0o600)
            .and_then(|file| file.set_len(SIZE).map_err(|cause| files::on_storage(&path, cause)))
            .and_then(|()| files::rename_durably(&temporary, &path));
        if made.is_err() {
            files::remove_if_there(&temporary)?;
        }
        made
    }

    /// Makes it, or removes what an earlier spec had. Only for a domain that is off.
    ///
    /// # Errors
    /// As [`Disks::make_driver_disk`].
    pub fn keep_driver_disk(&self, spec: &DomainSpec) -> Result<()> {
        match (spec.owner.kind, spec.driver_disk) {
            (OwnerKind::Desktop, _) => Ok(()),
            (OwnerKind::Template, Some(_)) => self.make_driver_disk(spec),
            (OwnerKind::Template, None) => self.remove_driver_disk(spec),
        }
    }

    /// None counts as removed.
    ///
    /// # Errors
    /// `domain-without-disk`
    pub fn remove_driver_disk(&self, spec: &DomainSpec) -> Result<()> {
        files::remove_if_there(&self.driver_disk_path(spec)?).map(drop)
    }
}
