//! The files of the data directory and whose they are.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;

use crate::error::{Context, Error, Kind, Result};

/// Makes the data directory where it is missing.
pub fn make_dir(path: &Path) -> Result<()> {
    fs::create_dir_all(path).map_err(|cause| {
        Error::new(Kind::BadInput, "settings-path-wrong").arg("path", path.display()).because(cause)
    })
}

/// Gives a file to its owner alone. One that root makes in the directory of another user, as
/// `sudo carrel admin` does for the server's own user, becomes that user's.
pub fn protect(path: &Path) -> Result<()> {
    let doing = || format!("protect {}", path.display());
    fs::set_permissions(path, Permissions::from_mode(0o600)).context(doing())?;
    let Some(dir) = path.parent() else { return Ok(()) };
    let (dir, file) = (fs::metadata(dir).context(doing())?, fs::metadata(path).context(doing())?);
    if nix::unistd::geteuid().is_root() && (dir.uid(), dir.gid()) != (file.uid(), file.gid()) {
        chown(path, Some(dir.uid()), Some(dir.gid())).context(doing())?;
    }
    Ok(())
}

/// Puts names that were changed in a directory on disk.
pub fn sync_dir(path: &Path) -> Result<()> {
    let dir = fs::File::open(path).context(format_args!("open {}", path.display()))?;
    dir.sync_all().context(format_args!("sync {}", path.display()))
}
