//! The hardware of a machine besides its processors, memory, disks and cards.
//!
//! Words are those of libvirt's domain XML (<https://libvirt.org/formatdomain.html>) where it has them.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// A machine profile. What fits a system is in `desktops/hardware.rs`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hardware {
    pub firmware: Firmware,
    /// A TPM 2.0, by swtpm.
    pub tpm: bool,
    pub chipset: Chipset,
    pub disk_bus: DiskBus,
    pub nic_model: NicModel,
    pub video: Video,
    pub sound: Sound,
    /// Whether what is copied in the guest can be pasted outside, and the reverse: its system needs spice-vdagent for that.
    #[serde(default)]
    pub clipboard: bool,
    /// Whether a desktop has a CD that tells its cloud-init, or cloudbase-init, who it is.
    #[serde(default)]
    pub seed: bool,
    pub clock: Clock,
    /// What Windows knows of hypervisors and is quicker with.
    pub hyperv: bool,
    pub topology: Topology,
    pub cpu: CpuModel,
    pub usb: UsbController,
    /// Tried in this order; at least one, none twice.
    pub boot: Vec<BootDevice>,
}

/// A picture card.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Video {
    pub model: VideoModel,
    /// MiB; QEMU's own choice without. Not of virtio, which takes the guest's memory.
    pub memory_mib: Option<u32>,
    /// Pixels of the first screen, across and down.
    pub resolution: Option<(u32, u32)>,
}

/// A processor model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum CpuModel {
    /// As much as the node's has and libvirt knows by name.
    Host,
    /// One of libvirt's names, such as `Skylake-Client`, with what it has more or less: the same on each node.
    Named { name: String, features: Vec<CpuFeature> },
}

/// What a processor has beyond its model, or has not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CpuFeature {
    /// libvirt's name, such as `aes`.
    pub name: String,
    pub policy: CpuPolicy,
}

/// By which protocol somebody sees a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ScreenProtocol {
    Vnc,
    Spice,
    /// Of the system in the machine, over its network.
    Rdp,
}

/// Choices that are words: their names on the wire of the console, in rows and in libvirt's XML.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$variant_doc])* #[serde(rename = $word)] $variant,)+
        }

        impl $name {
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];
            pub const WORDS: &'static [&'static str] = &[$($word,)+];

            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }

            pub fn parse(word: &str) -> Option<Self> {
                Self::WORDS.iter().position(|known| *known == word).map(|at| Self::ALL[at])
            }
        }
    };
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CpuPolicy {
    Require,
    Disable,
}

impl CpuPolicy {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Require => "require",
            Self::Disable => "disable",
        }
    }
}

impl CpuFeature {
    /// `+aes` or `-svm`.
    pub fn parse(text: &str) -> Option<Self> {
        let (policy, name) = match text.split_at_checked(1)? {
            ("+", name) => (CpuPolicy::Require, name),
            ("-", name) => (CpuPolicy::Disable, name),
            _ => return None,
        };
        is_cpu_word(name).then(|| Self { name: name.to_owned(), policy })
    }
}

impl std::fmt::Display for CpuFeature {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sign = if self.policy == CpuPolicy::Require { '+' } else { '-' };
        write!(formatter, "{sign}{}", self.name)
    }
}

/// libvirt's names of processors and their features are letters, digits, `-`, `_` and `.`; none is longer than this.
pub fn is_cpu_word(name: &str) -> bool {
    let is_letter = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    (1..=64).contains(&name.len()) && name.chars().all(is_letter)
}

words!(Firmware {
    Bios = "bios",
    Uefi = "uefi",
    /// Starts only what is signed by those whom the firmware trusts.
    UefiSecure = "uefi-secure",
});

words!(
    /// `pc-i440fx-…` and `pc-q35-…` of QEMU.
    Chipset { I440fx = "i440fx", Q35 = "q35", }
);

words!(DiskBus {
    Virtio = "virtio",
    /// A SCSI controller of virtio's.
    VirtioScsi = "virtio-scsi",
    Sata = "sata",
    /// Of i440fx only, with at most two disks beside its two CDs.
    Ide = "ide",
});

words!(NicModel {
    Virtio = "virtio",
    E1000e = "e1000e",
    E1000 = "e1000",
    Rtl8139 = "rtl8139",
});

