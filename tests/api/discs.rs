//! ISOs in the CD drives of templates, and templates that are installed from one.

use std::time::Duration;

use serde_json::{Value, json};

use crate::refused::{NOTHING, auditor, refused};
use crate::support::{
    Answer, ISOS, SMALL, Server, Site, assert_json, iso, rows, small_image, uuid_of,
};

const TEMPLATES: &str = "/api/v1.0/education/template/";

struct Bench {
    server: Server,
    site: Site,
    template: String,
    /// Installer, drivers and tools.
    isos: [String; 3],
}

impl Bench {
    fn start() -> Self {
        let server = Server::start();
        let site = Site::of(&server, SMALL);
        let image = site.upload("base", &small_image(&server));
        let template = site.template("t", &image);
        let cd = iso(&server, "setup.exe", b"installs");
        let isos = ["installer", "drivers", "tools"].map(|name| site.upload_iso(name, &cd));
        Self { server, site, template, isos }
    }

    fn act(&self, action: &str, fields: Value) -> Answer {
        let mut param = json!({"uuid": self.template, "name": "t"});
        let fields = fields.as_object().expect("fields").clone();
        param.as_object_mut().expect("fields").extend(fields);
        let answer = self.site.admin.action(TEMPLATES, action, param).send();
        self.site.wait_idle();
        answer
    }

    fn attach(&self, iso: &str) -> Answer {
        self.act("attach_source", json!({"iso_uuid": iso}))
    }

    fn row(&self, template: &str) -> Value {
        let single = self.site.admin.get(TEMPLATES).query("searchtype", "single");
        single.query("uuid", template).send().data()
    }

    /// Drives and the names of what is in them.
    fn discs(&self) -> Vec<(i64, String)> {
        let row = self.row(&self.template);
        let discs = row["discs"].as_array().expect("discs").iter();
        let disc = |disc: &Value| {
            (
                disc["drive"].as_i64().expect("a drive"),
                disc["name"].as_str().expect("a name").into(),
            )
        };
        discs.map(disc).collect()
    }
}

#[test]
fn two_isos_are_put_in_and_taken_out_while_it_is_off_and_while_it_runs() {
    let bench = Bench::start();
    let [installer, drivers, tools] = &bench.isos;
    bench.attach(installer).documented("vdi.templates.attach-source");
    bench.attach(drivers).data();
    assert_eq!(bench.discs(), [(0, "installer".to_owned()), (1, "drivers".to_owned())]);
    refused(&bench.attach(tools), 409, "drives-full");
    refused(&bench.attach(installer), 409, "disc-in-drive");

    // Deleting is refused by the name of who has it.
    let delete = |iso: &str| bench.site.admin.delete(ISOS).json(&json!({"uuids": [iso]})).send();
    let sentence = refused(&delete(installer), 409, "iso-in-use");
    assert!(sentence.contains("：t。"), "{sentence}");

    let start = json!({"templates": [{"name": "t", "uuid": bench.template}]});
    bench.site.done(bench.site.admin.action(TEMPLATES, "start", start));
    let edit = bench.act("edit", json!({})).data();
    assert_eq!(edit["attach"], json!(installer));
    let out = bench.act("detach_source", json!({"iso_uuid": installer}));
    out.documented("vdi.templates.detach-source");
    bench.attach(tools).data();
    assert_eq!(bench.discs(), [(0, "tools".to_owned()), (1, "drivers".to_owned())]);
    delete(installer).data();
    // Without an ISO named all come out.
    bench.act("detach_source", json!({})).data();
    assert!(bench.discs().is_empty());
    refused(&bench.act("detach_source", json!({})), 409, "drives-empty");
    delete(drivers).data();
}

#[test]
fn what_cannot_be_put_in_is_refused_and_changes_nothing() {
    let bench = Bench::start();
    let [installer, drivers, _] = &bench.isos;
    refused(&bench.attach(NOTHING), 404, "iso-unknown");
    let image = bench.row(&bench.template)["image_id"].as_str().expect("an image").to_owned();
    refused(&bench.attach(&image), 404, "iso-unknown");
    refused(&bench.act("attach_source", json!({})), 400, "field-missing");
    bench.attach(installer).data();
    let other = bench.act("detach_source", json!({"iso_uuid": drivers}));
    refused(&other, 409, "disc-not-in-drive");
    let param = json!({"uuid": NOTHING, "name": "n", "iso_uuid": installer});
    let nowhere = bench.site.admin.action(TEMPLATES, "attach_source", param.clone()).send();
    refused(&nowhere, 404, "template-unknown");
    let auditor = auditor(&bench.server);
    for action in ["attach_source", "detach_source"] {
        let answer = auditor.action(TEMPLATES, action, param.clone()).send();
        refused(&answer, 403, "permission-missing");
    }
    assert_eq!(bench.discs(), [(0, "installer".to_owned())]);

    // Its file was deleted by hand: it does not go in, and what has it does not start, but it comes out.
    let row =
        bench.site.admin.get(ISOS).query("searchtype", "single").query("uuid", drivers).send();
    std::fs::remove_file(row.data()["path"].as_str().expect("a path")).expect("remove");
    refused(&bench.attach(drivers), 409, "iso-copy-lost");
    assert_eq!(bench.discs(), [(0, "installer".to_owned())]);
    let row =
        bench.site.admin.get(ISOS).query("searchtype", "single").query("uuid", installer).send();
    std::fs::remove_file(row.data()["path"].as_str().expect("a path")).expect("remove");
    let start = json!({"templates": [{"name": "t", "uuid": bench.template}]});
    let started = bench.site.admin.action(TEMPLATES, "start", start.clone()).send();
    assert_eq!(bench.row(&bench.template)["status"], "inactive");
    assert!(started.body.contains(installer.as_str()), "{}", started.body);
    bench.act("detach_source", json!({})).data();
    bench.site.done(bench.site.admin.action(TEMPLATES, "start", start));
}

