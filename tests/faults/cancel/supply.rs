//! Rows of the table of what is there before desktops are: images, networks, people.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::bench::{Bench, Lane, POOLS, named};
use super::kinds::{Kind, asked, nothing, text};
use crate::support::{ISOS, Part, Request, rows, uuid_of};

pub const NETWORKS: &str = "/api/v1.0/resource_mgr/data_networks";
const SWITCHES: &str = "/api/v1.0/resource_mgr/vswitchs";

fn image(bench: &Bench, name: &str) -> Value {
    bench.site.done(bench.upload_request(name));
    named(&bench.image_uuid(name), name)
}

fn iso_request(bench: &Bench, name: &str) -> Request {
    let content = std::fs::read(crate::support::iso(&bench.server, name, b"content"));
    let content = content.expect("the ISO");
    let (size, content) = (content.len() as u64, Box::new(std::io::Cursor::new(content)));
    let part = Part::File { name: "file", file_name: "cd.iso", size, content };
    let request = bench.site.admin.post(ISOS).query("name", name).query("os_type", "linux");
    request.query("iso_type", 1).multipart(vec![part])
}

pub fn iso(bench: &Bench, name: &str) -> Value {
    bench.site.done(iso_request(bench, name));
    named(&uuid_of(&bench.site.admin, ISOS, name), name)
}

pub fn images() -> Vec<Kind> {
    vec![
        Kind {
            // As with images; it is on no second one.
            in_the_middle: false,
            ..asked(
                "iso-add",
                Lane::Copy,
                nothing,
                |bench, given| iso_request(bench, text(given, "name")),
                |_, _| true,
            )
        },
        asked(
            "iso-delete",
            Lane::Build,
            iso,
            |bench, given| bench.site.admin.delete(ISOS).json(&json!({"uuids": [given["uuid"]]})),
            |bench, given| {
                let sql = "SELECT count(*) FROM images WHERE name =";
                bench.count(&format!("{sql} '{}'", text(given, "name"))) == 0
            },
        ),
        Kind {
            // Its bytes need the node; in the middle it hangs on its way to the second one, behind its commit point.
            in_the_middle: false,
            ..asked(
                "image-add",
                Lane::Copy,
                nothing,
                |bench, given| bench.upload_request(text(given, "name")),
                |_, _| true,
            )
        },
        asked(
            "image-resync",
            Lane::Copy,
            image,
            |bench, given| {
                let node = bench
                    .texts("SELECT uuid FROM nodes WHERE is_local = 1")
                    .pop_first()
                    .expect("a node");
                let resync = format!(
                    "{POOLS}/{}/base_images/{}/resync",
                    bench.site.pool,
                    text(given, "uuid")
                );
                bench.site.admin.post(&resync).json(&json!({"node_uuid": node}))
            },
            |bench, given| {
                let sql = "SELECT count(*) FROM layer_copies WHERE state = 'ready' AND layer = ";
                bench.count(&format!("{sql}'{}'", text(given, "uuid"))) == 2
            },
        ),
        asked(
            "image-delete",
            Lane::Build,
            image,
            |bench, given| {
                let images = format!("{POOLS}/{}/base_images", bench.site.pool);
                bench.site.admin.delete(&images).json(&json!({"uuids": [given["uuid"]]}))
            },
            |bench, given| {
                bench.count(&format!(
                    "SELECT count(*) FROM images WHERE name = '{}'",
                    text(given, "name")
                )) == 0
            },
        ),
    ]
}

/// An own range for each name.
fn subnet(name: &str, second: u32) -> Value {
    let number: u32 =
        name.trim_start_matches(|c: char| !c.is_ascii_digit()).parse().expect("a number");
    let net = format!("10.{}.{}", 50 + second, number % 250);
    json!({
        "name": format!("{name}s{second}"), "start_ip": format!("{net}.10"), "end_ip": format!("{net}.12"),
        "netmask": "255.255.255.0", "gateway": format!("{net}.1"), "dns1": format!("{net}.1"),
    })
}

