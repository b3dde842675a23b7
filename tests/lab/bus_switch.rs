//! A template's machine goes over from SATA to virtio, with a guest that says on which bus it finds its disk, and with a
//! controller that is killed at every step.

use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;
use serde_json::{Value, json};

use crate::inside::{self, set};
use crate::story::{BOOT, TEMPLATES, boots, text};
use crate::support::{
    Answer, LabNode, Request, Server, Site, empty_image, hardware_image, wait_for, wait_until,
};

const LIMIT: Duration = Duration::from_secs(90);

struct Bench {
    node: Arc<LabNode>,
    server: Server,
    site: Site,
    uuid: String,
}

impl Bench {
    /// A template whose disk is on SATA, off.
    fn new(image: &std::path::Path) -> Self {
        let node = LabNode::up();
        let server = Server::with().on(&node).env("CARREL_SHUTDOWN_SECONDS", 5).start();
        let site = Site::of_default(&server);
        let image = site.upload("tiny", image);
        let system = json!({"system_disk": {"image_id": image, "size": 1}});
        let uuid = inside::template(&site, &system);
        set(&site, &uuid, &[("chipset", "q35"), ("disk_bus", "sata")]);
        Self { node, server, site, uuid }
    }

    fn post(&self, what: &str, body: &Value) -> Request {
        let path = format!("/api/v1.0/templates/{}/bus-switch{what}", self.uuid);
        self.site.admin.post(&path).json(body)
    }

    fn begin(&self, to: &str) -> Request {
        self.post("", &json!({"to": to}))
    }

    fn try_it(&self) -> Request {
        self.post("/try", &json!({"minutes": 60}))
    }

    fn undo(&self) -> Request {
        self.site.admin.delete(&format!("/api/v1.0/templates/{}/bus-switch", self.uuid))
    }

    fn power(&self, action: &str) {
        let param = json!({"templates": [{"name": "tiny", "uuid": self.uuid}]});
        self.site.done(self.site.admin.action(TEMPLATES, action, param));
    }

    fn save(&self) -> Answer {
        let param = json!({"name": "tiny", "uuid": self.uuid});
        self.site.admin.action(TEMPLATES, "save", param).send()
    }

    fn row(&self) -> Value {
        inside::row(&self.site, &self.uuid)
    }

    fn phase(&self) -> Option<String> {
        self.row()["bus_switch"]["phase"].as_str().map(str::to_owned)
    }

    /// Where the disks are, of what runs or of what starts next: `sda sata`.
    fn disks(&self, which: &[&str]) -> Vec<String> {
        let xml = self.node.virsh(&[&["dumpxml", self.uuid.as_str()], which].concat());
        let disks = xml.split("<disk ").skip(1).filter(|disk| disk.contains("device='disk'"));
        let after = |disk: &str, name: &str| {
            let target = disk.split("<target ").nth(1).unwrap_or_default();
            let value = target.split(&format!("{name}='")).nth(1).unwrap_or_default();
            value.split('\'').next().unwrap_or_default().to_owned()
        };
        disks.map(|disk| format!("{} {}", after(disk, "dev"), after(disk, "bus"))).collect()
    }

    fn database(&self) -> Connection {
        Connection::open(self.server.data_here().join("carrel.db")).expect("the database")
    }

    fn start_again(&mut self) {
        self.server.start_again();
        self.site = Site::of_default(&self.server);
    }

    fn has_small_disk(&self) -> bool {
        let folder = self.server.data_here().join("storage/desktops").join(&self.uuid);
        folder.join("drivers.raw").exists()
    }

    /// Row, definition and files say the same.
    #[track_caller]
    fn assert_agreed(&self, when: &str) {
        let wanted: &[&str] = match self.phase().as_deref() {
            None => &["sda sata"],
            Some("preparing") => &["sda sata", "vda virtio"],
            Some("trying") => &["vda virtio"],
            Some(other) => panic!("{when}: {other}"),
        };
        assert_eq!(self.disks(&["--inactive"]), wanted, "{when}");
        assert_eq!(self.disks(&[]), wanted, "{when}");
        assert_eq!(self.has_small_disk(), wanted.len() == 2, "{when}");
        let path = format!("/api/v1.0/templates/{}/hardware", self.uuid);
        let bus = self.site.admin.get(&path).send().data()["hardware"]["disk_bus"].clone();
        let last = wanted.first().and_then(|disk| disk.split(' ').nth(1));
        assert_eq!(bus.as_str(), last, "{when}");
        assert_ne!(self.row()["status"], "error", "{when}");
    }
}

