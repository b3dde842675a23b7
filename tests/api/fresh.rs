//! What a success says, the next read shows: of every kind of thing, many times over.

use serde_json::{Value, json};

use crate::room::{DESKTOPS, GROUPS, INSTANCES, Room};
use crate::support::{Client, ISOS, Request, iso, rows, small_image, uuid_of};

const MANAGER: &str = "/api/v1.0/resource_mgr";
const TEMPLATES: &str = "/api/v1.0/education/template/";
/// Changes of each kind; a list that is old shows it in some of them only.
const ROUNDS: usize = 12;

/// Sends a change, which must be over with its answer.
#[track_caller]
fn at_once(request: Request) -> Value {
    let data = request.send().data();
    if let Some(state) = data["operation_state"].as_str() {
        assert_eq!(state, "succeeded", "{data:#}");
    }
    data
}

/// The row of that uuid, null when there is none.
#[track_caller]
fn row(client: &Client, list: &str, uuid: &str) -> Value {
    client.get(list).query("searchtype", "single").query("uuid", uuid).send().data()
}

/// Asserts what each change of `steps` shows in the row that is read at once.
#[track_caller]
fn each(
    room: &Room,
    list: &str,
    uuid: &str,
    steps: &[(&str, Value)],
    act: impl Fn(&str) -> Request,
) {
    let mut old = Vec::new();
    for round in 0..ROUNDS {
        for (action, shown) in steps {
            at_once(act(action));
            let row = row(&room.site.admin, list, uuid);
            let fields = shown.as_object().expect("fields");
            if fields.iter().any(|(name, value)| row[name] != *value) {
                let seen: Vec<_> = fields.keys().map(|name| (name, &row[name])).collect();
                old.push(format!("round {round}, {action}: {seen:?} instead of {shown}"));
            }
        }
    }
    assert!(old.is_empty(), "{} of {}:\n{}", old.len(), ROUNDS * steps.len(), old.join("\n"));
}

#[test]
fn of_templates_that_are_switched() {
    let room = Room::start();
    let this = json!({"name": "plain", "uuid": room.template});
    let act = |action: &str| {
        let param = match action {
            "edit" | "save" => this.clone(),
            _ => json!({"templates": [this]}),
        };
        room.site.admin.action(TEMPLATES, action, param)
    };
    let on = json!({"status": "active", "power": "running", "changed": true});
    let off = json!({"status": "inactive", "power": "off"});
    let edited = json!({"status": "active", "editing": true, "changed": true});
    let saved = json!({"status": "inactive", "editing": false, "changed": false});
    let steps = [
        ("start", on.clone()),
        ("stop", off.clone()),
        ("start", on.clone()),
        ("hard_reboot", on.clone()),
        ("reset", on.clone()),
        ("hard_stop", off),
        ("edit", edited),
        ("save", saved),
    ];
    each(&room, TEMPLATES, &room.template, &steps, act);
}

/// A reboot is over when it says so: the next action is not in its way.
#[test]
fn of_templates_that_are_rebooted() {
    let room = Room::start();
    let batch = json!({"templates": [{"name": "plain", "uuid": room.template}]});
    let act = |action: &str| room.site.admin.action(TEMPLATES, action, batch.clone());
    at_once(act("start"));
    let on = json!({"status": "active", "power": "running"});
    let steps = [("reboot", on.clone()), ("reset", on.clone()), ("reboot", on)];
    each(&room, TEMPLATES, &room.template, &steps, act);
    at_once(act("hard_stop"));
}

#[test]
fn of_desktops_and_their_groups() {
    let room = Room::start();
    let group = room.deploy("pc", 3);
    let this = json!({"desktops": [{"name": "pc", "uuid": group}]});
    let act = |action: &str| room.site.admin.action(DESKTOPS, action, this.clone());
    let steps = [
        ("start", json!({"active_count": 3, "inactive_count": 0})),
        ("reboot", json!({"active_count": 3, "inactive_count": 0})),
        ("active", json!({"active": true})),
        ("stop", json!({"active_count": 0, "inactive_count": 3})),
        ("inactive", json!({"active": false})),
    ];
    each(&room, DESKTOPS, &group, &steps, act);

    let desktop = room.site.desktops(&group)[0].clone();
    let uuid = desktop["uuid"].as_str().expect("a uuid").to_owned();
    let param = json!({
        "desktop_uuid": group, "desktop_name": "pc", "desktop_type": 1,
        "instances": [{"uuid": uuid, "name": desktop["name"]}],
    });
    let act = |action: &str| room.site.admin.action(INSTANCES, action, param.clone());
    let (on, off) = (json!({"status": "active"}), json!({"status": "inactive", "message": ""}));
    let steps = [
        ("start", on.clone()),
        ("reboot", on.clone()),
        ("hard_reboot", on.clone()),
        ("stop", off.clone()),
        ("start", on),
        ("hard_stop", off),
    ];
    each(&room, INSTANCES, &uuid, &steps, act);
}

