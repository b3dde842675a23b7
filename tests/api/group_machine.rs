//! Processors, memory and network of a desktop group are changed: taken at the next start, or refused and nothing changed.

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use crate::refused::{NOTHING, refused};
use crate::room::{DESKTOPS, Room};
use crate::save::qemu_io;
use crate::support::{Answer, rows, uuid_of, wait_until};

const NETWORKS: &str = "/api/v1.0/resource_mgr/data_networks";

fn change(room: &Room, group: &str, value: &Value) -> Answer {
    let body = json!({"uuid": group, "name": "pc", "value": value});
    room.site.admin.put(DESKTOPS).json(&body).send()
}

/// A second subnet, of the addresses from .10 on.
pub fn subnet(room: &Room, end: &str) -> String {
    let subnets = format!("{NETWORKS}/{}/sub_networks", room.site.network);
    let new = json!({"name": "more", "start_ip": "10.77.0.10", "end_ip": end, "netmask": "255.255.255.0",
                     "gateway": "10.77.0.1", "dns1": "10.77.0.1"});
    room.site.admin.post(&subnets).json(&new).send().data();
    uuid_of(&room.site.admin, &subnets, "more")
}

pub fn addresses(room: &Room, group: &str) -> Vec<String> {
    let rows = room.site.desktops(group);
    rows.iter().map(|row| row["ipaddr"].as_str().expect("address").to_owned()).collect()
}

#[test]
fn a_group_gets_other_hardware_and_another_network() {
    let room = Room::start();
    let more = subnet(&room, "10.77.0.12");
    let group = room.deploy("pc", 2);
    let before = addresses(&room, &group);
    room.site.group_action("start", &group, "pc");
    // While they run: processors and memory, taken at their next start.
    change(&room, &group, &json!({"vcpu": 3, "ram": "0.25"})).documented("vdi.edu-desktops.update");
    let row = room.group(&group);
    assert_eq!((&row["vcpu"], &row["ram"]), (&json!(3), &json!(0.25)), "{row:#}");
    assert_eq!((&row["active_count"], &row["state"]), (&json!(2), &json!("ready")));

    let place = json!({"network_uuid": room.site.network, "subnet_uuid": more});
    let on = refused(&change(&room, &group, &place), 409, "desktop-group-must-be-off");
    assert!(!on.is_empty() && addresses(&room, &group) == before);
    room.site.group_action("stop", &group, "pc");
    wait_until("all are off", std::time::Duration::from_secs(30), || {
        room.group(&group)["active_count"] == 0
    });
    change(&room, &group, &place).data();
    room.site.wait_idle();
    assert_eq!(addresses(&room, &group), ["10.77.0.10", "10.77.0.11"]);
    let row = room.group(&group);
    assert_eq!((&row["subnet"], &row["subnet_name"]), (&json!(more), &json!("more")));
    assert_eq!((&row["vcpu"], &row["sys_restore"]), (&json!(3), &json!(1)), "the rest stays");
    room.site.group_action("start", &group, "pc");
    // What was freed is given out again.
    let other = room.deploy("pd", 2);
    assert_eq!(addresses(&room, &other), before);
    let log = room.site.admin.get("/api/v1.0/index/get_operation_log/").query("page_size", 100);
    let log = log.header("Accept-Language", "en").send();
    assert!(
        log.body.contains("Change desktop group \\\"pc\\\"")
            || log.body.contains("Change desktop group pc"),
        "{}",
        log.body
    );
}

#[test]
fn a_bad_change_of_hardware_or_network_changes_nothing() {
    let room = Room::start();
    let group = room.deploy("pc", 3);
    let small = subnet(&room, "10.77.0.11");
    let before = (room.group(&group), room.site.desktops(&group));
    let network = &room.site.network;
    let wrong = [
        (json!({"vcpu": 0}), 400),
        (json!({"vcpu": 100_000}), 400),
        (json!({"vcpu": -1}), 400),
        (json!({"vcpu": "many"}), 400),
        (json!({"ram": 0}), 400),
        (json!({"ram": -2}), 400),
        (json!({"ram": 1e9}), 400),
        (json!({"subnet_uuid": small}), 400),
        (json!({"network_uuid": network}), 400),
        (json!({"network_uuid": network, "subnet_uuid": NOTHING}), 404),
        (json!({"network_uuid": NOTHING, "subnet_uuid": small}), 404),
        // Three desktops, two addresses; nothing of the rest is changed either.
        (json!({"network_uuid": network, "subnet_uuid": small, "vcpu": 2, "name": "new"}), 507),
    ];
    for (value, status) in wrong {
        let answer = change(&room, &group, &value);
        assert_eq!(answer.status, status, "{value}: {}", answer.body);
        assert!(!answer.refusal().is_empty(), "{value}");
        assert_eq!((room.group(&group), room.site.desktops(&group)), before, "{value}");
    }
    assert_eq!(rows(&room.site.admin.get("/api/v1.0/operations").query("open", 1).send()).len(), 0);
}

