//! A template's machine goes over to another disk bus: begun, tried, confirmed or undone, and refused otherwise.

use nix::sys::signal::Signal;
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::refused::{NOTHING, auditor, refused};
use crate::support::{Answer, SMALL, Server, Site, rows, small_image, wait_until};

const TEMPLATES: &str = "/api/v1.0/education/template/";
const LOG: &str = "/api/v1.0/index/get_operation_log/";
const LIMIT: std::time::Duration = std::time::Duration::from_secs(30);

struct Bench {
    server: Server,
    site: Site,
    template: String,
}

fn path(template: &str, what: &str) -> String {
    format!("/api/v1.0/templates/{template}/bus-switch{what}")
}

impl Bench {
    /// A template of Windows, whose disk is on SATA.
    fn start() -> Self {
        Self::on(Server::start())
    }

    /// On the further node of a server whose own machine runs none.
    fn elsewhere() -> Self {
        let mut server = Server::with().nodes(1).start();
        server.stop();
        let roles = database(&server).execute("UPDATE nodes SET role = 3 WHERE is_local = 1", []);
        assert_eq!(roles.expect("as an administrator may choose"), 1);
        server.start_again();
        let admin = server.admin();
        wait_until("the other node", LIMIT, || {
            let nodes = rows(&admin.get("/api/v1.0/resource_mgr/controller_nodes").send());
            nodes.iter().all(|node| node["status"] == "active")
        });
        Self::on(server)
    }

    fn on(server: Server) -> Self {
        let site = Site::of(&server, SMALL);
        let image = site.upload("base", &small_image(&server));
        let mut bench = Self { server, site, template: String::new() };
        bench.template = bench.template("w", "Windows 10", &image);
        bench
    }

    fn template(&self, name: &str, os_type: &str, image: &str) -> String {
        let Site { pool, network, subnet, .. } = &self.site;
        let param = json!({
            "name": name, "os_type": os_type, "classify": 1, "pool_uuid": pool, "network_uuid": network,
            "subnet_uuid": subnet, "vcpu": 1, "ram": 0.5, "system_disk": {"image_id": image, "size": 1}, "data_disks": [],
        });
        let made = self.site.done(self.site.admin.action(TEMPLATES, "create", param));
        made["uuid"].as_str().expect("a uuid").to_owned()
    }

    fn post(&self, what: &str, body: Value) -> Answer {
        let answer = self.site.admin.post(&path(&self.template, what)).json(&body).send();
        self.site.wait_idle();
        answer
    }

    fn begin(&self, to: &str) -> Answer {
        self.post("", json!({"to": to}))
    }

    fn try_it(&self, minutes: i64) -> Answer {
        self.post("/try", json!({"minutes": minutes}))
    }

    fn confirm(&self) -> Answer {
        self.post("/confirm", json!({}))
    }

    fn undo(&self) -> Answer {
        let answer = self.site.admin.delete(&path(&self.template, "")).send();
        self.site.wait_idle();
        answer
    }

    fn row(&self) -> Value {
        let single = self.site.admin.get(TEMPLATES).query("searchtype", "single");
        single.query("uuid", &self.template).send().data()
    }

    fn power(&self, action: &str) {
        let param = json!({"templates": [{"name": "w", "uuid": self.template}]});
        self.site.done(self.site.admin.action(TEMPLATES, action, param));
    }

    fn hardware(&self) -> Value {
        let path = format!("/api/v1.0/templates/{}/hardware", self.template);
        self.site.admin.get(&path).send().data()
    }

    fn save(&self) -> Answer {
        let param = json!({"name": "w", "uuid": self.template});
        let answer = self.site.admin.action(TEMPLATES, "save", param).send();
        self.site.wait_idle();
        answer
    }

    /// Phase and disk bus.
    fn stands(&self) -> (Value, Value) {
        (self.row()["bus_switch"]["phase"].clone(), self.hardware()["hardware"]["disk_bus"].clone())
    }

    fn has_small_disk(&self) -> bool {
        let folder = self.server.data_here().join("storage/desktops").join(&self.template);
        folder.join("drivers.raw").exists()
    }

    /// Of the log, newest first.
    fn log(&self) -> String {
        format!("{:#?}", rows(&self.site.admin.get(LOG).query("page_size", 50).send()))
    }

