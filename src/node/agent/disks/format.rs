//! Which format a file from a stranger has, by its own bytes: no program opens it to find out.
//!
//! QEMU's probing would: what looks like a VMDK descriptor makes it open every file that is named there. So the format
//! is decided here and named to every program, and what names other files is refused.

use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::error::{Context, Error, Kind, Result};
use crate::node::agent::qcow2;
use crate::node::iso;
use crate::node::units::human;

/// More than any header that is looked at here.
const HEAD: usize = 4096;
const SECTOR: u64 = 512;

/// Formats that are let in. They can stand alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Raw,
    Qcow2,
    /// Only with its one extent in the file itself.
    Vmdk,
    Vdi,
    Vhdx,
    /// VHD, in the word of QEMU.
    Vpc,
}

impl Format {
    /// As `qemu-img -f` wants it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Qcow2 => "qcow2",
            Self::Vmdk => "vmdk",
            Self::Vdi => "vdi",
            Self::Vhdx => "vhdx",
            Self::Vpc => "vpc",
        }
    }
}

/// # Errors
/// `not-a-disk-image`, `image-packed`, `image-has-backing-file`, `image-has-data-file`, `image-encrypted`,
/// `upload-damaged`.
pub(super) fn of(path: &Path) -> Result<Format> {
    let head = bytes_at(path, 0, HEAD)?;
    if head.starts_with(qcow2::MAGIC) {
        return qcow2_alone(path);
    }
    if head.starts_with(b"KDMV") {
        return vmdk_alone(path, &head);
    }
    // The extents of ESX stand on others as a rule, and say little of themselves.
    if head.starts_with(b"COWD") {
        return Err(Error::bad_input("image-has-data-file"));
    }
    if head.starts_with(b"conectix") {
        return vhd_alone(&head);
    }
    if head.starts_with(b"vhdxfile") {
        return Ok(Format::Vhdx);
    }
    if head.get(0x40..0x44) == Some(&[0x7f, 0x10, 0xda, 0xbe]) {
        return Ok(Format::Vdi);
    }
    if head.starts_with(b"LUKS\xba\xbe") {
        return Err(Error::bad_input("image-encrypted"));
    }
    if let Some(kind) = packed_as(&head) {
        return Err(Error::bad_input("image-packed").arg("kind", kind));
    }
    if is_fixed_vhd(path)? {
        return Ok(Format::Vpc);
    }
    if is_of_no_use(&head) || !is_raw_disk(path, &head)? {
        return Err(no_image());
    }
    Ok(Format::Raw)
}

fn qcow2_alone(path: &Path) -> Result<Format> {
    let header = qcow2::read(path)?.ok_or_else(no_image)?;
    if header.external_data {
        return Err(Error::bad_input("image-has-data-file"));
    }
    if let Some(backing) = header.backing {
        return Err(backed(backing.display()));
    }
    if header.version < 2 {
        return Err(no_image());
    }
    if header.encrypted {
        return Err(Error::bad_input("image-encrypted"));
    }
    if header.corrupt {
        return Err(damaged("marked as corrupt"));
    }
    Ok(Format::Qcow2)
}

/// The descriptor inside such a file counts, for QEMU, when the header has no capacity: it then may name any file. In
/// others it still may name a parent.
fn vmdk_alone(path: &Path, head: &[u8]) -> Result<Format> {
    /// As much as QEMU searches for the name of a parent, and from where.
    const DESCRIPTOR: (u64, usize) = (512, 20 * 512);
    const PARENT: &[u8] = b"parentFileNameHint";
    let capacity = head.get(12..20).ok_or_else(no_image)?;
    if capacity.iter().all(|byte| *byte == 0) {
        return Err(Error::bad_input("image-has-data-file"));
    }
    let descriptor = bytes_at(path, DESCRIPTOR.0, DESCRIPTOR.1)?;
    let parent = descriptor.windows(PARENT.len()).position(|window| window == PARENT);
    if let Some(at) = parent {
        let line = descriptor[at..].split(|byte| *byte == b'\n').next().unwrap_or_default();
        let name = String::from_utf8_lossy(&line[PARENT.len()..]).into_owned();
        return Err(backed(name.trim_matches([' ', '=', '"', '\r'])));
    }
    Ok(Format::Vmdk)
}

/// QEMU reads a differencing VHD as if it stood alone.
fn vhd_alone(head: &[u8]) -> Result<Format> {
    const DIFFERENCING: [u8; 4] = [0, 0, 0, 4];
    match head.get(60..64) {
        Some(kind) if kind == DIFFERENCING => Err(backed("VHD")),
        Some(_) => Ok(Format::Vpc),
        None => Err(no_image()),
    }
}

/// A fixed VHD is the disk itself with a footer behind it, which is no part of the disk.
fn is_fixed_vhd(path: &Path) -> Result<bool> {
    const FIXED: [u8; 4] = [0, 0, 0, 2];
    let size = path.metadata().context(format_args!("look at {}", path.display()))?.len();
    let Some(at) = size.checked_sub(SECTOR).filter(|at| *at > 0) else { return Ok(false) };
    let footer = bytes_at(path, at, SECTOR as usize)?;
    Ok(footer.starts_with(b"conectix") && footer.get(60..64) == Some(&FIXED))
}

/// What disk images are packed in to be sent. A boot sector begins with an instruction, never with these.
fn packed_as(head: &[u8]) -> Option<&'static str> {
    const MAGICS: [(&[u8], &str); 9] = [
        (b"\xfd7zXZ\0", "xz"),
        (b"\x1f\x8b", "gzip"),
        (b"PK\x03\x04", "zip"),
        (b"PK\x05\x06", "zip"),
        (b"7z\xbc\xaf\x27\x1c", "7z"),
        (b"BZh", "bzip2"),
        (b"\x28\xb5\x2f\xfd", "zstd"),
        (b"Rar!\x1a\x07", "rar"),
        (b"MSWIM\0\0\0", "wim"),
    ];
    let magic = MAGICS.into_iter().find(|(magic, _)| head.starts_with(magic));
    magic.map(|(_, kind)| kind).or(is_tar_head(head).then_some("tar"))
}

