//! Whether the Windows on a disk has the drivers of virtio. Its file systems are a stranger's: `libguestfs` reads them, where
//! it is installed, in a machine of its own, which has no KVM since there are hosts on which that hangs.

use std::path::Path;
use std::time::Duration;

use crate::error::{Kind, Result};
use crate::node::agent::call::Call;
use crate::node::agent::firmware::is_installed;
use crate::node::agent::program::Program;

const PROGRAM: &str = "guestfish";
/// Starting the machine takes half a minute on two slow cores.
const PATIENCE: Duration = Duration::from_secs(300);
/// Of the machine, in MiB.
const MEMORY: &str = "512";
/// Of the program that runs it, in bytes: most is what QEMU sets aside for code and never uses.
const MEMORY_LIMIT: u64 = 6 << 30;

/// Windows makes three or four.
const PARTITIONS: u32 = 8;

/// Windows writes these names as it likes.
const DRIVERS: &str = "/[Ww][Ii][Nn][Dd][Oo][Ww][Ss]/[Ss]ystem32/[Dd]rivers/*.[Ss][Yy][Ss]";
/// With either of them Windows starts from a disk on virtio.
const OF_VIRTIO: [&str; 2] = ["viostor.sys", "vioscsi.sys"];

/// `None` when there is no Windows on the disk, and where nobody can look: it is a hint, and takes nothing from the image.
///
/// # Errors
/// Only when nobody wants to know any more.
pub(super) fn has_driver(path: &Path, call: &Call) -> Result<Option<bool>> {
    if !is_installed(PROGRAM) {
        return Ok(None);
    }
    let looked = Program::new(PROGRAM, PATIENCE)
        .env("LIBGUESTFS_BACKEND", "direct")
        .env("LIBGUESTFS_BACKEND_SETTINGS", "force_tcg")
        .env("LIBGUESTFS_MEMSIZE", MEMORY)
        .args(["--ro", "--format=qcow2", "-a"])
        .arg(path)
        .args(["--", "run"])
        .args((1..=PARTITIONS).flat_map(look_at))
        .limits(MEMORY_LIMIT, PATIENCE.as_secs())
        .cancel(call.cancel_flag())
        .output();
    match looked {
        Ok(files) => Ok(judge(&String::from_utf8_lossy(&files))),
        Err(error) if error.kind() == Kind::Cancelled => Err(error),
        Err(error) => {
            let path = path.display();
            tracing::info!(%path, error = error.detail(), "drivers in an image not looked for");
            Ok(None)
        }
    }
}

/// What is no file system, and not that of Windows, is passed over: `-` before a command lets it fail. Its own look for systems
/// (`-i`) would read a stranger's registry out here.
fn look_at(partition: u32) -> Vec<String> {
    let device = format!("/dev/sda{partition}");
    let words = [":", "-mount-ro", &device, "/", ":", "-glob-expand", DRIVERS, ":", "-umount", "/"];
    words.map(str::to_owned).to_vec()
}

/// By the paths of its drivers, one on each line.
fn judge(files: &str) -> Option<bool> {
    let mut names = files.lines().filter_map(|path| path.rsplit('/').next()).peekable();
    names.peek()?;
    Some(names.any(|name| OF_VIRTIO.iter().any(|driver| name.trim().eq_ignore_ascii_case(driver))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drivers_of_windows_are_told_by_their_names() {
        assert_eq!(judge(""), None);
        let without = "/Windows/System32/drivers/ntfs.sys\n/Windows/System32/drivers/netkvm.sys\n";
        assert_eq!(judge(without), Some(false));
        assert_eq!(judge(&format!("{without}/WINDOWS/system32/drivers/VioStor.sys\n")), Some(true));
        assert_eq!(judge("/Windows/System32/drivers/vioscsi.sys"), Some(true));
    }
}
