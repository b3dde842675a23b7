//! Guests that do not hear the power button: a stop asks, and only the plug ends them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::story::{
    BOOT, INSTANCES, STATUS, TEMPLATES, act, boots, desktops_of, group_param, instance_param,
    leave_mark, reason, text, wait_status,
};
use crate::support::{Client, LabNode, Server, Site, guest_image, rows, wait_until};

const GROUPS: &str = "/api/v1.0/education/desktop/";
const LOG: &str = "/api/v1.0/index/get_operation_log/";
/// What the server is told to give a guest.
const PATIENCE: &str = "12";

struct Deaf {
    node: std::sync::Arc<LabNode>,
    server: Server,
    site: Site,
    template: String,
    group: String,
}

impl Deaf {
    fn start(count: u32) -> Self {
        let node = LabNode::up();
        let server = Server::with().env("CARREL_SHUTDOWN_SECONDS", PATIENCE).on(&node).start();
        let site = Site::of_default(&server);
        let image = site.upload("tiny", &guest_image());
        let template = site.template("tiny", &image);
        let classroom = site.classroom("room");
        let group = site.deploy("pc", &classroom, &template, count);
        let value = json!({"sys_restore": 0, "data_restore": 0});
        let body = json!({"uuid": group, "name": "pc", "value": value});
        site.done(site.admin.put(GROUPS).json(&body));
        act(&site.admin, GROUPS, "start", "vdi.edu-desktops.start", group_param(&group, "pc"));
        Self { node, server, site, template, group }
    }

    fn desktops(&self) -> Vec<Value> {
        desktops_of(&self.site.admin, &self.group)
    }

    fn row(&self, desktop: &Value) -> Value {
        let found = self.desktops().into_iter().find(|row| row["uuid"] == desktop["uuid"]);
        found.expect("its row")
    }

    /// From now on the guest at this address does not hear its power button.
    #[track_caller]
    fn deafen(&self, address: &str) {
        self.node.guest_status(address, "boots", BOOT);
        assert_eq!(self.node.ask_guest(address, "deaf").as_deref(), Some("ok\n"));
    }

    fn one(&self, desktop: &Value) -> Value {
        instance_param(&self.group, "pc", &[desktop])
    }
}

fn english(admin: &Client) -> Client {
    admin.with_header("Accept-Language", "en")
}

#[test]
fn a_desktop_that_does_not_obey_goes_on_and_is_told() {
    let deaf = Deaf::start(2);
    let (admin, node) = (english(&deaf.site.admin), &deaf.node);
    let desktops = deaf.desktops();
    let (stubborn, good) = (&desktops[0], &desktops[1]);
    let address = text(stubborn, "ipaddr");
    deaf.deafen(&address);
    node.guest_status(&text(good, "ipaddr"), "boots", BOOT);

    // Counts, within the wait of the answer.
    let answer = admin.action(GROUPS, "stop", group_param(&deaf.group, "pc")).send().data();
    assert_eq!((&answer["success_num"], &answer["failed_num"]), (&json!(1), &json!(1)), "{answer}");
    assert_eq!(answer["operation_state"], "partly");
    assert_eq!(answer["failed"][0]["uuid"], stubborn["uuid"], "{answer}");
    let why = answer["failed"][0]["reason"].as_str().expect("a reason");
    assert!(why.contains("still runs after 12 seconds"), "{why}");
    let row = deaf.row(stubborn);
    assert_eq!((&row["status"], &row["disobeyed"]), (&json!("active"), &json!(true)), "{row:#}");
    assert_eq!(row["stopping"], false);
    assert_eq!(node.domain_state(&text(stubborn, "uuid")), "running");
    wait_status(&admin, &deaf.group, good, "inactive");
    assert_eq!(reason(&admin, &deaf.group, good), "It was shut down by Carrel.");

    // Nor is it cut off by a reboot.
    let refused = admin.action(INSTANCES, "reboot", deaf.one(stubborn)).send();
    assert!(refused.body.contains("still runs after 12 seconds"), "{}", refused.body);
    assert_eq!(boots(node, &address), "1");

    // Its agent is asked too, and first.
    assert_eq!(node.ask_guest(&address, "agent").as_deref(), Some("ok\n"));
    let connected =
        || node.virsh(&["dumpxml", &text(stubborn, "uuid")]).contains("state='connected'");
    wait_until("libvirt knows of the agent", STATUS, connected);
    act(&admin, INSTANCES, "stop", "vdi.edu-instances.stop", deaf.one(stubborn));
    assert_eq!(deaf.row(stubborn)["status"], "inactive");
    assert_eq!(reason(&admin, &deaf.group, stubborn), "It was shut down by Carrel.");
}

