//! The agent of a machine on its socket, and controllers that reach it through `carrel agent --stdio`, as one on another
//! machine does by ssh.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{SMALL, Server, Site, empty_image, rows, wait_until};

const TEMPLATES: &str = "/api/v1.0/education/template/";
const LIMIT: Duration = Duration::from_secs(60);

struct Agent {
    process: Child,
    folder: TempDir,
}

impl Agent {
    fn start() -> Self {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
        let socket = folder.path().join("agent.sock");
        let process = carrel(&["--socket"], &socket).stderr(Stdio::null()).spawn().expect("start");
        wait_until("the agent's socket", LIMIT, || socket.exists());
        Self { process, folder }
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("agent.sock")
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.process.id().cast_signed()), signal).expect("signal the agent");
    }

    /// A socket on which each connection is given to a pipe of its own, and the ends of those pipes: whether they
    /// were clean.
    fn piped(&self, name: &str) -> (PathBuf, Receiver<bool>) {
        let path = self.folder.path().join(name);
        let listener = UnixListener::bind(&path).expect("bind");
        let (agent, (ended, ends)) = (self.socket(), mpsc::channel());
        thread::spawn(move || {
            for connection in listener.incoming() {
                let stream = connection.expect("a controller");
                let other = stream.try_clone().expect("a second handle");
                let mut pipe = carrel(&["--stdio", "--socket"], &agent)
                    .stdin(OwnedFd::from(stream))
                    .stdout(OwnedFd::from(other))
                    .spawn()
                    .expect("start the pipe");
                let ended = ended.clone();
                thread::spawn(move || ended.send(pipe.wait().expect("wait").success()));
            }
        });
        (path, ends)
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

fn carrel(arguments: &[&str], socket: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_carrel"));
    command.args(["agent", "--config", "/dev/null"]).args(arguments).arg(socket);
    command
}

fn connected(server: &Server) -> bool {
    server.log().wait_for(LIMIT, |line| line.contains("node connected").then_some(())).is_some()
}

#[test]
fn two_controllers_through_pipes_are_served_one_at_a_time_by_one_agent() {
    let agent = Agent::start();
    let (first_socket, first_ends) = agent.piped("first.sock");
    let (second_socket, second_ends) = agent.piped("second.sock");
    let mut first = Server::with().env("CARREL_AGENT_SOCKET", first_socket.display()).start();
    assert!(connected(&first));
    // Calls with bytes in both directions go through.
    let site = Site::of(&first, SMALL);
    let image = site.upload("tiny", &empty_image());
    site.template("tiny", &image);

    let mut second = Server::with().env("CARREL_AGENT_SOCKET", second_socket.display()).start();
    let refused = |line: &str| line.contains("agent-serves-another").then_some(());
    assert!(second.log().wait_for(LIMIT, refused).is_some(), "it is of another installation");
    assert_eq!(second_ends.recv_timeout(LIMIT), Ok(true));
    site.template("still served", &image);

    second.stop();
    let backup = agent.folder.path().join("carrel.backup");
    let backup = backup.to_str().expect("a path");
    assert!(first.run(&["backup", backup], "").status.success());
    assert!(second.run(&["restore", backup], "").status.success());
    while second_ends.try_recv().is_ok() {}
    second.start_again();
    assert!(connected(&second), "of the same installation the newest wins");
    assert!(first_ends.recv_timeout(LIMIT).expect("the older one's pipe ends"), "and cleanly");
    let let_go = |line: &str| line.contains("node not connected").then_some(());
    assert!(first.log().wait_for(LIMIT, let_go).is_some());

    // A controller that is killed leaves no pipe behind.
    first.kill();
    drop(second);
    second_ends.recv_timeout(LIMIT).expect("the killed one's pipe ends");
}

#[test]
fn a_pipe_without_an_agent_says_so() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let output = carrel(&["--stdio", "--socket"], &folder.path().join("none.sock"))
        .stdin(Stdio::null())
        .env("LC_ALL", "C")
        .output()
        .expect("run");
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty(), "nothing that a controller would take for frames");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("No agent listens on") && said.contains("none.sock"), "{said}");
}

