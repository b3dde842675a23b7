//! A mark beside a domain's disks: it runs, as far as the agent knows.

use std::fs;
use std::path::PathBuf;

use uuid::Uuid;

use super::Disks;
use crate::error::{Context, Result};
use crate::node::agent::files;

pub(super) const MARK: &str = "running";
/// Another one after each start of the machine, which ends all domains.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

impl Disks {
    /// Nothing for a domain without disks here.
    pub fn note_run(&self, domain: Uuid) -> Result<()> {
        let Some(mark) = self.mark(domain).filter(|_| !self.has_run(domain)) else { return Ok(()) };
        fs::write(&mark, boot_id()?).map_err(|cause| files::on_storage(&mark, cause))
    }

    pub fn forget_run(&self, domain: Uuid) -> Result<()> {
        self.mark(domain).map_or(Ok(()), |mark| files::remove_if_there(&mark).map(drop))
    }

    /// Whether it was noted since this machine was started.
    pub fn has_run(&self, domain: Uuid) -> bool {
        let noted = self.mark(domain).and_then(|mark| fs::read_to_string(mark).ok());
        noted.is_some_and(|noted| boot_id().is_ok_and(|now| now == noted))
    }

    fn mark(&self, domain: Uuid) -> Option<PathBuf> {
        let mut dirs = self.storages().usable().map(|storage| storage.domain_dir(domain));
        dirs.find(|dir| dir.is_dir()).map(|dir| dir.join(MARK))
    }
}

fn boot_id() -> Result<String> {
    fs::read_to_string(BOOT_ID).context("read which start of this machine it is")
}
