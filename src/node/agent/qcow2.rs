//! The header of a qcow2 file, read without starting a program: thousands of overlays are asked what
//! they stand on in a moment, and a file from a stranger is looked at before any other program opens it.

use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::error::{Context, Error, Result};

pub const MAGIC: &[u8; 4] = b"QFI\xfb";
/// Up to the incompatible feature bits of version 3.
const HEADER: usize = 80;
/// Longest backing file name that the format allows.
const NAME_LIMIT: u32 = 1023;
/// Entries of the first table that QEMU allows.
const TABLE_LIMIT: u64 = (32 << 20) / 8;
const EXTERNAL_DATA_FILE: u64 = 1 << 2;
const CORRUPT: u64 = 1 << 1;
const DIRTY: u64 = 1 << 0;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    pub version: u32,
    /// Size that a guest sees, in bytes.
    pub virtual_size: u64,
    pub backing: Option<PathBuf>,
    pub encrypted: bool,
    pub external_data: bool,
    pub corrupt: bool,
    /// Its writer was killed while reference counts waited to be written (`lazy_refcounts`): they can be made anew.
    pub dirty: bool,
}

/// `None` when the file is something else than qcow2.
///
/// # Errors
/// When it cannot be read, or the header points outside of what the format allows.
pub fn read(path: &Path) -> Result<Option<Header>> {
    let file = File::open(path).context(format_args!("open {}", path.display()))?;
    let mut bytes = [0; HEADER];
    match file.read_exact_at(&mut bytes, 0) {
        Err(cause) if cause.kind() == ErrorKind::UnexpectedEof => return Ok(None),
        other => other.context(format_args!("read {}", path.display()))?,
    }
    if &bytes[..4] != MAGIC {
        return Ok(None);
    }
    let version = number(&bytes[4..8]) as u32;
    // Before version 3 there are no feature bits in this place.
    let features = if version >= 3 { number(&bytes[72..80]) } else { 0 };
    Ok(Some(Header {
        version,
        virtual_size: number(&bytes[24..32]),
        backing: backing(&file, path, number(&bytes[8..16]), number(&bytes[16..20]) as u32)?,
        encrypted: number(&bytes[32..36]) != 0,
        external_data: features & EXTERNAL_DATA_FILE != 0,
        corrupt: features & CORRUPT != 0,
        dirty: features & DIRTY != 0,
    }))
}

fn backing(file: &File, path: &Path, offset: u64, length: u32) -> Result<Option<PathBuf>> {
    if offset == 0 {
        return Ok(None);
    }
    if length > NAME_LIMIT {
        return Err(damaged(path, "backing file name too long"));
    }
    let mut name = vec![0; length as usize];
    file.read_exact_at(&mut name, offset).map_err(|cause| match cause.kind() {
        ErrorKind::UnexpectedEof => damaged(path, "backing file name beyond the end"),
        _ => Error::internal(format_args!("read the backing file name in {}", path.display()))
            .because(cause),
    })?;
    Ok(Some(std::os::unix::ffi::OsStringExt::from_vec(name))
        .map(|name: std::ffi::OsString| PathBuf::from(name)))
}

/// Whether nothing was ever written into a qcow2: no part of the disk has a table, and there is no snapshot. What stands
/// below it shows through unchanged.
pub fn is_unwritten(path: &Path) -> Result<bool> {
    let doing = || format!("read {}", path.display());
    let file = File::open(path).context(doing())?;
    let mut bytes = [0; HEADER];
    file.read_exact_at(&mut bytes, 0).context(doing())?;
    let (entries, offset) = (number(&bytes[36..40]), number(&bytes[40..48]));
    let snapshots = number(&bytes[60..64]);
    if &bytes[..4] != MAGIC || snapshots != 0 || entries > TABLE_LIMIT {
        return Ok(false);
    }
    let mut table = vec![0; entries as usize * 8];
    file.read_exact_at(&mut table, offset).context(doing())?;
    Ok(table.iter().all(|byte| *byte == 0))
}

fn damaged(path: &Path, message: &str) -> Error {
    Error::bad_input("image-damaged").arg("path", path.display()).arg("message", message)
}

/// Big endian, up to eight bytes.
fn number(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}
