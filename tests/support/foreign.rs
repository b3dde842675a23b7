//! Images that were made elsewhere.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// The machine of another maker with one disk, as VMware writes it: three processors, 1.5 GB, UEFI. Its disk has no partition
/// table.
///
/// # Panics
/// When it cannot be made.
pub fn ova(folder: &Path) -> PathBuf {
    let run = |program: &str, arguments: &[&str]| {
        let ended = Command::new(program).args(arguments).current_dir(folder).status();
        assert!(ended.expect(program).success(), "{program} {arguments:?}");
    };
    let format = ["-f", "vmdk", "-o", "subformat=streamOptimized"];
    run("qemu-img", &[&["create", "-q"], &format[..], &["disk.vmdk", "64M"]].concat());
    let part = |kind: u8, quantity: u32, units: &str| {
        format!(
            "<Item><rasd:AllocationUnits>{units}</rasd:AllocationUnits><rasd:ResourceType>{kind}\
             </rasd:ResourceType><rasd:VirtualQuantity>{quantity}</rasd:VirtualQuantity></Item>"
        )
    };
    let ovf = format!(
        "<?xml version='1.0'?><Envelope xmlns='http://schemas.dmtf.org/ovf/envelope/1'><References>\
         <File ovf:id='f' ovf:href='disk.vmdk'/></References><DiskSection><Disk ovf:diskId='d' \
         ovf:fileRef='f'/></DiskSection><VirtualSystem><VirtualHardwareSection>{}{}<Item>\
         <rasd:HostResource>ovf:/disk/d</rasd:HostResource><rasd:ResourceType>17</rasd:ResourceType></Item>\
         <vmw:Config vmw:key='firmware' vmw:value='efi'/></VirtualHardwareSection></VirtualSystem></Envelope>",
        part(3, 3, "hertz * 10^6"),
        part(4, 1536, "byte * 2^20"),
    );
    fs::write(folder.join("machine.ovf"), ovf).expect("write");
    run("tar", &["--format=ustar", "-cf", "machine.ova", "machine.ovf", "disk.vmdk"]);
    folder.join("machine.ova")
}

/// A disk with one partition, of the kind that Windows is on, and nothing in it.
///
/// # Panics
/// When it cannot be made.
pub fn windows_disk(folder: &Path, name: &str) -> PathBuf {
    let raw = folder.join(format!("{name}.raw"));
    fs::File::create(&raw).expect("create").set_len(8 << 20).expect("grow");
    let mut sfdisk = Command::new("sfdisk").arg("-q").arg(&raw).stdin(Stdio::piped()).spawn();
    let sfdisk = sfdisk.as_mut().expect("sfdisk, of fdisk");
    let mut input = sfdisk.stdin.take().expect("piped");
    input.write_all(b"label: dos\ntype=7, bootable\n").expect("write");
    drop(input);
    assert!(sfdisk.wait().expect("wait").success());
    raw
}

/// In the place of libguestfs' program, which needs a kernel of its own and a hundred packages: says what that said to the
/// same words about a disk with such files.
pub struct Guestfish(TempDir);

impl Guestfish {
    /// # Panics
    /// When it cannot be written, as everything here.
    pub fn new() -> Self {
        let guestfish = Self(tempfile::tempdir().expect("a folder"));
        guestfish.runs("exit 1");
        guestfish
    }

    /// The `PATH` with it.
    pub fn path(&self) -> String {
        let usual = std::env::var("PATH").expect("a path");
        format!("{}:{usual}", self.0.path().display())
    }

    pub fn runs(&self, script: &str) {
        let program = self.0.path().join("guestfish");
        fs::write(&program, format!("#!/bin/sh\n{script}\n")).expect("write");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("chmod");
    }

    /// Drivers of a Windows.
    pub fn finds(&self, drivers: &[&str]) {
        let folder = "/Windows/System32/drivers";
        let paths: String = drivers.iter().map(|name| format!("{folder}/{name}\\n")).collect();
        let asked = self.0.path().join("asked");
        self.runs(&format!("echo \"$*\" >>{}\nprintf '{paths}'", asked.display()));
    }

    /// With which arguments it was asked, one on each line.
    pub fn asked(&self) -> String {
        fs::read_to_string(self.0.path().join("asked")).unwrap_or_default()
    }
}
