//! A machine profile in the words of libvirt's XML.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use uuid::Uuid;
use virt::connect::Connect;
use virt::domain::Domain;
use virt::sys;

use super::abilities::Abilities;
use super::errors::Libvirt;
use crate::error::{Context, Error, Result};
use crate::node::protocol::{
    BootDevice, Chipset, CpuModel, DiskBus, DomainSpec, Firmware, Hardware, Sound, Spice, Topology,
    UsbController,
};

/// What the domain's template asks of the hardware.
#[derive(Serialize)]
pub struct HardwareView<'a> {
    /// `None` for BIOS.
    firmware: Option<FirmwareView>,
    tpm: bool,
    disk_bus: &'static str,
    scsi: bool,
    cd_bus: &'static str,
    nic_model: &'static str,
    video: VideoView,
    sound: Option<&'static str>,
    /// Whether its sound goes into the VNC connection.
    is_heard: bool,
    /// What libvirt calls the other end of the port of SPICE's agent.
    agent_channel: Option<&'static str>,
    clock: &'static str,
    hyperv: bool,
    one_socket: bool,
    cpu: Option<&'a str>,
    usb: UsbController,
    boot: Vec<&'static str>,
    /// Windows that sleeps is off for whoever looks.
    never_sleeps: bool,
}

#[derive(Serialize)]
struct FirmwareView {
    secure: bool,
}

#[derive(Serialize)]
struct VideoView {
    model: &'static str,
    /// KiB.
    memory: Option<u32>,
    resolution: Option<(u32, u32)>,
}

/// On which the CD drives are.
pub fn cd_bus(hardware: &Hardware) -> &'static str {
    let is_plain = hardware.disk_bus == DiskBus::Ide || hardware.chipset == Chipset::I440fx;
    if is_plain { "ide" } else { "sata" }
}

/// Who speaks with SPICE's agent in the guest, by the one port that there is for it: the viewer, where there may be one, or
/// QEMU itself, for VNC.
fn agent_channel(hardware: &Hardware, spice: Spice, abilities: Abilities) -> Option<&'static str> {
    match spice {
        Spice::On | Spice::Usb => Some("spicevmc"),
        Spice::Off => (hardware.clipboard && abilities.clipboard).then_some("qemu-vdagent"),
    }
}

pub fn view(hardware: &Hardware, spice: Spice, abilities: Abilities) -> HardwareView<'_> {
    HardwareView {
        firmware: hardware
            .firmware
            .is_uefi()
            .then(|| FirmwareView { secure: hardware.firmware == Firmware::UefiSecure }),
        tpm: hardware.tpm,
        disk_bus: match hardware.disk_bus {
            DiskBus::VirtioScsi => "scsi",
            other => other.word(),
        },
        scsi: hardware.disk_bus == DiskBus::VirtioScsi,
        cd_bus: cd_bus(hardware),
        nic_model: hardware.nic_model.word(),
        video: VideoView {
            model: hardware.video.model.word(),
            memory: hardware.video.memory_mib.map(|mib| mib << 10),
            resolution: hardware.video.resolution,
        },
        sound: (hardware.sound != Sound::None).then(|| hardware.sound.word()),
        is_heard: hardware.sound != Sound::None && abilities.sound,
        agent_channel: agent_channel(hardware, spice, abilities),
        clock: hardware.clock.word(),
        hyperv: hardware.hyperv,
        one_socket: hardware.topology == Topology::OneSocket,
        cpu: match &hardware.cpu {
            CpuModel::Host => None,
            CpuModel::Named(name) => Some(name),
        },
        usb: hardware.usb,
        boot: hardware.boot.iter().map(|device| boot_device(*device)).collect(),
        never_sleeps: hardware.hyperv,
    }
}

const fn boot_device(device: BootDevice) -> &'static str {
    match device {
        BootDevice::Disk => "hd",
        BootDevice::Cd => "cdrom",
        BootDevice::Network => "network",
    }
}

/// Names of a machine's disks, in the order of the spec, and then of its CD drives: `vda`, `sdb`, `hdc`.
pub fn targets(spec: &DomainSpec) -> (Vec<String>, Vec<String>) {
    let prefix = match spec.hardware.disk_bus {
        DiskBus::Virtio => "vd",
        DiskBus::VirtioScsi | DiskBus::Sata => "sd",
        DiskBus::Ide => "hd",
    };
    let disks: Vec<String> =
        spec.disks.iter().map(|disk| format!("{prefix}{}", letters(disk.index))).collect();
    // On the bus of the disks they come behind them; IDE's second pair is theirs.
    let on_ide = spec.hardware.chipset == Chipset::I440fx;
    let behind = spec.disks.iter().map(|disk| disk.index + 1).max().unwrap_or(0);
    let first = match spec.hardware.disk_bus {
        _ if on_ide => 2,
        DiskBus::Sata | DiskBus::VirtioScsi => behind,
        DiskBus::Virtio | DiskBus::Ide => 0,
    };
    let prefix = if on_ide { "hd" } else { "sd" };
    let cds = (first..).zip(&spec.cds).map(|(at, _)| format!("{prefix}{}", letters(at)));
    (disks, cds.collect())
}

