//! Versions of templates: their history, the way back to an older one, and removing them.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use serde_json::{Value, json};

use crate::images::image_file;
use crate::refused::{NOTHING, needs_a_right, refused};
use crate::save::{qemu_io, working_disk};
use crate::support::{Answer, SMALL, Server, Site, rows, wait_until};
use crate::three_nodes::{all_active, template_on};

const TEMPLATES: &str = "/api/v1.0/education/template/";
const LIMIT: Duration = Duration::from_secs(60);
/// Ways back that are killed.
const KILLS: u32 = 6;

struct Bench {
    server: Server,
    site: Site,
    template: String,
}

impl Bench {
    fn start() -> Self {
        let server = Server::start();
        let site = Site::of(&server, SMALL);
        let image = site.upload("base", &image_file(&server, "image.qcow2", "64M"));
        let template = site.template("t", &image);
        Self { server, site, template }
    }

    fn path(&self) -> String {
        format!("/api/v1.0/templates/{}/versions", self.template)
    }

    fn disk(&self) -> PathBuf {
        working_disk(&self.server.data_here().join("storage"), &self.template)
    }

    fn write(&self, pattern: u8) {
        qemu_io(&self.disk(), &format!("write -P {pattern} 0 64k"));
    }

    #[track_caller]
    fn holds(&self, pattern: u8) {
        qemu_io(&self.disk(), &format!("read -P {pattern} 0 64k"));
    }

    /// Saves what is in the working disk, with this note.
    fn save(&self, note: &str) {
        let param = json!({"name": "t", "uuid": self.template, "note": note});
        self.site.done(self.site.admin.action(TEMPLATES, "save", param));
    }

    fn revert(&self, version: Value) -> Answer {
        self.site.admin.post(&self.path()).json(&json!({"version": version, "note": "back"})).send()
    }

    fn remove(&self, versions: Value) -> Answer {
        self.site.admin.delete(&self.path()).json(&json!({"versions": versions})).send()
    }

    fn history(&self) -> Vec<Value> {
        let history = self.site.admin.get(&self.path()).send().data();
        history.as_array().expect("versions").clone()
    }

    fn numbers(&self) -> Vec<u64> {
        self.history().iter().map(|one| one["version"].as_u64().expect("number")).collect()
    }

    fn row(&self) -> Value {
        let single = self.site.admin.get(TEMPLATES).query("searchtype", "single");
        single.query("uuid", &self.template).send().data()
    }

    fn database(&self) -> Connection {
        Connection::open(self.server.data_here().join("carrel.db")).expect("the database")
    }

    /// Layers of the template by its rows, and those that have a file.
    fn layers(&self) -> (usize, usize) {
        let database = self.database();
        let mut statement = database.prepare("SELECT uuid FROM template_layers").expect("prepare");
        let uuids = statement.query_map([], |row| row.get::<_, String>(0)).expect("query");
        let uuids: Vec<String> = uuids.collect::<Result<_, _>>().expect("read");
        let folder = self.server.data_here().join("storage/templates");
        let there = uuids.iter().filter(|uuid| folder.join(format!("{uuid}.qcow2")).exists());
        (uuids.len(), there.count())
    }

    /// Versions 2 and 3, which hold 2 and 3.
    fn with_three_versions() -> Self {
        let bench = Self::start();
        bench.write(2);
        bench.save("two\nand more");
        bench.write(3);
        bench.save("");
        bench
    }
}

