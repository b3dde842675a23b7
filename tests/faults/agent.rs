//! The agent of a machine starts while its controller does not run.

use std::fs;
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::time::Duration;

use crate::support::{LabNode, Log, Server, Site, guest_image, wait_until};

const LIMIT: Duration = Duration::from_secs(60);
/// A boot takes 5 s on an idle machine and several times that beside other work.
const BOOT: Duration = Duration::from_secs(240);
pub const SOCKET: &str = "/run/agent.sock";
/// In [`LabNode::DATA_DIR`].
const STATE: &str = "agent";

/// `carrel agent` inside a node.
pub struct Agent {
    node: Arc<LabNode>,
    process: Child,
    log: Log,
}

impl Agent {
    pub fn start(node: &Arc<LabNode>) -> Self {
        let state = format!("{}/{STATE}", LabNode::DATA_DIR);
        let mut process = node
            .command("env")
            .args(["CARREL_CONFIG=/dev/null", LabNode::BINARY])
            .args(["agent", "--socket", SOCKET, "--state", &state])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("start an agent");
        let log = Log::default();
        log.follow(process.stdout.take().expect("piped"));
        log.follow(process.stderr.take().expect("piped"));
        let agent = Self { node: Arc::clone(node), process, log };
        agent.says("agent ready");
        agent
    }

    #[track_caller]
    fn says(&self, what: &str) {
        let said = self.log.wait_for(LIMIT, |line| line.contains(what).then_some(()));
        assert!(said.is_some(), "never said {what:?}:\n{}", self.log.tail(40));
    }

    /// As a cut of power does.
    pub fn kill(mut self) {
        self.node.exec(&["pkill", "-KILL", "-f", &format!("agent --socket {SOCKET}")]);
        self.process.wait().expect("wait for the agent");
    }
}

#[test]
fn an_agent_that_starts_without_its_controller_restores_the_guests_that_it_had() {
    let node = LabNode::up();
    let agent = Agent::start(&node);
    let mut server = Server::with().on(&node).env("CARREL_AGENT_SOCKET", SOCKET).start();
    let site = Site::of_default(&server);
    let image = site.upload("tiny", &guest_image());
    let template = site.template("tiny", &image);
    let classroom = site.classroom("room");
    let group = site.deploy("class", &classroom, &template, 1);
    site.group_action("start", &group, "class");
    let address = site.desktops(&group)[0]["ipaddr"].as_str().expect("its address").to_owned();
    assert_eq!(node.guest_status(&address, "boots", BOOT), "1");

    server.stop();
    agent.kill();
    // Its disk is mounted late: the empty folder is not taken for a new storage, though no controller came twice.
    let storage = node.data_here().join("storage");
    let elsewhere = storage.with_extension("elsewhere");
    fs::rename(&storage, &elsewhere).expect("unmount");
    fs::create_dir(&storage).expect("a mount point");
    let agent = Agent::start(&node);
    agent.says("the storage is not mounted");
    agent.says("connected to libvirt");
    agent.kill();
    assert_eq!(fs::read_dir(&storage).expect("list").count(), 0, "nothing was made there");
    fs::remove_dir(&storage).expect("the mount point");
    fs::rename(&elsewhere, &storage).expect("mount");

    let agent = Agent::start(&node);
    agent.says("connected to libvirt");
    node.ask_guest(&address, "mark?homework").expect("the guest takes a mark");
    assert_eq!(node.guest_status(&address, "mark", BOOT), "homework");
    node.ask_guest(&address, "reboot");
    wait_until("a clean desktop after its own reboot", BOOT, || {
        node.ask_guest(&address, "status")
            .is_some_and(|status| status.contains("boots=1") && !status.contains("homework"))
    });

    // What cannot be read is said once, and the next controller's word takes its place.
    agent.kill();
    let kept = node.data_here().join(STATE).join("controller.json");
    let good = fs::read_to_string(&kept).expect("what is kept");
    fs::write(&kept, "no longer JSON").expect("damage it");
    let agent = Agent::start(&node);
    agent.says("stored-damaged");
    server.start_again();
    let connected = |line: &str| line.contains("node connected").then_some(());
    assert!(server.log().wait_for(LIMIT, connected).is_some());
    wait_until("the controller's word kept again", LIMIT, || {
        fs::read_to_string(&kept).is_ok_and(|content| content == good)
    });
    assert_eq!(agent.log.matching("stored-damaged").len(), 1);
    agent.kill();
}
