//! A machine with systemd: a container with its own network, on a root made for it.

use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tempfile::TempDir;

use super::packages::{dependencies, run, script};
use crate::support::{wait_for, wait_until};

/// A boot takes about 5 s alone and several times that beside other work.
const BOOT: Duration = Duration::from_secs(180);
const STOP: Duration = Duration::from_secs(60);

/// The machine's name, which its own hosts file knows.
pub const NAME: &str = "carrel-box";
/// Its address on an interface that others could reach.
pub const ADDRESS: &str = "192.0.2.10";

/// An interface as a machine has one: its peer leads nowhere.
const NETWORK: &str = "[Unit]
DefaultDependencies=no
Before=network.target libvirtd.service carrel-agent.service carrel.service
[Service]
Type=oneshot
ExecStart=ip link add eth0 type veth peer name eth0-peer
ExecStart=ip addr add 192.0.2.10/24 dev eth0
ExecStart=ip link set eth0 up
ExecStart=ip link set eth0-peer up
[Install]
WantedBy=multi-user.target
";

/// One machine. It ends, with all that runs in it, when this is dropped.
pub struct Machine {
    folder: TempDir,
    container: Option<Child>,
}

impl Machine {
    /// A fresh Debian that has what this package depends on, with nothing of Carrel, not running.
    #[track_caller]
    pub fn fresh(deb: &Path) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("package-")
            .tempdir_in(env!("CARGO_TARGET_TMPDIR"))
            .expect("a folder");
        let machine = Self { folder, container: None };
        let root = machine.root();
        fs::create_dir(&root).expect("make");
        run(Command::new(script("tests/package/base.sh")).arg(&root).args(dependencies(deb)));
        let write = |path: &str, text: &str| fs::write(root.join(path), text).expect(path);
        write("etc/hostname", &format!("{NAME}\n"));
        write("etc/hosts", &format!("127.0.0.1 localhost\n127.0.1.1 {NAME}\n"));
        write("etc/systemd/system/lone-network.service", NETWORK);
        // control groups are the outer machine's
        let settings = fs::read_to_string(root.join("etc/libvirt/qemu.conf")).expect("settings");
        write("etc/libvirt/qemu.conf", &format!("{settings}\ncgroup_controllers = [ ]\n"));
        machine.offline(&["systemctl", "enable", "--quiet", "lone-network.service"]);
        machine
    }

    /// Its files, as this machine sees them.
    pub fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    /// Puts a package where apt in the machine finds it.
    pub fn bring(&self, deb: &Path) -> String {
        let name = deb.file_name().expect("a name").to_string_lossy().into_owned();
        fs::create_dir_all(self.root().join("srv")).expect("make");
        fs::copy(deb, self.root().join("srv").join(&name)).expect("copy");
        format!("/srv/{name}")
    }

    /// Runs a command on the machine that is off, as an installer does.
    #[track_caller]
    pub fn offline(&self, arguments: &[&str]) -> String {
        run(self.container().args(["--pipe", "--"]).args(arguments).stdin(Stdio::null()))
    }

    fn container(&self) -> Command {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let mut command = Command::new("systemd-nspawn");
        command.args(["--quiet", "--register=no", "--keep-unit", "--private-network"]);
        command.arg(format!("--machine=carrel-{}-{count}", std::process::id()));
        command.arg("--directory").arg(self.root());
        command
    }

    /// Boots and waits until all that is to be started was.
    #[track_caller]
    pub fn boot(&mut self) {
        let log = File::create(self.folder.path().join("boot.log")).expect("a log");
        let mut command = self.container();
        // a debug binary reads the web console from where it was built
        let console = script("static/dist");
        command.arg("--boot").arg(format!("--bind-ro={}", console.display()));
        let child =
            command.stdin(Stdio::null()).stdout(log.try_clone().expect("a log")).stderr(log);
        self.container = Some(child.spawn().expect("start systemd-nspawn"));
        wait_until("the end of the boot", BOOT, || {
            let asked = self.try_leader().map(|_| self.run(&["systemctl", "is-system-running"]));
            let state = asked.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
            state.is_some_and(|state| ["running", "degraded"].contains(&state.trim()))
        });
    }

    /// The process that is 1 in the machine.
    fn try_leader(&self) -> Option<i32> {
        children_of(self.container.as_ref().expect("booted").id()).first().copied()
    }

    /// Runs a command in the machine, whatever its end.
    #[track_caller]
    pub fn run(&self, arguments: &[&str]) -> Output {
        let leader = wait_for("the machine's first process", BOOT, || self.try_leader());
        let mut command = Command::new("nsenter");
        command.args([
            "--target",
            &leader.to_string(),
            "--all",
            "--",
            "env",
            "-i",
            "LC_ALL=C.UTF-8",
        ]);
        command.args(["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND=noninteractive"]);
        command.args(arguments).stdin(Stdio::null()).output().expect("run nsenter")
    }

    /// Runs a command in the machine and gives all that it printed.
    ///
    /// # Panics
    /// When it fails.
    #[track_caller]
    pub fn exec(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {}\n{text}{said}", output.status);
        text + &said
    }

    /// Lets this thread, and those that it starts, see the machine's network instead of this machine's.
    pub fn enter_network(&self) {
        let leader = self.try_leader().expect("running");
        let network = File::open(format!("/proc/{leader}/ns/net")).expect("the network");
        // SAFETY: setns(2) takes an open descriptor and changes nothing but this thread.
        let done = unsafe { libc::setns(network.as_raw_fd(), libc::CLONE_NEWNET) };
        assert_eq!(done, 0, "enter the network: {}", std::io::Error::last_os_error());
    }

    /// A property of a unit, as systemd says it.
    #[track_caller]
    pub fn unit(&self, unit: &str, property: &str) -> String {
        self.exec(&["systemctl", "show", "--value", "-p", property, unit]).trim().to_owned()
    }

    /// Asserts that both services run and never ended by themselves.
    #[track_caller]
    pub fn assert_both_run(&self) {
        for unit in ["carrel-agent.service", "carrel.service"] {
            let state = (self.unit(unit, "ActiveState"), self.unit(unit, "NRestarts"));
            assert_eq!(state, ("active".into(), "0".into()), "{unit}\n{}", self.journal());
        }
    }

    /// All that both services said, and systemd about them.
    pub fn journal(&self) -> String {
        let units = ["-u", "carrel.service", "-u", "carrel-agent.service"];
        self.exec(&[&["journalctl", "--no-pager", "-o", "short-iso"], &units[..]].concat())
    }

    /// The set-up links of the latest start.
    #[track_caller]
    pub fn setup_links(&self) -> Vec<String> {
        let id = self.unit("carrel.service", "InvocationID");
        let said = self.exec(&["journalctl", "-o", "cat", &format!("_SYSTEMD_INVOCATION_ID={id}")]);
        said.lines()
            .filter_map(|line| line.strip_prefix("setup link: ").map(str::to_owned))
            .collect()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if let Some(mut container) = self.container.take() {
            if std::thread::panicking() {
                eprintln!("--- the machine's journal ---\n{}", self.last_words(&container));
            }
            // with the first process all others end
            if let Some(leader) = children_of(container.id()).first() {
                let _ = nix::sys::signal::kill(
                    nix::unistd::Pid::from_raw(*leader),
                    nix::sys::signal::Signal::SIGKILL,
                );
            }
            wait_until("the machine's end", STOP, || !matches!(container.try_wait(), Ok(None)));
        }
    }
}

impl Machine {
    fn last_words(&self, container: &Child) -> String {
        let Some(leader) = children_of(container.id()).first().copied() else {
            return fs::read_to_string(self.folder.path().join("boot.log")).unwrap_or_default();
        };
        let said = Command::new("nsenter")
            .args(["--target", &leader.to_string(), "--all", "--"])
            .args(["journalctl", "--no-pager", "-n", "120"])
            .output();
        said.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default()
    }
}

fn children_of(process: u32) -> Vec<i32> {
    let children = fs::read_to_string(format!("/proc/{process}/task/{process}/children"));
    children.unwrap_or_default().split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}