/// What a change does not name stays, also where another change comes between.
#[test]
fn a_change_takes_no_other_change_back() {
    const OTHERS: usize = 3;
    let room = Room::start();
    let group = room.deploy("pc", 1);
    let over = AtomicBool::new(false);
    let clients: Vec<_> = (0..OTHERS).map(|_| room.server.admin()).collect();
    let (over, group) = (&over, group.as_str());
    let seen = std::thread::scope(|scope| {
        for client in clients {
            scope.spawn(move || {
                for number in (1..50).cycle().take_while(|_| !over.load(Ordering::Relaxed)) {
                    let body = json!({"uuid": group, "name": "pc", "value": {"order_num": number}});
                    assert_eq!(client.put(DESKTOPS).json(&body).send().status, 200);
                }
            });
        }
        let seen: Vec<_> = (0..20)
            .map(|round| {
                let status = change(&room, group, &json!({"vcpu": 2 + round % 2})).status;
                room.site.wait_idle();
                (status, room.group(group)["vcpu"].clone())
            })
            .collect();
        over.store(true, Ordering::Relaxed);
        seen
    });
    let asked: Vec<_> = (0..20).map(|round| (200, json!(2 + round % 2))).collect();
    assert_eq!(seen, asked);
}

const TEMPLATES: &str = "/api/v1.0/education/template/";
const ALL: &str = "/api/v1.0/desktops";
const SOON: std::time::Duration = std::time::Duration::from_secs(30);

/// Another template, with 7 on its disk.
fn other_template(room: &Room) -> String {
    let other = room.site.template("other", &room.image);
    let storage = room.server.data_here().join("storage");
    qemu_io(&crate::save::working_disk(&storage, &other), "write -P 7 0 64k");
    let save = json!({"name": "other", "uuid": other});
    room.site.done(room.site.admin.action(TEMPLATES, "save", save));
    other
}

fn standing(room: &Room, group: &str) -> Vec<(Value, Value, Value)> {
    let rows = rows(&room.site.admin.get(ALL).query("desktop_uuid", group).send());
    let of = |row: &Value| {
        (row["former_template"].clone(), row["template_version"].clone(), row["outdated"].clone())
    };
    rows.iter().map(of).collect()
}

/// Overlays of a desktop, and whether they hold what the other template has.
fn disks(room: &Room, desktop: &Value) -> usize {
    let uuid = desktop["uuid"].as_str().expect("uuid");
    room.overlays().iter().filter(|file| file.to_string_lossy().contains(uuid)).count()
}

fn delete_plain(room: &Room) -> Answer {
    let param = json!({"templates": [{"uuid": room.template, "name": "plain"}]});
    room.site.admin.delete(TEMPLATES).json(&param).send()
}

#[test]
fn a_group_is_made_like_another_template_from_each_next_start_on() {
    let room = Room::start();
    let group = room.deploy("pc", 2);
    let other = other_template(&room);
    let desktops = room.site.desktops(&group);
    let named = |row: &Value| {
        (
            row["uuid"].as_str().expect("uuid").to_owned(),
            row["name"].as_str().expect("name").to_owned(),
        )
    };
    let (on, off) = (named(&desktops[0]), named(&desktops[1]));
    room.act("start", (&group, "pc"), &[(&on.0, &on.1)]).data();
    change(&room, &group, &json!({"template_uuid": other})).documented("vdi.edu-desktops.update");
    room.site.wait_idle();
    let row = room.group(&group);
    assert_eq!((&row["template"], &row["template_name"]), (&json!(other), &json!("other")));
    assert_eq!((&row["template_version"], &row["outdated_count"]), (&json!(2), &json!(2)));
    // The one that runs goes on with what it has; the other one has nothing of the old any more.
    let waits = (json!("plain"), json!(0), json!(true));
    wait_until("the one that is off is told", SOON, || {
        standing(&room, &group) == [waits.clone(), (json!(""), json!(0), json!(true))]
    });
    assert_eq!((disks(&room, &desktops[0]), disks(&room, &desktops[1])), (2, 1));
    // The old template is in use as long as one runs on it.
    let said = refused(&delete_plain(&room), 409, "template-in-use");
    assert!(said.contains("pc"), "{said}");

    let now = (json!(""), json!(2), json!(false));
    room.act("start", (&group, "pc"), &[(&off.0, &off.1)]).data();
    // The version that the other one runs is one of the old template: it is none of the new.
    wait_until("one is of the other", SOON, || {
        standing(&room, &group) == [waits.clone(), now.clone()]
    });
    room.act("reboot", (&group, "pc"), &[(&on.0, &on.1)]).data();
    wait_until("both are of the other", SOON, || {
        standing(&room, &group) == [now.clone(), now.clone()]
    });
    let storage = room.server.data_here().join("storage");
    for (uuid, _) in [&on, &off] {
        // One disk alone, and it holds what the other template has.
        qemu_io(&crate::save::working_disk(&storage, uuid), "read -P 7 0 64k");
    }
    delete_plain(&room).data();
    room.site.wait_idle();
    assert_eq!(rows(&room.site.admin.get(TEMPLATES).send()).len(), 1);
}

