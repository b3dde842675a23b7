//! Which machine a system runs on: what a new template gets when nobody says otherwise.
//!
//! The choices are those of osinfo-db, as `virt-install --osinfo NAME` makes them; where they differ, and why, says
//! `tests/lab/hardware.rs`.

use crate::node::protocol::{
    BootDevice, Boots, Chipset, Clock, CpuModel, DiskBus, Firmware, Hardware, NicModel, Sound,
    Topology, UsbController, Video, VideoModel,
};

/// Windows that starts only from BIOS and knows neither SATA nor PCI Express.
const IDE_WINDOWS: [&str; 3] = ["winxp", "win2000", "win2003"];
/// Windows without a driver for USB 3.
const USB_2_WINDOWS: [&str; 3] = ["winvista", "win7", "win2008"];
/// Windows that asks for secure boot and a TPM where it is installed.
const SECURE_WINDOWS: [&str; 2] = ["win11", "win2025"];

/// The machine for a system, by the short name of its type (`images::os_type::simple`).
pub fn fitting(os_type: &str) -> Hardware {
    if !os_type.starts_with("win") {
        return linux();
    }
    let windows = windows();
    if IDE_WINDOWS.contains(&os_type) {
        return Hardware {
            chipset: Chipset::I440fx,
            disk_bus: DiskBus::Ide,
            nic_model: NicModel::Rtl8139,
            sound: Sound::Ac97,
            usb: UsbController::Ehci,
            ..windows
        };
    }
    if USB_2_WINDOWS.contains(&os_type) {
        return Hardware { usb: UsbController::Ehci, ..windows };
    }
    if SECURE_WINDOWS.contains(&os_type) {
        return Hardware { firmware: Firmware::UefiSecure, tpm: true, ..windows };
    }
    windows
}

/// The machine for a system on a disk that starts with this firmware, and that has drivers of virtio or has none.
pub fn fitting_disk(os_type: &str, boots: Option<Boots>, virtio: Option<bool>) -> Hardware {
    let hardware = match fitting(os_type) {
        // Whatever was said of it: it is a Windows that knows no such disk.
        hardware if virtio == Some(false) && hardware.disk_bus == DiskBus::Virtio => windows(),
        hardware => hardware,
    };
    match boots {
        Some(boots) if boots.fits(hardware.firmware) => hardware,
        Some(Boots::Uefi) => Hardware { firmware: Firmware::Uefi, ..hardware },
        // Without UEFI there is no TPM 2.0.
        Some(Boots::Bios) => Hardware { firmware: Firmware::Bios, tpm: false, ..hardware },
        Some(Boots::Either) | None => hardware,
    }
}

/// What any Windows since 8 has drivers for.
fn windows() -> Hardware {
    Hardware {
        firmware: Firmware::Bios,
        tpm: false,
        chipset: Chipset::Q35,
        disk_bus: DiskBus::Sata,
        nic_model: NicModel::E1000e,
        video: Video { model: VideoModel::Vga, memory_mib: None, resolution: None },
        sound: Sound::Ich9,
        clipboard: true,
        seed: false,
        clock: Clock::Localtime,
        hyperv: true,
        topology: Topology::OneSocket,
        cpu: CpuModel::Host,
        usb: UsbController::Xhci,
        boot: vec![BootDevice::Disk],
    }
}

/// Linux, and what says nothing of itself.
fn linux() -> Hardware {
    Hardware {
        disk_bus: DiskBus::Virtio,
        nic_model: NicModel::Virtio,
        clock: Clock::Utc,
        hyperv: false,
        ..windows()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SYSTEMS: [&str; 12] = [
        "winxp", "win7", "win8", "win10", "win11", "win2003", "win2008", "win2019", "win2022",
        "win2025", "linux", "other",
    ];

    #[test]
    fn every_system_has_a_machine_that_can_be_made_and_kept() {
        for system in SYSTEMS {
            let hardware = fitting(system);
            hardware.check(2).unwrap();
            let kept = serde_json::to_string(&hardware).unwrap();
            assert_eq!(serde_json::from_str::<Hardware>(&kept).unwrap(), hardware, "{system}");
        }
    }

    #[test]
    fn the_firmware_is_the_one_that_the_disk_starts_with() {
        for system in SYSTEMS {
            let fitting = fitting(system);
            assert_eq!(fitting_disk(system, None, None), fitting);
            assert_eq!(fitting_disk(system, Some(Boots::Either), None), fitting);
            for boots in [Boots::Bios, Boots::Uefi] {
                let hardware = fitting_disk(system, Some(boots), None);
                hardware.check(2).unwrap();
                assert!(boots.fits(hardware.firmware), "{system}");
                assert_eq!(hardware.chipset, fitting.chipset, "{system}");
            }
        }
        // Where UEFI it is anyway, secure boot and TPM stay.
        assert_eq!(fitting_disk("win11", Some(Boots::Uefi), None), fitting("win11"));
    }

    #[test]
    fn a_disk_without_a_driver_of_virtio_is_on_another_bus() {
        for system in SYSTEMS {
            let hardware = fitting_disk(system, Some(Boots::Bios), Some(false));
            hardware.check(2).unwrap();
            assert_ne!(hardware.disk_bus, DiskBus::Virtio, "{system}");
            let with = fitting_disk(system, None, Some(true));
            assert_eq!(with, fitting(system), "its other cards may have none");
        }
    }

    #[test]
    fn windows_uses_all_processors_and_its_own_clock() {
        for system in SYSTEMS.iter().filter(|system| system.starts_with("win")) {
            let hardware = fitting(system);
            assert_eq!(hardware.topology, Topology::OneSocket, "{system}");
            assert_eq!(hardware.clock, Clock::Localtime, "{system}");
            // None of these has a driver for them.
            assert_ne!(hardware.disk_bus, DiskBus::Virtio, "{system}");
            assert_ne!(hardware.nic_model, NicModel::Virtio, "{system}");
        }
    }
}
