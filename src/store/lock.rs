//! One server for each data directory.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;

use super::files;
use crate::error::{Context, Error, Result};

/// The right to serve a data directory, or to replace its database. Ends with the process at latest.
#[derive(Debug)]
pub struct DataLock {
    _file: File,
}

impl DataLock {
    /// # Errors
    /// `data-dir-in-use` while another process has it.
    pub fn take(data_dir: &Path) -> Result<Self> {
        files::make_dir(data_dir)?;
        let path = data_dir.join("carrel.lock");
        let doing = || format!("open {}", path.display());
        let options = OpenOptions::new().write(true).create(true).truncate(false).open(&path);
        let file = options.map_err(|cause| files::refused(&path, cause))?;
        files::protect(&path)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => {
                Err(Error::conflict("data-dir-in-use").arg("path", data_dir.display()))
            }
            Err(TryLockError::Error(cause)) => Err(cause).context(doing()),
        }
    }

    /// Whether a server runs on this directory now.
    pub fn is_held(data_dir: &Path) -> bool {
        match File::open(data_dir.join("carrel.lock")) {
            Ok(file) => matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)),
            Err(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_locked_once_and_free_afterwards() {
        let dir = tempfile::tempdir().expect("temp dir");
        assert!(!DataLock::is_held(dir.path()));
        let lock = DataLock::take(dir.path()).expect("first");
        assert!(DataLock::is_held(dir.path()));
        let error = DataLock::take(dir.path()).expect_err("second");
        assert_eq!(error.key(), "data-dir-in-use");
        drop(lock);
        DataLock::take(dir.path()).expect("third");
    }
}