    /// As if its time were over, while the server is down.
    fn miss_the_deadline(&mut self) {
        self.pass_the_deadline();
        self.is_undone();
    }

    fn pass_the_deadline(&mut self) {
        self.server.kill();
        let late = database(&self.server).execute("UPDATE bus_switches SET deadline = 1", []);
        assert_eq!(late.expect("as a killed server left it"), 1);
        self.server.start_again();
        self.site.admin = self.server.admin();
    }

    fn is_undone(&self) {
        wait_until("the end", LIMIT, || self.row()["bus_switch"].is_null());
        self.site.wait_idle();
    }
}

fn database(server: &Server) -> Connection {
    Connection::open(server.data_here().join("carrel.db")).expect("the database")
}

#[test]
fn it_is_prepared_tried_and_kept() {
    let bench = Bench::start();
    bench.begin("virtio").data();
    let row = bench.row();
    let switch = &row["bus_switch"];
    assert_eq!((&switch["from"], &switch["to"]), (&json!("sata"), &json!("virtio")));
    assert!(switch["deadline"].as_str().is_some_and(|text| text.len() > 15), "{switch}");
    assert_eq!(bench.stands(), (json!("preparing"), json!("sata")));
    assert!(bench.has_small_disk());

    // Nothing that would make a version of it, or of a machine that it has only half way.
    refused(&bench.begin("virtio"), 409, "bus-switch-under-way");
    refused(&bench.confirm(), 409, "bus-switch-not-tried");
    refused(&bench.save(), 409, "bus-switch-under-way");
    let mut hardware = bench.hardware()["hardware"].take();
    hardware["nic_model"] = json!("e1000");
    let change = format!("/api/v1.0/templates/{}/hardware", bench.template);
    let change = bench.site.admin.put(&change).json(&hardware).send();
    refused(&change, 409, "bus-switch-under-way");
    // Others may start it and rename it.
    bench.power("start");
    assert!(bench.has_small_disk());
    let rename = json!({"uuid": bench.template, "name": "w", "value": {"desc": "other"}});
    bench.site.done(bench.site.admin.put(TEMPLATES).json(&rename));

    bench.try_it(30).data();
    assert_eq!(bench.stands(), (json!("trying"), json!("virtio")));
    assert_eq!(bench.row()["power"], "running");
    assert!(!bench.has_small_disk());
    refused(&bench.try_it(30), 409, "bus-switch-tried-already");
    refused(&bench.save(), 409, "bus-switch-under-way");
    bench.confirm().data();
    assert_eq!(bench.stands(), (Value::Null, json!("virtio")));
    let row = bench.row();
    assert_eq!((&row["changed"], &row["editing"]), (&json!(true), &json!(true)));
    bench.save().data();
    assert_eq!(bench.hardware()["saved"]["disk_bus"], "virtio");
    refused(&bench.begin("virtio-scsi"), 409, "bus-switch-needless");
    let log = bench.log();
    for line in ["准备切换磁盘总线", "试启动模板", "保留新的磁盘总线"] {
        assert!(log.contains(line), "{line} in {log}");
    }
}

#[test]
fn it_is_undone_before_and_after_it_was_tried() {
    let bench = Bench::start();
    let image = bench.row()["image_id"].as_str().expect("an image").to_owned();
    bench.begin("virtio-scsi").data();
    bench.undo().data();
    assert_eq!(bench.stands(), (Value::Null, json!("sata")));
    assert!(!bench.has_small_disk());
    let row = bench.row();
    assert_eq!((&row["changed"], &row["reason"]), (&json!(false), &Value::Null));

    bench.begin("virtio-scsi").data();
    bench.try_it(1).data();
    assert_eq!(bench.stands(), (json!("trying"), json!("virtio-scsi")));
    bench.undo().data();
    assert_eq!(bench.stands(), (Value::Null, json!("sata")));
    assert_eq!(bench.row()["power"], "off");
    bench.power("start");
    bench.save().data();
    assert_eq!(bench.hardware()["saved"]["disk_bus"], "sata");

    // One that is deleted takes it along.
    bench.begin("virtio").data();
    let param = json!({"templates": [{"name": "w", "uuid": bench.template}]});
    bench.site.done(bench.site.admin.delete(TEMPLATES).json(&param));
    let again = bench.template("w", "Windows 10", &image);
    let single = bench.site.admin.get(TEMPLATES).query("searchtype", "single");
    assert!(single.query("uuid", &again).send().data()["bus_switch"].is_null());
}

