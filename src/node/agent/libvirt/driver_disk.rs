//! The small disk that makes the system of a template's machine load the driver of its bus: plugged in and out while it
//! runs.

use virt::domain::Domain;
use virt::sys;

use super::devices::Devices;
use super::errors::Libvirt;
use super::xml::{self, DriverDiskView};
use super::{Hypervisor, Inner, hardware, states};
use crate::error::{Error, Kind, Result};
use crate::node::protocol::{DiskBus, DomainSpec};

/// The controller that a SCSI disk is plugged into.
const CONTROLLER: &str = "<controller type='scsi' index='0' model='virtio-scsi'/>";

impl Hypervisor {
    /// Gives a domain the small disk that the spec says, or takes it away: in its definition, and at once when it runs. A
    /// guest that does not let go of it loses it at its next start.
    ///
    /// # Errors
    /// `domain-missing`, `storage-ran-full`, `driver-disk-not-plugged`
    pub fn set_driver_disk(&self, spec: &DomainSpec) -> Result<()> {
        self.inner.set_driver_disk(spec)
    }
}

impl Inner {
    fn set_driver_disk(&self, wanted: &DomainSpec) -> Result<()> {
        let _claim = self.claims.hold(wanted.uuid);
        let (domain, metadata) = self.domain(wanted.uuid)?;
        let before = &metadata.spec;
        let spec = DomainSpec { driver_disk: wanted.driver_disk, ..before.clone() };
        if spec.driver_disk.is_some() {
            self.disks.make_driver_disk(&spec)?;
            self.hand_over(&spec)?;
        }
        // First what it starts with: after a kill in between a repeated call finds what is left to do.
        self.redefine(
            &domain,
            &metadata,
            &spec,
            (metadata.version, metadata.fresh, metadata.life),
        )?;
        if !self.link.is_simulator() && states::power(&domain)?.has_process() {
            match spec.driver_disk {
                Some(bus) => self.plug(&domain, &spec, bus)?,
                None => self.unplug(&domain, &spec)?,
            }
        }
        match spec.driver_disk {
            Some(_) => Ok(()),
            // What a guest still holds it has open.
            None => self.disks.remove_driver_disk(&spec),
        }
    }

    fn plug(&self, domain: &Domain, spec: &DomainSpec, bus: DiskBus) -> Result<()> {
        let path = self.disks.driver_disk_path(spec)?.to_string_lossy().into_owned();
        let Some(disk) = xml::driver_disk_view(spec, &path) else { return Ok(()) };
        let devices = Devices::of(domain)?;
        if devices.at(&path).is_some_and(|there| there.target == disk.target) {
            return Ok(());
        }
        let own_disks = self.qemu_user.get(&self.connect()?)?.is_some();
        let xml = xml::driver_disk(&disk, own_disks)?;
        let live = sys::VIR_DOMAIN_AFFECT_LIVE;
        let name = &spec.owner.name;
        let attach = |xml: &str| {
            domain.attach_device_flags(xml, live).libvirt("plug a disk into", name).map_err(
                |cause| match cause.kind() {
                    Kind::NodeUnreachable => cause,
                    _ => {
                        Error::conflict("driver-disk-not-plugged").arg("name", name).because(cause)
                    }
                },
            )
        };
        if bus == DiskBus::VirtioScsi && !devices.has_scsi {
            attach(CONTROLLER)?;
        }
        attach(&xml)
    }

    fn unplug(&self, domain: &Domain, spec: &DomainSpec) -> Result<()> {
        let path = self.disks.driver_disk_path(spec)?.to_string_lossy().into_owned();
        let Some(target) = Devices::of(domain)?.at(&path).map(|disk| disk.target.clone()) else {
            return Ok(());
        };
        let bus = if target.starts_with('v') { DiskBus::Virtio } else { DiskBus::VirtioScsi };
        let disk = DriverDiskView { path: &path, target, bus: hardware::bus_word(bus) };
        let own_disks = self.qemu_user.get(&self.connect()?)?.is_some();
        let xml = xml::driver_disk(&disk, own_disks)?;
        let name = &spec.owner.name;
        let detached = domain.detach_device_flags(&xml, sys::VIR_DOMAIN_AFFECT_LIVE);
        match detached.libvirt("unplug a disk of", name) {
            Err(error) if error.kind() == Kind::NodeUnreachable => Err(error),
            Err(error) => {
                let error = error.detail();
                tracing::info!(name, error, "the guest keeps its disk until its next start");
                Ok(())
            }
            Ok(_) => Ok(()),
        }
    }
}
