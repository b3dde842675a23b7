//! Whether QEMU's user may open `/dev/kvm`.
//!
//! Without udev the device stays root's alone. libvirt's daemon, which is root, opens it and QEMU does not: libvirt
//! then distrusts what it knows of QEMU and looks at it anew for each device of each domain.

use std::ffi::CString;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::unistd::{Gid, Group, Uid, User, getgrouplist};

const SETTINGS: &str = "/etc/libvirt/qemu.conf";
/// Whom Debian and Fedora have QEMU run as.
const USUAL: [&str; 2] = ["libvirt-qemu", "qemu"];

/// The name of QEMU's user when it may not open the device. `None` also where it is not known who that is.
pub fn closed_to(device: &Path) -> Option<String> {
    let settings = settings();
    let user = user(&settings)?;
    let gid = group(&settings).unwrap_or(user.gid);
    let name = CString::new(user.name.as_str()).ok()?;
    let groups = getgrouplist(&name, gid).ok()?;
    (!may_open(device, user.uid, &groups)?).then_some(user.name)
}

/// Those of libvirt's QEMU driver; none where the file is missing.
pub fn settings() -> String {
    fs::read_to_string(SETTINGS).unwrap_or_default()
}

fn may_open(device: &Path, uid: Uid, groups: &[Gid]) -> Option<bool> {
    const READ_AND_WRITE: u32 = 0o6;
    let rights = fs::metadata(device).ok()?;
    let shift = if uid.as_raw() == rights.uid() {
        6
    } else if groups.iter().any(|gid| gid.as_raw() == rights.gid()) {
        3
    } else {
        0
    };
    let granted = rights.mode() >> shift & READ_AND_WRITE == READ_AND_WRITE;
    Some(uid.is_root() || granted)
}

fn user(settings: &str) -> Option<User> {
    let found = match setting(settings, "user") {
        Some(name) => match number(name) {
            Some(uid) => User::from_uid(Uid::from_raw(uid)),
            None => User::from_name(name),
        },
        None => return USUAL.iter().find_map(|name| User::from_name(name).ok().flatten()),
    };
    found.ok().flatten()
}

fn group(settings: &str) -> Option<Gid> {
    let name = setting(settings, "group")?;
    match number(name) {
        Some(gid) => Some(Gid::from_raw(gid)),
        None => Group::from_name(name).ok().flatten().map(|group| group.gid),
    }
}

/// libvirt takes `+0` for a number that is no name.
fn number(name: &str) -> Option<u32> {
    name.strip_prefix('+').unwrap_or(name).parse().ok()
}

/// A line `key = "value"` that is no comment; the last counts.
pub fn setting<'a>(settings: &'a str, key: &str) -> Option<&'a str> {
    let value = |line: &'a str| {
        let rest = line.trim().strip_prefix(key)?.trim_start().strip_prefix('=')?;
        rest.trim_start().strip_prefix('"')?.split('"').next()
    };
    settings.lines().filter_map(value).next_back()
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn settings_name_qemus_user() {
        let text = "#user = \"no\"\n user = \"root\"\ngroup=\"+0\"\nuser_more = \"x\"\n";
        assert_eq!(setting(text, "user"), Some("root"));
        assert!(user(text).expect("root").uid.is_root());
        assert_eq!(group(text), Some(Gid::from_raw(0)));
        assert_eq!(setting("#group = \"kvm\"", "group"), None);
    }

    #[test]
    fn a_device_without_rights_for_the_group_is_closed() {
        let device = tempfile::NamedTempFile::new().expect("a file");
        let own = fs::metadata(device.path()).expect("metadata");
        let member = [Gid::from_raw(own.gid())];
        let stranger = Uid::from_raw(own.uid() + 64_000);
        let opens = |mode, groups: &[Gid]| {
            fs::set_permissions(device.path(), Permissions::from_mode(mode)).expect("chmod");
            may_open(device.path(), stranger, groups).expect("an answer")
        };
        assert!(!opens(0o600, &member) && !opens(0o640, &member) && !opens(0o660, &[]));
        assert!(opens(0o660, &member) && opens(0o666, &[]));
        assert!(may_open(device.path(), Uid::from_raw(0), &[]).expect("an answer"));
        assert_eq!(may_open(Path::new("/nowhere/kvm"), stranger, &[]), None);
    }
}
