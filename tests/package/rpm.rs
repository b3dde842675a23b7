//! The RPM, where no Fedora is to be had: its files and scripts on a root of this machine's suite, and its
//! requirements against names that Fedora and Rocky Linux have.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Command, Stdio};

use super::machine::Machine;
use super::packages::{self, run};

/// Package names of Fedora and Rocky Linux 9, each with where it is documented.
const NAMES: &str = include_str!("rpm-names.tsv");

#[test]
fn what_the_rpm_requires_has_the_names_of_fedora_and_rocky() {
    let printed = run(Command::new("rpm").args(["-qp", "--requires"]).arg(packages::rpm()));
    let required = printed.lines().filter_map(|line| line.split_whitespace().next());
    // of rpm itself, and the shell of the scripts
    let required = required.filter(|name| !name.starts_with("rpmlib(") && *name != "/bin/sh");
    let known: Vec<&str> = NAMES.lines().filter_map(|line| line.split('\t').next()).collect();
    let unknown: Vec<&str> = required.filter(|name| !known.contains(name)).collect();
    assert!(unknown.is_empty(), "not in rpm-names.tsv: {unknown:?}");
}

#[test]
fn the_rpm_is_installed_and_upgraded_and_removed() {
    let file = packages::rpm();
    let machine = Machine::fresh(&packages::deb());
    let root = machine.root();
    let base = |path: &str| root.join(path);
    fs::copy(&file, base("srv/carrel.rpm")).expect("copy");

    // rpm's own order: before the files, the files, after them
    script(&machine, &file, "prein", 1);
    unpack(&file, &root);
    // as on Fedora, where a package's services are not started for the administrator
    fs::create_dir_all(base("etc/systemd/system-preset")).expect("make");
    fs::write(base("etc/systemd/system-preset/99-default-disable.preset"), "disable *\n")
        .expect("write");
    let said = script(&machine, &file, "postin", 1);
    assert!(said.contains("systemctl enable --now carrel-agent carrel"), "{said}");
    let settings = fs::metadata(base("etc/carrel/carrel.toml")).expect("settings");
    let group = group(&root, "carrel");
    assert_eq!((settings.permissions().mode() & 0o777, settings.gid()), (0o640, group));
    let data = fs::metadata(base("var/lib/carrel")).expect("the data directory");
    assert_eq!((data.permissions().mode() & 0o777, data.gid()), (0o711, group));
    machine.offline(&["systemctl", "enable", "--quiet", "carrel-agent", "carrel"]);
    for unit in ["carrel.service", "carrel-agent.service"] {
        let wanted = base("etc/systemd/system/multi-user.target.wants").join(unit);
        assert!(fs::symlink_metadata(wanted).is_ok(), "{unit} is not enabled");
    }
    let version = machine.offline(&["/usr/bin/carrel", "--version"]);
    assert!(version.starts_with("carrel "), "{version}");

    // an older package left the settings open
    fs::set_permissions(base("etc/carrel/carrel.toml"), PermissionsExt::from_mode(0o644))
        .expect("open");
    script(&machine, &file, "prein", 2);
    script(&machine, &file, "postin", 2);
    script(&machine, &file, "preun", 1);
    script(&machine, &file, "postun", 1);
    let settings = fs::metadata(base("etc/carrel/carrel.toml")).expect("settings");
    assert_eq!(settings.permissions().mode() & 0o777, 0o640);

    fs::write(base("var/lib/carrel/disk"), "somebody's").expect("write");
    fs::create_dir_all(base("var/lib/carrel-agent")).expect("the agent's folder");
    let said = script(&machine, &file, "preun", 0);
    assert!(said.contains("database and disks stay in /var/lib/carrel"), "{said}");
    script(&machine, &file, "postun", 0);
    assert!(!base("etc/systemd/system/multi-user.target.wants/carrel.service").exists());
    assert!(base("var/lib/carrel/disk").exists());
    assert!(!base("var/lib/carrel-agent").exists());
}

fn unpack(file: &Path, root: &Path) {
    let archive = Command::new("rpm2cpio").arg(file).stdout(Stdio::piped()).spawn();
    let archive = archive.expect("rpm2cpio").stdout.expect("piped");
    let mut cpio = Command::new("cpio");
    cpio.args(["--quiet", "--extract", "--make-directories", "--unconditional"]);
    run(cpio.current_dir(root).stdin(archive));
}

/// Runs a scriptlet of the package, with the number of versions that rpm gives it.
#[track_caller]
fn script(machine: &Machine, file: &Path, tag: &str, versions: u8) -> String {
    let query = format!("%{{{tag}}}");
    let text = run(Command::new("rpm").args(["-qp", "--qf", &query]).arg(file));
    assert_ne!(text, "(none)", "{tag}");
    machine.offline(&["/bin/sh", "-e", "-c", &text, tag, &versions.to_string()])
}

fn group(root: &Path, name: &str) -> u32 {
    let groups = fs::read_to_string(root.join("etc/group")).expect("groups");
    let line = groups.lines().find(|line| line.split(':').next() == Some(name)).expect("the group");
    line.split(':').nth(2).and_then(|gid| gid.parse().ok()).expect("a number")
}