#[test]
fn only_the_plug_ends_a_guest_that_does_not_obey() {
    let deaf = Deaf::start(1);
    let (admin, node) = (english(&deaf.site.admin), &deaf.node);
    let stubborn = deaf.desktops().remove(0);
    deaf.deafen(&text(&stubborn, "ipaddr"));

    // While it is waited for it is shown as shutting down.
    let stop = admin.action(INSTANCES, "stop", deaf.one(&stubborn));
    let uuid = stop.header("Prefer", "respond-async").send().data()["operation_uuid"].clone();
    assert_eq!(deaf.row(&stubborn)["stopping"], true);
    let end = deaf.site.wait_operation(uuid.as_str().expect("an operation"));
    assert_eq!(end["state"], "failed", "{end:#}");
    assert_eq!(deaf.row(&stubborn)["disobeyed"], true);

    // What obeys late was asked by Carrel.
    node.ask_guest(&text(&stubborn, "ipaddr"), "poweroff");
    wait_status(&admin, &deaf.group, &stubborn, "inactive");
    assert_eq!(reason(&admin, &deaf.group, &stubborn), "It was shut down by Carrel.");

    act(&admin, INSTANCES, "start", "vdi.edu-instances.start", deaf.one(&stubborn));
    assert_eq!(deaf.row(&stubborn)["disobeyed"], false);
    deaf.deafen(&text(&stubborn, "ipaddr"));
    let group = group_param(&deaf.group, "pc");
    deaf.site.done(admin.action(GROUPS, "hard_stop", group));
    assert_eq!(deaf.row(&stubborn)["status"], "inactive");
    let cut = reason(&admin, &deaf.group, &stubborn);
    assert!(cut.starts_with("It was switched off at once by Carrel"), "{cut}");
    let log = admin.get(LOG).query("page_size", 100).send();
    let cuts = rows(&log).into_iter().filter(|row| row.to_string().contains("at once: pc"));
    assert_eq!(cuts.count(), 1, "{}", log.body);

    // Nor is a restart forgotten that is obeyed late.
    act(&admin, INSTANCES, "start", "vdi.edu-instances.start", deaf.one(&stubborn));
    deaf.deafen(&text(&stubborn, "ipaddr"));
    admin.action(INSTANCES, "reboot", deaf.one(&stubborn)).send().refusal();
    node.ask_guest(&text(&stubborn, "ipaddr"), "poweroff");
    wait_status(&admin, &deaf.group, &stubborn, "inactive");
    assert_eq!(reason(&admin, &deaf.group, &stubborn), "It was shut down by Carrel.");

    // A deletion asks nobody.
    act(&admin, INSTANCES, "start", "vdi.edu-instances.start", deaf.one(&stubborn));
    deaf.deafen(&text(&stubborn, "ipaddr"));
    deaf.site.done(admin.delete(INSTANCES).json(&deaf.one(&stubborn)));
    assert!(deaf.desktops().is_empty());
}

