//! Disks that a domain has no longer, since another template took the place of its own: a guest that runs writes to them
//! still, and they go before its next start.

use std::fs;

use uuid::Uuid;

use super::Disks;
use super::inventory::names;
use crate::error::Result;
use crate::node::agent::files;
use crate::node::agent::storage::{FORMER, named};
use crate::node::protocol::{DiskSpec, DomainSpec};

impl Disks {
    /// Notes that a disk is to go by [`Disks::remove_former`].
    pub fn note_former(&self, disk: &DiskSpec, domain: Uuid) -> Result<()> {
        let path = self.overlay_path(disk, domain)?;
        if !files::exists(&path)? {
            return Ok(());
        }
        let mark = path.with_extension(&FORMER[1..]);
        fs::write(&mark, b"").map_err(|cause| files::on_storage(&mark, cause))
    }

    /// Notes that a domain's variables of UEFI are another firmware's as soon as it is defined with this fingerprint.
    pub fn note_former_nvram(&self, spec: &DomainSpec, defined: &str) -> Result<()> {
        let nvram = self.nvram_path(spec)?;
        if !files::exists(&nvram)? {
            return Ok(());
        }
        let mark = nvram.with_extension(&FORMER[1..]);
        fs::write(&mark, defined).map_err(|cause| files::on_storage(&mark, cause))
    }

    /// Deletes variables that were noted for what is `defined` by now.
    pub fn remove_former_nvram(&self, spec: &DomainSpec, defined: &str) -> Result<()> {
        let nvram = self.nvram_path(spec)?;
        let mark = nvram.with_extension(&FORMER[1..]);
        if !files::exists(&mark)? {
            return Ok(());
        }
        let noted = fs::read_to_string(&mark).map_err(|cause| files::on_storage(&mark, cause))?;
        if noted == defined {
            files::remove_if_there(&nvram)?;
        }
        files::remove_if_there(&mark).map(drop)
    }

    /// Deletes what was noted, but for disks that the domain has again. Only for one that is off.
    pub fn remove_former(&self, spec: &DomainSpec) -> Result<()> {
        for storage in self.storages().usable() {
            let dir = storage.domain_dir(spec.uuid);
            for name in names(&dir)? {
                let Some(disk) = named(&name, FORMER) else { continue };
                if spec.disks.iter().all(|its| its.uuid != disk) {
                    files::remove_if_there(&storage.overlay(spec.uuid, disk))?;
                }
                files::remove_if_there(&dir.join(&name))?;
            }
        }
        Ok(())
    }
}
