//! The table: how each kind is begun, and what must be true when it was cancelled and when it was not.

use serde_json::{Value, json};

use super::bench::{Bench, LIMIT, Lane, TEMPLATES, named};
use super::supply;
use crate::pool::{GROUPS, INSTANCES};
use crate::support::{Request, wait_until};

/// What is there after a cancel.
#[derive(Clone, Copy)]
pub enum After {
    AsBefore,
    Is(fn(&Bench, &Value) -> bool),
}

pub struct Kind {
    pub name: &'static str,
    pub lane: Lane,
    /// Makes what it needs; gives what the others are given.
    pub prepare: fn(&Bench, &str) -> Value,
    pub start: fn(&Bench, &Value) -> Request,
    /// Of what begins by itself: has it waiting, and gives its uuid.
    pub schedule: fn(&mut Bench, &Value) -> String,
    pub after: After,
    /// Whether all of it was done.
    pub done: fn(&Bench, &Value) -> bool,
    /// Whether its node can be made to hang in the middle of it.
    pub in_the_middle: bool,
}

impl Kind {
    pub fn begins_by_itself(&self) -> bool {
        self.lane == Lane::Quiet
    }
}

const NOT_ASKED: fn(&Bench, &Value) -> Request = |_, _| panic!("nobody asks for it");
const NOT_SCHEDULED: fn(&mut Bench, &Value) -> String =
    |_, _| panic!("it does not begin by itself");

pub fn asked(
    name: &'static str,
    lane: Lane,
    prepare: fn(&Bench, &str) -> Value,
    start: fn(&Bench, &Value) -> Request,
    done: fn(&Bench, &Value) -> bool,
) -> Kind {
    let (after, schedule) = (After::AsBefore, NOT_SCHEDULED);
    Kind { name, lane, prepare, start, schedule, after, done, in_the_middle: true }
}

fn quiet(
    name: &'static str,
    prepare: fn(&Bench, &str) -> Value,
    schedule: fn(&mut Bench, &Value) -> String,
) -> Kind {
    Kind {
        schedule,
        in_the_middle: false,
        ..asked(name, Lane::Quiet, prepare, NOT_ASKED, |_, _| true)
    }
}

pub fn all() -> Vec<Kind> {
    let mut all = desktops();
    all.extend(templates());
    all.extend(supply::images());
    all.extend(supply::networks());
    all.push(supply::users());
    all.extend(of_the_server());
    all
}

pub fn text<'a>(given: &'a Value, field: &str) -> &'a str {
    given[field].as_str().unwrap_or_else(|| panic!("no {field}: {given:#}"))
}

pub fn nothing(_: &Bench, name: &str) -> Value {
    json!({"name": name})
}

fn class(bench: &Bench, name: &str) -> Value {
    bench.class(name, 3)
}

fn running_class(bench: &Bench, name: &str) -> Value {
    let class = bench.class(name, 3);
    bench.site.group_action("start", text(&class, "uuid"), name);
    class
}

fn some_desktops(class: &Value) -> Value {
    let all = class["desktops"].as_array().expect("desktops").iter();
    let chosen = all.take(2).map(|row| named(text(row, "uuid"), text(row, "name")));
    json!({
        "desktop_uuid": class["uuid"], "desktop_name": class["name"], "desktop_type": 1, "instances": chosen.collect::<Vec<_>>(),
    })
}

fn desktops_in(bench: &Bench, name: &str) -> i64 {
    bench.count(&format!(
        "SELECT count(*) FROM desktops d JOIN desktop_groups g ON g.id = d.group_id WHERE g.name = '{name}' AND d.state = 'ready'"
    ))
}

fn running_in(bench: &Bench, name: &str) -> i64 {
    bench.count(&format!(
        "SELECT count(*) FROM desktops d JOIN desktop_groups g ON g.id = d.group_id WHERE g.name = '{name}' AND d.power = 'running'"
    ))
}

