//! Further nodes of a server on this machine: agents of their own, each with libvirt's simulator.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rusqlite::{Connection, params};
use serde_json::json;
use tempfile::TempDir;

use super::controller::{self, Told};
use super::log::Log;

const START_LIMIT: Duration = Duration::from_secs(60);

/// `carrel agent --socket` with a storage of its own. It is killed when this is dropped.
pub struct Agent {
    name: String,
    dir: TempDir,
    storage: PathBuf,
    log: Log,
    process: Option<Child>,
}

impl Agent {
    /// Starts it. `storage`: another folder than one of its own.
    #[track_caller]
    pub fn start(name: &str, storage: Option<PathBuf>) -> Self {
        let dir = tempfile::Builder::new()
            .prefix("agent-")
            .tempdir_in(env!("CARGO_TARGET_TMPDIR"))
            .expect("a temporary folder");
        let storage = storage.unwrap_or_else(|| dir.path().join("storage"));
        let mut agent =
            Self { name: name.to_owned(), dir, storage, log: Log::default(), process: None };
        agent.start_again();
        agent
    }

    /// After [`Agent::kill`]: an agent that knows nothing of the domains which the simulator had.
    #[track_caller]
    pub fn start_again(&mut self) {
        assert!(self.process.is_none(), "the agent runs already");
        let from = self.log.len();
        let mut command = Command::new(env!("CARGO_BIN_EXE_carrel"));
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("CARREL_")) {
            command.env_remove(name);
        }
        let mut child = command
            .env("CARREL_CONFIG", "/dev/null")
            .env("CARREL_DATA_DIR", self.dir.path())
            .args(["agent", "--socket"])
            .arg(self.socket())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("start an agent");
        self.log.follow(child.stdout.take().expect("piped"));
        self.log.follow(child.stderr.take().expect("piped"));
        self.process = Some(child);
        let ready = self
            .log
            .wait_from(from, START_LIMIT, |line| line.contains("agent ready").then_some(()));
        assert!(ready.is_some(), "the agent did not become ready:\n{}", self.log.tail(40));
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn storage(&self) -> &Path {
        &self.storage
    }

    pub fn log(&self) -> &Log {
        &self.log
    }

    /// SIGSTOP makes it hang, SIGCONT goes on.
    pub fn signal(&self, signal: Signal) {
        let child = self.process.as_ref().expect("the agent runs");
        kill(Pid::from_raw(child.id().cast_signed()), signal).expect("signal the agent");
    }

    /// Ends it as a power cut would, with the domains of its simulator.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.process.take() {
            // It may have ended by itself.
            drop(child.kill());
            child.wait().expect("wait for the agent");
            self.log.wait_end(Duration::from_secs(2));
        }
    }

    /// Puts its row into the database of a server that does not run, as a node of the default pool.
    #[track_caller]
    pub fn enter(&self, database: &Path) {
        let conn = Connection::open(database).expect("open the database");
        let agent = json!({
            "way": {"socket": self.socket()}, "libvirt_uri": "test:///default", "virt_type": "auto",
            "storages": [self.storage],
        });
        let entered = conn.execute(
            "INSERT INTO nodes (uuid, name, pool_id, role, is_local, ip, created_at, agent) \
             SELECT ?1, ?2, id, 5, 0, '127.0.0.1', unixepoch(), ?3 FROM pools WHERE is_default = 1",
            params![uuid::Uuid::new_v4().to_string(), self.name, agent.to_string()],
        );
        assert_eq!(entered.expect("enter a node"), 1);
    }

    /// The domains that it has. The server loses its link for a moment.
    #[track_caller]
    pub fn domains(&self, installation: uuid::Uuid) -> Vec<uuid::Uuid> {
        self.domains_in(installation, &self.storage)
    }

    /// As [`Agent::domains`], of the agent of the server's own machine, whose storage is there.
    #[track_caller]
    pub fn domains_in(&self, installation: uuid::Uuid, storage: &Path) -> Vec<uuid::Uuid> {
        let storages = vec![storage.to_string_lossy().into_owned()];
        let (libvirt_uri, virt_type) = ("test:///default", "auto");
        let told = Told { installation, libvirt_uri, virt_type, storages };
        controller::domains(&self.socket(), &told)
    }

    pub fn socket(&self) -> PathBuf {
        self.dir.path().join("agent.sock")
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("--- log of the agent of {} ---\n{}", self.name, self.log.tail(40));
        } else {
            let panics = self.log.matching("panicked at");
            assert!(panics.is_empty(), "an agent panicked:\n{}", self.log.tail(40));
        }
    }
}
