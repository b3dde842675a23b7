//! The small CD that tells a desktop's cloud-init who it is.

use std::fs;
use std::path::PathBuf;

use super::Disks;
use crate::error::Result;
use crate::node::agent::files;
use crate::node::protocol::DomainSpec;

/// In the folder of the domain.
pub(super) const NAME: &str = "seed.iso";
/// QEMU, as another user, reads it; nobody writes into it.
const MODE: u32 = 0o444;

impl Disks {
    /// Where it is or will be: beside the system disk.
    ///
    /// # Errors
    /// `domain-without-disk`
    pub fn seed_path(&self, spec: &DomainSpec) -> Result<PathBuf> {
        Ok(self.system_storage(spec)?.domain_dir(spec.uuid).join(NAME))
    }

    /// Puts this one in the place of any other, or takes it away. It need not survive a loss of power: the next start makes
    /// it again.
    ///
    /// # Errors
    /// `domain-without-disk`, `storage-ran-full`
    pub fn set_seed(&self, spec: &DomainSpec, image: Option<&[u8]>) -> Result<()> {
        let storage = self.system_storage(spec)?;
        let path = storage.domain_dir(spec.uuid).join(NAME);
        let Some(image) = image else { return files::remove_if_there(&path).map(drop) };
        storage.make_domain_dir(spec.uuid)?;
        let temporary = storage.temporary();
        let written = files::write_new(&temporary, image, MODE).and_then(|()| {
            fs::rename(&temporary, &path).map_err(|cause| files::on_storage(&path, cause))
        });
        if written.is_err() {
            files::remove_if_there(&temporary)?;
        }
        written
    }
}
