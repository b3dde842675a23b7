//! Guests that do not hear the power button: a stop asks, and only the plug ends them.

use serde_json::{Value, json};

use crate::story::{
    BOOT, INSTANCES, STATUS, TEMPLATES, act, boots, desktops_of, group_param, instance_param,
    reason, text, wait_status,
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

    // What is saved is ended first, with or without its consent.
    deaf.site.done(admin.action(TEMPLATES, "edit", edit.clone()));
    deaf.deafen(&address);
    deaf.site.done(admin.action(TEMPLATES, "save", edit));
    deaf.site.wait_idle();
    assert_eq!(row()["status"], "inactive");
    assert!(deaf.server.log().matching("do not obey are cut off").len() == 1);
    let log = admin.get(LOG).query("page_size", 100).send();
    let said = |row: &Value| row.to_string().contains("Switched off at once before saving");
    let cuts: Vec<Value> = rows(&log).into_iter().filter(said).collect();
    assert_eq!(cuts.len(), 1, "{}", log.body);
    assert_eq!(cuts[0]["user_name"], "admin", "{}", cuts[0]);
}
