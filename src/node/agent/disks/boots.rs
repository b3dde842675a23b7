//! Which firmware a disk starts with, by its partition table and boot sector.
//!
//! ```text
//!   sector 0       boot code (446 bytes), four partitions, 55 AA
//!   sector 1       the header of a GPT, which a partition of type EE in sector 0 announces
//!   sector 2…      its partitions, at most 128 of 128 bytes as a rule
//! ```
//!
//! UEFI starts from an EFI system partition. BIOS runs the code of sector 0, which on a GPT needs a partition of its own for
//! its next stage, with GRUB, and no partition with syslinux and hybrids. Windows starts from a GPT by UEFI alone, whatever
//! code it leaves in sector 0.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::error::{Context, Result};
use crate::node::agent::call::Call;
use crate::node::agent::files;
use crate::node::agent::program::Program;
use crate::node::agent::storage::Storage;
use crate::node::protocol::Boots;

/// The start of a disk, in bytes: more than any partition table that is made takes.
const START: usize = 64 << 10;
const PATIENCE: Duration = Duration::from_secs(30);
const MEMORY_LIMIT: u64 = 2 << 30;

const SECTORS: [usize; 2] = [512, 4096];
const PARTITIONS_LIMIT: usize = 128;

const PROTECTIVE: u8 = 0xee;
const EFI_SYSTEM_MBR: u8 = 0xef;
const NTFS: u8 = 7;
/// As they stand on the disk: the first three numbers little-endian.
const EFI_SYSTEM: [u8; 16] = [
    0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11, 0xba, 0x4b, 0x00, 0xa0, 0xc9, 0x3e, 0xc9, 0x3b,
];
const BIOS_BOOT: [u8; 16] = *b"Hah!IdontNeedEFI";
const BASIC_DATA: [u8; 16] = [
    0xa2, 0xa0, 0xd0, 0xeb, 0xe5, 0xb9, 0x33, 0x44, 0x87, 0xc0, 0x68, 0xb6, 0xb7, 0x26, 0x99, 0xc7,
];
const MICROSOFT_RESERVED: [u8; 16] = [
    0x16, 0xe3, 0xc9, 0xe3, 0x5c, 0x0b, 0xb8, 0x4d, 0x81, 0x7d, 0xf9, 0x2d, 0xf0, 0x02, 0x15, 0xae,
];

/// What the start of a disk tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Told {
    /// Which firmware it starts with; `None` when with none, or when it is partitioned in an unknown way.
    pub boots: Option<Boots>,
    /// There is a partition of the kind that Windows is on.
    pub may_hold_windows: bool,
}

/// Of a qcow2 that stands alone.
///
/// # Errors
/// When its start cannot be read.
pub(super) fn look(storage: &Storage, path: &Path, call: &Call) -> Result<Told> {
    let temporary = storage.temporary();
    let read = start(path, &temporary, call);
    files::remove_if_there(&temporary)?;
    let start = read?;
    Ok(Told { boots: of_start(&start), may_hold_windows: may_hold_windows(&start) })
}

fn may_hold_windows(disk: &[u8]) -> bool {
    let sector = disk.get(446..510).unwrap_or_default();
    sector.chunks(16).any(|partition| partition[4] == NTFS)
        || SECTORS
            .iter()
            .filter_map(|size| gpt(disk, *size))
            .any(|kinds| kinds.contains(&BASIC_DATA))
}

fn start(path: &Path, temporary: &Path, call: &Call) -> Result<Vec<u8>> {
    let named = |name: &str, path: &Path| {
        let mut argument = std::ffi::OsString::from(name);
        argument.push(path);
        argument
    };
    Program::new("qemu-img", PATIENCE)
        .args(["dd", "-f", "qcow2", "-O", "raw", "count=1"])
        .arg(format!("bs={START}"))
        .arg(named("if=", path))
        .arg(named("of=", temporary))
        .limits(MEMORY_LIMIT, PATIENCE.as_secs())
        .cancel(call.cancel_flag())
        .output()?;
    fs::read(temporary).context("read the start of a disk")
}

fn of_start(disk: &[u8]) -> Option<Boots> {
    let sector = disk.get(..512).filter(|sector| sector[510..] == [0x55, 0xaa])?;
    let has_code = sector[..440].iter().any(|byte| *byte != 0);
    let kinds: Vec<u8> = sector[446..510].chunks(16).map(|partition| partition[4]).collect();
    let has_efi = kinds.contains(&EFI_SYSTEM_MBR);
    if kinds.contains(&PROTECTIVE)
        && let Some(kinds) = SECTORS.iter().find_map(|size| gpt(disk, *size))
    {
        let has = |kind: [u8; 16]| kinds.contains(&kind);
        let starts_with_bios = has(BIOS_BOOT) || has_code && !has(MICROSOFT_RESERVED);
        return by(starts_with_bios, has(EFI_SYSTEM) || has_efi);
    }
    by(has_code, has_efi)
}

const fn by(bios: bool, uefi: bool) -> Option<Boots> {
    match (bios, uefi) {
        (true, true) => Some(Boots::Either),
        (true, false) => Some(Boots::Bios),
        (false, true) => Some(Boots::Uefi),
        (false, false) => None,
    }
}