#[test]
fn a_template_that_does_not_obey_goes_on_until_it_is_cut_off_or_saved() {
    let deaf = Deaf::start(1);
    let (admin, node) = (english(&deaf.site.admin), &deaf.node);
    let row = || {
        let page = admin.get(TEMPLATES).query("searchtype", "single");
        page.query("uuid", &deaf.template).send().data()
    };
    let edit = json!({"name": "tiny", "uuid": deaf.template});
    let batch = json!({"templates": [{"name": "tiny", "uuid": deaf.template}]});
    deaf.site.done(admin.action(TEMPLATES, "edit", edit.clone()));
    let address = text(&row(), "bind_ip");
    deaf.deafen(&address);
    let refused = admin.action(TEMPLATES, "stop", batch.clone()).send();
    assert!(refused.body.contains("still runs after 12 seconds"), "{}", refused.body);
    assert_eq!(row()["status"], "active");
    assert_eq!(node.domain_state(&deaf.template), "running");

    deaf.site.done(admin.action(TEMPLATES, "hard_stop", batch));
    wait_until("it is off", STATUS, || row()["status"] == "inactive");
    let why = text(&row(), "reason");
    assert!(why.starts_with("It was switched off at once"), "{why}");

    let patience = json!({"shutdown_seconds": 5});
    admin.put("/api/v1.0/settings").json(&patience).send().data();
    a_save_holds_file_systems_or_lets_them_go(&deaf, &admin, &address);

    // What is saved is ended first, with or without its consent; one without an agent knows nothing of it.
    deaf.site.done(admin.action(TEMPLATES, "edit", edit.clone()));
    deaf.deafen(&address);
    deaf.site.done(admin.action(TEMPLATES, "save", edit));
    deaf.site.wait_idle();
    assert!(deaf.server.log().matching("do not obey are cut off").len() == 2);
    let cut = logged(&admin, "before saving, since its guest did not shut down in time: ");
    assert_eq!((cut.len(), &cut[0]["user_name"]), (1, &json!("admin")), "{cut:#?}");
}

/// Its agent refuses to shut down and does all else: a save has it hold its file systems, and lets them go when somebody
/// thinks better of it.
fn a_save_holds_file_systems_or_lets_them_go(deaf: &Deaf, admin: &Client, address: &str) {
    let (node, edit) = (&deaf.node, json!({"name": "tiny", "uuid": deaf.template}));
    deaf.site.done(admin.action(TEMPLATES, "edit", edit.clone()));
    deaf.deafen(address);
    assert_eq!(node.ask_guest(address, "agent?proud").as_deref(), Some("ok\n"));
    let connected = || node.virsh(&["dumpxml", &deaf.template]).contains("state='connected'");
    wait_until("libvirt knows of the agent", STATUS, connected);
    let frozen = |what: &str| node.ask_guest(address, "frozen").is_some_and(|is| is == what);
    let save = admin.action(TEMPLATES, "save", edit.clone()).header("Prefer", "respond-async");
    let save = save.send().data()["operation_uuid"].clone();
    wait_until("its file systems are held", BOOT, || frozen("yes\n"));
    let cancel = admin.action("/api/v1.0/operations", "cancel", json!({"uuid": save}));
    cancel.send().data();
    let end = deaf.site.wait_operation(save.as_str().expect("an operation"));
    assert_eq!(end["state"], "cancelled", "{end:#}");
    wait_until("its file systems are let go", BOOT, || frozen("no\n"));
    assert_eq!(node.domain_state(&deaf.template), "running");
    assert!(logged(admin, "before saving").is_empty());

    leave_mark(node, address, "thawed");
    let before = layers(node);
    deaf.site.done(admin.action(TEMPLATES, "save", edit));
    deaf.site.wait_idle();
    let held = logged(admin, "had written out its file systems");
    assert_eq!((held.len(), &held[0]["user_name"]), (1, &json!("admin")), "{held:#?}");
    let after = layers(node);
    let new: Vec<_> = after.iter().filter(|layer| !before.contains(*layer)).collect();
    assert!(new.iter().any(|layer| holds(layer, b"frozen  ")), "{new:?}");
}

fn logged(admin: &Client, said: &str) -> Vec<Value> {
    let log = rows(&admin.get(LOG).query("page_size", 100).send());
    log.into_iter().filter(|row| row.to_string().contains(said)).collect()
}

/// The files of templates' versions.
fn layers(node: &LabNode) -> BTreeSet<PathBuf> {
    let folder = node.data_here().join("storage/templates");
    let files = fs::read_dir(&folder).expect("templates").map(|file| file.expect("a file").path());
    files.collect()
}

fn holds(file: &Path, words: &[u8]) -> bool {
    fs::read(file).expect("a layer").windows(words.len()).any(|part| part == words)
}