/// `a`, `b`, … `z`, `aa`.
fn letters(index: u32) -> String {
    let mut letters = String::new();
    let mut rest = index + 1;
    while rest > 0 {
        rest -= 1;
        letters.insert(0, char::from(b'a' + (rest % 26) as u8));
        rest /= 26;
    }
    letters
}

/// The machine types that `pc` and `q35` stand for in this QEMU: found out once.
#[derive(Default)]
pub struct MachineTypes(Mutex<BTreeMap<String, String>>);

impl MachineTypes {
    /// The type of a new machine, such as `pc-q35-7.2`: written down with its number, so that an upgrade of QEMU changes no
    /// guest's hardware. One that has a type keeps it as long as its chipset stays.
    pub fn choose(
        &self,
        connect: &Connect,
        chipset: Chipset,
        known: Option<&str>,
    ) -> Result<String> {
        if let Some(known) = known.filter(|known| is_of(known, chipset)) {
            return Ok(known.to_owned());
        }
        let mut types = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let alias = alias(chipset);
        // What was not there may have been installed since.
        if !types.contains_key(alias) {
            let text = connect.capabilities().libvirt("ask for the capabilities of", "libvirt")?;
            *types = canonical(&text)?;
        }
        let found = types.get(alias).cloned();
        found.ok_or_else(|| Error::conflict("hardware-unknown-here").arg("what", alias))
    }
}

/// The machine type that a domain was defined with.
pub fn machine_type(domain: &Domain, uuid: Uuid) -> Result<Option<String>> {
    #[derive(Deserialize)]
    struct Definition {
        os: Os,
    }
    #[derive(Deserialize)]
    struct Os {
        r#type: Type,
    }
    #[derive(Deserialize)]
    struct Type {
        #[serde(rename = "@machine")]
        machine: Option<String>,
    }
    let text =
        domain.xml_desc(sys::VIR_DOMAIN_XML_INACTIVE).libvirt("read the definition of", uuid)?;
    let Definition { os } = quick_xml::de::from_str(&text).context("read a domain's definition")?;
    Ok(os.r#type.machine)
}

const fn alias(chipset: Chipset) -> &'static str {
    match chipset {
        Chipset::I440fx => "pc",
        Chipset::Q35 => "q35",
    }
}

/// Distributions have names of their own, such as `pc-i440fx-rhel7.6.0` and `pc-q35-rhel9.2.0`.
fn is_of(machine_type: &str, chipset: Chipset) -> bool {
    match chipset {
        Chipset::I440fx => machine_type.contains("i440fx"),
        Chipset::Q35 => machine_type.contains("q35"),
    }
}

#[derive(Deserialize)]
struct Capabilities {
    #[serde(default)]
    guest: Vec<Guest>,
}

#[derive(Deserialize)]
struct Guest {
    arch: Arch,
}

#[derive(Deserialize)]
struct Arch {
    #[serde(rename = "@name")]
    name: String,
    #[serde(default)]
    machine: Vec<MachineType>,
}

#[derive(Deserialize)]
struct MachineType {
    #[serde(rename = "@canonical")]
    canonical: Option<String>,
    #[serde(rename = "$text")]
    name: String,
}

fn canonical(capabilities: &str) -> Result<BTreeMap<String, String>> {
    let Capabilities { guest } =
        quick_xml::de::from_str(capabilities).context("read libvirt's capabilities")?;
    let here = guest.into_iter().filter(|guest| guest.arch.name == "x86_64");
    let types = here.flat_map(|guest| guest.arch.machine);
    Ok(types.filter_map(|found| Some((found.name, found.canonical?))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disks_are_counted_like_columns_of_a_table() {
        assert_eq!([0, 1, 25, 26, 27].map(letters), ["a", "b", "z", "aa", "ab"]);
    }

    #[test]
    fn the_machine_types_of_this_qemu_are_read() {
        let machines = "<machine maxCpus='255'>pc-i440fx-7.2</machine>\
                        <machine canonical='pc-i440fx-7.2' maxCpus='255'>pc</machine>\
                        <machine canonical='pc-q35-7.2' maxCpus='288'>q35</machine>";
        let text = format!(
            "<capabilities><host/><guest><os_type>hvm</os_type><arch name='x86_64'>\
             <wordsize>64</wordsize>{machines}<domain type='kvm'/></arch></guest></capabilities>"
        );
        let types = canonical(&text).unwrap();
        assert_eq!(types["pc"], "pc-i440fx-7.2");
        assert_eq!(types["q35"], "pc-q35-7.2");
        assert!(is_of("pc-i440fx-rhel7.6.0", Chipset::I440fx));
        assert!(!is_of("pc-i440fx-7.2", Chipset::Q35));
    }
}