/// What a hung machine is to its controller: nothing is refused, and nothing comes.
#[test]
fn a_batch_on_an_agent_that_was_stopped_fails_and_says_why() {
    let agent = Agent::start();
    let server = Server::with().env("CARREL_AGENT_SOCKET", agent.socket().display()).start();
    assert!(connected(&server));
    let site = Site::of(&server, SMALL);
    let image = site.upload("tiny", &empty_image());
    let template = site.template("tiny", &image);
    let classroom = site.classroom("room");
    let group = site.deploy("class", &classroom, &template, 3);
    agent.signal(Signal::SIGSTOP);
    let param = json!({"desktops": [{"uuid": group, "name": "class"}]});
    let answer = site.admin.action("/api/v1.0/education/desktop/", "start", param);
    let answer = answer.header("Prefer", "respond-async").send();
    let operation = answer.data()["operation_uuid"].as_str().expect("its uuid").to_owned();
    // Its rows are read without the node, and it ends by the link's patience, not by the batch's.
    let row = site.wait_operation(&operation);
    agent.signal(Signal::SIGCONT);
    let failed = row["failed"].as_array().expect("what failed");
    assert_eq!(failed.len(), 3, "{row:#}");
    let says_why =
        |item: &Value| item["reason"].as_str().is_some_and(|why| why.contains("连接已断开"));
    assert!(failed.iter().all(says_why), "{row:#}");
}

/// While the first connection after a start is being made, requests wait for the node, and changes for nobody: a debug
/// build panics when a transaction waits, and the server's log must hold no panic.
#[test]
fn what_waits_for_a_silent_node_holds_no_other_change() {
    let agent = Agent::start();
    let mut server = Server::with().env("CARREL_AGENT_SOCKET", agent.socket().display()).start();
    let site = Site::of(&server, SMALL);
    let image = site.upload("tiny", &empty_image());
    let template = site.template("tiny", &image);
    let other = site.template("other", &image);
    let classroom = site.classroom("room");
    let group = site.deploy("class", &classroom, &template, 2);
    server.stop();
    agent.signal(Signal::SIGSTOP);
    server.start_again();
    let admin = server.admin();
    let deletions = [
        (TEMPLATES, json!({"templates": [{"uuid": other, "name": "other"}]})),
        ("/api/v1.0/education/desktop/", json!({"desktops": [{"uuid": group, "name": "class"}]})),
    ];
    thread::scope(|scope| {
        let deleting = deletions.map(|(path, body)| {
            let admin = admin.clone();
            scope.spawn(move || admin.delete(path).json(&body).send())
        });
        for name in ["a", "b", "c"] {
            let body = json!({"name": name, "desc": ""});
            admin.post("/api/v1.0/resource_mgr/resource_pools").json(&body).send().data();
        }
        for answer in deleting {
            let answer = answer.join().expect("an answer");
            assert_eq!(answer.status, 503, "{}", answer.body);
            assert_eq!(answer.json()["data"]["error"], "node-unreachable", "{}", answer.body);
        }
    });
    agent.signal(Signal::SIGCONT);
}

const NODES: &str = "/api/v1.0/resource_mgr/controller_nodes";