fn desktops() -> Vec<Kind> {
    vec![
        asked(
            "desktop-group-create",
            Lane::Build,
            |bench, name| json!({"name": name, "template": bench.template(name)}),
            |bench, given| {
                bench.site.deploy_request(
                    text(given, "name"),
                    &bench.classroom,
                    text(given, "template"),
                    3,
                )
            },
            |bench, given| desktops_in(bench, text(given, "name")) == 3,
        ),
        asked(
            "desktops-add",
            Lane::Build,
            class,
            |bench, given| {
                let param = json!({
                    "desktop_uuid": given["uuid"], "desktop_name": given["name"], "desktop_type": 1, "instance_num": 2,
                });
                bench.site.admin.action(INSTANCES, "create", param)
            },
            |bench, given| desktops_in(bench, text(given, "name")) == 5,
        ),
        asked(
            "desktop-group-restore",
            Lane::Build,
            class,
            |bench, given| bench.change_restore(given, 0),
            |bench, given| {
                let sql = "SELECT sys_restore FROM desktop_groups WHERE name = ";
                bench.count(&format!("{sql}'{}'", text(given, "name"))) == 0
            },
        ),
        asked(
            "desktop-rename",
            Lane::Build,
            class,
            |bench, given| {
                let path = format!("/api/v1.0/desktops/{}", text(&given["desktops"][0], "uuid"));
                bench.site.admin.put(&path).json(&json!({"name": "renamed"}))
            },
            |bench, _| bench.count("SELECT count(*) FROM desktops WHERE name = 'renamed'") == 1,
        ),
        asked(
            "desktop-groups-delete",
            Lane::Build,
            class,
            |bench, given| {
                bench
                    .site
                    .admin
                    .delete(GROUPS)
                    .json(&json!({"desktops": [named(text(given, "uuid"), text(given, "name"))]}))
            },
            |bench, given| desktops_in(bench, text(given, "name")) == 0,
        ),
        asked(
            "desktops-delete",
            Lane::Build,
            class,
            |bench, given| bench.site.admin.delete(INSTANCES).json(&some_desktops(given)),
            |bench, given| desktops_in(bench, text(given, "name")) == 1,
        ),
        asked(
            "desktops-start",
            Lane::Quick,
            class,
            |bench, given| bench.site.admin.action(INSTANCES, "start", some_desktops(given)),
            |bench, given| running_in(bench, text(given, "name")) == 2,
        ),
        asked(
            "desktops-stop",
            Lane::Guests,
            running_class,
            |bench, given| bench.site.admin.action(INSTANCES, "stop", some_desktops(given)),
            |bench, given| running_in(bench, text(given, "name")) == 1,
        ),
        asked(
            "desktops-reboot",
            Lane::Guests,
            running_class,
            |bench, given| bench.site.admin.action(INSTANCES, "reboot", some_desktops(given)),
            |bench, given| running_in(bench, text(given, "name")) == 3,
        ),
        asked(
            "desktops-hard-stop",
            Lane::Quick,
            running_class,
            |bench, given| bench.site.admin.action(INSTANCES, "hard_stop", some_desktops(given)),
            |bench, given| running_in(bench, text(given, "name")) == 1,
        ),
        asked(
            "desktops-hard-reboot",
            Lane::Quick,
            running_class,
            |bench, given| bench.site.admin.action(INSTANCES, "hard_reboot", some_desktops(given)),
            |bench, given| running_in(bench, text(given, "name")) == 3,
        ),
    ]
}

fn template(bench: &Bench, name: &str) -> Value {
    named(&bench.template(name), name)
}

/// A template and the ISO that comes into its drive.
fn disc(bench: &Bench, name: &str) -> Value {
    let iso = supply::iso(bench, &format!("{name}iso"));
    json!({"uuid": bench.template(name), "name": name, "iso_uuid": iso["uuid"]})
}

