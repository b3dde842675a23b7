//! Removes domains with their disks.

use uuid::Uuid;
use virt::domain::Domain;
use virt::error::ErrorNumber;
use virt::sys;

use super::errors::{Libvirt, is_code};
use super::{Hypervisor, Inner, batch, tpm};
use crate::error::Result;
use crate::node::agent::call::Call;
use crate::node::protocol::ItemResult;

impl Hypervisor {
    /// Destroys, undefines and deletes the disks. An absent domain counts as removed; disks that one left are deleted
    /// all the same. One that cannot be read goes too, with what lies in its own folders: it is named by who asks.
    pub fn remove_domains(&self, domains: &[Uuid], call: &Call) -> Vec<ItemResult> {
        let inner = &self.inner;
        batch::run(domains, batch::width(), call, |uuid| *uuid, |uuid| inner.remove(*uuid))
    }
}

impl Inner {
    fn remove(&self, uuid: Uuid) -> Result<()> {
        let _off = self.switching_off.set(&[uuid]);
        let _claim = self.claims.hold(uuid);
        // Nothing is cut off whose disks would be left.
        self.disks.storages().require_all()?;
        if let Some((domain, _)) = self.find_marked(uuid)? {
            let name = domain.name().libvirt("ask for the name of", uuid)?;
            self.destroy(&domain, &name)?;
            undefine(&domain, &name)?;
        }
        if !self.link.is_simulator() {
            // Also that of one which somebody else undefined.
            tpm::remove(uuid)?;
        }
        self.disks.remove_overlays(uuid)
    }
}

pub(super) fn undefine(domain: &Domain, name: &str) -> Result<()> {
    let with_all = sys::VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
        | sys::VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
        | sys::VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA
        // It lies beside the disks and goes, or stays, with them.
        | sys::VIR_DOMAIN_UNDEFINE_KEEP_NVRAM;
    let undefined = match domain.undefine_flags(with_all) {
        // libvirt's simulator keeps none of these.
        Err(cause) if is_code(&cause, ErrorNumber::InvalidArg) => domain.undefine(),
        undefined => undefined,
    };
    match undefined {
        Err(cause) if is_code(&cause, ErrorNumber::NoDomain) => Ok(()),
        undefined => undefined.libvirt("undefine", name),
    }
}