/// The types of a GPT's partitions; `None` where no GPT is.
fn gpt(disk: &[u8], sector: usize) -> Option<Vec<[u8; 16]>> {
    let header = disk.get(sector..sector + 92)?;
    let number = |at: usize| {
        let bytes = header[at..at + 4].try_into().ok()?;
        usize::try_from(u32::from_le_bytes(bytes)).ok()
    };
    // The table's place is a number of 8 bytes; one beyond the start of the disk is not read anyway.
    let (place, count, size) = (number(72)?, number(80)?, number(84)?);
    if &header[..8] != b"EFI PART" || number(76)? != 0 || !(128..=4096).contains(&size) {
        return None;
    }
    let table = disk.get(place.checked_mul(sector)?..)?;
    let entries = table.chunks_exact(size).take(count.min(PARTITIONS_LIMIT));
    Some(entries.filter_map(|entry| entry[..16].try_into().ok()).collect())
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    /// A disk of 64 MiB, partitioned by sfdisk's words, with boot code or without, as a qcow2.
    fn disk(dir: &Path, script: &str, has_code: bool) -> std::path::PathBuf {
        use std::io::{Seek, SeekFrom, Write};
        let (raw, path) = (dir.join("disk.raw"), dir.join("disk.qcow2"));
        let mut file = fs::File::create(&raw).unwrap();
        file.set_len(64 << 20).unwrap();
        if !script.is_empty() {
            let mut sfdisk = Command::new("sfdisk")
                .arg("--quiet")
                .arg(&raw)
                .stdin(Stdio::piped())
                .spawn()
                .expect("sfdisk, of fdisk");
            sfdisk.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
            assert!(sfdisk.wait().unwrap().success(), "{script}");
        }
        if has_code {
            file.seek(SeekFrom::Start(0)).unwrap();
            file.write_all(&[0xeb, 0x63, 0x90]).unwrap();
        }
        let convert = ["convert", "-f", "raw", "-O", "qcow2"];
        let made = Command::new("qemu-img").args(convert).arg(&raw).arg(&path).status().unwrap();
        assert!(made.success());
        path
    }

    fn found(script: &str, has_code: bool) -> Option<Boots> {
        told(script, has_code).boots
    }

    fn told(script: &str, has_code: bool) -> Told {
        let dir = tempfile::tempdir().unwrap();
        let disks = crate::node::agent::disks::Disks::open(&[dir.path().display().to_string()]);
        let storage = disks.storages().all().next().unwrap();
        let path = disk(dir.path(), script, has_code);
        let found = look(&storage, &path, &Call::unwatched()).unwrap();
        assert_eq!(fs::read_dir(dir.path().join("tmp")).unwrap().count(), 0);
        found
    }

    #[test]
    fn the_partition_table_tells_the_firmware() {
        // As Windows 11 and Hyper-V's generation 2 make it.
        let windows = "label: gpt\nsize=16M, type=U\nsize=16M, \
            type=E3C9E316-0B5C-4DB8-817D-F92DF00215AE\ntype=EBD0A0A2-B9E5-4433-87C0-68B6B72699C7";
        assert_eq!(found(windows, false), Some(Boots::Uefi));
        assert_eq!(found(windows, true), Some(Boots::Uefi));
        assert_eq!(found("label: gpt\nsize=16M, type=U\ntype=L", false), Some(Boots::Uefi));
        // Cloud images of Debian and Ubuntu start with both.
        let bios_boot = "type=21686148-6449-6E6F-744E-656564454649";
        let both = format!("label: gpt\nsize=16M, type=U\nsize=1M, {bios_boot}\ntype=L");
        assert_eq!(found(&both, true), Some(Boots::Either));
        assert_eq!(found("label: gpt\nsize=16M, type=U\ntype=L", true), Some(Boots::Either));
        let bios = format!("label: gpt\nsize=1M, {bios_boot}\ntype=L");
        assert_eq!(found(&bios, true), Some(Boots::Bios));
        assert_eq!(found("label: dos\ntype=7, bootable", true), Some(Boots::Bios));
        // Of a stick: UEFI takes an MBR, too.
        assert_eq!(found("label: dos\ntype=ef", false), Some(Boots::Uefi));
        assert_eq!(found("label: dos\ntype=ef", true), Some(Boots::Either));
        // Disks for data.
        assert_eq!(found("label: gpt\ntype=L", false), None);
        assert_eq!(found("label: dos\ntype=7", false), None);
        assert_eq!(found("", false), None);
        // A file system without partitions has code without the mark of a boot sector.
        assert_eq!(found("", true), None);
    }

    #[test]
    fn windows_is_looked_for_only_where_it_may_be() {
        let basic = "type=EBD0A0A2-B9E5-4433-87C0-68B6B72699C7";
        for (script, may) in [
            (format!("label: gpt\nsize=16M, type=U\n{basic}"), true),
            ("label: dos\ntype=7, bootable".to_owned(), true),
            ("label: gpt\nsize=16M, type=U\ntype=L".to_owned(), false),
            ("label: dos\ntype=83".to_owned(), false),
            (String::new(), false),
        ] {
            assert_eq!(told(&script, true).may_hold_windows, may, "{script}");
        }
        assert!(!may_hold_windows(&[0; 100]));
    }

    #[test]
    fn a_lying_table_is_none() {
        let dir = tempfile::tempdir().unwrap();
        disk(dir.path(), "label: gpt\nsize=16M, type=U", false);
        let good = fs::read(dir.path().join("disk.raw")).unwrap()[..START].to_vec();
        assert_eq!(of_start(&good), Some(Boots::Uefi));
        for (at, value) in [(512 + 72, u32::MAX), (512 + 84, 0), (512 + 84, u32::MAX), (512, 0)] {
            let mut bad = good.clone();
            bad[at..at + 4].copy_from_slice(&value.to_le_bytes());
            assert_eq!(of_start(&bad), None, "{at}");
        }
        let mut many = good.clone();
        many[512 + 80..512 + 84].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(of_start(&many), Some(Boots::Uefi));
        for length in [0, 511, 512, 1000, 1100] {
            assert_eq!(of_start(&good[..length]), None, "{length}");
        }
    }
}