fn discs_of(bench: &Bench, given: &Value) -> i64 {
    let sql = "SELECT count(*) FROM template_discs d JOIN templates t ON t.id = d.template_id WHERE t.uuid =";
    bench.count(&format!("{sql} '{}'", text(given, "uuid")))
}

/// A template whose disks are on SATA.
fn on_sata(bench: &Bench, name: &str) -> Value {
    let template = template(bench, name);
    let path = format!("/api/v1.0/templates/{}/hardware", text(&template, "uuid"));
    let mut hardware = bench.site.admin.get(&path).send().data()["hardware"].take();
    hardware["disk_bus"] = json!("sata");
    bench.site.done(bench.site.admin.put(&path).json(&hardware));
    template
}

/// One that is about to go over to virtio.
fn prepared(bench: &Bench, name: &str) -> Value {
    let template = on_sata(bench, name);
    bench.site.done(bus_switch(bench, &template, "", json!({"to": "virtio"})));
    template
}

fn bus_path(given: &Value, what: &str) -> String {
    format!("/api/v1.0/templates/{}/bus-switch{what}", text(given, "uuid"))
}

fn bus_switch(bench: &Bench, given: &Value, what: &str, body: Value) -> Request {
    bench.site.admin.post(&bus_path(given, what)).json(&body)
}

fn switches_of(bench: &Bench, given: &Value, phase: &str) -> i64 {
    let sql = "SELECT count(*) FROM bus_switches b JOIN templates t ON t.id = b.template_id WHERE t.uuid =";
    bench.count(&format!("{sql} '{}' AND b.phase = '{phase}'", text(given, "uuid")))
}

fn running_template(bench: &Bench, name: &str) -> Value {
    let template = template(bench, name);
    bench.site.done(switch(bench, "start", &template));
    wait_until("it runs", LIMIT, || is_on(bench, &template));
    template
}

fn switch(bench: &Bench, action: &str, template: &Value) -> Request {
    bench.site.admin.action(TEMPLATES, action, json!({"templates": [template]}))
}

fn is_on(bench: &Bench, given: &Value) -> bool {
    power(bench, given) == "running"
}

fn is_off(bench: &Bench, given: &Value) -> bool {
    power(bench, given) == "off"
}

fn power(bench: &Bench, given: &Value) -> String {
    let found =
        bench.texts(&format!("SELECT power FROM templates WHERE uuid = '{}'", text(given, "uuid")));
    found.into_iter().next().expect("the template")
}

fn count_of(bench: &Bench, given: &Value, what: &str) -> i64 {
    bench.count(&format!(
        "SELECT count(*) FROM templates WHERE name = '{}' AND {what}",
        text(given, "name")
    ))
}

