//! What a file from a stranger really is.
//!
//! A disk image can name other files of the node (backing files, data files, extents) that whoever opens it would read
//! or write. So `format` looks at its bytes before `qemu-img` opens it, as that format and no other, with
//! bounded time and memory; and what `qemu-img` then says is judged once more.

use std::path::Path;
use std::time::Duration;

use serde::Deserialize;

use super::format::{self, Format, damaged, unreadable};
use crate::error::{Context, Error, Result};
use crate::node::agent::call::Call;
use crate::node::agent::program::Program;
use crate::node::agent::qcow2;
use crate::node::units::human;

/// Looking at a header takes milliseconds; checking all tables of a 1 TiB image on a slow disk, minutes.
const LOOK_PATIENCE: Duration = Duration::from_secs(30);
const CHECK_PATIENCE: Duration = Duration::from_secs(600);
/// What qemu-img needs for the tables of the largest image, many times over.
const MEMORY_LIMIT: u64 = 2 << 30;

/// Larger disks are mistakes or attacks: a file on ext4 cannot grow beyond it.
pub(super) const VIRTUAL_SIZE_LIMIT: u64 = 16 << 40;

/// Exit codes of `qemu-img check`.
const CHECK_CLEAN: i32 = 0;
const CHECK_LEAKS: i32 = 3;
const CHECK_NOT_SUPPORTED: i32 = 63;

/// Looks at an upload and says which format it has. One whose writer was killed, and which is whole by its format's
/// design once its reference counts are made anew, is mended; whether it was.
///
/// # Errors
/// `not-a-disk-image`, `image-packed`, `image-unreadable`, `image-has-backing-file`, `image-has-data-file`, `image-encrypted`, `image-size-absurd`,
/// `upload-damaged`.
pub(super) fn probe(path: &Path, call: &Call) -> Result<(Format, bool)> {
    let format = format::of(path)?;
    judge(path, format, info(path, format, call)?)?;
    let is_dirty = format == Format::Qcow2 && qcow2::read(path)?.is_some_and(|header| header.dirty);
    if is_dirty {
        mend(path, call)?;
    }
    check(path, format, call)?;
    Ok((format, is_dirty))
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Info {
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

fn info(path: &Path, format: Format, call: &Call) -> Result<Info> {
    let ended = Program::new("qemu-img", LOOK_PATIENCE)
        .args(["info", "--output=json", "-f", format.word()])
        .arg(path)
        .limits(MEMORY_LIMIT, LOOK_PATIENCE.as_secs())
        .cancel(call.cancel_flag())
        .finish(&mut |_| ())?;
    if !ended.status.success() {
        return Err(unreadable(path, format, &ended.stderr));
    }
    serde_json::from_slice(&ended.stdout).context("read what qemu-img says about an image")
}

fn judge(path: &Path, format: Format, info: Info) -> Result<()> {
    let Info { virtual_size, backing_filename, encrypted, format_specific } = info;
    if encrypted {
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
        if format == Format::Vmdk && !(alone && own) {
            return Err(Error::bad_input("image-has-data-file"));
        }
    }
    if virtual_size == 0 || virtual_size > VIRTUAL_SIZE_LIMIT {
        return Err(Error::bad_input("image-size-absurd").arg("size", human(virtual_size)));
    }
    Ok(())
}

/// Makes the reference counts of a qcow2 anew that its writer did not come to write.
fn mend(path: &Path, call: &Call) -> Result<()> {
    tracing::warn!(path = %path.display(), "the writer of an uploaded qcow2 was killed: its reference counts are made anew");
    let ended = Program::new("qemu-img", CHECK_PATIENCE)
        .args(["check", "-q", "-r", "all", "-f", Format::Qcow2.word()])
        .arg(path)
        .limits(MEMORY_LIMIT, CHECK_PATIENCE.as_secs())
        .cancel(call.cancel_flag())
        .finish(&mut |_| ())?;
    match ended.status.code() {
        Some(CHECK_CLEAN | CHECK_LEAKS) => Ok(()),
        _ => Err(damaged(ended.stderr.lines().last().unwrap_or("qemu-img check fails"))
            .because(ended.stderr.clone())),
    }
}

/// Finds images of which the end is missing.
fn check(path: &Path, format: Format, call: &Call) -> Result<()> {
    if format == Format::Raw {
        return Ok(());
    }
    let ended = Program::new("qemu-img", CHECK_PATIENCE)
        .args(["check", "-q", "-f", format.word()])
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
