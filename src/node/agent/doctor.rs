//! The checks of `carrel doctor` that concern a node's programs, storages, clock and guards. Those of
//! libvirt and KVM come from the libvirt part.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::disks::Disks;
use super::facts::qemu_img_version;
use super::look::Look;
use super::program::Program;
use super::storage::Storage;
use crate::error::Result;
use crate::node::protocol::{Check, Verdict};
use crate::node::units::human;

const PATIENCE: Duration = Duration::from_secs(10);

/// Percent of a storage that should be free: desktops grow, and all on it stop when it is full.
const ROOMY: u64 = 10;
const NEARLY_FULL: u64 = 2;

/// Types under which SELinux lets libvirt's guests have disks.
const GUEST_TYPES: [&str; 3] = ["virt_image_t", "virt_var_lib_t", "svirt_image_t"];

/// `adjtimex` sets this when nothing keeps the clock right.
const NOT_SYNCHRONISED: i32 = 0x40;

/// All looks of this file.
pub fn looks(disks: &Disks) -> Vec<Look> {
    let mut looks = vec![Look::new("qemu-img", || [qemu_img()])];
    // An agent that works has prepared what can be prepared.
    let may_be_new = disks.storages().only_look();
    looks.extend(disks.storages().all().map(|storage| {
        let name = storage.name();
        Look::new("storage", move || look_at(&storage, may_be_new)).of(name)
    }));
    looks.push(Look::new("clock", clock));
    looks.push(Look::new("apparmor", apparmor));
    looks
}

fn look_at(storage: &Storage, may_be_new: bool) -> Vec<Check> {
    if may_be_new && !storage.is_prepared() {
        return vec![unmade(storage)];
    }
    let mut checks = vec![room(storage)];
    checks.extend(way(storage));
    checks.extend(selinux(storage));
    checks
}

fn check(key: &str, verdict: Verdict, args: &[(&str, &str)]) -> Check {
    let args = args.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Check { key: key.to_owned(), args, verdict }
}

fn qemu_img() -> Check {
    match qemu_img_version() {
        Ok(version) => check("check-qemu-img", Verdict::Good, &[("version", &version)]),
        Err(error) => {
            tracing::warn!(error = error.detail(), "qemu-img does not work");
            check("check-qemu-img-missing", Verdict::Bad, &[])
        }
    }
}

/// An agent makes it when it starts. One that is there without its folders is a new disk, or a mount point without it.
fn unmade(storage: &Storage) -> Check {
    let path = storage.name();
    let (key, verdict) = match storage.root().exists() {
        true => ("check-storage-unprepared", Verdict::Poor),
        false => ("check-storage-unmade", Verdict::Good),
    };
    check(key, verdict, &[("path", &path)])
}

fn room(storage: &Storage) -> Check {
    let path = storage.name();
    let facts = match storage.facts() {
        Ok(facts) if facts.total > 0 && storage.is_prepared() => facts,
        Ok(_) => return check("check-storage-missing", Verdict::Bad, &[("path", &path)]),
        Err(error) => {
            tracing::warn!(error = error.detail(), "storage not usable");
            return check("check-storage-missing", Verdict::Bad, &[("path", &path)]);
        }
    };
    let free = facts.total - facts.used;
    let verdict = match free.saturating_mul(100) / facts.total {
        ROOMY.. => Verdict::Good,
        NEARLY_FULL..ROOMY => Verdict::Poor,
        _ => Verdict::Bad,
    };
    let args = [("path", path.as_str()), ("free", &human(free)), ("total", &human(facts.total))];
    check("check-storage-room", verdict, &args)
}

/// QEMU runs as another user and must be able to walk to its disks: the first folder that bars the way.
fn way(storage: &Storage) -> Option<Check> {
    let mut folders: Vec<&Path> = storage.root().ancestors().collect();
    folders.reverse();
    for folder in folders {
        // A folder that is missing shows in the check of the storage's room.
        let mode = fs::metadata(folder).ok()?.permissions().mode();
        if mode & 0o001 == 0 {
            let folder = folder.to_string_lossy();
            return Some(check(
                "check-storage-way",
                Verdict::Bad,
                &[("path", &storage.name()), ("folder", &folder)],
            ));
        }
    }
    None
}

fn clock() -> Vec<Check> {
    let mut found = Vec::new();
    // No clock is right that stands before the making of the program it runs.
    let made = std::env::current_exe().and_then(fs::metadata).and_then(|meta| meta.modified());
    match made {
        Ok(made) if SystemTime::now() < made => {
            found.push(check("check-clock-past", Verdict::Bad, &[]))
        }
        Ok(_) => {}
        Err(cause) => tracing::warn!(%cause, "cannot compare the clock with the program's age"),
    }
    match is_synchronised() {
        Some(true) => found.push(check("check-clock", Verdict::Good, &[])),
        Some(false) => found.push(check("check-clock-free", Verdict::Poor, &[])),
        None => {}
    }
    found
}

