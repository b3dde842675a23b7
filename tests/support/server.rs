//! The real binary as a server, on a data directory of its own.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use super::agent::Agent;
use super::client::Client;
use super::lab::LabNode;
use super::log::Log;
use super::wait::wait_for;

/// The administrator that [`Setup::start`] makes.
pub const ADMIN: &str = "admin";
/// The administrator's password.
pub const PASSWORD: &str = "Carrel-test-1";

/// From process start to the ready line, on a machine busy with other tests.
const START_LIMIT: Duration = Duration::from_secs(60);
/// A clean stop ends running requests; more than this is a hang.
const STOP_LIMIT: Duration = Duration::from_secs(30);

/// Where a server runs.
#[derive(Clone)]
enum Place {
    /// On this machine, with libvirt's simulator.
    Here(Arc<TempDir>),
    /// In a node of the lab, with the libvirt of that node.
    Node(Arc<LabNode>),
}

/// How a server is started.
#[derive(Clone)]
pub struct Setup {
    place: Option<Place>,
    environment: Vec<(String, String)>,
    administrator: bool,
    listen: Option<String>,
    /// Names of further nodes, and their storage if it is not one of their own.
    nodes: Vec<(String, Option<PathBuf>)>,
}

impl Setup {
    /// Adds nodes `node2`, `node3` … with agents of their own on this machine: see [`Server::agent`].
    pub fn nodes(mut self, count: usize) -> Self {
        (0..count).for_each(|_| self.add_node(None));
        self
    }

    /// As [`Setup::nodes`], one with its storage there.
    pub fn node_with_storage(mut self, storage: PathBuf) -> Self {
        self.add_node(Some(storage));
        self
    }

    fn add_node(&mut self, storage: Option<PathBuf>) {
        let name = format!("node{}", self.nodes.len() + 2);
        self.nodes.push((name, storage));
    }

    /// Adds a setting, such as `("CARREL_LOG", "debug")`.
    pub fn env(mut self, name: &str, value: impl ToString) -> Self {
        self.environment.push((name.to_owned(), value.to_string()));
        self
    }

    /// Listens there instead of on loopback, for instance on `0.0.0.0:0`.
    pub fn listen(mut self, address: &str) -> Self {
        self.listen = Some(address.to_owned());
        self
    }

    /// Leaves the data directory as a fresh installation has it: nobody can sign in.
    pub fn without_admin(mut self) -> Self {
        self.administrator = false;
        self
    }

    /// Has its data directory below this folder, which outlives it.
    pub fn data_in(mut self, folder: &Path) -> Self {
        let data = tempfile::Builder::new().prefix("data-").tempdir_in(folder);
        self.place = Some(Place::Here(Arc::new(data.expect("a data directory"))));
        self
    }

    /// Runs inside a node of the lab.
    pub fn on(mut self, node: &Arc<LabNode>) -> Self {
        self.place = Some(Place::Node(Arc::clone(node)));
        self
    }

    /// Starts and waits until it is ready.
    ///
    /// # Panics
    /// When it does not become ready.
    #[track_caller]
    pub fn start(mut self) -> Server {
        let place = self.place.take().unwrap_or_else(|| Place::Here(Arc::new(new_data_dir())));
        let mut server = Server {
            place,
            environment: self.environment,
            listen: self.listen,
            log: Log::default(),
            process: None,
            base: String::new(),
            forgiven: false,
            agents: Vec::new(),
        };
        if self.administrator {
            server.set_password(ADMIN, PASSWORD);
        }
        server.start_again();
        if !self.nodes.is_empty() {
            // The first start has made the pool that they belong to.
            server.stop();
            for (name, storage) in self.nodes {
                let agent = Agent::start(&name, storage);
                agent.enter(&server.data_dir().join("carrel.db"));
                server.agents.push(agent);
            }
            server.start_again();
        }
        server
    }
}

fn new_data_dir() -> TempDir {
    tempfile::Builder::new()
        .prefix("data-")
        .tempdir_in(env!("CARGO_TARGET_TMPDIR"))
        .expect("a temporary data directory")
}

/// A running server. When it is dropped the process is killed and its log must hold no panic.
pub struct Server {
    place: Place,
    environment: Vec<(String, String)>,
    listen: Option<String>,
    log: Log,
    process: Option<Child>,
    base: String,
    forgiven: bool,
    agents: Vec<Agent>,
}

