//! The CD drives of a domain: what is in them, and what shall be.

use uuid::Uuid;
use virt::domain::Domain;
use virt::sys;

use super::devices::Devices;
use super::errors::Libvirt;
use super::metadata::{self, Metadata, Which};
use super::{Hypervisor, Inner, hardware, states, xml};
use crate::error::{Error, Kind, Result};
use crate::node::protocol::{CdSpec, DomainSpec, OwnerKind};

impl Hypervisor {
    /// Puts into a domain's CD drives what the spec says: in its definition, and at once when it runs. A disc that the
    /// guest has locked is taken all the same; whether that was so.
    ///
    /// # Errors
    /// `domain-missing`, `layer-missing`, `drive-missing` when it runs without such a drive.
    pub fn set_drives(&self, spec: &DomainSpec) -> Result<bool> {
        self.inner.set_drives(spec)
    }

    /// Drives of running templates' machines that their guests opened with a disc in them, by place.
    pub fn list_ejected(&self) -> Result<Vec<(Uuid, u32)>> {
        self.inner.list_ejected()
    }
}

impl Inner {
    fn set_drives(&self, wanted: &DomainSpec) -> Result<bool> {
        let _claim = self.claims.hold(wanted.uuid);
        let (domain, metadata) = self.domain(wanted.uuid)?;
        let new = |cd: &&CdSpec| !metadata.spec.cds.contains(cd);
        for iso in wanted.cds.iter().filter(new).filter_map(|cd| cd.iso.as_ref()) {
            self.disks.present_layer(iso)?;
        }
        let runs = !self.link.is_simulator() && states::power(&domain)?.has_process();
        if runs {
            self.require_drives(&domain, wanted)?;
        }
        // First what it starts with: after a kill in between a repeated call finds what is left to do.
        let spec = DomainSpec { cds: wanted.cds.clone(), ..metadata.spec.clone() };
        self.redefine(
            &domain,
            &metadata,
            &spec,
            (metadata.version, metadata.fresh, metadata.life),
        )?;
        if runs { self.change_discs(&domain, &spec) } else { Ok(false) }
    }

    fn require_drives(&self, domain: &Domain, wanted: &DomainSpec) -> Result<()> {
        let there = Devices::of(domain)?.drives().count();
        if wanted.cds.iter().skip(there).all(|cd| cd.iso.is_none()) {
            return Ok(());
        }
        Err(Error::conflict("drive-missing").arg("name", &wanted.owner.name))
    }

    /// Whether a guest had one locked.
    fn change_discs(&self, domain: &Domain, spec: &DomainSpec) -> Result<bool> {
        let mut was_locked = false;
        for (drive, cd) in Devices::of(domain)?.drives().zip(&spec.cds) {
            let path = match &cd.iso {
                Some(iso) => Some(self.disks.layer_path(iso)?.to_string_lossy().into_owned()),
                None => None,
            };
            if drive.path == path {
                continue;
            }
            let own_disks = self.qemu_user.get(&self.connect()?)?.is_some();
            let bus = hardware::cd_bus(&spec.hardware);
            let xml = xml::drive(path.as_deref(), &drive.target, bus, own_disks)?;
            was_locked |= change_disc(domain, &xml, &spec.owner.name)?;
        }
        Ok(was_locked)
    }

    fn list_ejected(&self) -> Result<Vec<(Uuid, u32)>> {
        let mut ejected = Vec::new();
        if self.link.is_simulator() {
            return Ok(ejected);
        }
        let running = self.connect()?.list_all_domains(sys::VIR_CONNECT_LIST_DOMAINS_ACTIVE);
        for domain in running.libvirt("list the domains of", "libvirt")? {
            let Some(Metadata { spec, .. }) = self.template_of(&domain)? else { continue };
            let opened = (0..).zip(Devices::of(&domain)?.drives());
            let opened = opened.filter(|(_, drive)| drive.is_open && drive.path.is_some());
            ejected.extend(opened.map(|(place, _)| (spec.uuid, place)));
        }
        Ok(ejected)
    }

    /// When it is the machine of a template of this installation and has drives.
    fn template_of(&self, domain: &Domain) -> Result<Option<Metadata>> {
        let Some(marked) = metadata::read(domain, Which::Current)? else { return Ok(None) };
        if !self.may_be_ours(&marked) {
            return Ok(None);
        }
        // One that cannot be read is left alone.
        let metadata = marked.metadata.ok();
        let has_drives =
            |spec: &DomainSpec| spec.owner.kind == OwnerKind::Template && !spec.cds.is_empty();
        Ok(metadata.filter(|metadata| has_drives(&metadata.spec)))
    }
}

/// Asks first, and takes it when the guest does not let go. Whether it had to be taken.
fn change_disc(domain: &Domain, xml: &str, name: &str) -> Result<bool> {
    let live = sys::VIR_DOMAIN_AFFECT_LIVE;
    match domain.update_device_flags(xml, live).libvirt("change the disc of", name) {
        Ok(()) => Ok(false),
        Err(error) if error.kind() == Kind::NodeUnreachable => Err(error),
        Err(error) => {
            tracing::info!(
                name,
                error = error.detail(),
                "the guest keeps its disc: taken by force"
            );
            domain
                .update_device_flags(xml, live | sys::VIR_DOMAIN_DEVICE_MODIFY_FORCE)
                .libvirt("change the disc of", name)?;
            Ok(true)
        }
    }
}
