//! What a file from a stranger really is.
//!
//! A disk image can name other files of the node (backing files, data files, extents) that whoever opens it would read
//! or write. So the header is looked at before `qemu-img` opens the file, `qemu-img` runs with bounded
//! time and memory, and only formats that can stand alone are let in.

use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;

use crate::error::{Context, Error, Kind, Result};
use crate::node::agent::call::Call;
use crate::node::agent::qcow2;
use crate::node::agent::run::Run;
use crate::node::agent::storage::human;

/// Looking at a header takes milliseconds; checking all tables of a 1 TiB image on a slow disk, minutes.
const LOOK_PATIENCE: Duration = Duration::from_secs(30);
const CHECK_PATIENCE: Duration = Duration::from_secs(600);
/// What qemu-img needs for the tables of the largest image, many times over.
const MEMORY_LIMIT: u64 = 2 << 30;

/// Larger disks are mistakes or attacks: a file on ext4 cannot grow beyond it.
pub(super) const VIRTUAL_SIZE_LIMIT: u64 = 16 << 40;

/// Formats that stand alone, besides raw. VMDK only with its one extent in the file itself.
const FORMATS: [&str; 5] = ["qcow2", "vmdk", "vdi", "vhdx", "vpc"];

/// Exit codes of `qemu-img check`.
const CHECK_CLEAN: i32 = 0;
const CHECK_LEAKS: i32 = 3;
const CHECK_NOT_SUPPORTED: i32 = 63;

/// Looks at an upload and says which format it has, in the words of `qemu-img`.
///
/// # Errors
/// `not-a-disk-image`, `image-has-backing-file`, `image-has-data-file`, `image-encrypted`, `image-size-absurd`,
/// `upload-damaged`.
pub(super) fn probe(path: &Path, call: &Call) -> Result<String> {
    refuse_by_header(path)?;
    let info = info(path, call)?;
    let format = judge(path, info)?;
    check(path, &format, call)?;
    Ok(format)
}

/// Before any program opens the file.
fn refuse_by_header(path: &Path) -> Result<()> {
    let Some(header) = qcow2::read(path)? else {
        // A VMDK descriptor is a text that names other files.
        return if starts_with(path, b"# Disk DescriptorFile")? { Err(no_image()) } else { Ok(()) };
    };
    if header.external_data {
        return Err(Error::bad_input("image-has-data-file"));
    }
    if let Some(backing) = header.backing {
        return Err(Error::bad_input("image-has-backing-file").arg("file", backing.display()));
    }
    if header.encrypted {
        return Err(Error::bad_input("image-encrypted"));
    }
    if header.corrupt {
        return Err(damaged("marked as corrupt"));
    }
    Ok(())
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Info {
    format: String,
    virtual_size: u64,
    backing_filename: Option<String>,
    #[serde(default)]
    encrypted: bool,
    format_specific: Option<Specific>,
}

#[derive(Deserialize)]
struct Specific {
    data: SpecificData,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct SpecificData {
    data_file: Option<String>,
    create_type: Option<String>,
    #[serde(default)]
    extents: Vec<Extent>,
}

#[derive(Deserialize)]
struct Extent {
    filename: String,
}

fn info(path: &Path, call: &Call) -> Result<Info> {
    let ended = Run::new("qemu-img", LOOK_PATIENCE)
        .args(["info", "--output=json"])
        .arg(path)
        .limits(MEMORY_LIMIT, LOOK_PATIENCE.as_secs())
        .cancel(call.cancel_flag())
        .finish(&mut |_| ())?;
    if !ended.status.success() {
        return Err(no_image().because(ended.stderr));
    }
    serde_json::from_slice(&ended.stdout).context("read what qemu-img says about an image")
}

fn judge(path: &Path, info: Info) -> Result<String> {
    let Info { format, virtual_size, backing_filename, encrypted, format_specific } = info;
    if encrypted || format == "luks" {
        return Err(Error::bad_input("image-encrypted"));
    }
    if let Some(file) = backing_filename {
        return Err(Error::bad_input("image-has-backing-file").arg("file", file));
    }
    if let Some(Specific { data: SpecificData { data_file, create_type, extents } }) =
        format_specific
    {
        if data_file.is_some() {
            return Err(Error::bad_input("image-has-data-file"));
        }
        let alone = matches!(create_type.as_deref(), Some("monolithicSparse" | "streamOptimized"));
        let own =
            extents.len() == 1 && extents.iter().all(|extent| Path::new(&extent.filename) == path);
        if format == "vmdk" && !(alone && own) {
            return Err(Error::bad_input("image-has-data-file"));
        }
    }
    let known = if format == "raw" {
        is_raw_disk(path, virtual_size)?
    } else {
        FORMATS.contains(&format.as_str())
    };
    if !known {
        return Err(no_image());
    }
    if virtual_size == 0 || virtual_size > VIRTUAL_SIZE_LIMIT {
        return Err(Error::bad_input("image-size-absurd").arg("size", human(virtual_size)));
    }
    Ok(format)
}

/// Any file is "raw" to qemu-img. A disk starts with a partition table or boot sector, or is an ISO 9660 file.
fn is_raw_disk(path: &Path, size: u64) -> Result<bool> {
    const SECTOR: u64 = 512;
    let bootable = bytes_at(path, 510, 2)? == [0x55, 0xaa];
    let iso = bytes_at(path, 0x8001, 5)? == *b"CD001";
    Ok((bootable || iso) && size.is_multiple_of(SECTOR) && size > SECTOR)
}

/// Finds images of which the end is missing.
fn check(path: &Path, format: &str, call: &Call) -> Result<()> {
    if format == "raw" {
        return Ok(());
    }
    let ended = Run::new("qemu-img", CHECK_PATIENCE)
        .args(["check", "-q", "-f", format])
        .arg(path)
        .limits(MEMORY_LIMIT, CHECK_PATIENCE.as_secs())
        .cancel(call.cancel_flag())
        .finish(&mut |_| ())?;
    match ended.status.code() {
        Some(CHECK_CLEAN | CHECK_LEAKS | CHECK_NOT_SUPPORTED) => Ok(()),
        _ => Err(damaged(ended.stderr.lines().last().unwrap_or("qemu-img check fails"))
            .because(ended.stderr.clone())),
    }
}

/// The bytes there are: fewer at the end of the file.
fn bytes_at(path: &Path, offset: u64, count: usize) -> Result<Vec<u8>> {
    let doing = || format!("read {}", path.display());
    let file = File::open(path).context(doing())?;
    let mut bytes = vec![0; count];
    match file.read_exact_at(&mut bytes, offset) {
        Ok(()) => Ok(bytes),
        Err(cause) if cause.kind() == ErrorKind::UnexpectedEof => Ok(Vec::new()),
        Err(cause) => Err(cause).context(doing()),
    }
}

fn starts_with(path: &Path, magic: &[u8]) -> Result<bool> {
    Ok(bytes_at(path, 0, magic.len())? == magic)
}

fn no_image() -> Error {
    Error::bad_input("not-a-disk-image")
}

fn damaged(message: &str) -> Error {
    Error::new(Kind::BadInput, "upload-damaged").arg("message", message)
}