fn new_network(bench: &Bench, name: &str) -> Request {
    let switch = rows(&bench.site.admin.get(SWITCHES).send())[0]["uuid"].clone();
    let new = json!({"name": name, "switch_uuid": switch, "subnet_info": subnet(name, 0)});
    bench.site.admin.post(NETWORKS).json(&new)
}

fn network(bench: &Bench, name: &str) -> Value {
    new_network(bench, name).send().data();
    named(text(&bench.network(name).expect("the network"), "uuid"), name)
}

fn subnets_of(given: &Value) -> String {
    format!("{NETWORKS}/{}/sub_networks", text(given, "uuid"))
}

fn network_of_two(bench: &Bench, name: &str) -> Value {
    let network = network(bench, name);
    let made = bench.site.admin.post(&subnets_of(&network)).json(&subnet(name, 1)).send().data();
    json!({"uuid": network["uuid"], "name": name, "subnet": made["uuid"]})
}

fn count_subnets(bench: &Bench, given: &Value, what: &str) -> i64 {
    let sql =
        "SELECT count(*) FROM subnets s JOIN networks n ON n.id = s.network_id WHERE n.name =";
    bench.count(&format!("{sql} '{}' AND {what}", text(given, "name")))
}

pub fn networks() -> Vec<Kind> {
    vec![
        asked(
            "network-create",
            Lane::Quick,
            nothing,
            |bench, given| new_network(bench, text(given, "name")),
            |bench, given| bench.network(text(given, "name")).is_some(),
        ),
        asked(
            "network-edit",
            Lane::Quick,
            network,
            |bench, given| {
                let edit = json!({"name": given["name"], "desc": "changed"});
                bench.site.admin.put(&format!("{NETWORKS}/{}", text(given, "uuid"))).json(&edit)
            },
            |bench, given| {
                bench.network(text(given, "name")).is_some_and(|row| row["desc"] == "changed")
            },
        ),
        asked(
            "network-delete",
            Lane::Quick,
            network,
            |bench, given| {
                bench.site.admin.delete(NETWORKS).json(&json!({"uuids": [given["uuid"]]}))
            },
            |bench, given| bench.network(text(given, "name")).is_none(),
        ),
        asked(
            "subnet-create",
            Lane::Quick,
            network,
            |bench, given| {
                bench.site.admin.post(&subnets_of(given)).json(&subnet(text(given, "name"), 1))
            },
            |bench, given| count_subnets(bench, given, "1") == 2,
        ),
        asked(
            "subnet-edit",
            Lane::Quick,
            network_of_two,
            |bench, given| {
                let one = format!("{}/{}", subnets_of(given), text(given, "subnet"));
                bench.site.admin.put(&one).json(&subnet(text(given, "name"), 2))
            },
            |bench, given| count_subnets(bench, given, "s.name LIKE '%s2'") == 1,
        ),
        asked(
            "subnet-delete",
            Lane::Quick,
            network_of_two,
            |bench, given| {
                bench
                    .site
                    .admin
                    .delete(&subnets_of(given))
                    .json(&json!({"uuids": [given["subnet"]]}))
            },
            |bench, given| count_subnets(bench, given, "1") == 1,
        ),
    ]
}

/// No node has to do with it.
pub fn users() -> Kind {
    let kind = asked(
        "users-import",
        Lane::Build,
        nothing,
        |bench, given| {
            let file = format!("name\r\n{}\r\n", text(given, "name"));
            let body = json!({"content": STANDARD.encode(file)});
            bench.site.admin.post("/api/v1.0/identity/user_import").json(&body)
        },
        |bench, given| {
            let name = text(given, "name");
            bench.count(&format!("SELECT count(*) FROM users WHERE name = '{name}'")) == 1
        },
    );
    Kind { in_the_middle: false, ..kind }
}