#[test]
fn what_makes_no_sense_is_refused() {
    let mut bench = Bench::start();
    for to in ["sata", "ide"] {
        refused(&bench.begin(to), 400, "bus-switch-target");
    }
    bench.begin("floppy").expect_status(400);
    for missing in [bench.confirm(), bench.try_it(30), bench.undo()] {
        refused(&missing, 409, "bus-switch-none");
    }
    bench.begin("virtio").data();
    for minutes in [0, 1441] {
        refused(&bench.try_it(minutes), 400, "bus-switch-minutes");
    }
    bench.try_it(-1).expect_status(400);
    let auditor = auditor(&bench.server);
    auditor.delete(&path(&bench.template, "")).send().expect_status(403);
    assert_eq!(bench.stands(), (json!("preparing"), json!("sata")));
    bench.template = NOTHING.to_owned();
    for answer in [bench.begin("virtio"), bench.try_it(1), bench.confirm(), bench.undo()] {
        refused(&answer, 404, "template-unknown");
    }
}

#[test]
fn what_nobody_says_in_time_is_undone_also_when_the_server_was_down() {
    let mut bench = Bench::start();
    bench.begin("virtio").data();
    bench.miss_the_deadline();
    assert_eq!(bench.stands(), (Value::Null, json!("sata")));
    assert!(!bench.has_small_disk());
    let reason = bench.row()["reason"].to_string();
    assert!(reason.contains("一周内无人继续"), "{reason}");

    bench.begin("virtio").data();
    bench.try_it(60).data();
    bench.miss_the_deadline();
    assert_eq!(bench.stands(), (Value::Null, json!("sata")));
    let row = bench.row();
    assert_eq!(row["power"], "off");
    assert!(row["reason"].to_string().contains("未能按时从 virtio 启动"), "{row:#}");
    assert_eq!(bench.log().matches("未按时完成磁盘总线切换").count(), 2);
}

#[test]
fn a_node_that_goes_in_the_middle_has_it_whole_or_undone_when_it_is_back() {
    const OTHER: usize = 2;
    let mut bench = Bench::elsewhere();
    let prepared = (json!("preparing"), json!("sata"));
    bench.begin("virtio").data();
    let folder = bench.server.agent(OTHER).storage().join("desktops").join(&bench.template);
    assert!(folder.join("drivers.raw").exists(), "on the other node");
    let up = |bench: &Bench| {
        wait_until("a template that can be used", LIMIT, || {
            bench.site.wait_idle();
            bench.row()["status"] != "error"
        });
    };

    // It hangs just then: nothing is switched, and what was begun is taken back as soon as it hears.
    bench.server.agent(OTHER).signal(Signal::SIGSTOP);
    let body = json!({"minutes": 60});
    let begun = bench.site.admin.post(&path(&bench.template, "/try")).json(&body).send();
    wait_until("it gives up", LIMIT, || {
        let newest = rows(&bench.site.admin.get("/api/v1.0/operations").send()).remove(0);
        newest["stuck"].is_object() || newest["state"] == "failed"
    });
    bench.server.agent(OTHER).signal(Signal::SIGCONT);
    up(&bench);
    assert_eq!(bench.stands(), prepared, "{}", begun.body);

    // One that is known to be away is told at once.
    bench.server.agent(OTHER).kill();
    wait_until("it is missed", LIMIT, || {
        [bench.try_it(60), bench.undo()]
            .iter()
            .all(|answer| answer.json()["data"]["error"] == "node-unreachable")
    });
    assert_eq!(bench.stands(), prepared);
    bench.server.agent(OTHER).start_again();
    up(&bench);
    wait_until("it is tried", LIMIT, || bench.try_it(60).json()["code"] == 0);
    assert_eq!(bench.stands(), (json!("trying"), json!("virtio")));

    // Its time passes while it is away: undone when it is back.
    bench.server.agent(OTHER).kill();
    bench.pass_the_deadline();
    assert_eq!(bench.stands(), (json!("trying"), json!("virtio")));
    bench.server.agent(OTHER).start_again();
    bench.is_undone();
    assert_eq!(bench.stands(), (Value::Null, json!("sata")));
    assert!(!folder.join("drivers.raw").exists());
    bench.begin("virtio").data();
    bench.undo().data();
}
