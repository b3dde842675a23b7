//! A machine profile in the words of libvirt's XML.

use std::collections::{BTreeMap, BTreeSet};
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
    BootDevice, Chipset, CpuFeature, CpuModel, DiskBus, DomainSpec, Firmware, Hardware, Sound,
    Spice, Topology, UsbController,
};

/// What the domain's template asks of the hardware.
#[derive(Serialize)]
pub struct HardwareView<'a> {
    /// `None` for BIOS.
    firmware: Option<FirmwareView>,
    tpm: bool,
    disk_bus: &'static str,
    scsi: bool,
    /// Only virtio's disks can have a thread of their own.
    io_thread: bool,
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
    cpu_features: &'a [CpuFeature],
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
    let (cpu, cpu_features): (Option<&str>, &[CpuFeature]) = match &hardware.cpu {
        CpuModel::Host => (None, &[]),
        CpuModel::Named { name, features } => (Some(name), features),
    };
    HardwareView {
        firmware: hardware
            .firmware
            .is_uefi()
            .then(|| FirmwareView { secure: hardware.firmware == Firmware::UefiSecure }),
        tpm: hardware.tpm,
        disk_bus: bus_word(hardware.disk_bus),
        scsi: hardware.disk_bus == DiskBus::VirtioScsi,
        cd_bus: cd_bus(hardware),
        io_thread: matches!(hardware.disk_bus, DiskBus::Virtio | DiskBus::VirtioScsi),
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
        cpu,
        cpu_features,
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

/// Names of a machine's disks, in the order of the spec, and then of its CD drives, of which that for cloud-init is the last:
/// `vda`, `sdb`, `hdc`.
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
    let cds = spec.cds.len() as u32 + u32::from(spec.has_seed());
    let cds = (first..first + cds).map(|at| format!("{prefix}{}", letters(at)));
    (disks, cds.collect())
}

/// What libvirt calls the bus of a disk.
pub fn bus_word(bus: DiskBus) -> &'static str {
    match bus {
        DiskBus::VirtioScsi => "scsi",
        other => other.word(),
    }
}