#[test]
fn the_way_back_makes_a_new_version_and_loses_none() {
    let bench = Bench::with_three_versions();
    let admin = &bench.site.admin;
    let classroom = bench.site.classroom("room");
    let group = bench.site.deploy("pc", &classroom, &bench.template, 2);
    bench.holds(3);
    assert!(bench.revert(json!(2)).data()["operation_uuid"].is_string());
    bench.site.wait_idle();
    bench.holds(2);
    let row = bench.row();
    assert_eq!((&row["version"], &row["status"]), (&json!(4), &json!("inactive")), "{row:#}");
    assert_eq!((&row["changed"], &row["outdated_count"]), (&json!(false), &json!(2)), "{row:#}");

    let history = bench.history();
    assert_eq!(bench.numbers(), [4, 3, 2, 1]);
    let field = |name: &str| history.iter().map(|one| one[name].clone()).collect::<Vec<_>>();
    assert_eq!(field("origin"), [json!(2), Value::Null, Value::Null, Value::Null]);
    assert_eq!(field("note"), ["back", "", "two\nand more", ""]);
    assert_eq!(field("author"), ["admin", "admin", "admin", "admin"]);
    assert_eq!(field("newest"), [true, false, false, false]);
    assert_eq!(field("desktop_count"), [0, 2, 0, 0]);
    assert_eq!(history[1]["groups"], json!([{"uuid": group, "name": "pc", "desktops": 2}]));
    let used: Vec<u64> = history.iter().map(|one| one["used"].as_u64().expect("bytes")).collect();
    assert!(used[1] > 64 << 10 && used[2] > 64 << 10, "what was written: {used:?}");
    // Two is below the newest one; nothing stands on three but desktops.
    assert_eq!(history[2]["frees"], 0);
    assert_eq!(history[1]["frees"], history[1]["used"]);

    // Desktops get it at their next start, and say so until then.
    let all = "/api/v1.0/desktops";
    assert_eq!(rows(&admin.get(all).query("outdated", 1).send()).len(), 2);
    let desktop = rows(&admin.get(all).send())[0].clone();
    assert_eq!((&desktop["template_version"], &desktop["newest_version"]), (&json!(3), &json!(4)));
    let group_row = rows(&admin.get("/api/v1.0/education/desktop/").send())[0].clone();
    let told = (&group_row["template_version"], &group_row["outdated_count"]);
    assert_eq!(told, (&json!(4), &json!(2)));
    bench.site.group_action("start", &group, "pc");
    assert_eq!(rows(&admin.get(all).query("outdated", 1).send()).len(), 0);
    let overlay = working_disk(
        &bench.server.data_here().join("storage"),
        desktop["uuid"].as_str().expect("uuid"),
    );
    qemu_io(&overlay, "read -P 2 0 64k");
    assert_eq!(bench.history()[0]["desktop_count"], 2);

    // And forward again.
    bench.revert(json!(3)).data();
    bench.site.wait_idle();
    bench.holds(3);
    assert_eq!(bench.numbers(), [5, 4, 3, 2, 1]);
    let log = admin.get("/api/v1.0/index/get_operation_log/").header("Accept-Language", "en");
    let log = log.query("page_size", 100).send();
    assert!(log.body.contains("Go back to an older version of template t"), "{}", log.body);
}

#[test]
fn a_bad_way_back_changes_nothing() {
    let bench = Bench::with_three_versions();
    let before = (bench.history(), bench.layers(), bench.row());
    refused(&bench.revert(json!(9)), 404, "template-version-unknown");
    refused(&bench.revert(json!(0)), 404, "template-version-unknown");
    refused(&bench.revert(json!(3)), 409, "template-version-newest");
    for wrong in [json!(-1), json!("two"), json!(1.5), json!(null)] {
        bench.revert(wrong).expect_status(400);
    }
    let admin = &bench.site.admin;
    let long = json!({"version": 1, "note": "x".repeat(1001)});
    refused(&admin.post(&bench.path()).json(&long).send(), 400, "text-too-long");
    let note = json!({"name": "t", "uuid": bench.template, "note": "x".repeat(1001)});
    refused(&admin.action(TEMPLATES, "save", note).send(), 400, "text-too-long");
    refused(&bench.remove(json!([3])), 409, "template-version-newest");
    refused(&bench.remove(json!([1, 9])), 404, "template-version-unknown");
    refused(&bench.remove(json!([])), 400, "batch-empty");
    let other = format!("/api/v1.0/templates/{NOTHING}/versions");
    refused(&admin.get(&other).send(), 404, "template-unknown");
    refused(&admin.post(&other).json(&json!({"version": 1})).send(), 404, "template-unknown");
    refused(&admin.delete(&other).json(&json!({"versions": [1]})).send(), 404, "template-unknown");
    admin.get("/api/v1.0/templates/none/versions").send().expect_status(400);
    let auditor = crate::refused::auditor(&bench.server);
    needs_a_right(&auditor, "POST", &bench.path());
    needs_a_right(&auditor, "DELETE", &bench.path());
    assert_eq!(auditor.get(&bench.path()).send().data(), json!(bench.history()));
    assert_eq!((bench.history(), bench.layers(), bench.row()), before);

    // What was edited is not thrown away.
    let act = |action: &str| {
        let param = match action {
            "edit" => json!({"uuid": bench.template, "name": "t"}),
            _ => json!({"templates": [{"uuid": bench.template, "name": "t"}]}),
        };
        bench.site.done(admin.action(TEMPLATES, action, param));
    };
    act("edit");
    wait_until("it runs", LIMIT, || bench.row()["status"] == "active");
    refused(&bench.revert(json!(1)), 409, "template-must-be-off");
    act("hard_stop");
    wait_until("it is off", LIMIT, || bench.row()["status"] == "inactive");
    refused(&bench.revert(json!(1)), 409, "template-not-saved");
    bench.holds(3);
    bench.save("edited");
    bench.revert(json!(1)).data();
    bench.site.wait_idle();
    bench.holds(0);
}

