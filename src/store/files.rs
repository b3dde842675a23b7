//! The files of the data directory and whose they are.

use std::fs::{self, OpenOptions, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::Path;

use crate::error::{Context, Error, Kind, Result};

/// Makes the data directory where it is missing.
pub fn make_dir(path: &Path) -> Result<()> {
    fs::create_dir_all(path).map_err(|cause| {
        Error::new(Kind::BadInput, "settings-path-wrong").arg("path", path.display()).because(cause)
    })
}

/// Gives a file to its owner alone. One that root makes in the directory of another user, as
/// `sudo carrel admin` does for the server's own user, becomes that user's. What a link leads to is left as it is:
/// that user could have root give away any file of the machine.
pub fn protect(path: &Path) -> Result<()> {
    let doing = || format!("protect {}", path.display());
    let opened =
        OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(path);
    let file = match opened {
        Err(cause) if cause.raw_os_error() == Some(libc::ELOOP) => return Ok(()),
        opened => opened.map_err(|cause| refused(path, cause))?,
    };
    file.set_permissions(Permissions::from_mode(0o600)).map_err(|cause| refused(path, cause))?;
    let Some(dir) = path.parent() else { return Ok(()) };
    let (dir, meta) = (fs::metadata(dir).context(doing())?, file.metadata().context(doing())?);
    if nix::unistd::geteuid().is_root() && (dir.uid(), dir.gid()) != (meta.uid(), meta.gid()) {
        fchown(&file, Some(dir.uid()), Some(dir.gid())).context(doing())?;
    }
    Ok(())
}

/// Why a file of the data directory cannot be made or changed.
pub fn refused(path: &Path, cause: std::io::Error) -> Error {
    match cause.kind() {
        ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied => {
            Error::new(Kind::Internal, "data-dir-read-only").arg("path", path.display())
        }
        _ => Error::internal(format_args!("make or protect {}", path.display())),
    }
    .because(cause)
}

/// Puts names that were changed in a directory on disk.
pub fn sync_dir(path: &Path) -> Result<()> {
    let dir = fs::File::open(path).context(format_args!("open {}", path.display()))?;
    dir.sync_all().context(format_args!("sync {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_link_leads_to_is_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let (other, link) = (folder.path().join("other"), folder.path().join("data/carrel.lock"));
        fs::write(&other, "root's").unwrap();
        fs::set_permissions(&other, Permissions::from_mode(0o644)).unwrap();
        make_dir(link.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(&other, &link).unwrap();
        if nix::unistd::geteuid().is_root() {
            std::os::unix::fs::chown(link.parent().unwrap(), Some(1234), Some(1234)).unwrap();
        }
        protect(&link).unwrap();
        let meta = fs::metadata(&other).unwrap();
        assert_eq!((meta.uid(), meta.mode() & 0o777), (nix::unistd::geteuid().as_raw(), 0o644));

        let own = link.with_file_name("carrel.db");
        fs::write(&own, "").unwrap();
        protect(&own).unwrap();
        let (meta, dir) =
            (fs::metadata(&own).unwrap(), fs::metadata(own.parent().unwrap()).unwrap());
        assert_eq!((meta.uid(), meta.mode() & 0o777), (dir.uid(), 0o600));
    }
}