fn templates() -> Vec<Kind> {
    vec![
        asked(
            "template-create",
            Lane::Copy,
            nothing,
            |bench, given| {
                let param = json!({
                    "name": given["name"], "desc": "", "os_type": "linux", "classify": 1, "pool_uuid": bench.site.pool,
                    "network_uuid": bench.site.network, "subnet_uuid": bench.site.subnet, "vcpu": 1, "ram": 0.08,
                    "system_disk": {"image_id": bench.image, "size": 1}, "data_disks": [{"inx": 0, "size": 1}],
                });
                bench.site.admin.action(TEMPLATES, "create", param)
            },
            |bench, given| count_of(bench, given, "state = 'ready'") == 1,
        ),
        asked(
            "template-copy",
            Lane::Copy,
            |bench, name| {
                let source = format!("{name}source");
                json!({"name": name, "source": bench.template(&source)})
            },
            |bench, given| {
                let param = json!({
                    "template_uuid": given["source"], "name": given["name"], "desc": "", "pool_uuid": bench.site.pool,
                    "network_uuid": bench.site.network, "subnet_uuid": bench.site.subnet,
                });
                bench.site.admin.action(TEMPLATES, "copy", param)
            },
            |bench, given| count_of(bench, given, "state = 'ready'") == 1,
        ),
        asked(
            "template-change",
            Lane::Build,
            template,
            |bench, given| {
                let change =
                    json!({"uuid": given["uuid"], "name": given["name"], "value": {"vcpu": 2}});
                bench.site.admin.put(TEMPLATES).json(&change)
            },
            |bench, given| count_of(bench, given, "state = 'ready' AND vcpu = 2") == 1,
        ),
        Kind {
            // Nobody knows how much of it is left: it can be deleted again, and nothing else.
            after: After::Is(|bench, given| {
                let batch = json!({"templates": [given]});
                let failed = count_of(bench, given, "state = 'failed'") == 1;
                if failed {
                    bench.site.done(bench.site.admin.delete(TEMPLATES).json(&batch));
                }
                failed
            }),
            ..asked(
                "template-delete",
                Lane::Build,
                template,
                |bench, given| {
                    bench.site.admin.delete(TEMPLATES).json(&json!({"templates": [given]}))
                },
                |bench, given| count_of(bench, given, "1") == 0,
            )
        },
        asked(
            "template-attach",
            Lane::Copy,
            disc,
            |bench, given| bench.site.admin.action(TEMPLATES, "attach_source", given.clone()),
            |bench, given| discs_of(bench, given) == 1,
        ),
        asked(
            "template-detach",
            Lane::Quick,
            |bench, name| {
                let given = disc(bench, name);
                bench.site.done(bench.site.admin.action(TEMPLATES, "attach_source", given.clone()));
                given
            },
            |bench, given| bench.site.admin.action(TEMPLATES, "detach_source", given.clone()),
            |bench, given| discs_of(bench, given) == 0,
        ),
        asked(
            "template-bus-begin",
            Lane::Quick,
            on_sata,
            |bench, given| bus_switch(bench, given, "", json!({"to": "virtio"})),
            |bench, given| switches_of(bench, given, "preparing") == 1,
        ),
        asked(
            "template-bus-try",
            Lane::Guests,
            prepared,
            |bench, given| bus_switch(bench, given, "/try", json!({"minutes": 60})),
            |bench, given| switches_of(bench, given, "trying") == 1,
        ),
        Kind {
            // It asks no node.
            in_the_middle: false,
            ..asked(
                "template-bus-confirm",
                Lane::Quick,
                |bench, name| {
                    let given = prepared(bench, name);
                    let minutes = json!({"minutes": 60});
                    bench.site.done(bus_switch(bench, &given, "/try", minutes));
                    given
                },
                |bench, given| bus_switch(bench, given, "/confirm", json!({})),
                |bench, given| switches_of(bench, given, "trying") == 0,
            )
        },
        asked(
            "template-bus-undo",
            Lane::Guests,
            prepared,
            |bench, given| bench.site.admin.delete(&bus_path(given, "")),
            |bench, given| switches_of(bench, given, "preparing") == 0,
        ),
        asked(
            "template-save",
            Lane::Copy,
            template,
            |bench, given| bench.site.admin.action(TEMPLATES, "save", given.clone()),
            |bench, given| count_of(bench, given, "state = 'ready' AND version = 2") == 1,
        ),
        asked(
            "template-revert",
            Lane::Build,
            |bench, name| {
                let uuid = bench.template(name);
                bench.save(&uuid, name);
                named(&uuid, name)
            },
            |bench, given| {
                let path = format!("/api/v1.0/templates/{}/versions", text(given, "uuid"));
                bench.site.admin.post(&path).json(&json!({"version": 1}))
            },
            |bench, given| count_of(bench, given, "state = 'ready' AND version = 3") == 1,
        ),
        asked(
            "template-export",
            Lane::Copy,
            template,
            |bench, given| bench.site.admin.action(TEMPLATES, "download", given.clone()),
            |bench, _| bench.count("SELECT count(*) FROM template_exports") > 0,
        ),
        asked(
            "template-start",
            Lane::Quick,
            template,
            |bench, given| switch(bench, "start", given),
            is_on,
        ),
        asked(
            "template-edit",
            Lane::Quick,
            template,
            |bench, given| bench.site.admin.action(TEMPLATES, "edit", given.clone()),
            is_on,
        ),
        asked(
            "template-stop",
            Lane::Guests,
            running_template,
            |bench, given| switch(bench, "stop", given),
            is_off,
        ),
        asked(
            "template-hard-stop",
            Lane::Quick,
            running_template,
            |bench, given| switch(bench, "hard_stop", given),
            is_off,
        ),
        asked(
            "template-reboot",
            Lane::Guests,
            running_template,
            |bench, given| switch(bench, "reboot", given),
            is_on,
        ),
        asked(
            "template-hard-reboot",
            Lane::Quick,
            running_template,
            |bench, given| switch(bench, "hard_reboot", given),
            is_on,
        ),
        asked(
            "template-reset",
            Lane::Quick,
            running_template,
            |bench, given| switch(bench, "reset", given),
            is_on,
        ),
    ]
}

