//! Files written so that a cut of power leaves either the old or the new.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, chown};
use std::path::Path;

use crate::error::{Context, Error, Result};

/// Makes a directory with this mode, whatever the umask. One that exists keeps its mode.
pub fn make_dir(path: &Path, mode: u32) -> Result<()> {
    match fs::create_dir(path) {
        Ok(()) => fs::set_permissions(path, Permissions::from_mode(mode))
            .context(format_args!("set the mode of {}", path.display())),
        Err(cause) if cause.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(cause) => Err(on_storage(path, cause)),
    }
}

/// A new file; one that exists is an error.
pub fn create_new(path: &Path, mode: u32) -> Result<File> {
    OpenOptions::new()
        .write(true)
        .read(true)
        .create_new(true)
        .mode(mode)
        .open(path)
        .map_err(|cause| on_storage(path, cause))
}

/// Renames and makes the new name durable.
pub fn rename_durably(from: &Path, to: &Path) -> Result<()> {
    fs::rename(from, to).map_err(|cause| on_storage(to, cause))?;
    sync_parent(to)
}

/// Writes a small new file. It has exactly `mode`, whatever the process' umask.
pub fn write_new(path: &Path, content: &[u8], mode: u32) -> Result<()> {
    let mut file = create_new(path, mode)?;
    file.set_permissions(Permissions::from_mode(mode))
        .and_then(|()| file.write_all(content))
        .map_err(|cause| on_storage(path, cause))
}

/// Writes a small file under a temporary name and renames it. It has exactly `mode`, whatever the process' umask.
pub fn write_durably(temporary: &Path, path: &Path, content: &[u8], mode: u32) -> Result<()> {
    let written = create_new(temporary, mode).and_then(|mut file| {
        file.set_permissions(Permissions::from_mode(mode))
            .and_then(|()| file.write_all(content))
            .and_then(|()| file.sync_all())
            .map_err(|cause| on_storage(path, cause))
    });
    let renamed = written.and_then(|()| rename_durably(temporary, path));
    if renamed.is_err() {
        remove_if_there(temporary)?;
    }
    renamed
}

/// Reads a small file that another user may have written: no link, and nothing else than a file. `None` when it is not
/// there.
///
/// # Errors
/// `file-too-large` beyond `limit` bytes.
pub fn read_small(path: &Path, limit: u64) -> Result<Option<Vec<u8>>> {
    let doing = || format!("read {}", path.display());
    let opened =
        File::options().read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(path);
    let file = match opened {
        Err(cause) if cause.kind() == ErrorKind::NotFound => return Ok(None),
        opened => opened.context(doing())?,
    };
    if !file.metadata().context(doing())?.is_file() {
        return Err(Error::internal(format_args!("{} is no file", path.display())));
    }
    let mut content = Vec::new();
    file.take(limit + 1).read_to_end(&mut content).context(doing())?;
    if content.len() as u64 > limit {
        return Err(Error::conflict("file-too-large").arg("path", path.display()));
    }
    Ok(Some(content))
}

/// Layers never change, and QEMU reads them as another user.
const LAYER_MODE: u32 = 0o444;

/// Makes a file root's and read-only.
pub fn make_layer(path: &Path) -> Result<()> {
    let doing = || format!("make {} read-only", path.display());
    // libvirt may have left it to QEMU's user, who could change the mode again.
    if nix::unistd::geteuid().is_root() {
        chown(path, Some(0), Some(0)).context(doing())?;
    }
    fs::set_permissions(path, Permissions::from_mode(LAYER_MODE)).context(doing())
}

/// Makes the content of a file durable.
pub fn sync_file(path: &Path) -> Result<()> {
    File::open(path)
        .and_then(|file| file.sync_all())
        .context(format_args!("sync {}", path.display()))
}

/// Makes names in the folder of `path` durable.
pub fn sync_parent(path: &Path) -> Result<()> {
    path.parent().map_or(Ok(()), sync_file)
}

/// Whether there was one.
pub fn remove_if_there(path: &Path) -> Result<bool> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(cause) if cause.kind() == ErrorKind::NotFound => Ok(false),
        Err(cause) => Err(cause).context(format_args!("remove {}", path.display())),
    }
}

/// Whether a file stands there; a path that cannot be looked at is an error, not an absence.
pub fn exists(path: &Path) -> Result<bool> {
    path.try_exists().context(format_args!("look at {}", path.display()))
}

/// The error for a file that could not be written: a full storage is something the administrator can mend.
pub fn on_storage(path: &Path, cause: std::io::Error) -> Error {
    match cause.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            Error::no_room("storage-ran-full").arg("path", path.display()).because(cause)
        }
        ErrorKind::ReadOnlyFilesystem => {
            Error::no_room("storage-read-only").arg("path", path.display()).because(cause)
        }
        _ => Error::internal(format_args!("write {}: {cause}", path.display())),
    }
}