#[test]
fn a_guest_goes_over_to_virtio_or_is_back_on_sata_and_loses_nothing() {
    let mut bench = Bench::new(&hardware_image());
    let address = text(&bench.row(), "bind_ip");
    let node = bench.node.clone();
    let inside = |line: &str| {
        wait_for(line, BOOT, || {
            node.ask_guest(&address, "hardware").filter(|told| told.lines().any(|its| its == line))
        })
    };
    bench.power("start");
    let told = inside("disk=/dev/sda2");
    assert!(!told.contains("block=vda"), "{told}");
    // The small disk is plugged into what runs, for its driver to be loaded, and out again.
    bench.site.done(bench.begin("virtio"));
    inside("block=vda");
    bench.site.done(bench.undo());
    wait_until("the disk is out", BOOT, || bench.disks(&[]) == ["sda sata"]);
    bench.site.done(bench.begin("virtio"));
    inside("block=vda");
    assert!(bench.save().refusal().contains("磁盘总线"));

    // Nobody says that it came up: while the server is down its time passes.
    bench.site.done(bench.try_it());
    inside("disk=/dev/vda2");
    assert_eq!(boots(&bench.node, &address), "2");
    assert_eq!(bench.phase().as_deref(), Some("trying"));
    bench.server.kill();
    bench.database().execute("UPDATE bus_switches SET deadline = 1", []).expect("late");
    bench.start_again();
    wait_until("it is undone", LIMIT, || bench.phase().is_none());
    bench.site.wait_idle();
    assert_eq!(bench.node.domain_state(&bench.uuid), "shut off");
    assert!(text(&bench.row(), "reason").contains("未能按时"), "{:#}", bench.row());
    bench.power("start");
    inside("disk=/dev/sda2");

    // Its agent answers: that is enough.
    bench.site.done(bench.begin("virtio-scsi"));
    inside("card=1af4:1048");
    bench.site.done(bench.try_it());
    let told = inside("disk=/dev/sda2");
    assert!(told.contains("card=1af4:1048"), "{told}");
    assert_eq!(bench.node.ask_guest(&address, "agent").as_deref(), Some("ok\n"));
    wait_until("it is confirmed", LIMIT, || bench.phase().is_none());
    bench.site.wait_idle();
    assert_eq!(bench.disks(&["--inactive"]), ["sda scsi"]);
    assert_eq!(boots(&bench.node, &address), "4");
    bench.save().data();
}

/// A step of an operation, as its row names it, behind which the controller is killed.
const STEPS: [(&str, &[&str]); 3] = [
    ("template-bus-begin", &["rows", "plug"]),
    ("template-bus-try", &["shut down", "switch", "start", "watch"]),
    ("template-bus-undo", &["switch off", "define", "rows"]),
];

#[test]
fn row_and_machine_agree_after_a_kill_at_every_step_and_at_any_moment() {
    let mut bench = Bench::new(&empty_image());
    // Each step once more, as a kill behind it has it done.
    for (kind, steps) in STEPS {
        let request = |bench: &Bench| match kind {
            "template-bus-begin" => bench.begin("virtio"),
            "template-bus-try" => bench.try_it(),
            _ => bench.undo(),
        };
        bench.site.done(request(&bench));
        let phase = bench.phase();
        for step in steps {
            bench.server.kill();
            let again = "UPDATE operations SET state = 'running', action = ?2, finished_at = NULL \
                 WHERE id = (SELECT max(id) FROM operations WHERE kind = ?1)";
            assert_eq!(bench.database().execute(again, [kind, *step]).expect("killed"), 1);
            bench.start_again();
            bench.site.wait_idle();
            assert_eq!(bench.phase(), phase, "{kind} {step}");
            bench.assert_agreed(&format!("{kind} {step}"));
        }
    }
    killed_while_it_shuts_down(&mut bench);
    for pause in [0, 15, 30, 60, 120, 240] {
        for step in ["begin", "try", "undo"] {
            let request = match (step, bench.phase().as_deref()) {
                ("begin", None) => bench.begin("virtio"),
                ("try", Some("preparing")) => bench.try_it(),
                ("undo", Some(_)) => bench.undo(),
                _ => continue,
            };
            let asking = std::thread::spawn(move || drop(request.try_send()));
            std::thread::sleep(Duration::from_millis(pause));
            bench.server.kill();
            asking.join().expect("join");
            bench.start_again();
            bench.site.wait_idle();
            bench.assert_agreed(&format!("{step} after {pause} ms"));
        }
    }
}

/// A machine that hears nothing: the try waits for it, is killed there, goes on, and gives up with all as it was.
fn killed_while_it_shuts_down(bench: &mut Bench) {
    bench.power("start");
    bench.site.done(bench.begin("virtio"));
    let tried = bench.try_it().header("Prefer", "respond-async").send().data();
    let tried = tried["operation_uuid"].as_str().expect("an operation").to_owned();
    // Of its five seconds.
    std::thread::sleep(Duration::from_secs(1));
    bench.server.kill();
    bench.start_again();
    let end = bench.site.wait_operation(&tried);
    assert_eq!(end["state"], "failed", "{end:#}");
    bench.site.wait_idle();
    assert_eq!(bench.phase().as_deref(), Some("preparing"));
    bench.assert_agreed("shut down");
    assert_eq!(bench.node.domain_state(&bench.uuid), "running");
    bench.power("hard_stop");
    bench.site.done(bench.undo());
    bench.assert_agreed("undone");
}