#[test]
fn a_kill_in_the_middle_of_either_is_finished_or_undone() {
    let mut bench = Bench::start();
    let iso = bench.isos[0].clone();
    for pause in [0, 5, 15, 30, 60, 120] {
        for action in ["attach_source", "detach_source"] {
            let param = json!({"uuid": bench.template, "name": "t", "iso_uuid": iso});
            let request = bench.site.admin.action(TEMPLATES, action, param);
            let asking = std::thread::spawn(move || drop(request.try_send()));
            std::thread::sleep(Duration::from_millis(pause));
            bench.server.kill();
            asking.join().expect("join");
            bench.server.start_again();
            bench.site.admin = bench.server.admin();
            bench.site.wait_idle();
        }
        if bench.discs().is_empty() {
            bench.attach(&iso).data();
        }
        bench.act("detach_source", json!({})).data();
        assert!(bench.discs().is_empty());
    }
    bench.site.done(bench.site.admin.delete(ISOS).json(&json!({"uuids": [iso]})));
}

#[test]
fn a_template_is_installed_from_an_iso() {
    let bench = Bench::start();
    let [installer, ..] = &bench.isos;
    let site = &bench.site;
    let new = |name: &str, more: Value| {
        let mut param = json!({
            "name": name, "os_type": "Windows 11", "classify": 1, "pool_uuid": site.pool,
            "network_uuid": site.network, "subnet_uuid": site.subnet, "vcpu": 1, "ram": 0.25,
            "system_disk": {"size": 2}, "data_disks": [{"inx": 0, "size": 1}],
        });
        param.as_object_mut().expect("fields").extend(more.as_object().expect("fields").clone());
        site.admin.action(TEMPLATES, "create", param)
    };
    site.done(new("empty", json!({"iso_uuid": installer})));
    let uuid = uuid_of(&site.admin, TEMPLATES, "empty");
    let row = bench.row(&uuid);
    assert_json(
        &row,
        json!({
            "image_id": null, "image_name": null, "status": "inactive",
            "discs": [{"drive": 0, "iso_uuid": installer, "name": "installer"}],
            "devices": [{"type": "system", "size": 2}, {"type": "data", "size": 1}],
        }),
    );
    let path = format!("/api/v1.0/templates/{uuid}/hardware");
    let hardware = site.admin.get(&path).send().data()["hardware"].clone();
    assert_eq!(hardware["boot"], json!(["cd", "disk"]));
    assert_eq!(hardware["firmware"], "uefi-secure");

    // It is installed, saved, copied, and desktops are made of it.
    let start = json!({"templates": [{"name": "empty", "uuid": uuid}]});
    site.done(site.admin.action(TEMPLATES, "start", start.clone()));
    site.done(site.admin.action(TEMPLATES, "hard_stop", start));
    site.done(site.admin.action(TEMPLATES, "save", json!({"name": "empty", "uuid": uuid})));
    let copy = json!({
        "template_uuid": uuid, "name": "copy", "pool_uuid": site.pool,
        "network_uuid": site.network, "subnet_uuid": site.subnet,
    });
    site.done(site.admin.action(TEMPLATES, "copy", copy));
    let copied = bench.row(&uuid_of(&site.admin, TEMPLATES, "copy"));
    assert_eq!(copied["discs"], json!([]), "the ISO stays where it is");
    let classroom = site.classroom("room");
    let group = site.deploy("class", &classroom, &uuid, 1);
    site.delete_group(&group, "class");

    let image = bench.row(&bench.template)["image_id"].clone();
    let both = json!({"iso_uuid": installer, "system_disk": {"image_id": image, "size": 2}});
    refused(&new("both", both).send(), 400, "image-and-iso");
    refused(&new("none", json!({})).send(), 400, "field-missing");
    refused(&new("unknown", json!({"iso_uuid": NOTHING})).send(), 404, "iso-unknown");
    let by_image = json!({"iso_uuid": image});
    refused(&new("image", by_image).send(), 404, "iso-unknown");
    let as_image = json!({"system_disk": {"image_id": installer, "size": 2}});
    refused(&new("iso", as_image).send(), 404, "image-unknown");
    let delete = json!({"templates": [{"name": "empty", "uuid": uuid}]});
    site.done(site.admin.delete(TEMPLATES).json(&delete));
    let names: Vec<Value> =
        rows(&site.admin.get(TEMPLATES).send()).iter().map(|row| row["name"].clone()).collect();
    assert_eq!(names, ["t", "copy"]);
    // With its template the ISO is free.
    site.done(site.admin.delete(ISOS).json(&json!({"uuids": [installer]})));
}