/// The name of the small disk that makes the system load a driver: none of the others is on its bus.
pub fn driver_target(spec: &DomainSpec, bus: DiskBus) -> String {
    if bus == DiskBus::Virtio {
        return "vda".to_owned();
    }
    let behind = spec.disks.iter().map(|disk| disk.index + 1).max().unwrap_or(0);
    format!("sd{}", letters(behind + spec.cds.len() as u32))
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

/// The machine types of this QEMU, asked for again when it is another one.
#[derive(Default)]
pub struct MachineTypes(Mutex<Option<(u32, Known)>>);

#[derive(Default)]
struct Known {
    names: BTreeSet<String>,
    /// What `pc` and `q35` stand for.
    canonical: BTreeMap<String, String>,
}

impl MachineTypes {
    /// The type of a new machine, such as `pc-q35-7.2`: written down with its number, so that an upgrade of QEMU changes no
    /// guest's hardware. One that has a type keeps it as long as its chipset stays and QEMU has it; else it gets the next
    /// newer one of its family.
    pub fn choose(
        &self,
        connect: &Connect,
        qemu: u32,
        chipset: Chipset,
        known: Option<&str>,
    ) -> Result<String> {
        let mut types = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let alias = alias(chipset);
        // What was not there may have been installed since.
        let is_known =
            |(of, types): &(u32, Known)| *of == qemu && types.canonical.contains_key(alias);
        if !types.as_ref().is_some_and(is_known) {
            let text = connect.capabilities().libvirt("ask for the capabilities of", "libvirt")?;
            *types = Some((qemu, read_types(&text)?));
        }
        let here = types.as_ref().map(|(_, here)| here.choose(chipset, known));
        here.flatten().ok_or_else(|| Error::conflict("hardware-unknown-here").arg("what", alias))
    }
}

impl Known {
    fn choose(&self, chipset: Chipset, known: Option<&str>) -> Option<String> {
        let known = known.filter(|known| is_of(known, chipset));
        let kept = known.and_then(|known| match self.names.contains(known) {
            true => Some(known.to_owned()),
            false => self.next_newer(known),
        });
        kept.or_else(|| self.canonical.get(alias(chipset)).cloned())
    }

    /// The oldest of the same family that is newer.
    fn next_newer(&self, dropped: &str) -> Option<String> {
        let (family, version) = family(dropped);
        let same = self.names.iter().map(|name| (self::family(name), name));
        let newer = same.filter(|((its, number), _)| *its == family && *number > version);
        newer.min_by(|(one, _), (other, _)| one.cmp(other)).map(|(_, name)| name.clone())
    }
}

/// `pc-q35-rhel9.2.0` is 9.2.0 of `pc-q35-rhel`.
fn family(machine_type: &str) -> (&str, Vec<u32>) {
    let start = machine_type.rfind('-').map_or(0, |dash| dash + 1);
    let digits = machine_type[start..].find(|letter: char| letter.is_ascii_digit());
    let (family, version) =
        machine_type.split_at(digits.map_or(machine_type.len(), |at| start + at));
    (family, version.split('.').map_while(|number| number.parse().ok()).collect())
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
pub fn is_of(machine_type: &str, chipset: Chipset) -> bool {
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

fn read_types(capabilities: &str) -> Result<Known> {
    let Capabilities { guest } =
        quick_xml::de::from_str(capabilities).context("read libvirt's capabilities")?;
    let mut known = Known::default();
    let here = guest.into_iter().filter(|guest| guest.arch.name == "x86_64");
    for MachineType { canonical, name } in here.flat_map(|guest| guest.arch.machine) {
        if let Some(canonical) = canonical {
            known.names.insert(canonical.clone());
            known.canonical.insert(name.clone(), canonical);
        }
        known.names.insert(name);
    }
    Ok(known)
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
        let types = read_types(&text).unwrap();
        assert_eq!(types.canonical["pc"], "pc-i440fx-7.2");
        assert_eq!(types.canonical["q35"], "pc-q35-7.2");
        assert!(types.names.contains("pc-q35-7.2"));
        assert!(is_of("pc-i440fx-rhel7.6.0", Chipset::I440fx));
        assert!(!is_of("pc-i440fx-7.2", Chipset::Q35));
    }

    #[test]
    fn a_machine_type_that_qemu_dropped_becomes_the_next_newer_one_of_its_family() {
        let names = [
            "pc-i440fx-2.12",
            "pc-i440fx-3.0",
            "pc-i440fx-10.0",
            "pc-i440fx-jammy",
            "pc-q35-2.9",
            "pc-q35-7.2",
            "pc-q35-rhel8.6.0",
            "pc-q35-rhel9.2.0",
            "pc",
            "q35",
        ];
        let canonical = [("pc", "pc-i440fx-10.0"), ("q35", "pc-q35-7.2")];
        let types = Known {
            names: names.map(str::to_owned).into(),
            canonical: canonical.map(|(name, of)| (name.to_owned(), of.to_owned())).into(),
        };
        let (i440fx, q35) = (Chipset::I440fx, Chipset::Q35);
        for (chipset, known, chosen) in [
            (i440fx, "pc-i440fx-3.0", "pc-i440fx-3.0"),
            (i440fx, "pc-i440fx-2.4", "pc-i440fx-2.12"),
            (i440fx, "pc-i440fx-3.1", "pc-i440fx-10.0"),
            (i440fx, "pc-i440fx-jammy", "pc-i440fx-jammy"),
            // Nothing newer, nothing of the family, another chipset.
            (i440fx, "pc-i440fx-11.0", "pc-i440fx-10.0"),
            (i440fx, "pc-i440fx-xenial", "pc-i440fx-10.0"),
            (i440fx, "pc-q35-2.9", "pc-i440fx-10.0"),
            (q35, "pc-q35-rhel8.2.0", "pc-q35-rhel8.6.0"),
            (q35, "pc-q35-2.4", "pc-q35-2.9"),
        ] {
            assert_eq!(types.choose(chipset, Some(known)).as_deref(), Some(chosen), "{known}");
        }
        assert_eq!(types.choose(q35, None).as_deref(), Some("pc-q35-7.2"));
        assert_eq!(Known::default().choose(q35, Some("pc-q35-2.4")), None);
    }
}