#[test]
fn a_template_that_does_not_fit_is_refused_in_words() {
    let room = Room::start();
    let admin = &room.site.admin;
    let group = room.deploy("pc", 1);
    let other = room.site.template("other", &room.image);
    let before = (room.group(&group), room.site.desktops(&group));
    let put = |value: Value| change(&room, &group, &value);
    refused(&put(json!({"template_uuid": NOTHING})), 404, "template-unknown");
    put(json!({"template_uuid": "x"})).expect_status(400);
    // Of another pool, which the database alone can say here.
    let database =
        rusqlite::Connection::open(room.server.data_here().join("carrel.db")).expect("open");
    database.busy_timeout(SOON).expect("wait");
    admin
        .post("/api/v1.0/resource_mgr/resource_pools")
        .json(&json!({"name": "b", "desc": ""}))
        .send()
        .data();
    let pool = |name: &str| {
        let sql =
            "UPDATE templates SET pool_id = (SELECT id FROM pools WHERE name = ?1) WHERE uuid = ?2";
        assert_eq!(database.execute(sql, [name, &other]).expect("moved"), 1);
    };
    pool("b");
    refused(&put(json!({"template_uuid": other, "vcpu": 2})), 400, "template-of-another-pool");
    let first = before.0["pool_name"].as_str().expect("name");
    pool(first);
    assert_eq!((room.group(&group), room.site.desktops(&group)), before);

    // What desktops keep stands on the template that they have.
    for value in [json!({"template_uuid": other, "sys_restore": 0}), json!({"sys_restore": 0})] {
        let answer = put(value.clone());
        match value["template_uuid"].is_null() {
            true => drop(answer.data()),
            false => drop(refused(&answer, 409, "desktop-group-keeps-system-disks")),
        }
    }
    room.site.wait_idle();
    let both = json!({"template_uuid": other, "sys_restore": 1});
    let said = refused(&put(both), 409, "desktop-group-keeps-system-disks");
    assert!(said.contains("plain"), "{said}");
    put(json!({"sys_restore": 1, "data_restore": 0})).data();
    room.site.wait_idle();
    // Neither template has data disks: nothing is kept.
    put(json!({"template_uuid": other})).data();
    room.site.wait_idle();
    let new = json!({
        "name": "two disks", "desc": "", "os_type": "linux", "classify": 1, "pool_uuid": room.site.pool,
        "network_uuid": room.site.network, "subnet_uuid": room.site.subnet, "vcpu": 1, "ram": 0.08,
        "system_disk": {"image_id": room.image, "size": 1}, "data_disks": [{"inx": 0, "size": 1}],
    });
    room.site.done(admin.action(TEMPLATES, "create", new));
    let two = uuid_of(admin, TEMPLATES, "two disks");
    refused(&put(json!({"template_uuid": two})), 409, "desktop-group-keeps-data-disks");
    put(json!({"data_restore": 1})).data();
    room.site.wait_idle();
    put(json!({"template_uuid": two})).data();
    room.site.wait_idle();
    room.site.group_action("start", &group, "pc");
    assert_eq!(disks(&room, &before.1[0]), 2);
    // And back to one disk.
    room.site.group_action("stop", &group, "pc");
    put(json!({"template_uuid": room.template})).data();
    room.site.wait_idle();
    assert_eq!(disks(&room, &before.1[0]), 1, "{:?}", room.overlays());
}
