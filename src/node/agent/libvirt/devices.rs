//! Disks and drives that a running domain has.

use serde::Deserialize;
use virt::domain::Domain;
use virt::sys;

use super::errors::Libvirt;
use crate::error::{Context, Result};

#[derive(Debug, PartialEq, Eq)]
pub struct Devices {
    /// In the order of the definition.
    pub disks: Vec<Disk>,
    /// Disks can be plugged in on SCSI.
    pub has_scsi: bool,
}

/// A disk, or a CD drive.
#[derive(Debug, PartialEq, Eq)]
pub struct Disk {
    pub is_cd: bool,
    /// Its name in the domain, such as `sda`.
    pub target: String,
    /// Path of its file; `None` for an empty drive.
    pub path: Option<String>,
    /// A drive that the guest opened.
    pub is_open: bool,
}

impl Devices {
    /// # Errors
    /// What libvirt says.
    pub fn of(domain: &Domain) -> Result<Self> {
        let name = domain.name().unwrap_or_default();
        let text = domain.xml_desc(sys::VIR_DOMAIN_NONE).libvirt("read the definition of", name)?;
        parse(&text)
    }

    pub fn drives(self) -> impl Iterator<Item = Disk> {
        self.disks.into_iter().filter(|disk| disk.is_cd)
    }

    pub fn at(&self, path: &str) -> Option<&Disk> {
        self.disks.iter().find(|disk| disk.path.as_deref() == Some(path))
    }
}

fn parse(text: &str) -> Result<Devices> {
    #[derive(Deserialize)]
    struct Definition {
        devices: Inside,
    }
    #[derive(Deserialize)]
    struct Inside {
        #[serde(default)]
        disk: Vec<DiskElement>,
        #[serde(default)]
        controller: Vec<Controller>,
    }
    #[derive(Deserialize)]
    struct DiskElement {
        #[serde(rename = "@device")]
        device: Option<String>,
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
        #[serde(rename = "@tray")]
        tray: Option<String>,
    }
    #[derive(Deserialize)]
    struct Controller {
        #[serde(rename = "@type")]
        kind: String,
    }
    let Definition { devices } = quick_xml::de::from_str(text).context("read a definition")?;
    let disk = |disk: DiskElement| Disk {
        is_cd: disk.device.as_deref() == Some("cdrom"),
        target: disk.target.dev,
        path: disk.source.and_then(|source| source.file),
        is_open: disk.target.tray.as_deref() == Some("open"),
    };
    Ok(Devices {
        disks: devices.disk.into_iter().map(disk).collect(),
        has_scsi: devices.controller.iter().any(|controller| controller.kind == "scsi"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_read_out_of_a_running_domain() {
        let text = "<domain><devices><emulator>/q</emulator>\
             <disk type='file' device='disk'><source file='/d'/><target dev='vda' bus='virtio'/></disk>\
             <disk type='file' device='cdrom'><source file='/a.iso' index='2'/><backingStore/>\
             <target dev='sda' bus='sata' tray='open'/><readonly/></disk>\
             <disk type='file' device='cdrom'><target dev='sdb' bus='sata'/></disk>\
             <controller type='pci' index='0' model='pcie-root'/>\
             <controller type='scsi' index='0' model='virtio-scsi'/>\
             <interface type='network'/></devices></domain>";
        let devices = parse(text).expect("read");
        assert_eq!(devices.at("/d").map(|disk| disk.target.as_str()), Some("vda"));
        assert!(devices.at("/e").is_none() && devices.has_scsi);
        let drive = |target: &str, path: Option<&str>, is_open| Disk {
            is_cd: true,
            target: target.to_owned(),
            path: path.map(str::to_owned),
            is_open,
        };
        let wanted = [drive("sda", Some("/a.iso"), true), drive("sdb", None, false)];
        assert_eq!(devices.drives().collect::<Vec<_>>(), wanted);
        assert!(!parse("<domain><devices/></domain>").expect("read").has_scsi);
    }
}