#[test]
fn a_removed_version_gives_back_what_nothing_stands_on() {
    let bench = Bench::with_three_versions();
    let classroom = bench.site.classroom("room");
    bench.site.deploy("pc", &classroom, &bench.template, 1);
    bench.revert(json!(1)).data();
    bench.site.wait_idle();
    // 3 is what the desktop stands on, 2 is below it; 4 stands on 1.
    assert_eq!((bench.numbers(), bench.layers()), (vec![4, 3, 2, 1], (4, 4)));
    bench.remove(json!([2, 3])).data();
    let left = bench.history();
    let removed: Vec<&Value> = left.iter().map(|one| &one["removed"]).collect();
    assert_eq!(
        (bench.numbers(), removed),
        (vec![4, 3, 1], vec![&json!(false), &json!(true), &json!(false)])
    );
    refused(&bench.revert(json!(3)), 404, "template-version-unknown");
    // The desktop keeps it until it is made anew.
    let desktop = rows(&bench.site.admin.get("/api/v1.0/desktops").send())[0].clone();
    let uuid = desktop["uuid"].as_str().expect("uuid");
    qemu_io(&working_disk(&bench.server.data_here().join("storage"), uuid), "read -P 3 0 64k");
    assert_eq!(bench.layers(), (4, 4));
    let group = desktop["desktop_uuid"].as_str().expect("uuid");
    bench.site.group_action("start", group, "pc");
    bench.remove(json!([1])).data();
    wait_until("the layers are gone", LIMIT, || bench.layers() == (2, 2));
    assert_eq!(bench.numbers(), [4]);
    bench.holds(0);
}

/// Killed at whatever moment, the way back is finished by the next start, or was not begun.
#[test]
fn a_way_back_that_is_killed_comes_to_its_end() {
    let mut bench = Bench::with_three_versions();
    for number in 0..KILLS {
        let (admin, path) = (bench.site.admin.clone(), bench.path());
        let newest = bench.row()["version"].as_u64().expect("number");
        let origin = if number % 2 == 0 { 2 } else { 3 };
        let asking = std::thread::spawn(move || {
            let ask = admin.post(&path).json(&json!({"version": origin}));
            drop(ask.header("Prefer", "respond-async").try_send());
        });
        let database = bench.database();
        let until = Instant::now() + LIMIT;
        let begun = "SELECT count(*) FROM operations WHERE kind = 'template-revert' AND finished_at IS NULL \
             AND (action > ?1 OR action <> 'begin')";
        let is_begun =
            || database.query_row(begun, [""], |row| row.get::<_, i64>(0)).is_ok_and(|n| n > 0);
        while !is_begun() && !asking.is_finished() {
            assert!(Instant::now() < until, "it never began");
            std::thread::yield_now();
        }
        // Later each time.
        for _ in 0..number * 40 {
            let _asked = is_begun();
        }
        bench.server.kill();
        asking.join().expect("join");
        drop(database);
        bench.server.start_again();
        bench.site.admin = bench.server.admin();
        bench.site.wait_idle();
        let row = bench.row();
        assert_eq!(row["status"], "inactive", "{row:#}");
        match row["version"].as_u64() {
            Some(version) if version == newest + 1 => bench.holds(origin),
            Some(version) => assert_eq!(version, newest, "not begun"),
            None => panic!("{row:#}"),
        }
        let layers = bench.layers();
        assert_eq!(layers.0, layers.1, "each layer has its file");
        assert_eq!(layers.0 as u64, row["version"].as_u64().expect("number"), "and no other");
    }
}

