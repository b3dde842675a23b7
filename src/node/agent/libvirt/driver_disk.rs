//! The small disk that makes the system of a template's machine load the driver of its bus: plugged in and out while it
//! runs.

use serde::Deserialize;
use virt::domain::Domain;
use virt::sys;

use super::errors::Libvirt;
use super::xml::{self, DriverDiskView};
use super::{Hypervisor, Inner, hardware, states};
use crate::error::{Context, Error, Kind, Result};
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
        let plugged = plugged(domain)?;
        if plugged.has(&disk) {
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
        if bus == DiskBus::VirtioScsi && !plugged.has_scsi {
            attach(CONTROLLER)?;
        }
        attach(&xml)
    }

    fn unplug(&self, domain: &Domain, spec: &DomainSpec) -> Result<()> {
        let path = self.disks.driver_disk_path(spec)?.to_string_lossy().into_owned();
        let Some(target) = plugged(domain)?.target_of(&path).map(str::to_owned) else {
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

/// What a running domain has.
#[derive(Debug, Default, PartialEq, Eq)]
struct Plugged {
    /// Paths and names of its disks.
    disks: Vec<(String, String)>,
    has_scsi: bool,
}

impl Plugged {
    fn has(&self, disk: &DriverDiskView<'_>) -> bool {
        self.disks.iter().any(|(path, target)| path == disk.path && *target == disk.target)
    }

    fn target_of(&self, path: &str) -> Option<&str> {
        self.disks.iter().find(|(its, _)| its == path).map(|(_, target)| target.as_str())
    }
}

fn plugged(domain: &Domain) -> Result<Plugged> {
    let name = domain.name().unwrap_or_default();
    let text = domain.xml_desc(sys::VIR_DOMAIN_NONE).libvirt("read the definition of", name)?;
    parse(&text)
}

fn parse(text: &str) -> Result<Plugged> {
    #[derive(Deserialize)]
    struct Definition {
        devices: Devices,
    }
    #[derive(Deserialize)]
    struct Devices {
        #[serde(default)]
        disk: Vec<Disk>,
        #[serde(default)]
        controller: Vec<Controller>,
    }
    #[derive(Deserialize)]
    struct Disk {
        source: Option<Source>,
        target: Target,
    }
    #[derive(Deserialize)]
    struct Source {
        #[serde(rename = "@file")]
        file: Option<String>,
    }
    #[derive(Deserialize)]
    struct Target {
        #[serde(rename = "@dev")]
        dev: String,
    }
    #[derive(Deserialize)]
    struct Controller {
        #[serde(rename = "@type")]
        kind: String,
    }
    let Definition { devices } = quick_xml::de::from_str(text).context("read a definition")?;
    let path = |source: Option<Source>| source.and_then(|source| source.file).unwrap_or_default();
    let disks = devices.disk.into_iter().map(|disk| (path(disk.source), disk.target.dev));
    Ok(Plugged {
        disks: disks.collect(),
        has_scsi: devices.controller.iter().any(|controller| controller.kind == "scsi"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_plugged_in_is_read_out_of_a_running_domain() {
        let text = "<domain><devices><emulator>/q</emulator>\
             <disk type='file' device='disk'><source file='/d'/><target dev='sda' bus='sata'/></disk>\
             <disk type='file' device='cdrom'><target dev='sdb' bus='sata'/></disk>\
             <controller type='pci' index='0' model='pcie-root'/>\
             <controller type='scsi' index='0' model='virtio-scsi'/></devices></domain>";
        let plugged = parse(text).expect("read");
        let disk = |path, target: &str| DriverDiskView { path, target: target.to_owned(), bus: "" };
        assert!(plugged.has(&disk("/d", "sda")) && !plugged.has(&disk("/d", "vda")));
        assert_eq!((plugged.target_of("/d"), plugged.target_of("/e")), (Some("sda"), None));
        assert!(plugged.has_scsi && !parse("<domain><devices/></domain>").expect("read").has_scsi);
    }
}
