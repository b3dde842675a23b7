//! Resource pools.

use serde_json::{Value, json};

use crate::refused::{NOTHING, auditor, needs_a_right, refused, refuses_bad_names, rows};
use crate::support::Server;

const POOLS: &str = "/api/v1.0/resource_mgr/resource_pools";

#[test]
fn a_pool_is_made_changed_and_deleted() {
    let server = Server::start();
    let admin = server.admin();
    let first = admin.get(POOLS).send().documented("vdi.resource-pools.list");
    assert_eq!(first["count"], 1);
    let default = &first["results"][0];
    assert_eq!((&default["name"], &default["default"]), (&json!("default"), &json!(1)));
    assert_eq!((&default["host_count"], &default["status"]), (&json!(1), &json!(0)));

    let new = json!({"name": " Room 5 ", "desc": "ground floor"});
    let made = admin.post(POOLS).json(&new).send().documented("vdi.resource-pools.create");
    assert_eq!((&made["name"], &made["desc"]), (&json!("Room 5"), &json!("ground floor")));
    assert_eq!((&made["default"], &made["host_count"]), (&json!(0), &json!(0)));
    let one = format!("{POOLS}/{}", made["uuid"].as_str().expect("uuid"));

    let edit = json!({"name": "Room 6"});
    admin.put(&one).json(&edit).send().documented("vdi.resource-pools.edit");
    let row = rows(&admin, POOLS).into_iter().find(|row| row["uuid"] == made["uuid"]);
    let row = row.expect("the pool");
    assert_eq!((&row["name"], &row["desc"]), (&json!("Room 6"), &json!("ground floor")));
    assert_ne!(row["updated_at"], Value::Null);

    let both = json!({"uuids": [made["uuid"], made["uuid"]]});
    let gone = admin.delete(POOLS).json(&both).send().documented("vdi.resource-pools.delete");
    assert_eq!((&gone["success_num"], &gone["failed_num"]), (&json!(1), &json!(0)));
    assert_eq!(rows(&admin, POOLS).len(), 1);
}

#[test]
fn a_pool_in_use_and_the_default_one_stay() {
    let server = Server::start();
    let admin = server.admin().with_header("Accept-Language", "en");
    let default = rows(&admin, POOLS)[0]["uuid"].clone();
    let only = admin.delete(POOLS).json(&json!({"uuids": [default]})).send();
    refused(&only, 409, "pool-is-default");
    let other = admin.post(POOLS).json(&json!({"name": "b", "desc": ""})).send().data();
    let mixed = admin.delete(POOLS).json(&json!({"uuids": [default, other["uuid"], NOTHING]}));
    let data = mixed.send().data();
    assert_eq!((&data["success_num"], &data["failed_num"]), (&json!(1), &json!(2)));
    assert_eq!(data["failed"][0]["uuid"], default);
    assert!(data["failed"][0]["reason"].as_str().expect("reason").contains("\"default\""));
    assert_eq!(rows(&admin, POOLS).len(), 1);
}

#[test]
fn bad_input_changes_nothing() {
    let server = Server::start();
    let admin = server.admin();
    let other = admin.post(POOLS).json(&json!({"name": "b", "desc": "d"})).send().data();
    let before = rows(&admin, POOLS);
    let one = format!("{POOLS}/{}", other["uuid"].as_str().expect("uuid"));
    refuses_bad_names(|name| admin.post(POOLS).json(&json!({"name": name, "desc": ""})));
    refuses_bad_names(|name| admin.put(&one).json(&json!({"name": name})));

    let post = |body: Value| admin.post(POOLS).json(&body).send();
    refused(&post(json!({"name": "b", "desc": ""})), 409, "pool-name-taken");
    refused(&post(json!({"name": "c"})), 400, "field-missing");
    refused(&post(json!({"desc": "c"})), 400, "field-missing");
    refused(&post(json!({"name": 7, "desc": ""})), 400, "field-wrong");
    refused(&post(json!({"name": "c", "desc": "d".repeat(1001)})), 400, "text-too-long");
    refused(&post(json!("text")), 400, "body-not-an-object");
    refused(&admin.put(&one).json(&json!({"name": "default"})).send(), 409, "pool-name-taken");
    let nothing = format!("{POOLS}/{NOTHING}");
    refused(&admin.put(&nothing).json(&json!({"name": "c"})).send(), 404, "pool-unknown");
    let no_uuid = format!("{POOLS}/7");
    refused(&admin.put(&no_uuid).json(&json!({"name": "c"})).send(), 400, "uuid-malformed");
    let delete = |body: Value| admin.delete(POOLS).json(&body).send();
    refused(&delete(json!({"uuids": []})), 400, "batch-empty");
    refused(&delete(json!({"uuids": "all"})), 400, "field-wrong");
    refused(&delete(json!({"uuids": ["7"]})), 400, "field-wrong");
    refused(&delete(json!({})), 400, "field-missing");
    refused(&delete(json!({"uuids": [NOTHING]})), 404, "pool-unknown");
    assert_eq!(rows(&admin, POOLS), before);

    let auditor = auditor(&server);
    assert_eq!(rows(&auditor, POOLS).len(), 2);
    needs_a_right(&auditor, "POST", POOLS);
    needs_a_right(&auditor, "PUT", &one);
    needs_a_right(&auditor, "DELETE", POOLS);
    assert_eq!(rows(&admin, POOLS), before);
}
