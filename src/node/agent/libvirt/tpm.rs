//! The state of machines' TPMs. swtpm keeps it where libvirt says, in a folder of the machine that libvirt makes with
//! the first start and removes with the machine.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::lchown;
use std::path::{Path, PathBuf};

use nix::unistd::{Group, User};
use uuid::Uuid;

use super::device;
use crate::error::{Context, Result};
use crate::node::agent::files;

/// libvirt's, of the system's daemon.
const ROOT: &str = "/var/lib/libvirt/swtpm";
/// Of a TPM 2.0.
const FOLDER: &str = "tpm2";
const FILE: &str = "tpm2-00.permall";
/// Bytes: many times what swtpm writes.
const LIMIT: u64 = 1 << 20;
/// As whom libvirt runs swtpm unless it is told otherwise.
const USUAL: &str = "tss";

/// The state of a TPM; `None` when its machine was never started.
///
/// # Errors
/// When it cannot be read.
pub fn read(domain: Uuid) -> Result<Option<Vec<u8>>> {
    files::read_small(&file(domain), LIMIT)
}

/// Puts this state in the place of any other. Its machine must be off.
///
/// # Errors
/// When it cannot be written.
pub fn write(domain: Uuid, content: &[u8]) -> Result<()> {
    let (of_domain, file) = (Path::new(ROOT).join(domain.to_string()), file(domain));
    let folder = of_domain.join(FOLDER);
    // As libvirt makes them: the first is root's, so that nobody puts a link in the place of the others.
    files::make_dir(&of_domain, 0o711)?;
    files::make_dir(&folder, 0o700)?;
    give(&folder)?;
    let (made, temporary) = (of_domain.join("made"), of_domain.join("new"));
    for left in [&made, &temporary] {
        files::remove_if_there(left)?;
    }
    files::write_durably(&temporary, &made, content, 0o600)?;
    give(&made)?;
    files::rename_durably(&made, &file)
}

/// Without it libvirt makes a new TPM at the next start.
///
/// # Errors
/// When it is there and cannot be removed.
pub fn remove(domain: Uuid) -> Result<()> {
    let path = Path::new(ROOT).join(domain.to_string());
    match fs::remove_dir_all(&path) {
        Err(cause) if cause.kind() != ErrorKind::NotFound => {
            Err(cause).context(format_args!("remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

fn file(domain: Uuid) -> PathBuf {
    Path::new(ROOT).join(domain.to_string()).join(FOLDER).join(FILE)
}

/// To whom libvirt runs swtpm as; root where there is no such user.
fn give(path: &Path) -> Result<()> {
    let settings = device::settings();
    let user = device::setting(&settings, "swtpm_user").unwrap_or(USUAL);
    let group = device::setting(&settings, "swtpm_group").unwrap_or(USUAL);
    let uid = User::from_name(user).ok().flatten().map_or(0, |user| user.uid.as_raw());
    let gid = Group::from_name(group).ok().flatten().map_or(0, |group| group.gid.as_raw());
    lchown(path, Some(uid), Some(gid)).context(format_args!("give {} to swtpm", path.display()))
}