/// What the server begins by itself. It has been done once; a server that was killed when it was asked to stop finds it
/// waiting.
fn of_the_server() -> Vec<Kind> {
    vec![
        quiet("desktops-remake", class, |bench, _| {
            bench.mend(Bench::lose_domains);
            // Those of templates are made anew by their own operations.
            let lost = bench.templates();
            bench.site.done(bench.site.admin.action(
                TEMPLATES,
                "hard_stop",
                json!({"templates": lost}),
            ));
            waiting(bench, "desktops-remake")
        }),
        quiet("desktops-correct", class, |bench, given| {
            let name = text(given, "name").to_owned();
            let flip = |bench: &mut Bench, to: u8| {
                let sql =
                    format!("UPDATE desktop_groups SET sys_restore = {to} WHERE name = '{name}'");
                bench.mend(|bench| {
                    assert_eq!(bench.database().execute(&sql, []).expect("a row"), 1)
                });
                let uuid = bench.newest("desktops-correct");
                assert_eq!(bench.end(&uuid), "succeeded");
            };
            flip(bench, 0);
            flip(bench, 1);
            waiting(bench, "desktops-correct")
        }),
        quiet("template-publish", template, |bench, given| {
            let pointer =
                bench.storage().join(format!("templates/{}.current", text(given, "uuid")));
            bench.mend(|_| std::fs::remove_file(&pointer).expect("the pointer"));
            waiting(bench, "template-publish")
        }),
        Kind {
            // Its chain is as long as before.
            after: After::Is(|bench, given| layers_of(bench, given) == LONG),
            ..quiet(
                "template-flatten",
                |bench, name| {
                    let uuid = bench.template(name);
                    // One less than makes its chain too long.
                    (2..LONG).for_each(|_| bench.save(&uuid, name));
                    named(&uuid, name)
                },
                |bench, given| {
                    bench.save(text(given, "uuid"), text(given, "name"));
                    bench.newest("template-flatten")
                },
            )
        },
    ]
}

/// Layers of a chain that is copied.
pub const LONG: i64 = 9;

/// Layers of a template that is ready, each with its file.
pub fn layers_of(bench: &Bench, given: &Value) -> i64 {
    let sql = "SELECT l.uuid FROM template_layers l JOIN templates t ON t.id = l.template_id \
         WHERE t.state = 'ready' AND t.uuid =";
    let layers = bench.texts(&format!("{sql} '{}'", text(given, "uuid")));
    let file = |layer: &&String| bench.storage().join(format!("templates/{layer}.qcow2")).exists();
    i64::try_from(layers.iter().filter(file).count()).expect("a small number")
}

fn waiting(bench: &mut Bench, kind: &str) -> String {
    let uuid = bench.newest(kind);
    assert_eq!(bench.end(&uuid), "succeeded");
    bench.put_back(&uuid, "queued", None);
    uuid
}