/// Abandoned while its node is away, when the working disk stands on the new version already: what is forgotten then
/// would be below it.
#[test]
fn an_abandoned_way_back_comes_to_its_end_when_the_node_is_back() {
    let mut server = Server::with().nodes(1).start();
    let mut site = Site::of(&server, SMALL);
    all_active(&site.admin, 2);
    let image = site.upload("base", &image_file(&server, "image.qcow2", "64M"));
    let template = template_on(&server, &site, "node2", "t", &image);
    let storage = server.agent(2).storage().to_owned();
    let holds = |pattern: u8| {
        qemu_io(&working_disk(&storage, &template), &format!("read -P {pattern} 0 64k"));
    };
    let path = format!("/api/v1.0/templates/{template}/versions");
    let save = || json!({"name": "t", "uuid": template});
    let machine = format!("/api/v1.0/templates/{template}/hardware");
    let mut other = site.admin.get(&machine).send().data()["hardware"].clone();
    other["sound"] = json!("ac97");
    site.admin.put(&machine).json(&other).send().data();
    qemu_io(&working_disk(&storage, &template), "write -P 2 0 64k");
    site.done(site.admin.action(TEMPLATES, "save", save()));
    let back = site.done(site.admin.post(&path).json(&json!({"version": 1})));
    holds(0);
    // As a kill leaves it before the new version is told; and then the node does not come back.
    server.kill();
    server.agent(2).kill();
    let database = Connection::open(server.data_here().join("carrel.db")).expect("the database");
    let behind = "UPDATE operations SET state = 'running', action = 'publish', finished_at = NULL \
         WHERE kind = 'template-revert'; UPDATE templates SET state = 'updating', version = 2; \
         DELETE FROM template_versions WHERE version = 3";
    database.execute_batch(behind).expect("as it was");
    server.start_again();
    site.admin = server.admin();
    let uuid = back["operation_uuid"].as_str().expect("an operation");
    let operation = |action: &str| {
        site.admin.action("/api/v1.0/operations", action, json!({"uuid": uuid})).send()
    };
    wait_until("the undo to be stuck", LIMIT, || operation("abandon").status == 200);
    let end = site.wait_operation(uuid);
    assert_eq!(end["state"], "failed", "{end:#}");
    let row = || {
        let single = site.admin.get(TEMPLATES).query("searchtype", "single");
        single.query("uuid", &template).header("Accept-Language", "en").send().data()
    };
    assert_eq!(row()["status"], "error", "{:#}", row());
    let reason = row()["reason"].as_str().expect("a reason").to_owned();
    assert!(reason.contains("when the node is back"), "{reason}");
    refused(
        &site.admin.post(&path).json(&json!({"version": 1})).send(),
        409,
        "template-revert-abandoned",
    );

    server.agent(2).start_again();
    wait_until("the template to be good again", LIMIT, || row()["status"] == "inactive");
    holds(2);
    assert_eq!(row()["version"], 2);
    // Its machine, too, is that of the version that its disks are of.
    assert_eq!(site.admin.get(&machine).send().data()["hardware"]["sound"], "ac97");
    let layers = "SELECT count(*) FROM template_layers";
    let layers: i64 = database.query_row(layers, [], |row| row.get(0)).expect("layers");
    let files = std::fs::read_dir(storage.join("templates")).expect("templates").flatten();
    let files = files.filter(|file| file.path().extension().is_some_and(|end| end == "qcow2"));
    assert_eq!((layers, files.count()), (2, 2), "and the new layer is gone");
    site.done(site.admin.post(&path).json(&json!({"version": 1})));
    holds(0);
}
