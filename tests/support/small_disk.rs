//! A small file system of its own, for tests of what happens when there is no room.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// A file system in memory. It ends when this is dropped.
pub struct SmallDisk {
    dir: TempDir,
}

impl SmallDisk {
    /// # Panics
    /// Without root, who alone may mount.
    #[track_caller]
    pub fn new(mib: u32) -> Self {
        let dir = tempfile::Builder::new()
            .prefix("small-disk-")
            .tempdir_in(env!("CARGO_TARGET_TMPDIR"))
            .expect("a folder");
        let options = format!("size={mib}m,mode=755");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "carrel-test"])
            .arg(dir.path())
            .status();
        assert!(mounted.expect("mount").success(), "this test needs root");
        Self { dir }
    }

    /// A storage on it.
    pub fn storage(&self) -> PathBuf {
        self.dir.path().join("storage")
    }

    /// For data directories on it.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// From now on nothing on it can be changed.
    pub fn make_read_only(&self) {
        let mounted =
            Command::new("mount").args(["-o", "remount,ro"]).arg(self.dir.path()).status();
        assert!(mounted.expect("mount").success(), "this test needs root");
    }

    /// Takes all room, also what has become free since.
    pub fn fill(&self) {
        let mut filler = File::options().append(true).create(true).open(self.filler());
        let filler = filler.as_mut().expect("make the filler");
        for size in [1 << 20, 4096] {
            let piece = vec![1; size];
            let full = loop {
                if let Err(cause) = filler.write_all(&piece) {
                    break cause;
                }
            };
            assert_eq!(full.kind(), ErrorKind::StorageFull, "{full}");
        }
    }

    /// Gives so many bytes of the room back.
    pub fn give_back(&self, bytes: u64) {
        let filler = File::options().write(true).open(self.filler()).expect("open the filler");
        let length = filler.metadata().expect("its length").len();
        filler.set_len(length.saturating_sub(bytes)).expect("shorten the filler");
    }

    /// Gives the room back.
    pub fn empty(&self) {
        fs::remove_file(self.filler()).expect("remove the filler");
    }

    /// All files in the storage with their content.
    pub fn contents(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut found = Vec::new();
        let mut folders = vec![self.storage()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).expect("read a folder") {
                let path = entry.expect("entry").path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let content = fs::read(&path).expect("read a file");
                    found.push((path, content));
                }
            }
        }
        found.sort();
        found
    }

    fn filler(&self) -> PathBuf {
        self.dir.path().join("filler")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        unmount(self.dir.path());
    }
}

/// Takes a mount away as soon as nobody uses it any more.
pub fn unmount(path: &Path) {
    let ended = Command::new("umount").arg("--lazy").arg(path).status();
    if !ended.is_ok_and(|status| status.success()) {
        eprintln!("{} stays mounted", path.display());
    }
}
