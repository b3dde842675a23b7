//! A pool of three nodes: this machine and two agents beside it.

use std::collections::BTreeMap;
use std::time::Duration;

use rusqlite::Connection;
use serde_json::{Value, json};

use crate::support::{Client, SMALL, Server, Site, empty_image, rows, wait_until};

const NODES: &str = "/api/v1.0/resource_mgr/resource_pools";
const ALL_NODES: &str = "/api/v1.0/nodes";
const LIMIT: Duration = Duration::from_secs(30);

/// The nodes of the first pool by name.
#[track_caller]
fn nodes(admin: &Client) -> BTreeMap<String, Value> {
    let pool = rows(&admin.get(NODES).send())[0]["uuid"].as_str().expect("uuid").to_owned();
    let nodes = rows(&admin.get(&format!("{NODES}/{pool}/nodes")).send());
    nodes.into_iter().map(|node| (node["name"].as_str().expect("name").to_owned(), node)).collect()
}

/// Waits until `count` nodes are active.
#[track_caller]
pub fn all_active(admin: &Client, count: usize) {
    wait_until(&format!("{count} active nodes"), LIMIT, || {
        nodes(admin).values().filter(|node| node["status"] == "active").count() == count
    });
}

/// Makes a template on a node, as if no other had the image. Gives its uuid.
#[track_caller]
pub fn template_on(server: &Server, site: &Site, node: &str, name: &str, image: &str) -> String {
    let database = Connection::open(server.data_here().join("carrel.db")).expect("open");
    database.busy_timeout(LIMIT).expect("wait for others");
    let copies = |state: &str| {
        let sql = "UPDATE layer_copies SET state = ?1 WHERE layer = ?2 AND node_id <> \
             (SELECT id FROM nodes WHERE name = ?3)";
        assert!(database.execute(sql, [state, image, node]).expect("change copies") > 0);
    };
    copies("copying");
    let template = site.template(name, image);
    copies("ready");
    template
}

#[test]
fn each_node_has_its_own_agent_and_storage() {
    let mut server = Server::with().nodes(2).start();
    let admin = server.admin();
    all_active(&admin, 3);
    let known = nodes(&admin);
    for number in [2, 3] {
        let node = &known[&format!("node{number}")];
        let storage = server.agent(number).storage().to_string_lossy().into_owned();
        assert_eq!(node["storages"][0]["path"], storage, "{node:#}");
        assert_eq!(node["storages"].as_array().map(Vec::len), Some(1));
        assert_eq!(node["type"], 5);
        // A node that only runs desktops is found, and stands on the list that the search leads to.
        let name = format!("node{number}");
        let found = admin.get("/api/v1.0/search").query("q", &name).send().data();
        assert_eq!(
            (&found[0]["kind"], &found[0]["hits"][0]["name"]),
            (&json!("node"), &json!(name))
        );
        let list = admin.get(ALL_NODES).query("searchtype", "contain").query("search", &name);
        let list = list.send().data();
        assert_eq!((&list["count"], &list["results"][0]["uuid"]), (&json!(1), &node["uuid"]));
    }
    assert_eq!(rows(&admin.get(ALL_NODES).send()).len(), 3);

    server.agent(2).kill();
    wait_until("the reason", LIMIT, || {
        let node = &nodes(&admin)["node2"];
        node["status"] != "active" && node["reason"].is_string()
    });
    all_active(&admin, 2);
    server.agent(2).start_again();
    all_active(&admin, 3);
}

#[test]
fn images_come_to_all_nodes_and_desktops_to_those_with_the_template() {
    let mut server = Server::with().nodes(2).start();
    let site = Site::of(&server, SMALL);
    all_active(&site.admin, 3);
    let image = site.upload("base", &empty_image());
    let copies = format!("{NODES}/{}/base_images/{image}", site.pool);
    let line = site.admin.get(&copies).send().data();
    assert_eq!(line["detail"].as_array().map(Vec::len), Some(3), "{line:#}");
    let template = site.template("made", &image);
    let room = site.classroom("room");
    let group = site.deploy("pc", &room, &template, 6);
    // Only where the template is.
    assert_eq!(site.desktops(&group).len(), 6);
    site.group_action("start", &group, "pc");
    site.delete_group(&group, "pc");
    for number in [2, 3] {
        let copy = server.agent(number).storage().join("base").join(format!("{image}.qcow2"));
        assert!(copy.exists(), "{}", copy.display());
    }
}

#[test]
fn what_cannot_be_done_on_a_node_is_shown_on_it_until_it_is_done() {
    let mut server = Server::with().nodes(2).start();
    let admin = server.admin().with_header("Accept-Language", "en");
    all_active(&admin, 3);
    // No folder of a domain can be read through a link to itself.
    let broken = server.agent(2).storage().join("desktops/broken");
    std::fs::create_dir_all(broken.parent().expect("a folder")).expect("make the folder");
    std::os::unix::fs::symlink(&broken, &broken).expect("a link to itself");
    server.agent(2).kill();
    server.agent(2).start_again();
    let duties = |node: &Value| -> Vec<String> {
        let problems = node["problems"].as_array().expect("problems");
        problems.iter().map(|problem| problem["duty"].as_str().expect("duty").to_owned()).collect()
    };
    wait_until("the problems", LIMIT, || {
        duties(&nodes(&admin)["node2"]) == ["domains", "left-uploads"]
    });
    let known = nodes(&admin);
    let problem = &known["node2"]["problems"][0];
    assert_eq!(problem["name"], "Desktops and templates");
    assert!(problem["reason"].as_str().is_some_and(|text| !text.is_empty()), "{problem}");
    assert!(problem["since"].is_string(), "{problem}");
    // What reads no files is done, and so is everything on the others.
    assert_eq!(known["node2"]["status"], "active");
    for node in known.values().filter(|node| node["name"] != "node2") {
        assert_eq!(duties(node), Vec::<String>::new(), "{node}");
    }
    std::fs::remove_file(&broken).expect("mend it");
    wait_until("no problem", LIMIT, || duties(&nodes(&admin)["node2"]).is_empty());
}