/// `None` where the kernel does not tell, as in some containers.
fn is_synchronised() -> Option<bool> {
    // SAFETY: all zeroes is a valid timex, and with `modes` 0 the call only reads.
    let mut state: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: `state` is valid for the call to write to.
    let answer = unsafe { libc::adjtimex(&mut state) };
    (answer >= 0).then_some(state.status & NOT_SYNCHRONISED == 0)
}

/// Whether AppArmor confines guests. libvirt writes the rules for their disks itself, from the disks' names.
fn apparmor() -> Option<Check> {
    let enabled = fs::read_to_string("/sys/module/apparmor/parameters/enabled").ok()?;
    let key = if enabled.trim() == "Y" { "check-apparmor" } else { return None };
    let helper = Path::new("/etc/apparmor.d/usr.lib.libvirt.virt-aa-helper").exists()
        || Path::new("/etc/apparmor.d/virt-aa-helper").exists();
    let (key, verdict) =
        if helper { (key, Verdict::Good) } else { ("check-apparmor-profiles", Verdict::Poor) };
    Some(check(key, verdict, &[]))
}

/// Whether SELinux lets guests have disks in this storage.
fn selinux(storage: &Storage) -> Option<Check> {
    let path = storage.name();
    match fs::read_to_string("/sys/fs/selinux/enforce") {
        Ok(enforce) if enforce.trim() == "1" => {}
        Ok(_) => return None,
        Err(cause) if cause.kind() == ErrorKind::NotFound => return None,
        Err(cause) => {
            tracing::warn!(%cause, "cannot ask for SELinux");
            return None;
        }
    }
    let label = label(storage).unwrap_or_else(|error| {
        tracing::warn!(error = error.detail(), "cannot read a label");
        String::new()
    });
    let kind = label.split(':').nth(2).unwrap_or_default();
    let verdict = if GUEST_TYPES.contains(&kind) { Verdict::Good } else { Verdict::Poor };
    Some(check("check-selinux", verdict, &[("path", &path), ("type", kind)]))
}

fn label(storage: &Storage) -> Result<String> {
    let output = Program::new("stat", PATIENCE).args(["-c", "%C"]).arg(storage.root()).output()?;
    Ok(String::from_utf8_lossy(&output).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;

    use super::*;

    #[test]
    fn a_storage_behind_a_closed_folder_is_found() {
        let dir = tempfile::TempDir::new().unwrap();
        fs::set_permissions(dir.path(), Permissions::from_mode(0o711)).unwrap();
        let closed = dir.path().join("closed");
        let disks = Disks::open(&[closed.join("storage").to_str().unwrap().to_owned()]);
        let storage = disks.storages().all().next().unwrap();
        assert!(way(&storage).is_none());
        fs::set_permissions(&closed, Permissions::from_mode(0o700)).unwrap();
        let found = way(&storage).unwrap();
        assert_eq!(found.verdict, Verdict::Bad);
        assert!(
            found.args.iter().any(|(name, value)| name == "folder" && value.ends_with("closed"))
        );
    }

    #[test]
    fn a_storage_that_is_gone_is_found() {
        let dir = tempfile::TempDir::new().unwrap();
        let path = dir.path().join("storage");
        let disks = Disks::open(&[path.to_str().unwrap().to_owned()]);
        let storage = disks.storages().all().next().unwrap();
        assert_eq!(room(&storage).key, "check-storage-room");
        fs::remove_dir_all(&path).unwrap();
        assert_eq!(room(&storage).key, "check-storage-missing");
    }

    #[test]
    fn checks_have_repairs_in_both_languages() {
        // These are never anything but good.
        let mends = |key: &&str| !["libvirt", "kvm", "storage-unmade"].contains(key);
        let is_key = |key: &&str| {
            !key.is_empty() && key.chars().all(|one| one == '-' || one.is_ascii_lowercase())
        };
        let sources =
            [include_str!("doctor.rs"), include_str!("look.rs"), include_str!("libvirt/checks.rs")];
        let source = sources.iter().flat_map(|text| text.split("\"check-").skip(1));
        let keys: Vec<_> =
            source.filter_map(|rest| rest.split('"').next()).filter(is_key).filter(mends).collect();
        assert!(keys.len() > 16);
        let english = include_str!("../../../assets/messages/en.ftl");
        let chinese = include_str!("../../../assets/messages/zh-CN.ftl");
        for key in keys {
            for text in [format!("\ncheck-{key} = "), format!("\ncheck-{key}-repair = ")] {
                assert!(english.contains(&text) && chinese.contains(&text), "{text}");
            }
        }
    }
}
