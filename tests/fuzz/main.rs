//! schemathesis asks all that the OpenAPI document names, with values that fit and values that do not: nothing is answered
//! with 5xx, and nothing that the document does not say. The same questions each time.

#[path = "../support/mod.rs"]
mod support;

use std::process::Command;

use serde_json::{Value, json};

use support::{ADMIN, PASSWORD, SMALL, Server, Site, rows, small_image, uuid_of};

const SEED: &str = "4711";
/// Questions of one operation; two to three minutes in all.
const QUESTIONS: &str = "12";
/// They do not end, end the session of who asks, or take the right to from them.
const NOT_ASKED: [&str; 13] = [
    "carrel.events",
    "virtool.session.logout",
    "carrel.session.logout",
    "carrel.session.password",
    "virtool.session.reset",
    "virtool.account.update",
    "analysis.account.update",
    "carrel.own-sessions.end",
    "carrel.own-sessions.end-others",
    "carrel.sessions.end",
    "carrel.own-second-factor.start",
    "carrel.policy.edit",
    "analysis.account.manager-delete",
];

/// What there is, by the names that fields and parameters have for it.
fn known(site: &Site, template: &str, classroom: &str, group: &str) -> Value {
    let admin = &site.admin;
    let first = |path: &str| rows(&admin.get(path).send())[0].clone();
    let pools = "/api/v1.0/resource_mgr/resource_pools";
    let image = uuid_of(admin, &format!("{pools}/{}/base_images", site.pool), "small");
    let node = first(&format!("{pools}/{}/nodes", site.pool))["uuid"].clone();
    let switch = first("/api/v1.0/resource_mgr/vswitchs")["uuid"].clone();
    let desktops: Vec<Value> =
        site.desktops(group).into_iter().map(|row| row["uuid"].clone()).collect();
    json!({
        "pool_uuid": [site.pool], "resource_pool_uuid": [site.pool],
        "network_uuid": [site.network], "data_network_uuid": [site.network],
        "subnet_uuid": [site.subnet], "sub_network_uuid": [site.subnet],
        "base_image_uuid": [image], "image_id": [image],
        "node_uuid": [node], "vswitch_uuid": [switch],
        "template_uuid": [template], "group_uuid": [classroom], "desktop_uuid": [group],
        "/education/template uuid": [template],
        "/education/group uuid": [classroom],
        "/education/desktop uuid": [group],
        "/education/instance uuid": desktops,
    })
}

/// Asks as whoever this token is of.
#[track_caller]
fn ask(server: &Server, user: &str, known: &Value) {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fuzz");
    let install = Command::new(format!("{folder}/install.sh")).output().expect("install.sh");
    assert!(install.status.success(), "{}", String::from_utf8_lossy(&install.stderr));
    let program = String::from_utf8_lossy(&install.stdout).trim().to_owned();
    let login = server.client().post("/account/").query("action", "login");
    let login = login.form(&[("email", user), ("password", PASSWORD)]).send().data();
    let token = login["access_token"].as_str().expect("a token").to_owned();
    let mut schemathesis = Command::new(program);
    schemathesis
        // It leaves notes of its own there.
        .current_dir(env!("CARGO_TARGET_TMPDIR"))
        .env("SCHEMATHESIS_HOOKS", "hooks")
        .env("PYTHONPATH", folder)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("PYTHONHASHSEED", "0")
        .env("CARREL_FUZZ_KNOWN", known.to_string())
        .args(["run", &format!("{}/api/openapi.json", server.base())])
        .args(["--seed", SEED, "--max-examples", QUESTIONS, "--generation-database", "none"])
        .args(["--phases", "examples,fuzzing", "--request-timeout", "120", "--no-shrink"])
        .args([
            "--checks",
            "not_a_server_error,content_type_conformance,response_schema_conformance,refused_in_the_body",
        ])
        .args(["--suppress-health-check", "all", "--continue-on-failure", "--no-color"])
        .args(["--header", &format!("Authorization:{token}")]);
    for id in NOT_ASKED {
        schemathesis.args(["--exclude-operation-id", id]);
    }
    let asked = schemathesis.output().expect("schemathesis");
    let said = String::from_utf8_lossy(&asked.stdout).into_owned();
    assert!(asked.status.success(), "{said}\n{}", String::from_utf8_lossy(&asked.stderr));
    // The one who asks was let in to the end.
    let last = server.client().with_header("Authorization", &token).get("/api/account").send();
    last.expect_status(200);
}

#[test]
fn an_administrator_is_answered_as_the_document_says() {
    let (server, known) = filled();
    ask(&server, ADMIN, &known);
}

#[test]
fn so_is_one_who_may_nothing() {
    let (server, known) = filled();
    let added =
        server.run(&["admin", "add", "pupil", "--role", "normal"], &format!("{PASSWORD}\n"));
    assert!(added.status.success(), "{added:?}");
    ask(&server, "pupil", &known);
}

/// A server with one of everything.
fn filled() -> (Server, Value) {
    let server = Server::start();
    let site = Site::of(&server, SMALL);
    let image = site.upload("small", &small_image(&server));
    let template = site.template("plain", &image);
    let classroom = site.classroom("room");
    let group = site.deploy("pc", &classroom, &template, 2);
    let known = known(&site, &template, &classroom, &group);
    (server, known)
}
