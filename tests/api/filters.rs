//! Every list, every field that it shows: filtering by a shown value gives exactly the rows that show it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::room::Room;
use crate::support::{Client, iso, rows, small_image};

/// What is measured anew for each request, or counts it.
const MOVING: [&str; 11] = [
    "active_time",
    "expires_at",
    "last_seen_at",
    "mem_info",
    "running_mem",
    "usage_data",
    "usage_mem",
    "usage_sys",
    "usage_vcpu",
    "usage_vcpus",
    "used_sys",
];
/// Values of a field that are tried.
const TRIED: usize = 3;

/// A room in which every list has rows, most of them some that differ.
fn furnished() -> Room {
    let room = Room::start();
    let (admin, site) = (&room.site.admin, &room.site);
    let make = |path: &str, body: Value| admin.post(path).json(&body).send().data();
    make("/api/v1.0/resource_mgr/resource_pools", json!({"name": "spare", "desc": "for later"}));
    make(
        "/api/v1.0/resource_mgr/vswitchs",
        json!({"name": "uplink", "type": "vlan", "desc": "by hand", "uplinks": []}),
    );
    site.upload("another", &small_image(&room.server));
    site.template("second", &room.image);
    let cd = iso(&room.server, "cd", b"content");
    for name in ["installer", "drivers"] {
        site.upload_iso(name, &cd);
    }
    site.classroom_at("room-b", "198.51.100.1", "198.51.100.9");
    room.deploy("pc", 2);
    let group = room.deploy("lab", 1);
    site.group_action("start", &group, "lab");
    make("/api/v1.0/identity/role", json!({"code": "helper", "permissions": ["desktops.view"]}));
    make("/api/v1.0/identity/group", json!({"name": "staff", "description": "all of them"}));
    let user = json!({"name": "kim", "email": "kim@lab.example", "password": "a good password"});
    let user = make("/api/v1.0/identity/user", user);
    room.server.client().sign_in("kim", "a good password");
    make("/api/v1.0/identity/own/key", json!({"name": "Backup", "permissions": ["desktops.view"]}));
    let nodes = rows(&admin.get("/api/v1.0/resource_mgr/controller_nodes").send());
    make(
        "/api/v1.0/identity/ssh_grant",
        json!({"user_uuid": user["uuid"], "node_uuid": nodes[0]["uuid"], "system_user": "nobody"}),
    );
    room
}

/// The paths of all lists that the API document has, with what they stand below.
fn lists(room: &Room) -> Vec<String> {
    let document = room.site.admin.get("/api/openapi.json").send().json();
    let is_list = |path: &&String| {
        let answer = document["paths"][path.as_str()]["get"]["responses"]["200"].to_string();
        answer.contains("\"previous\"")
    };
    let paths = document["paths"].as_object().expect("paths");
    let found = paths.keys().filter(is_list).map(|path| {
        let path = path.replace("{resource_pool_uuid}", &room.site.pool);
        path.replace("{data_network_uuid}", &room.site.network)
    });
    let found: Vec<String> = found.collect();
    assert!(found.len() >= 20 && found.iter().all(|path| !path.contains('{')), "{found:?}");
    found
}

/// What the list cannot be asked without.
fn ask(room: &Room, path: &str) -> crate::support::Request {
    let asked = room.site.admin.get(path).query("page_size", 1000);
    match path.ends_with("/template/image/") {
        true => asked.query("pool_uuid", &room.site.pool).query("template_uuid", &room.template),
        false => asked,
    }
}

/// The values that a row shows in a field, as a client would send them.
fn shown(field: &Value) -> Vec<String> {
    match field {
        Value::String(text) => vec![text.clone()],
        Value::Number(number) => vec![number.to_string()],
        Value::Bool(is) => vec![is.to_string()],
        Value::Array(several) => several.iter().flat_map(shown).collect(),
        Value::Null | Value::Object(_) => vec![],
    }
}

/// What is the same in two answers.
fn known_by(row: &Value) -> String {
    let names = ["uuid", "id", "code"];
    let name = names.iter().find(|name| !row[**name].is_null()).expect("a name of its own");
    row[*name].to_string()
}

fn known(rows: &[Value]) -> BTreeSet<String> {
    rows.iter().map(known_by).collect()
}

#[test]
fn every_field_of_every_list_filters_in_the_form_that_it_shows() {
    let room = furnished();
    let (mut wrong, mut tried) = (Vec::new(), 0);
    for path in lists(&room) {
        let all = rows(&ask(&room, &path).send());
        assert!(!all.is_empty(), "{path} has no rows");
        let mut fields: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
        for (name, field) in all.iter().flat_map(|row| row.as_object().expect("a row")) {
            fields.entry(name).or_default().extend(shown(field));
        }
        for (name, values) in fields {
            for value in values.iter().take(TRIED) {
                tried += 1;
                let answer = ask(&room, &path).query(name, value).send();
                if answer.status != 200 {
                    wrong.push(format!("{path} {name}={value}: {}", answer.body));
                    continue;
                }
                let found = known(&rows(&answer));
                let showing = all.iter().filter(|row| shown(&row[name]).contains(value));
                let expected: BTreeSet<String> = showing.map(known_by).collect();
                if found != expected && !MOVING.contains(&name) {
                    let counts = (found.len(), expected.len(), all.len());
                    wrong.push(format!("{path} {name}={value}: {counts:?} found, expected, all"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {tried}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(tried > 300, "{tried}");
}

#[test]
fn a_name_that_is_no_field_is_refused_and_the_fields_are_named() {
    let room = furnished();
    for path in lists(&room) {
        let first = rows(&ask(&room, &path).send()).swap_remove(0);
        let answer = ask(&room, &path).query("no_such_field", "7").send();
        assert_eq!(answer.status, 400, "{path}: {}", answer.body);
        for name in first.as_object().expect("a row").keys() {
            assert!(answer.body.contains(name.as_str()), "{path} {name}: {}", answer.body);
        }
        let known = ask(&room, &path).query("no_such_field", "7");
        let known = known.query("searchtype", "contain").send();
        assert_eq!(known.status, 400, "{path}: {}", known.body);
    }
    let log = "/api/v1.0/audit/export";
    assert_ne!(room.site.admin.get(log).query("no_such_field", "7").send().status, 200);
}

/// Fields that no statement knows are looked for in what each row shows: over pages, and with the other filters.
#[test]
fn what_rows_show_is_filtered_with_all_search_types_and_pages() {
    let room = furnished();
    let admin: &Client = &room.site.admin;
    let desktops =
        |query: &str| admin.get(&format!("/api/v1.0/education/instance/?{query}")).send();
    let off = desktops("power=off");
    assert_eq!(off.data()["count"], 2, "{}", off.body);
    let names = |query: &str| {
        let found = rows(&desktops(query));
        found.iter().map(|row| row["name"].as_str().expect("name").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names("power=off&page_size=1&page=2"), ["pc002"]);
    assert_eq!(names("power=off&name=pc001"), ["pc001"]);
    assert_eq!(names("power=off&name=lab001"), [""; 0]);
    assert_eq!(names("searchtype=contain&power=of"), ["pc001", "pc002"]);
    assert_eq!(names("searchtype=contain&power=of&name=2"), ["pc002"]);
    let single = desktops("searchtype=single&power=running").json();
    assert_eq!(single["data"]["name"], "lab001");
    assert_eq!(desktops("searchtype=single&power=paused").data(), Value::Null);
    let next = desktops("power=off&page_size=1").data();
    assert!(next["next"].as_str().is_some_and(|url| url.contains("power=off")), "{next}");
}
