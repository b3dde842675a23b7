//! What the node is: hardware, system, storages.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use sysinfo::{CpuRefreshKind, MemoryRefreshKind, RefreshKind, System};

use super::disks::Disks;
use super::nics::nics;
use super::program::Program;
use crate::error::{Context, Error, Result};
use crate::node::protocol::{NodeFacts, StorageFacts};

/// Listing PCI devices or printing a version takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(10);

/// PCI class of display controllers.
const DISPLAY: &str = "0x03";

/// The node, besides what libvirt knows of it (versions and kind of virtualisation, left empty here).
pub fn describe(disks: &Disks) -> Result<NodeFacts> {
    let what = RefreshKind::nothing()
        .with_cpu(CpuRefreshKind::nothing())
        .with_memory(MemoryRefreshKind::nothing().with_ram());
    let system = System::new_with_specifics(what)
        .map_err(|cause| asked("the processor and memory", cause))?;
    let cpus = system.cpus();
    let (storages, not_usable) = disks.storages().look();
    Ok(NodeFacts {
        hostname: System::host_name().map_err(|cause| asked("the host name", cause))?,
        cpu_model: cpus.first().map(|cpu| cpu.brand().to_owned()).unwrap_or_default(),
        cpu_count: u32::try_from(cpus.len()).unwrap_or(u32::MAX),
        memory: system.total_memory(),
        gpu: gpus()?,
        os: System::long_os_version().map_err(|cause| asked("the operating system", cause))?,
        libvirt_version: String::new(),
        qemu_version: String::new(),
        virt_type: String::new(),
        nics: nics()?,
        storages,
        not_mounted: not_usable,
    })
}

/// Storages that are there; one that is not shows in the log and in `carrel doctor`.
pub fn storages(disks: &Disks) -> Vec<StorageFacts> {
    let (storages, not_usable) = disks.storages().look();
    for (path, why) in not_usable {
        tracing::warn!(path, error = why.detail);
    }
    storages
}

/// The version of the tool that makes disks.
///
/// # Errors
/// `program-missing`
pub fn qemu_img_version() -> Result<String> {
    let output = Program::new("qemu-img", PATIENCE).arg("--version").output()?;
    let text = String::from_utf8_lossy(&output);
    Ok(text.split_whitespace().nth(2).unwrap_or_default().to_owned())
}

/// Names of display controllers; where `lspci` is not installed, their vendor and device numbers.
fn gpus() -> Result<Vec<String>> {
    let mut found = Vec::new();
    let bus = Path::new("/sys/bus/pci/devices");
    let entries = match fs::read_dir(bus) {
        Err(cause) if cause.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.context("list PCI devices")?,
    };
    for entry in entries {
        let device = entry.context("list PCI devices")?.path();
        let read = |file: &str| {
            fs::read_to_string(device.join(file))
                .context(format_args!("look at {}", device.display()))
        };
        if read("class")?.starts_with(DISPLAY) {
            let slot = device.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let numbers = format!("{}:{}", number(&read("vendor")?), number(&read("device")?));
            found.push((slot, numbers));
        }
    }
    found.sort();
    if found.is_empty() {
        return Ok(Vec::new());
    }
    let names = match Program::new("lspci", PATIENCE).args(["-D", "-mm"]).output() {
        Ok(output) => String::from_utf8_lossy(&output).into_owned(),
        Err(error) if error.key() == "program-missing" => String::new(),
        Err(error) => return Err(error),
    };
    Ok(found.into_iter().map(|(slot, numbers)| named(&names, &slot).unwrap_or(numbers)).collect())
}

/// Out of `0000:00:02.0 "VGA compatible controller" "Intel Corporation" "UHD Graphics" -r02 …`.
fn named(listing: &str, slot: &str) -> Option<String> {
    let line = listing.lines().find_map(|line| line.strip_prefix(slot))?;
    let quoted: Vec<&str> = line.split('"').skip(1).step_by(2).collect();
    Some(format!("{} {}", quoted.get(1)?, quoted.get(2)?))
}

fn number(text: &str) -> &str {
    text.trim().trim_start_matches("0x")
}

fn asked(what: &str, cause: impl std::fmt::Display) -> Error {
    Error::internal(format!("ask for {what}: {cause}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_named_as_lspci_does() {
        let listing = "0000:00:00.0 \"Host bridge\" \"Intel\" \"Q35\" -r00\n\
                       0000:00:02.0 \"VGA compatible controller\" \"NVIDIA Corporation\" \"TU104 [Tesla T4]\" -ra1\n";
        assert_eq!(
            named(listing, "0000:00:02.0").as_deref(),
            Some("NVIDIA Corporation TU104 [Tesla T4]")
        );
        assert_eq!(named(listing, "0000:00:03.0"), None);
    }

    #[test]
    fn this_machine_can_be_described() {
        let dir = tempfile::TempDir::new().unwrap();
        let facts = describe(&Disks::open(&[dir.path().to_str().unwrap().to_owned()])).unwrap();
        assert!(facts.cpu_count > 0 && facts.memory > 1 << 20);
        assert!(!facts.hostname.is_empty() && !facts.os.is_empty());
        assert!(facts.storages[0].total >= facts.storages[0].used);
        assert!(qemu_img_version().unwrap().contains('.'));
    }

    #[test]
    fn a_storage_that_cannot_be_used_is_told_with_the_reason() {
        let dir = tempfile::TempDir::new().unwrap();
        let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
        let disks = Disks::open(&[path("good"), path("bad")]);
        fs::remove_dir_all(path("bad")).unwrap();
        let facts = describe(&disks).unwrap();
        let good: Vec<&str> = facts.storages.iter().map(|storage| storage.path.as_str()).collect();
        assert_eq!(good, [path("good")]);
        let [(bad, why)] = facts.not_mounted.as_slice() else { panic!("{:?}", facts.not_mounted) };
        assert_eq!((bad, why.key.as_str()), (&path("bad"), "storage-missing"));
    }
}
