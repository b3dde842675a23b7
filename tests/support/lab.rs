//! Nodes of the lab: namespaces with a libvirt of their own, made by `tests/lab/nodes.sh`.

use std::collections::BTreeSet;
use std::fs::{self, File, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use super::wait::{wait_for, wait_until};

/// Where lock files tell the labs of one machine apart, also those of other checkouts.
const SLOTS: &str = "/run/lock/carrel-lab";
/// Nodes that run at once in one test process. Software emulation needs the cores: two are enough.
const AT_ONCE: usize = 2;

/// One node: libvirt, QEMU without KVM, sshd, an own network. It ends when this is dropped.
///
/// Inside, the binary under test is `/opt/carrel/carrel`, its data directory is
/// [`LabNode::DATA_DIR`]. Start a server in it with `Server::with().on(&node).start()`.
pub struct LabNode {
    index: u8,
}

impl LabNode {
    /// The data directory of Carrel inside the node; on disk, empty at first.
    pub const DATA_DIR: &str = "/var/lib/carrel";
    /// The binary under test, inside the node.
    pub const BINARY: &str = "/opt/carrel/carrel";

    /// Brings up a new node (about a second), or waits until another test gives one back.
    ///
    /// # Panics
    /// When it cannot: without root, or when a program is missing.
    #[track_caller]
    pub fn up() -> Arc<Self> {
        let index = lab().take();
        let node = Self { index };
        succeed(lab().script("up").arg(index.to_string()));
        Arc::new(node)
    }

    /// The node's address on the management network, reachable from this machine.
    pub fn address(&self) -> String {
        format!("10.88.{}.{}", lab().slot, 10 + self.index)
    }

    /// The node's data directory of Carrel, as this machine sees it.
    pub fn data_here(&self) -> PathBuf {
        lab().state.join(format!("n{}", self.index)).join("data")
    }

    /// The private key that root on the node accepts.
    pub fn ssh_key(&self) -> PathBuf {
        lab().state.join("id")
    }

    /// A command inside the node, as an argument vector.
    pub fn command(&self, program: &str) -> Command {
        let mut command = lab().script("exec");
        command.arg(self.index.to_string()).arg(program);
        command
    }

    /// Runs a command inside the node, whatever its end.
    #[track_caller]
    pub fn try_exec(&self, arguments: &[&str]) -> Output {
        let (program, rest) = arguments.split_first().expect("a program");
        self.command(program).args(rest).stdin(Stdio::null()).output().expect("run nodes.sh")
    }

    /// Runs a command inside the node and gives what it printed on standard output.
    ///
    /// # Panics
    /// When it fails.
    #[track_caller]
    pub fn exec(&self, arguments: &[&str]) -> String {
        let output = self.try_exec(arguments);
        assert!(
            output.status.success(),
            "{arguments:?} on node {}: {}\n{}",
            self.index,
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    /// `virsh ARGUMENTS` inside the node.
    #[track_caller]
    pub fn virsh(&self, arguments: &[&str]) -> String {
        let mut all = vec!["virsh", "-q", "-c", "qemu:///system"];
        all.extend(arguments);
        self.exec(&all)
    }

    /// The names of the domains, running or not.
    pub fn domains(&self) -> BTreeSet<String> {
        self.virsh(&["list", "--all", "--name"])
            .lines()
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
            .collect()
    }

    /// A domain's state in libvirt's words: `running`, `shut off`, `paused`.
    pub fn domain_state(&self, domain: &str) -> String {
        self.virsh(&["domstate", domain]).trim().to_owned()
    }

    /// What the tests' guest answers on `http://ADDRESS/cgi-bin/PATH`, or `None` while it does not.
    pub fn ask_guest(&self, address: &str, path: &str) -> Option<String> {
        let url = format!("http://{address}/cgi-bin/{path}");
        let output = self.try_exec(&["curl", "-sf", "--noproxy", "*", "--max-time", "3", &url]);
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Waits until the tests' guest answers, and gives the value of `key=` in its status (`boots`,
    /// `mark`, `eth0`, `mac_eth0`).
    #[track_caller]
    pub fn guest_status(&self, address: &str, key: &str, limit: Duration) -> String {
        wait_for(&format!("the guest at {address}"), limit, || {
            let status = self.ask_guest(address, "status")?;
            let value =
                status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='))?;
            Some(value.to_owned())
        })
    }

    /// Stops libvirt's daemon; running guests live on.
    #[track_caller]
    pub fn stop_libvirtd(&self) {
        let pid = self.exec(&["cat", "/run/libvirtd.pid"]);
        self.exec(&["kill", pid.trim()]);
        wait_until("the end of libvirtd", Duration::from_secs(20), || {
            !self.try_exec(&["kill", "-0", pid.trim()]).status.success()
        });
    }

    /// Starts libvirt's daemon and waits until it answers.
    #[track_caller]
    pub fn start_libvirtd(&self) {
        self.exec(&["libvirtd", "-d"]);
        wait_until("an answer from libvirtd", Duration::from_secs(20), || {
            self.try_exec(&["virsh", "-q", "-c", "qemu:///system", "uri"]).status.success()
        });
    }

    /// Copies a file of this machine to the node's shared directory and gives its path inside.
    pub fn put(&self, file: &Path) -> String {
        let name = file.file_name().expect("a file name").to_string_lossy().into_owned();
        fs::copy(file, lab().state.join("shared").join(&name)).expect("copy into the lab");
        format!("/srv/shared/{name}")
    }

    /// `carrel` inside the node with these settings, to be given arguments.
    pub(super) fn carrel_command(&self, environment: &[(String, String)]) -> Command {
        let mut command = self.command("env");
        command.args(environment.iter().map(|(name, value)| format!("{name}={value}")));
        command.arg(Self::BINARY);
        command
    }

    /// The process id, on this machine, of what a [`LabNode::command`] with process id `outer` runs
    /// inside. `None` when it ended.
    pub(super) fn host_pid_of(&self, outer: u32) -> Option<i32> {
        // the command is nsenter by then, which enters the pid namespace by its only child
        child_of(outer)
    }
}

impl Drop for LabNode {
    fn drop(&mut self) {
        let ended = lab().script("down").arg(self.index.to_string()).output();
        lab().give_back(self.index);
        if let Err(error) = ended {
            eprintln!("node {} was not ended: {error}", self.index);
        }
    }
}

/// The tests' bootable guest as a qcow2 disk; built once.
///
/// # Panics
/// When it cannot be built.
#[track_caller]
pub fn guest_image() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let build = || {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("guest");
        succeed(Command::new(script_path("guest-image.sh")).arg(&folder));
        folder.join("guest.qcow2")
    };
    BUILT.get_or_init(build).clone()
}

/// A CD from which the same guest boots.
///
/// # Panics
/// As [`guest_image`].
#[track_caller]
pub fn guest_iso() -> PathBuf {
    guest_image().with_file_name("guest.iso")
}

/// The same guest with drivers of all that machines can have, which boots by BIOS and by UEFI; built once.
///
/// # Panics
/// As [`guest_image`].
#[track_caller]
pub fn hardware_image() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let build = || {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("guest-hardware");
        let mut script = Command::new(script_path("guest-image.sh"));
        succeed(script.arg(&folder).env("GUEST_HARDWARE", "1"));
        folder.join("guest.qcow2")
    };
    BUILT.get_or_init(build).clone()
}

/// A CD that installs the same guest on an empty disk by UEFI, and switches the machine off.
///
/// # Panics
/// As [`guest_image`].
#[track_caller]
pub fn installer_iso() -> PathBuf {
    hardware_image().with_file_name("installer.iso")
}

/// A Debian with a desktop, which boots by UEFI. It is built once, in minutes (`tests/lab/debian-desktop.sh`).
///
/// # Panics
/// When it cannot be built.
#[track_caller]
pub fn debian_desktop() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let build = || {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("desktop");
        succeed(Command::new(script_path("debian-desktop.sh")).arg(&folder));
        folder.join("desktop.qcow2")
    };
    BUILT.get_or_init(build).clone()
}

/// An empty disk of 64 MiB, for desktops that need not boot.
///
/// # Panics
/// When it cannot be made.
#[track_caller]
pub fn empty_image() -> PathBuf {
    static MADE: OnceLock<PathBuf> = OnceLock::new();
    let make = || {
        let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("empty.qcow2");
        succeed(
            Command::new("qemu-img").args(["create", "-q", "-f", "qcow2"]).arg(&file).arg("64M"),
        );
        file
    };
    MADE.get_or_init(make).clone()
}

/// The lab of this test process.
struct Lab {
    slot: u8,
    state: PathBuf,
    taken: Mutex<BTreeSet<u8>>,
    returned: Condvar,
    /// Holds the slot while the process lives.
    _lock: File,
}

fn lab() -> &'static Lab {
    static LAB: OnceLock<Lab> = OnceLock::new();
    LAB.get_or_init(Lab::claim)
}