/// An OVA is such an archive. Its first block names a file and ends in zeroes.
fn is_tar_head(head: &[u8]) -> bool {
    head.get(257..262) == Some(b"ustar") && head.get(510..512) == Some(&[0, 0])
}

/// Whether a file is a tar.
pub(super) fn is_tar(path: &Path) -> Result<bool> {
    Ok(is_tar_head(&bytes_at(path, 0, SECTOR as usize)?))
}

/// Formats that are not let in, and the text that describes a VMDK of other files. A disk's boot sector begins with an
/// instruction, never with these.
fn is_of_no_use(head: &[u8]) -> bool {
    const MAGICS: [&[u8]; 5] = [
        b"QED\0",
        b"WithoutFreeSpace",
        b"WithouFreSpacExt",
        b"Bochs Virtual HD Image",
        b"#!/bin/sh\n#V2.0",
    ];
    MAGICS.iter().any(|magic| head.starts_with(magic)) || is_descriptor(head)
}

/// By QEMU's own rule: the first line that is neither a comment nor empty names a version.
fn is_descriptor(head: &[u8]) -> bool {
    let mut lines = head.split(|byte| *byte == b'\n').map(|line| line.trim_ascii());
    let first = lines.find(|line| !line.is_empty() && !line.starts_with(b"#"));
    first.is_some_and(|line| line.starts_with(b"version="))
}

/// Any file could be a raw disk. One starts with a partition table or boot sector, or is an ISO 9660 file.
fn is_raw_disk(path: &Path, head: &[u8]) -> Result<bool> {
    let bootable = head.get(510..512) == Some(&[0x55, 0xaa]);
    let iso = bytes_at(path, 0x8001, 5)? == *b"CD001";
    let size = path.metadata().context(format_args!("look at {}", path.display()))?.len();
    Ok((bootable || iso) && size > SECTOR)
}

/// # Errors
/// `not-an-iso`; `iso-truncated` for one of which the end is missing.
pub(super) fn require_iso(path: &Path) -> Result<()> {
    /// Burners leave out what pads the end, and some makers count it.
    const PADDING: u64 = 300 * iso::SECTOR as u64;
    let head = bytes_at(path, 0, iso::HEAD)?;
    if !iso::is_iso(&head) {
        return Err(Error::bad_input("not-an-iso"));
    }
    let size = path.metadata().context(format_args!("look at {}", path.display()))?.len();
    match iso::claimed_size(&head).filter(|claimed| size + PADDING < *claimed) {
        Some(claimed) => Err(Error::bad_input("iso-truncated")
            .arg("received", human(size))
            .arg("claimed", human(claimed))),
        None => Ok(()),
    }
}

fn backed(file: impl std::fmt::Display) -> Error {
    Error::bad_input("image-has-backing-file").arg("file", file)
}

/// The bytes there are: fewer at the end of the file.
fn bytes_at(path: &Path, offset: u64, count: usize) -> Result<Vec<u8>> {
    let doing = || format!("read {}", path.display());
    let file = File::open(path).context(doing())?;
    let mut bytes = vec![0; count];
    let mut filled = 0;
    while filled < count {
        match file.read_at(&mut bytes[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(more) => filled += more,
            Err(cause) if cause.kind() == ErrorKind::Interrupted => {}
            Err(cause) => return Err(cause).context(doing()),
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

pub(super) fn no_image() -> Error {
    Error::bad_input("not-a-disk-image")
}

/// In the words of the program that was to read it, which knows the file by another name than its owner.
pub(super) fn unreadable(path: &Path, format: Format, words: &str) -> Error {
    let path = path.to_string_lossy();
    let said = words.lines().find(|line| !line.trim().is_empty()).unwrap_or("no reason was given");
    let said = said.trim().trim_start_matches("qemu-img: ");
    let opened = format!("Could not open '{path}': ");
    let said = said.strip_prefix(opened.as_str()).unwrap_or(said).replace(&*path, "FILE");
    let error = Error::bad_input("image-unreadable").arg("format", format.word().to_uppercase());
    error.arg("message", said).because(words.to_owned())
}

pub(super) fn damaged(message: &str) -> Error {
    Error::new(Kind::BadInput, "upload-damaged").arg("message", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_program_says_is_told_without_the_names_of_the_node() {
        let path = Path::new("/var/lib/carrel/storage/uploads/1.part");
        let words = "qemu-img: Could not open '/var/lib/carrel/storage/uploads/1.part': VHDX image file \
            '/var/lib/carrel/storage/uploads/1.part' contains a log\nmore\n";
        let error = unreadable(path, Format::Vhdx, words);
        let told: Vec<_> = error.args().collect();
        assert_eq!(
            told,
            [("format", "VHDX"), ("message", "VHDX image file 'FILE' contains a log")]
        );
    }

    #[test]
    fn descriptors_are_known_as_qemu_knows_them() {
        for text in ["# Disk DescriptorFile\nversion=1\n", "version=3\n", "\n\r\n  #\n version=1"] {
            assert!(is_descriptor(text.as_bytes()), "{text:?}");
        }
        for text in ["", "#\n#\n", "\u{eb}\u{3c}\u{90}MSDOS5.0", "Version\nversion=1"] {
            assert!(!is_descriptor(text.as_bytes()), "{text:?}");
        }
    }
}