/// Makes, changes and deletes a thing, and reads its list after each.
#[track_caller]
fn lives(
    client: &Client,
    list: &str,
    make: impl Fn(&str) -> Request,
    rename: impl Fn(&str, &str) -> Request,
    delete: impl Fn(&str, &str) -> Request,
) {
    for round in 0..ROUNDS {
        let (name, other) = (format!("thing {round}"), format!("other {round}"));
        let before = client.get(list).send().data()["count"].as_u64().expect("a count");
        let count = || client.get(list).send().data()["count"].as_u64().expect("a count") - before;
        at_once(make(&name));
        let uuid = uuid_of(client, list, &name);
        assert_eq!(count(), 1, "{list} round {round}: made");
        at_once(rename(&uuid, &other));
        assert_eq!(uuid_of(client, list, &other), uuid);
        at_once(delete(&uuid, &other));
        assert_eq!(row(client, list, &uuid), Value::Null, "{list} round {round}: deleted");
        assert_eq!(count(), 0, "{list} round {round}: deleted");
    }
}

#[test]
fn of_things_that_are_made_renamed_and_deleted() {
    let room = Room::start();
    let (site, admin) = (&room.site, &room.site.admin);
    let by_uuids = |list: &str, uuid: &str| admin.delete(list).json(&json!({"uuids": [uuid]}));
    let named = |list: &str, uuid: &str, name: &str| {
        admin.put(&format!("{list}/{uuid}")).json(&json!({"name": name}))
    };
    let pools = format!("{MANAGER}/resource_pools");
    lives(
        admin,
        &pools,
        |name| admin.post(&pools).json(&json!({"name": name, "desc": ""})),
        |uuid, name| named(&pools, uuid, name),
        |uuid, _| by_uuids(&pools, uuid),
    );
    let switches = format!("{MANAGER}/vswitchs");
    lives(
        admin,
        &switches,
        |name| admin.post(&switches).json(&json!({"name": name, "type": "nat", "uplinks": []})),
        |uuid, name| named(&switches, uuid, name),
        |uuid, _| by_uuids(&switches, uuid),
    );
    let networks = format!("{MANAGER}/data_networks");
    let nat = uuid_of(admin, &switches, "default");
    lives(
        admin,
        &networks,
        |name| {
            let first = json!({
                "name": "first", "start_ip": "10.71.0.10", "end_ip": "10.71.0.20",
                "netmask": "255.255.255.0", "gateway": "10.71.0.1", "dns1": "10.71.0.1",
            });
            let new = json!({"name": name, "switch_uuid": nat, "subnet_info": first});
            admin.post(&networks).json(&new)
        },
        |uuid, name| named(&networks, uuid, name),
        |uuid, _| by_uuids(&networks, uuid),
    );
    let subnets = format!("{networks}/{}/sub_networks", site.network);
    let small = rows(&admin.get(&subnets).send())[0].clone();
    let net = small["gateway"].as_str().expect("a gateway").rsplit_once('.').expect("four").0;
    let subnet = |name: &str| {
        json!({
            "name": name, "start_ip": format!("{net}.2"), "end_ip": format!("{net}.4"),
            "netmask": small["netmask"], "gateway": small["gateway"], "dns1": small["dns1"],
        })
    };
    lives(
        admin,
        &subnets,
        |name| admin.post(&subnets).json(&subnet(name)),
        |uuid, name| named(&subnets, uuid, name),
        |uuid, _| by_uuids(&subnets, uuid),
    );
    let images = format!("{pools}/{}/base_images", site.pool);
    let file = small_image(&room.server);
    lives(
        admin,
        &images,
        |name| {
            let content = std::fs::File::open(&file).expect("the image");
            let size = content.metadata().expect("the image").len();
            let content = Box::new(content);
            let part = crate::support::Part::File { name: "file", file_name: "i", size, content };
            let upload = admin.post(&images).query("name", name).query("os_type", "linux");
            upload.multipart(vec![part])
        },
        |uuid, name| {
            let one = format!("{images}/{uuid}");
            admin.put(&one).json(&json!({"name": name, "os_type": "linux"}))
        },
        |uuid, _| by_uuids(&images, uuid),
    );
    let cd = iso(&room.server, "cd", b"content");
    lives(
        admin,
        ISOS,
        |name| {
            let content = std::fs::File::open(&cd).expect("the ISO");
            let size = content.metadata().expect("the ISO").len();
            let content = Box::new(content);
            let part = crate::support::Part::File { name: "file", file_name: "i", size, content };
            let upload = admin.post(ISOS).query("name", name).query("os_type", "linux");
            upload.query("iso_type", 1).multipart(vec![part])
        },
        |uuid, name| admin.put(&format!("{ISOS}/{uuid}")).json(&json!({"name": name})),
        |uuid, _| by_uuids(ISOS, uuid),
    );
    let things = |list: &'static str, key: &'static str| {
        move |uuid: &str, name: &str| {
            admin.delete(list).json(&json!({key: [{"uuid": uuid, "name": name}]}))
        }
    };
    // what is renamed keeps its number as the old name's end
    let value = |list: &'static str| {
        move |uuid: &str, name: &str| {
            let old = name.replace("other", "thing");
            let change = json!({"uuid": uuid, "name": old, "value": {"name": name}});
            admin.put(list).json(&change)
        }
    };
    lives(
        admin,
        GROUPS,
        |name| {
            admin.post(GROUPS).json(&json!({
                "name": name, "group_type": 1, "network_uuid": site.network, "subnet_uuid": site.subnet,
                "start_ip": "198.51.100.1", "end_ip": "198.51.100.9",
            }))
        },
        value(GROUPS),
        things(GROUPS, "groups"),
    );
    lives(
        admin,
        TEMPLATES,
        |name| {
            let new = json!({
                "name": name, "desc": "", "os_type": "linux", "classify": 1, "pool_uuid": site.pool,
                "network_uuid": site.network, "subnet_uuid": site.subnet, "vcpu": 1, "ram": 0.08,
                "system_disk": {"image_id": room.image, "size": 1}, "data_disks": [],
            });
            admin.action(TEMPLATES, "create", new)
        },
        value(TEMPLATES),
        things(TEMPLATES, "templates"),
    );
    lives(
        admin,
        DESKTOPS,
        |name| admin.action(DESKTOPS, "create", room.param(name, 2)),
        value(DESKTOPS),
        things(DESKTOPS, "desktops"),
    );
}