impl Lab {
    /// Takes the first slot that no living process holds, and clears what a killed one left there.
    fn claim() -> Self {
        fs::create_dir_all(SLOTS).expect("the lab needs root");
        for slot in 1..=250 {
            let path = Path::new(SLOTS).join(slot.to_string());
            let mut lock = File::options()
                .create(true)
                .truncate(false)
                .write(true)
                .open(&path)
                .expect("a lock file");
            match lock.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => continue,
                Err(TryLockError::Error(error)) => panic!("{}: {error}", path.display()),
            }
            let left = fs::read_to_string(&path).unwrap_or_default();
            if !left.is_empty() {
                succeed(script(slot, Path::new(&left), "down"));
            }
            let state = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("lab-{slot}"));
            lock.set_len(0).expect("write the lock file");
            lock.write_all(state.to_string_lossy().as_bytes()).expect("write the lock file");
            return Self {
                slot,
                state,
                taken: Mutex::default(),
                returned: Condvar::new(),
                _lock: lock,
            };
        }
        panic!("all slots in {SLOTS} are held by running labs");
    }

    fn take(&self) -> u8 {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        while taken.len() >= AT_ONCE {
            taken = self.returned.wait(taken).unwrap_or_else(PoisonError::into_inner);
        }
        let free =
            (1..=9).find(|index| !taken.contains(index)).expect("fewer taken than there are");
        taken.insert(free);
        free
    }

    fn give_back(&self, index: u8) {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).remove(&index);
        self.returned.notify_all();
    }

    fn script(&self, action: &str) -> Command {
        script(self.slot, &self.state, action)
    }
}

fn script(slot: u8, state: &Path, action: &str) -> Command {
    let binary = Path::new(env!("CARGO_BIN_EXE_carrel"));
    let mut command = Command::new(script_path("nodes.sh"));
    command
        .arg(action)
        .env("LAB_SLOT", slot.to_string())
        .env("LAB_DIR", state)
        .env("LAB_BIN_DIR", binary.parent().expect("a folder"))
        .env("LAB_TREE", env!("CARGO_MANIFEST_DIR"));
    command
}

fn script_path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lab").join(name)
}

#[track_caller]
fn succeed(mut command: impl std::borrow::BorrowMut<Command>) {
    let command = command.borrow_mut();
    let output = command.stdin(Stdio::null()).output().expect("run a script of the lab");
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// The first process whose parent is `parent`.
fn child_of(parent: u32) -> Option<i32> {
    let processes = fs::read_dir("/proc").ok()?.flatten();
    processes.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok()).find(|pid| {
        // "PID (NAME) STATE PPID …"; it may end meanwhile
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let after_name = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
        after_name.split(' ').nth(1) == Some(parent.to_string().as_str())
    })
}