impl Server {
    /// A server with libvirt's simulator and the administrator [`ADMIN`].
    #[track_caller]
    pub fn start() -> Self {
        Self::with().start()
    }

    /// As [`Server::start`], to be changed before it starts.
    pub fn with() -> Setup {
        Setup {
            place: None,
            environment: Vec::new(),
            administrator: true,
            listen: None,
            nodes: Vec::new(),
        }
    }

    /// The agent of a node that [`Setup::nodes`] added: 2 is the first.
    pub fn agent(&mut self, number: usize) -> &mut Agent {
        &mut self.agents[number - 2]
    }

    /// Scheme, host and port.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// A client that nobody signed in.
    pub fn client(&self) -> Client {
        Client::new(&self.base)
    }

    /// Lets people register by themselves, which a fresh installation does not.
    #[track_caller]
    pub fn with_registration(self) -> Self {
        let policy = serde_json::json!({"registration": true});
        self.admin().put("/api/v1.0/identity/policy").json(&policy).send().data();
        self
    }

    /// A client signed in as the administrator.
    #[track_caller]
    pub fn admin(&self) -> Client {
        self.client().sign_in(ADMIN, PASSWORD)
    }

    /// The data directory as the server sees it (inside the node, when it runs in one).
    pub fn data_dir(&self) -> PathBuf {
        match &self.place {
            Place::Here(data) => data.path().to_owned(),
            Place::Node(_) => PathBuf::from(LabNode::DATA_DIR),
        }
    }

    /// The data directory as this test sees it.
    pub fn data_here(&self) -> PathBuf {
        match &self.place {
            Place::Here(data) => data.path().to_owned(),
            Place::Node(node) => node.data_here(),
        }
    }

    /// All regular files below the data directory, relative to it, sorted.
    pub fn files(&self) -> Vec<PathBuf> {
        let root = self.data_here();
        let mut found = Vec::new();
        collect_files(&root, &root, &mut found);
        found.sort();
        found
    }

    pub fn log(&self) -> &Log {
        &self.log
    }

    /// This test provokes a panic: do not fail because of it.
    pub fn forgive_panics(&mut self) {
        self.forgiven = true;
    }

    /// The process id on this machine.
    ///
    /// # Panics
    /// When it does not run.
    pub fn pid(&self) -> i32 {
        let child = self.process.as_ref().expect("the server runs");
        match &self.place {
            Place::Here(_) => child.id().cast_signed(),
            Place::Node(node) => node.host_pid_of(child.id()).expect("the server runs in its node"),
        }
    }

    /// Ends it as a power cut would: SIGKILL, nothing is told.
    pub fn kill(&mut self) {
        self.signal(Signal::SIGKILL);
        self.wait_exit();
    }

    /// Ends it as systemd would: SIGTERM, and waits for it.
    pub fn stop(&mut self) -> ExitStatus {
        self.signal(Signal::SIGTERM);
        self.wait_exit()
    }

