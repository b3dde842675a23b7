//! Switches domains on and off.

use std::time::Duration;

use uuid::Uuid;
use virt::domain::Domain;
use virt::error::ErrorNumber;
use virt::sys;

use super::errors::{Libvirt, is_code};
use super::metadata::{self, Metadata};
use super::states::{self, says_not_running};
use super::stopping::AfterStop;
use super::{Hypervisor, Inner, batch, define, watcher, xml};
use crate::error::Result;
use crate::node::agent::call::Call;
use crate::node::protocol::{ItemResult, PowerAction, PowerState};

impl Hypervisor {
    /// Carries out an action on each domain. What is already so counts as done.
    /// A guest that is asked to shut itself down gets `patience` for it.
    pub fn power(
        &self,
        (action, patience): (PowerAction, Duration),
        domains: &[Uuid],
        call: &Call,
    ) -> Vec<ItemResult> {
        let inner = &*self.inner;
        let stop = |after| inner.stop_all(domains, patience, after, call);
        let each = |work: &(dyn Fn(Uuid) -> Result<()> + Sync)| {
            batch::run(domains, batch::width(), call, |uuid| *uuid, |uuid| work(*uuid))
        };
        match action {
            PowerAction::Start => each(&|uuid| inner.start(uuid)),
            PowerAction::Stop => stop(AfterStop::Nothing),
            PowerAction::End => stop(AfterStop::CutOff),
            PowerAction::HardStop => each(&|uuid| inner.hard_stop(uuid)),
            PowerAction::Reboot => stop(AfterStop::Start),
            PowerAction::HardReboot => each(&|uuid| inner.hard_reboot(uuid)),
            PowerAction::Reset => each(&|uuid| inner.reset(uuid)),
            PowerAction::Pause => each(&|uuid| inner.pause(uuid)),
            PowerAction::Resume => each(&|uuid| inner.resume(uuid)),
        }
    }
}

impl Inner {
    pub(super) fn start(&self, uuid: Uuid) -> Result<()> {
        let _claim = self.claims.hold(uuid);
        let (domain, metadata) = self.domain(uuid)?;
        let power = states::power(&domain)?;
        match power.state {
            PowerState::Paused => self.go_on(&domain, &metadata),
            _ if power.reason == states::IO_ERROR => self.go_on(&domain, &metadata),
            _ if power.has_process() => Ok(()),
            _ => self.start_stopped(&domain, &metadata),
        }
    }

    /// Restores what is to be restored, brings the definition up to date, starts. The caller holds the domain.
    pub(super) fn start_stopped(&self, domain: &Domain, metadata: &Metadata) -> Result<()> {
        let spec = &metadata.spec;
        let name = &spec.owner.name;
        let _promise = self.memory.promise(name, spec.memory_mib)?;
        let published = self.disks.published(spec.owner.template)?;
        self.require_kept(spec, Some(metadata))?;
        for disk in &spec.disks {
            let below = define::below(disk, published.as_ref());
            if disk.restore {
                self.disks.fresh_overlay(disk, spec.uuid, below)?;
            } else {
                self.disks.ensure_overlay(disk, spec.uuid, below)?;
                if metadata.fresh {
                    // From now on it must be there.
                    self.disks.sync_overlay(disk, spec.uuid)?;
                }
            }
        }
        self.disks.keep_driver_disk(spec)?;
        self.hand_over(spec)?;
        let restores = xml::restores(spec);
        let version =
            if restores { define::version(spec, published.as_ref()) } else { metadata.version };
        let mut spec = spec.clone();
        if let Some(published) = &published
            && version.is_some()
            && spec.is_made_anew()
        {
            spec.hardware = published.hardware.clone();
        }
        self.require_parts(&spec)?;
        self.prepare_firmware(&spec, published.as_ref(), metadata.fresh)?;
        let begins = metadata.fresh && !spec.is_made_anew();
        let life = if begins { Some(watcher::now()) } else { metadata.life };
        let born = if spec.is_made_anew() { Some(watcher::now()) } else { life };
        self.prepare_seed(&spec, born)?;
        self.redefine(domain, metadata, &spec, (version, false, life))?;
        self.disks.remove_former(&spec)?;
        // A saved state of the memory does not belong to new disks. The simulator knows no such state.
        let forget_memory = restores && !self.link.is_simulator();
        let flags =
            if forget_memory { sys::VIR_DOMAIN_START_FORCE_BOOT } else { sys::VIR_DOMAIN_NONE };
        match domain.create_with_flags(flags) {
            // Someone was faster.
            Err(cause) if says_not_running(&cause) && domain.is_active().unwrap_or(false) => {}
            created => created.libvirt("start", name)?,
        }
        match metadata::write_started(domain, watcher::now()) {
            // It is already off again.
            Err(cause) if says_not_running(&cause) => Ok(()),
            written => written.libvirt("note the start of", name),
        }
    }

    pub(super) fn hard_stop(&self, uuid: Uuid) -> Result<()> {
        let _off = self.switching_off.set(&[uuid]);
        let _claim = self.claims.hold(uuid);
        let (domain, metadata) = self.domain(uuid)?;
        self.destroy(&domain, &metadata.spec.owner.name)
    }

    fn hard_reboot(&self, uuid: Uuid) -> Result<()> {
        let _claim = self.claims.hold(uuid);
        let (domain, metadata) = self.domain(uuid)?;
        self.destroy(&domain, &metadata.spec.owner.name)?;
        self.start_stopped(&domain, &metadata)
    }

    fn reset(&self, uuid: Uuid) -> Result<()> {
        let _claim = self.claims.hold(uuid);
        let (domain, metadata) = self.domain(uuid)?;
        let name = &metadata.spec.owner.name;
        if xml::restores(&metadata.spec) || !states::power(&domain)?.has_process() {
            self.destroy(&domain, name)?;
            return self.start_stopped(&domain, &metadata);
        }
        domain.reset().libvirt("reset", name)
    }

    fn pause(&self, uuid: Uuid) -> Result<()> {
        let _claim = self.claims.hold(uuid);
        let (domain, metadata) = self.domain(uuid)?;
        if states::power(&domain)?.state == PowerState::Paused {
            return Ok(());
        }
        domain.suspend().libvirt("pause", &metadata.spec.owner.name).map(drop)
    }

    fn resume(&self, uuid: Uuid) -> Result<()> {
        let _claim = self.claims.hold(uuid);
        let (domain, metadata) = self.domain(uuid)?;
        if states::power(&domain)?.state == PowerState::Running {
            return Ok(());
        }
        self.go_on(&domain, &metadata)
    }

    pub(super) fn go_on(&self, domain: &Domain, metadata: &Metadata) -> Result<()> {
        domain.resume().libvirt("resume", &metadata.spec.owner.name)?;
        self.clocks.set_soon(metadata.spec.uuid);
        Ok(())
    }

    /// Pulls the plug; nothing when it is off.
    pub(super) fn destroy(&self, domain: &Domain, name: &str) -> Result<()> {
        match domain.destroy() {
            Err(cause) if says_not_running(&cause) || is_code(&cause, ErrorNumber::NoDomain) => {
                Ok(())
            }
            destroyed => destroyed.libvirt("switch off", name),
        }
    }
}
