//! Freezes the disks of a domain as layers of a template.

use uuid::Uuid;

use super::{Hypervisor, states};
use crate::error::{Error, Result};
use crate::node::agent::call::Call;
use crate::node::protocol::{FrozenDisk, ImageFacts};

impl Hypervisor {
    /// Freezes the working disks of a stopped domain; it gets new empty disks on top, also in its definition. Answers
    /// in the order asked for.
    ///
    /// # Errors
    /// `domain-running`; `disk-unknown` when the domain has no such disk.
    pub fn freeze_disks(
        &self,
        uuid: Uuid,
        layers: &[FrozenDisk],
        call: &Call,
    ) -> Result<Vec<ImageFacts>> {
        let inner = &self.inner;
        let _claim = inner.claims.hold(uuid);
        let (domain, metadata) = inner.domain(uuid)?;
        let name = &metadata.spec.owner.name;
        if states::power(&domain)?.has_process() {
            return Err(Error::conflict("domain-running").arg("object", name));
        }
        let mut spec = metadata.spec.clone();
        let mut frozen = Vec::with_capacity(layers.len());
        for FrozenDisk { disk, layer } in layers {
            call.check()?;
            let found = spec.disks.iter_mut().find(|known| known.uuid == *disk);
            let disk = found.ok_or_else(|| {
                Error::not_found("disk-unknown").arg("object", name).arg("uuid", disk)
            })?;
            frozen.push(inner.disks.freeze(uuid, disk, layer, call)?);
            disk.below = layer.clone();
            inner.hand_over(&metadata.spec)?;
            // Written down at once: after a kill the repeated call finds what was done.
            let stands = (metadata.version, metadata.fresh, metadata.life);
            inner.redefine(&domain, &metadata, &spec, stands)?;
            call.progress(frozen.len() as u64, layers.len() as u64);
        }
        Ok(frozen)
    }
}