/// A machine that was copied with its controller: both have the same installation.
#[test]
fn two_controllers_of_one_installation_come_back_ever_later_and_say_why() {
    let agent = Agent::start();
    let start = || Server::with().env("CARREL_AGENT_SOCKET", agent.socket().display()).start();
    let first = start();
    assert!(connected(&first));
    let backup = agent.folder.path().join("carrel.backup");
    let backup = backup.to_str().expect("a path");
    assert!(first.run(&["backup", backup], "").status.success());
    let mut second = start();
    second.stop();
    assert!(second.run(&["restore", backup], "").status.success());
    second.start_again();

    for server in [&first, &second] {
        let waits = |line: &str| {
            (line.contains("node-controller-replaced") && line.contains("retry_ms=4000"))
                .then_some(())
        };
        assert!(server.log().wait_for(LIMIT, waits).is_some(), "{}", server.log().tail(40));
    }
    let admin = first.admin();
    wait_until("the reason in the list of nodes", LIMIT, || {
        let nodes = rows(&admin.get(NODES).send());
        nodes[0]["reason"].as_str().is_some_and(|reason| reason.contains("安装标识"))
    });
}

/// One that says without end that its hypervisor came back, and knows nothing else.
#[test]
fn what_an_agent_tells_without_end_costs_its_controller_little() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let socket = folder.path().join("agent.sock");
    let listener = UnixListener::bind(&socket).expect("bind");
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    thread::spawn(move || {
        let (stream, _) = listener.accept().expect("a controller");
        babble(stream, &counted);
    });
    let server = Server::with().env("CARREL_AGENT_SOCKET", socket.display()).start();
    let admin = server.admin();
    wait_until("its last word", LIMIT, || {
        let nodes = rows(&admin.get(NODES).send());
        nodes[0]["reason"].as_str().is_some_and(|reason| reason.contains("its last word"))
    });
    let asked = asked.load(Ordering::SeqCst);
    // Once when it came, and at most once a second since.
    assert!((1..100).contains(&asked), "asked {asked} times what it is");
    let lines = server.log().matching("node.id=1").len();
    assert!((1..=200).contains(&lines), "{lines} lines");
}

/// Says that its hypervisor is up, 20,000 times, then that it is down. Answers every call, never with what was asked.
fn babble(mut stream: UnixStream, asked: &Arc<AtomicUsize>) {
    let mut preface = [0; 8];
    stream.read_exact(&mut preface).expect("a preface");
    stream.write_all(&preface).expect("the same version");
    let reading = stream.try_clone().expect("a second handle");
    // Two write into it.
    let stream = Arc::new(Mutex::new(stream));
    say(&stream, b"\x81\xa5Hello\x91\xc0");
    let answers = thread::spawn({
        let (stream, asked) = (Arc::clone(&stream), Arc::clone(asked));
        move || answer(reading, &stream, &asked)
    });
    for _ in 0..20_000 {
        say(&stream, b"\x81\xa5Event\x81\xaaHypervisor\x92\xc3\xa0");
    }
    say(&stream, b"\x81\xa5Event\x81\xaaHypervisor\x92\xc2\xadits last word");
    answers.join().expect("the answers");
}

/// A controller that has gone does not hear it.
fn say(stream: &Mutex<UnixStream>, frame: &[u8]) {
    let length = u32::try_from(frame.len()).expect("a small frame").to_be_bytes();
    drop(stream.lock().expect("the stream").write_all(&[&length, frame].concat()));
}

fn answer(mut reading: UnixStream, stream: &Mutex<UnixStream>, asked: &AtomicUsize) {
    let mut length = [0; 4];
    while reading.read_exact(&mut length).is_ok() {
        let mut frame = vec![0; u32::from_be_bytes(length) as usize];
        if reading.read_exact(&mut frame).is_err() {
            return;
        }
        let call: Result<HashMap<String, (u64, serde::de::IgnoredAny)>, _> =
            rmp_serde::from_slice(&frame);
        let Some((id, _)) = call.ok().and_then(|mut call| call.remove("Call")) else {
            say(stream, b"\xa4Pong");
            continue;
        };
        if frame.ends_with(b"\xa8Describe") {
            asked.fetch_add(1, Ordering::SeqCst);
        }
        let reply = HashMap::from([("Reply", (id, HashMap::from([("Ok", "Done")])))]);
        say(stream, &rmp_serde::to_vec(&reply).expect("a reply"));
    }
}
