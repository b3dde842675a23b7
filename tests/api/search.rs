//! One search over everything: found is what the lists show to whoever asks.

use serde_json::{Value, json};

use crate::refused::refused;
use crate::room::{GROUPS, INSTANCES, Room};
use crate::support::{Client, PASSWORD, rows, uuid_of};

const PATH: &str = "/api/v1.0/search";

/// Kind and name of what was found, in the order in which it is shown.
fn found(client: &Client, text: &str) -> Vec<(String, String)> {
    let answer = client.get(PATH).query("q", text).send().data();
    let mut found = Vec::new();
    for kind in answer.as_array().expect("kinds") {
        for hit in kind["hits"].as_array().expect("hits") {
            let text = |value: &Value| value.as_str().expect("text").to_owned();
            found.push((text(&kind["kind"]), text(&hit["name"])));
        }
    }
    found
}

fn names(client: &Client, text: &str) -> Vec<String> {
    found(client, text).into_iter().map(|(_, name)| name).collect()
}

#[test]
fn everything_is_found_by_a_part_of_what_people_know_it_by() {
    let room = Room::start();
    let admin = &room.site.admin;
    let group = room.deploy("pc", 2);
    let user = json!({"name": "kim", "full_name": "Kim Doe", "email": "jo@lab.example",
                      "password": "a good password"});
    admin.post("/api/v1.0/identity/user").json(&user).send().data();
    let desktop = room.site.desktops(&group)[1].clone();
    let text = |field: &str| desktop[field].as_str().expect("text").to_owned();
    let one = |kind: &str, name: &str| vec![(kind.to_owned(), name.to_owned())];
    for part in ["pc002", "PC002", " pc002 ", &text("mac"), &text("ipaddr")] {
        assert_eq!(found(admin, part), one("desktop", "pc002"), "{part}");
    }
    assert_eq!(found(admin, "plain"), one("template", "plain"));
    assert_eq!(found(admin, "room"), one("education-group", "room"));
    for part in ["kim", "doe", "jo@lab"] {
        assert_eq!(found(admin, part), one("user", "kim"), "{part}");
    }
    let node = rows(&admin.get("/api/v1.0/resource_mgr/controller_nodes").send())[0].clone();
    let node_name = node["name"].as_str().expect("name");
    let by_address = found(admin, node["ip"].as_str().expect("ip"));
    assert!(by_address.contains(&("node".into(), node_name.to_owned())), "{by_address:?}");
    // The group is called as its desktops begin; the whole name comes first.
    assert_eq!(names(admin, "pc"), ["pc001", "pc002", "pc"]);
    let all = admin.get(PATH).query("q", "pc").send().data();
    assert_eq!((&all[0]["count"], &all[1]["kind"]), (&json!(2), &json!("desktop-group")));
    assert_eq!(all[0]["hits"][0]["about"][0], "pc", "of which group");
    for part in ["%", "_", "pc00_", "nothing like it"] {
        assert_eq!(names(admin, part), [""; 0], "{part}");
    }
    assert_eq!(admin.get(PATH).query("q", "  ").send().data(), json!([]));
    refused(&admin.get(PATH).query("q", "x".repeat(101)).send(), 400, "name-too-long");
    refused(&admin.get(PATH).send(), 400, "field-missing");
}

/// Of more than are shown, the one that is called so comes first, then those that begin so, and all are counted.
#[test]
fn what_is_called_exactly_so_comes_before_the_many_that_begin_so() {
    let room = Room::start();
    room.deploy("w", 120);
    let second = room.site.template("w0", &room.image);
    room.site.deploy("w12", &room.classroom, &second, 70);
    let admin = &room.site.admin;
    let hits = admin.get(PATH).query("q", "w120").send().data();
    let desktops = hits.as_array().expect("kinds").iter().find(|kind| kind["kind"] == "desktop");
    let desktops = desktops.expect("desktops");
    assert_eq!(desktops["hits"][0]["name"], "w120");
    assert_eq!(desktops["count"], 71);
    assert_eq!(desktops["hits"].as_array().expect("hits").len(), 8, "no more than one reads");
    assert_eq!(names(admin, "12070"), ["w12070"]);
    // What begins so stands before what only contains it, though that comes first by its name.
    room.site.deploy("aw0", &room.classroom, &second, 1);
    assert_eq!(names(admin, "w0")[0], "w001");
    assert_eq!(names(admin, "aw0")[0], "aw0001");
}

#[test]
fn nobody_finds_what_their_lists_do_not_show() {
    let room = Room::start();
    let admin = &room.site.admin;
    let other = room.site.classroom_at("room-b", "198.51.100.1", "198.51.100.9");
    room.deploy("ours", 1);
    let theirs = room.site.deploy("theirs", &other, &room.template, 1);
    let scoped = json!([{"role": "teacher", "group_uuid": room.classroom}]);
    let new = json!({"name": "lee", "password": PASSWORD, "roles": [], "scoped_roles": scoped});
    admin.post("/api/v1.0/identity/user").json(&new).send().data();
    let lee = room.server.client().sign_in("lee", PASSWORD);
    assert_eq!(names(&lee, "ours"), ["ours001", "ours"]);
    assert_eq!(names(&lee, "room"), ["room"]);
    let address = room.site.desktops(&theirs)[0]["ipaddr"].as_str().expect("address").to_owned();
    for secret in ["theirs", "room-b", "lee", "admin", &address] {
        let found = names(&lee, secret);
        assert_eq!(found, [""; 0], "{secret}");
    }
    // Who holds nothing finds nothing; an auditor finds what an auditor's lists show.
    let nobody = json!({"name": "nobody", "password": PASSWORD, "roles": []});
    admin.post("/api/v1.0/identity/user").json(&nobody).send().data();
    let nobody = room.server.client().sign_in("nobody", PASSWORD);
    assert_eq!(found(&nobody, "o"), []);
    // A key finds what it may see, not what its owner may.
    let key = json!({"name": "k", "permissions": ["groups.view"]});
    let key = admin.post("/api/v1.0/identity/own/key").json(&key).send().data();
    let key = room.server.client().with_header("Authorization", key["key"].as_str().expect("key"));
    assert_eq!(names(&key, "room"), ["room", "room-b"]);
    assert_eq!(names(&key, "theirs"), [""; 0]);
    refused(&room.server.client().get(PATH).query("q", "o").send(), 401, "not-signed-in");
    assert_eq!(uuid_of(admin, GROUPS, "room"), room.classroom);
    assert_eq!(rows(&lee.get(INSTANCES).send()).len(), 1);
}