    /// Memory that it has, in bytes; shared pages of libraries count.
    pub fn resident(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid()));
        let status = status.expect("the server runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
        let kib: u64 = line.trim().trim_end_matches(" kB").trim().parse().expect("a number");
        kib * 1024
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid()), signal).expect("signal the server");
    }

    /// Whether the process is still there.
    pub fn is_running(&mut self) -> bool {
        self.process.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    /// Waits for an end that something else causes.
    #[track_caller]
    pub fn wait_exit(&mut self) -> ExitStatus {
        let mut child = self.process.take().expect("the server runs");
        let status = wait_for("the server's end", STOP_LIMIT, || {
            child.try_wait().expect("wait for the server")
        });
        self.log.wait_end(Duration::from_secs(2));
        status
    }

    /// Changes a setting, from the next start on.
    pub fn set_env(&mut self, name: &str, value: impl ToString) {
        self.environment.retain(|(known, _)| known != name);
        self.environment.push((name.to_owned(), value.to_string()));
    }

    /// Starts it on the data directory that it had before.
    #[track_caller]
    pub fn start_again(&mut self) {
        assert!(self.process.is_none(), "the server runs already");
        let from = self.log.len();
        let listen = match (&self.listen, &self.place) {
            (Some(address), _) => address.clone(),
            (None, Place::Here(_)) => "127.0.0.1:0".to_owned(),
            (None, Place::Node(node)) => format!("{}:0", node.address()),
        };
        let mut child = self
            .command(&["serve", "--listen", &listen])
            .stdin(Stdio::null())
            .spawn()
            .expect("start carrel");
        self.log.follow(child.stdout.take().expect("piped"));
        self.log.follow(child.stderr.take().expect("piped"));
        self.process = Some(child);
        match self.log.wait_from(from, START_LIMIT, ready_address) {
            Some(base) => self.base = base,
            None => panic!("carrel did not become ready; its log:\n{}", self.log.tail(60)),
        }
    }

    /// Kills it and starts it again.
    #[track_caller]
    pub fn kill_and_start(&mut self) {
        self.kill();
        self.start_again();
    }

    /// `carrel ARGS` on the same data directory, with the same settings; `input` goes to its
    /// standard input.
    pub fn run(&self, arguments: &[&str], input: &str) -> Output {
        let mut child =
            self.command(arguments).stdin(Stdio::piped()).spawn().expect("start carrel");
        let mut pipe = child.stdin.take().expect("piped");
        let input = input.to_owned();
        // a program that does not read its input closes the pipe: no failure of the test
        let writer = thread::spawn(move || pipe.write_all(input.as_bytes()));
        let output = child.wait_with_output().expect("wait for carrel");
        drop(writer.join());
        output
    }

    /// `carrel admin set-password USER`.
    #[track_caller]
    pub fn set_password(&self, user: &str, password: &str) {
        let output = self.run(&["admin", "set-password", user], &format!("{password}\n"));
        assert!(output.status.success(), "admin set-password: {}", text_of(&output));
    }

    /// The node of the lab that it runs in.
    pub fn node(&self) -> &LabNode {
        match &self.place {
            Place::Node(node) => node,
            Place::Here(_) => panic!("this server does not run in a node"),
        }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let data = self.data_dir();
        let mut environment = vec![
            ("CARREL_DATA_DIR".to_owned(), data.to_string_lossy().into_owned()),
            // nor does the configuration of this machine
            ("CARREL_CONFIG".to_owned(), "/dev/null".to_owned()),
        ];
        let mut command = match &self.place {
            Place::Here(_) => {
                environment.push(("CARREL_LIBVIRT_URI".to_owned(), "test:///default".to_owned()));
                let mut command = Command::new(env!("CARGO_BIN_EXE_carrel"));
                // no setting of the person who runs the tests counts
                for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("CARREL_")) {
                    command.env_remove(name);
                }
                environment.extend(self.environment.iter().cloned());
                command.envs(environment);
                command
            }
            Place::Node(node) => {
                environment.push(("CARREL_PLAIN_HTTP".to_owned(), "1".to_owned()));
                environment.push(("CARREL_VIRT_TYPE".to_owned(), "qemu".to_owned()));
                environment.extend(self.environment.iter().cloned());
                node.carrel_command(&environment)
            }
        };
        command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut child) = self.process.take() {
            let target = match &self.place {
                Place::Here(_) => Some(child.id().cast_signed()),
                Place::Node(node) => node.host_pid_of(child.id()),
            };
            // it may have ended by itself; then there is nobody to signal
            if let (Some(pid), Ok(None)) = (target, child.try_wait()) {
                let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
            let _ = child.wait();
            self.log.wait_end(Duration::from_secs(2));
        }
        let panics = self.log.matching("panicked at");
        if thread::panicking() {
            eprintln!("--- log of carrel, last lines ---\n{}", self.log.tail(80));
        } else if !self.forgiven {
            assert!(panics.is_empty(), "carrel panicked:\n{}", self.log.tail(80));
        }
    }
}

/// The address in a line that says `listening on http://HOST:PORT`.
fn ready_address(line: &str) -> Option<String> {
    let rest = &line[line.find("listening on http")? + "listening on ".len()..];
    let end = rest.find(|c: char| c.is_whitespace() || "\"',}".contains(c)).unwrap_or(rest.len());
    Some(rest[..end].trim_end_matches('/').to_owned())
}

fn text_of(output: &Output) -> String {
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    format!("{} {out}{err}", output.status)
}

fn collect_files(root: &Path, folder: &Path, found: &mut Vec<PathBuf>) {
    // a folder may vanish while it is read: then it holds no file
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => collect_files(root, &path, found),
            Ok(_) => found.push(path.strip_prefix(root).unwrap_or(&path).to_owned()),
            Err(_) => {}
        }
    }
}
