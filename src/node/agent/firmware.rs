//! What is installed on this machine for guests with UEFI and with a TPM.
//!
//! Firmware describes itself to whoever runs QEMU in files (`docs/interop/firmware.json` of QEMU). They are read by the
//! rules by which libvirt chooses one, to know beforehand whether it will find one and how large its variables are.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::qcow2;
use crate::error::{Context, Error, Result};
use crate::node::protocol::{Chipset, Firmware, Hardware};

/// What the first has hides a file of the same name in the second.
const FOLDERS: [&str; 2] = ["/etc/qemu/firmware", "/usr/share/qemu/firmware"];

/// Both are needed for a TPM: the second makes its keys.
const TPM_PROGRAMS: [&str; 2] = ["swtpm", "swtpm_setup"];

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Descriptor {
    interface_types: Vec<String>,
    mapping: Mapping,
    targets: Vec<Target>,
    features: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Mapping {
    device: String,
    executable: Option<Part>,
    nvram_template: Option<Part>,
}

#[derive(Deserialize)]
struct Part {
    filename: PathBuf,
}

#[derive(Deserialize)]
struct Target {
    architecture: String,
    machines: Vec<String>,
}

/// What a file with variables of UEFI is: one of another shape is of another build of the firmware.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    is_qcow2: bool,
    /// Bytes that the firmware sees.
    size: u64,
}

/// # Errors
/// `firmware-missing` and `tpm-missing` when this machine lacks what the hardware needs.
pub fn require(hardware: &Hardware) -> Result<()> {
    if lacks_firmware(hardware) {
        let what = hardware.firmware.word();
        return Err(Error::conflict("firmware-missing").arg("what", what));
    }
    if lacks_tpm(hardware) {
        return Err(Error::conflict("tpm-missing"));
    }
    Ok(())
}

pub fn lacks_firmware(hardware: &Hardware) -> bool {
    hardware.firmware.is_uefi() && variables(hardware).is_none()
}

pub fn lacks_tpm(hardware: &Hardware) -> bool {
    hardware.tpm && !TPM_PROGRAMS.iter().all(|name| is_installed(name))
}

/// The variables with which a new machine of this hardware begins; `None` when no firmware fits.
pub fn variables(hardware: &Hardware) -> Option<PathBuf> {
    variables_in(&FOLDERS.map(Path::new), hardware)
}

fn variables_in(folders: &[&Path], hardware: &Hardware) -> Option<PathBuf> {
    descriptors(folders).into_iter().find_map(|path| {
        let descriptor = read(&path)?;
        let Mapping { executable, nvram_template, .. } = &descriptor.mapping;
        let (executable, variables) = (executable.as_ref()?, nvram_template.as_ref()?);
        let is_there = executable.filename.exists() && variables.filename.exists();
        (is_there && descriptor.fits(hardware)).then(|| variables.filename.clone())
    })
}

/// What libvirt looks at, in its order: that of the names.
fn descriptors(folders: &[&Path]) -> Vec<PathBuf> {
    let mut found = BTreeMap::new();
    for folder in folders {
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(cause) if cause.kind() == ErrorKind::NotFound => continue,
            Err(cause) => {
                tracing::warn!(%cause, folder = %folder.display(), "firmware not looked for");
                continue;
            }
        };
        for entry in entries.flatten() {
            let (name, path) = (entry.file_name(), entry.path());
            if path.extension().is_some_and(|ending| ending == "json") {
                found.entry(name).or_insert(path);
            }
        }
    }
    found.into_values().collect()
}

/// `None` for an empty file too, which is how an administrator hides one.
fn read(path: &Path) -> Option<Descriptor> {
    let content = fs::read(path).unwrap_or_default();
    if content.is_empty() {
        return None;
    }
    let read = serde_json::from_slice(&content);
    read.map_err(|cause| tracing::warn!(%cause, path = %path.display(), "firmware not known")).ok()
}

impl Descriptor {
    fn fits(&self, hardware: &Hardware) -> bool {
        let has = |name: &str| self.features.iter().any(|feature| feature == name);
        let secure = hardware.firmware == Firmware::UefiSecure;
        let machine = match hardware.chipset {
            Chipset::I440fx => "pc-i440fx-",
            Chipset::Q35 => "pc-q35-",
        };
        let is_target = |target: &Target| {
            let runs = |pattern: &String| pattern == "*" || pattern.starts_with(machine);
            target.architecture == "x86_64" && target.machines.iter().any(runs)
        };
        self.interface_types.iter().any(|kind| kind == "uefi")
            && self.mapping.device == "flash"
            && self.targets.iter().any(is_target)
            && has("secure-boot") == secure
            && has("enrolled-keys") == secure
    }
}