words!(VideoModel { Virtio = "virtio", Qxl = "qxl", Vga = "vga", });

words!(
    /// Sound cards.
    Sound { None = "none", Ich9 = "ich9", Ich6 = "ich6", Ac97 = "ac97", }
);

words!(
    /// What the clock of the machine shows at its start.
    Clock {
        Utc = "utc",
        /// The time of the node's zone, as Windows takes it.
        Localtime = "localtime",
    }
);

words!(
    /// How the processors are shared out.
    Topology {
        /// All are cores of one socket: editions of Windows use one or two sockets.
        OneSocket = "one-socket",
        /// Each is a socket of its own.
        Sockets = "sockets",
    }
);

words!(UsbController {
    Xhci = "xhci",
    /// USB 2, for systems before Windows 8.
    Ehci = "ehci",
});

words!(
    /// Whether programs other than the browser may show a machine's screens, by SPICE beside VNC.
    Spice {
        Off = "off",
        On = "on",
        /// Also with devices that are plugged into the viewer's machine.
        Usb = "usb",
    }
);

words!(BootDevice { Disk = "disk", Cd = "cd", Network = "network", });

words!(
    /// Which firmware a disk starts with.
    Boots {
        Bios = "bios",
        Uefi = "uefi",
        Either = "either",
    }
);

impl Boots {
    pub const fn fits(self, firmware: Firmware) -> bool {
        match self {
            Self::Bios => !firmware.is_uefi(),
            Self::Uefi => firmware.is_uefi(),
            Self::Either => true,
        }
    }
}

impl Firmware {
    pub const fn is_uefi(self) -> bool {
        !matches!(self, Self::Bios)
    }
}

impl Hardware {
    /// What all machines were before there were profiles.
    pub fn first() -> Self {
        Self {
            firmware: Firmware::Bios,
            tpm: false,
            chipset: Chipset::I440fx,
            disk_bus: DiskBus::Virtio,
            nic_model: NicModel::Virtio,
            video: Video { model: VideoModel::Vga, memory_mib: None, resolution: None },
            sound: Sound::None,
            clipboard: false,
            seed: false,
            clock: Clock::Utc,
            hyperv: false,
            topology: Topology::Sockets,
            cpu: CpuModel::Host,
            usb: UsbController::Xhci,
            boot: vec![BootDevice::Disk],
        }
    }

    /// Whether QEMU can make such a machine with so many disks.
    ///
    /// # Errors
    /// `hardware-…`, which names what does not go together and the field that says so.
    pub fn check(&self, disks: usize) -> Result<()> {
        let refuse = |key, field: &str| Err(refused(key, field));
        if self.disk_bus == DiskBus::Ide && self.chipset == Chipset::Q35 {
            return refuse("hardware-ide-needs-i440fx", "disk_bus");
        }
        if self.disk_bus == DiskBus::Ide && disks > 2 {
            return refuse("hardware-ide-disks", "disk_bus");
        }
        if self.firmware == Firmware::UefiSecure && self.chipset != Chipset::Q35 {
            return refuse("hardware-secure-boot-needs-q35", "firmware");
        }
        if self.tpm && !self.firmware.is_uefi() {
            return refuse("hardware-tpm-needs-uefi", "tpm");
        }
        if self.boot.is_empty() {
            return refuse("hardware-boot-empty", "boot");
        }
        let twice = |at: usize| self.boot[at + 1..].contains(&self.boot[at]);
        if (0..self.boot.len()).any(twice) {
            return refuse("hardware-boot-twice", "boot");
        }
        self.video.check()
    }
}

fn refused(key: &'static str, field: &str) -> Error {
    Error::bad_input(key).arg("field", field)
}

impl Video {
    fn check(&self) -> Result<()> {
        if let Some(mib) = self.memory_mib {
            if self.model == VideoModel::Virtio {
                return Err(refused("hardware-video-memory-of-virtio", "video_memory"));
            }
            // QEMU rounds up to a power of two, which is then not what was asked for.
            if !(1..=512).contains(&mib) || !mib.is_power_of_two() {
                return Err(refused("hardware-video-memory", "video_memory"));
            }
        }
        match self.resolution {
            Some((x, y)) if !(640..=7680).contains(&x) || !(480..=4320).contains(&y) => {
                Err(refused("hardware-video-resolution", "resolution"))
            }
            _ => Ok(()),
        }
    }
}