/// What hangs on another thing is counted there.
#[test]
fn of_what_others_count() {
    let room = Room::start();
    let admin = &room.site.admin;
    for round in 1..=ROUNDS as u64 {
        let name = format!("pc{round}-");
        at_once(admin.action(DESKTOPS, "create", room.param(&name, 2)));
        let classroom = row(admin, GROUPS, &room.classroom);
        let counts = (&classroom["desktop_count"], &classroom["instance_count"]);
        assert_eq!(counts, (&json!(1), &json!(2)), "{classroom:#}");
        let template = row(admin, TEMPLATES, &room.template);
        let counts = (&template["desktop_count"], &template["instance_count"]);
        assert_eq!(counts, (&json!(1), &json!(2)), "{template:#}");
        let group = uuid_of(admin, DESKTOPS, &name);
        let add = json!({
            "desktop_uuid": group, "desktop_name": name, "desktop_type": 1, "instance_num": 1,
        });
        at_once(admin.action(INSTANCES, "create", add));
        assert_eq!(row(admin, DESKTOPS, &group)["instance_num"], 3);
        assert_eq!(room.site.desktops(&group).len(), 3);
        let desktops = room.site.desktops(&group);
        let gone = json!({
            "desktop_uuid": group, "desktop_name": name, "desktop_type": 1,
            "instances": [{"uuid": desktops[0]["uuid"], "name": desktops[0]["name"]}],
        });
        at_once(admin.delete(INSTANCES).json(&gone));
        assert_eq!(row(admin, DESKTOPS, &group)["instance_num"], 2);
        assert_eq!(room.site.desktops(&group).len(), 2);
        let nodes = format!("{MANAGER}/controller_nodes");
        assert_eq!(rows(&admin.get(&nodes).send())[0]["total_vm"], 3, "two desktops, a template");
        let delete = json!({"desktops": [{"uuid": group, "name": name}]});
        at_once(admin.delete(DESKTOPS).json(&delete));
        assert_eq!(row(admin, TEMPLATES, &room.template)["instance_count"], 0);
        assert_eq!(rows(&admin.get(&nodes).send())[0]["total_vm"], 1);
    }
}
