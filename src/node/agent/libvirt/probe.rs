//! Whether guests run under KVM here, or by QEMU's own emulation.
//!
//! `/dev/kvm` is no proof: there are machines, mostly virtual ones themselves, where it can be opened, a BIOS
//! even runs, and no guest ever boots. So a tiny guest is started that goes through the modes of the
//! processor as every boot loader does (`assets/probe/boot.S`) and then says a word on the serial port. No
//! word within the time, no KVM.

use std::fs::{self, File, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::mpsc;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;
use uuid::Uuid;
use virt::connect::Connect;
use virt::domain::Domain;
use virt::stream::Stream;
use virt::sys;

use super::connection::Link;
use super::errors::Libvirt;
use super::{device, xml};
use crate::error::{Context, Error, Result};

/// Under KVM it takes half a second, on a loaded machine some more.
const PATIENCE: Duration = Duration::from_secs(5);

const BOOT_SECTOR: &[u8; 512] = include_bytes!("../../../../assets/probe/boot.bin");
const WORD: &str = "CARREL-RUNS";

/// No BIOS takes a single sector for a disk.
const DISK_SIZE: u64 = 1 << 20;

const DEVICE: &str = "/dev/kvm";

/// Gone at the next boot, which is when the answer may change.
const FOLDER: &str = "/run/carrel";
const CACHE: &str = "kvm.json";
const PREFIX: &str = "probe-";
const SUFFIX: &str = ".img";

/// How guests are run.
pub struct VirtType {
    wanted: Wanted,
    /// Held while it is found out: who comes meanwhile waits for the same answer.
    found: Mutex<Option<Finding>>,
}

enum Wanted {
    Simulator,
    Auto,
    Fixed(&'static str),
    Unknown(String),
}

/// What the probe found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Finding {
    Works,
    /// There is no device.
    Absent,
    /// libvirt or QEMU could not start a guest with it.
    Refused {
        message: String,
    },
    /// QEMU's user may not open the device.
    Closed {
        user: String,
    },
    /// A guest was started and did nothing.
    Hangs,
}

impl VirtType {
    pub fn new(wanted: &str, simulator: bool) -> Self {
        let wanted = match wanted {
            _ if simulator => Wanted::Simulator,
            "auto" => Wanted::Auto,
            "kvm" => Wanted::Fixed("kvm"),
            "qemu" => Wanted::Fixed("qemu"),
            other => Wanted::Unknown(other.to_owned()),
        };
        Self { wanted, found: Mutex::new(None) }
    }

    /// `kvm`, `qemu` or `test`. The first call may take seconds.
    ///
    /// # Errors
    /// `virt-type-unknown` for a setting that is none; `libvirt-down`.
    pub fn get(&self, link: &Link) -> Result<String> {
        match &self.wanted {
            Wanted::Simulator => Ok("test".to_owned()),
            Wanted::Fixed(wanted) => Ok((*wanted).to_owned()),
            Wanted::Unknown(wanted) => {
                Err(Error::bad_input("virt-type-unknown").arg("value", wanted))
            }
            Wanted::Auto => {
                let works = self.finding(link)? == Finding::Works;
                Ok(if works { "kvm" } else { "qemu" }.to_owned())
            }
        }
    }

    /// What the probe found, whatever is wanted.
    pub fn finding(&self, link: &Link) -> Result<Finding> {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(finding) = &*found {
            return Ok(finding.clone());
        }
        let finding = find(link)?;
        tracing::info!(?finding, "looked whether KVM executes guests");
        *found = Some(finding.clone());
        Ok(finding)
    }

    pub fn is_simulator(&self) -> bool {
        matches!(self.wanted, Wanted::Simulator)
    }
}

fn find(link: &Link) -> Result<Finding> {
    let device = Path::new(DEVICE);
    if !device.exists() {
        return Ok(Finding::Absent);
    }
    // No guest has to be started for this, which libvirt would need a minute for.
    if link.is_system()
        && let Some(user) = device::closed_to(device)
    {
        return Ok(Finding::Closed { user });
    }
    let connect = &link.get()?;
    let circumstances = circumstances(connect)?;
    if let Some(finding) = remembered(&circumstances) {
        return Ok(finding);
    }
    let finding = probe(connect, "kvm")?;
    // A refusal is mended without a new boot, by permissions for example, and costs little to find again.
    if matches!(finding, Finding::Works | Finding::Hangs) {
        remember(&circumstances, &finding);
    }
    Ok(finding)
}

/// Starts a guest of this type and waits for its word.
pub(super) fn probe(connect: &Connect, virt_type: &str) -> Result<Finding> {
    let disk = boot_disk()?;
    let name = format!("carrel-probe-{}", &Uuid::new_v4().simple().to_string()[..8]);
    let definition = xml::probe(&name, virt_type, disk.file.path())?;
    let flags = sys::VIR_DOMAIN_START_PAUSED | sys::VIR_DOMAIN_START_AUTODESTROY;
    let guest = match connect.create_domain_xml(&definition, flags) {
        Ok(guest) => guest,
        Err(cause) if super::errors::is_connection_lost(&cause) => {
            return Err(cause).libvirt("start", &name);
        }
        Err(cause) => return Ok(Finding::Refused { message: cause.message().to_owned() }),
    };
    let began = Instant::now();
    let spoke = speaks(connect, &guest);
    // It is gone by itself when it ended meanwhile.
    if guest.is_active().unwrap_or(false) {
        guest.destroy().libvirt("end", &name)?;
    }
    let spoke = spoke?;
    tracing::debug!(virt_type, spoke, millis = began.elapsed().as_millis(), "probed");
    Ok(if spoke { Finding::Works } else { Finding::Hangs })
}

/// The disk of a probe. While the agent lives that made it, it is locked.
struct BootDisk {
    file: NamedTempFile,
    _claim: Flock<File>,
}

/// Where QEMU, which is another user, can read it.
fn boot_disk() -> Result<BootDisk> {
    match fs::create_dir_all(FOLDER) {
        Ok(()) => boot_disk_in(Path::new(FOLDER)),
        // An agent without root's rights, as developers run it.
        Err(_) => boot_disk_in(&std::env::temp_dir()),
    }
}

fn boot_disk_in(folder: &Path) -> Result<BootDisk> {
    let doing = || format!("make a disk for a probe in {}", folder.display());
    let refused = |(_, cause): (File, Errno)| io::Error::from(cause);
    // Until it is locked, it looks like one that was left.
    let _nobody_cleans = lock(folder, FlockArg::LockShared).context(doing())?;
    let mut file = tempfile::Builder::new()
        .prefix(PREFIX)
        .suffix(SUFFIX)
        .permissions(Permissions::from_mode(0o644))
        .tempfile_in(folder)
        .context(doing())?;
    let claim = file.reopen().context(doing())?;
    let claim = Flock::lock(claim, FlockArg::LockExclusive).map_err(refused).context(doing())?;
    file.write_all(BOOT_SECTOR).context(doing())?;
    file.as_file().set_len(DISK_SIZE).context(doing())?;
    Ok(BootDisk { file, _claim: claim })
}

fn lock(path: &Path, how: FlockArg) -> io::Result<Flock<File>> {
    Flock::lock(File::open(path)?, how).map_err(|(_, cause)| cause.into())
}

/// Removes the disks of probes during which an agent was killed.
pub(super) fn clean() {
    if let Err(cause) = clean_in(Path::new(FOLDER))
        && cause.kind() != ErrorKind::NotFound
    {
        tracing::warn!(%cause, folder = FOLDER, "disks of earlier probes not removed");
    }
}

fn clean_in(folder: &Path) -> io::Result<()> {
    let _nobody_makes = match lock(folder, FlockArg::LockExclusiveNonblock) {
        // Another agent makes one just now; the next start cleans.
        Err(cause) if cause.kind() == ErrorKind::WouldBlock => return Ok(()),
        locked => locked?,
    };
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let is_disk = name.to_str().is_some_and(|n| n.starts_with(PREFIX) && n.ends_with(SUFFIX));
        if is_disk && lock(&entry.path(), FlockArg::LockExclusiveNonblock).is_ok() {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn speaks(connect: &Connect, guest: &Domain) -> Result<bool> {
    let stream = Stream::new(connect, 0).libvirt("open a stream for", "a probe")?;
    guest
        .open_console(None, &stream, sys::VIR_DOMAIN_CONSOLE_FORCE)
        .libvirt("open the console of", "a probe")?;
    let (heard, words) = mpsc::channel();
    thread::Builder::new()
        .name("libvirt-probe".to_owned())
        .spawn(move || {
            // Ends when the guest is destroyed. Nobody waits for it then.
            let _ = heard.send(hears_word(&stream));
        })
        .context("start a thread for a probe")?;
    guest.resume().libvirt("run", "a probe")?;
    Ok(words.recv_timeout(PATIENCE).unwrap_or(false))
}

fn hears_word(stream: &Stream) -> bool {
    let mut heard = String::new();
    let mut piece = [0; 256];
    while !heard.contains(WORD) {
        match stream.recv(&mut piece).map(usize::try_from) {
            Ok(Ok(count)) if count > 0 => heard += &String::from_utf8_lossy(&piece[..count]),
            _ => return false,
        }
    }
    true
}

#[derive(Serialize, Deserialize)]
struct Remembered {
    circumstances: String,
    finding: Finding,
}

/// What the finding holds for: this boot of this kernel, this QEMU, this libvirt.
fn circumstances(connect: &Connect) -> Result<String> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").context("read the boot id")?;
    let (libvirt, qemu) = super::versions::numbers(connect)?;
    Ok(format!("{} {qemu} {libvirt}", boot.trim()))
}

fn remembered(circumstances: &str) -> Option<Finding> {
    let content = fs::read(Path::new(FOLDER).join(CACHE)).ok()?;
    let remembered: Remembered = serde_json::from_slice(&content).ok()?;
    (remembered.circumstances == circumstances).then_some(remembered.finding)
}

/// Without a place to remember it is found out again by the next agent.
fn remember(circumstances: &str, finding: &Finding) {
    let remembered =
        Remembered { circumstances: circumstances.to_owned(), finding: finding.clone() };
    let path = Path::new(FOLDER).join(CACHE);
    let written = serde_json::to_vec(&remembered).map_err(std::io::Error::other).and_then(|json| {
        fs::create_dir_all(FOLDER)?;
        fs::write(&path, json)
    });
    if let Err(cause) = written {
        tracing::debug!(%cause, path = %path.display(), "finding about KVM not remembered");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_decides_without_a_look_at_the_machine() {
        let link = Link::new("test:///default");
        assert_eq!(VirtType::new("kvm", false).get(&link).unwrap(), "kvm");
        assert_eq!(VirtType::new("auto", true).get(&link).unwrap(), "test");
        let error = VirtType::new("xen", false).get(&link).unwrap_err();
        assert_eq!(error.to_string(), "virt-type-unknown (value=xen)");
    }

    #[test]
    fn disks_of_probes_that_were_killed_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let left = folder.path().join("probe-killed.img");
        let other = folder.path().join(CACHE);
        for file in [&left, &other] {
            fs::write(file, "left").unwrap();
        }
        let used = boot_disk_in(folder.path()).unwrap();
        clean_in(folder.path()).unwrap();
        assert!(!left.exists() && other.exists() && used.file.path().exists());
        let path = used.file.path().to_owned();
        drop(used);
        assert!(!path.exists());
    }
}