/// # Errors
/// When the file cannot be read.
pub fn shape(path: &Path) -> Result<Shape> {
    Ok(match qcow2::read(path)? {
        Some(header) => Shape { is_qcow2: true, size: header.virtual_size },
        None => {
            let doing = || format!("look at {}", path.display());
            Shape { is_qcow2: false, size: fs::metadata(path).context(doing())?.len() }
        }
    })
}

pub(super) fn is_installed(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|folder| {
        let meta = fs::metadata(folder.join(program));
        meta.is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn hardware(firmware: Firmware, chipset: Chipset) -> Hardware {
        Hardware { firmware, chipset, ..Hardware::first() }
    }

    /// Writes a firmware's files and says what it is.
    fn describe(dir: &Path, name: &str, machine: &str, features: &[&str]) -> PathBuf {
        let (code, variables) =
            (dir.join(format!("{name}.code")), dir.join(format!("{name}.vars")));
        for path in [&code, &variables] {
            fs::write(path, [0; 512]).unwrap();
        }
        let descriptor = json!({
            "description": "x", "interface-types": ["uefi"], "features": features, "tags": [],
            "mapping": {
                "device": "flash", "executable": {"filename": code, "format": "raw"},
                "nvram-template": {"filename": variables, "format": "raw"},
            },
            "targets": [{"architecture": "x86_64", "machines": [format!("{machine}*")]}],
        });
        fs::write(dir.join(format!("{name}.json")), descriptor.to_string()).unwrap();
        variables
    }

    #[test]
    fn the_firmware_is_the_first_that_fits() {
        let (of_admin, of_system) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let folders = [of_admin.path(), of_system.path()];
        let found = |firmware, chipset| variables_in(&folders, &hardware(firmware, chipset));
        assert_eq!(found(Firmware::Uefi, Chipset::Q35), None);
        let secure = ["secure-boot", "enrolled-keys", "requires-smm"];
        let enrolled = describe(of_system.path(), "40-enrolled", "pc-q35-", &secure);
        describe(of_system.path(), "50-setup", "pc-q35-", &["secure-boot"]);
        let plain = describe(of_system.path(), "60-plain", "pc-q35-", &[]);
        describe(of_system.path(), "70-other", "pc-q35-", &[]);
        fs::write(of_system.path().join("10-broken.json"), "{").unwrap();
        assert_eq!(found(Firmware::Uefi, Chipset::Q35), Some(plain.clone()));
        assert_eq!(found(Firmware::UefiSecure, Chipset::Q35), Some(enrolled));
        assert_eq!(found(Firmware::Uefi, Chipset::I440fx), None, "of the other chipset");
        // One that says so and is not there is none.
        fs::remove_file(&plain).unwrap();
        let other = of_system.path().join("70-other.vars");
        assert_eq!(found(Firmware::Uefi, Chipset::Q35), Some(other));
        // Hidden by the administrator.
        fs::write(of_admin.path().join("70-other.json"), "").unwrap();
        assert_eq!(found(Firmware::Uefi, Chipset::Q35), None);
    }

    #[test]
    fn variables_of_another_build_have_another_shape() {
        let dir = tempfile::tempdir().unwrap();
        let [one, other, image] = ["one", "other", "image"].map(|name| dir.path().join(name));
        fs::write(&one, [0; 512]).unwrap();
        fs::write(&other, [1; 512]).unwrap();
        assert_eq!(shape(&one).unwrap(), shape(&other).unwrap());
        fs::write(&other, [1; 1024]).unwrap();
        assert_ne!(shape(&one).unwrap(), shape(&other).unwrap());
        let mut header = vec![0; 512];
        header[..8].copy_from_slice(b"QFI\xfb\0\0\0\x03");
        header[30] = 2;
        fs::write(&image, header).unwrap();
        assert_eq!(shape(&image).unwrap(), Shape { is_qcow2: true, size: 512 });
    }

    #[test]
    fn this_machine_has_what_the_tests_need() {
        let all = Hardware { tpm: true, ..hardware(Firmware::UefiSecure, Chipset::Q35) };
        require(&all).unwrap();
        require(&hardware(Firmware::Uefi, Chipset::I440fx)).unwrap();
    }
}
