//! Roles, groups and users by the console's own interface: what is refused, and that a copy of the database
//! signs nobody in.

use std::fs;

use serde_json::{Value, json};

use crate::support::{Answer, Client, Server};

const USER: &str = "/api/v1.0/identity/user";
const ROLE: &str = "/api/v1.0/identity/role";
const GROUP: &str = "/api/v1.0/identity/group";
const PASSWORD: &str = "a good password";

fn add(by: &Client, name: &str, more: Value) -> Answer {
    let mut new = json!({"name": name, "password": PASSWORD});
    new.as_object_mut().expect("object").extend(more.as_object().expect("object").clone());
    by.post(USER).json(&new).send()
}

fn uuid(answer: &Answer) -> String {
    answer.data()["uuid"].as_str().expect("a uuid").to_owned()
}

#[track_caller]
fn refused(answer: &Answer, status: u16, error: &str) {
    answer.expect_status(status);
    assert_eq!(answer.json()["data"]["error"], error, "{}", answer.body);
}

/// A role that is neither built in nor used, and what is in the audit log afterwards.
fn role(admin: &Client, code: &str, permissions: &[&str]) -> i64 {
    let new = json!({"code": code, "permissions": permissions});
    admin.post(ROLE).json(&new).send().data()["id"].as_i64().expect("an id")
}

#[test]
fn a_role_in_use_and_a_built_in_one_stay() {
    let server = Server::start();
    let admin = server.admin();
    let helpdesk = role(&admin, "helpdesk", &["users.view"]);
    add(&admin, "kim", json!({"roles": ["helpdesk"]})).data();
    let one = format!("{ROLE}/{helpdesk}");
    let answer = admin.delete(&one).json(&json!({})).send();
    refused(&answer, 409, "role-in-use");
    assert!(answer.refusal().contains("kim"), "it names who has it: {}", answer.body);
    refused(&admin.delete(&format!("{ROLE}/1")).json(&json!({})).send(), 409, "role-builtin");
    let change = json!({"permissions": []});
    refused(&admin.put(&format!("{ROLE}/1")).json(&change).send(), 409, "role-builtin");
    refused(&admin.post(ROLE).json(&json!({"code": "HelpDesk"})).send(), 409, "role-exists");
    for code in ["", "a,b", "../x", "<b>", &"r".repeat(40)] {
        admin.post(ROLE).json(&json!({"code": code})).send().expect_status(400);
    }
    let unknown = json!({"code": "x", "permissions": ["everything"]});
    refused(&admin.post(ROLE).json(&unknown).send(), 400, "permission-unknown");

    let kim = server.client().sign_in("kim", PASSWORD);
    kim.get(USER).send().expect_status(200);
    // A change of the role counts at the next request.
    admin.put(&one).json(&json!({"permissions": []})).send().data();
    kim.get(USER).send().expect_status(403);
    let log = admin.get("/api/v1.0/index/get_operation_log/").query("page_size", 50).send();
    assert!(log.body.contains("helpdesk"), "refusals and changes are in the log");
}

#[test]
fn who_manages_users_gives_no_more_than_they_have_and_touches_nobody_above() {
    let server = Server::start();
    let admin = server.admin();
    role(&admin, "helpdesk", &["users.view", "users.manage"]);
    let strong = json!({"name": "strong", "permissions": ["nodes.manage"]});
    let strong = admin.post(GROUP).json(&strong).send().data()["id"].clone();
    add(&admin, "kim", json!({"roles": ["helpdesk"]})).data();
    let boss = uuid(&add(&admin, "boss", json!({"roles": ["admin"]})));
    let lee = uuid(&add(&admin, "lee", json!({"roles": []})));
    let kim = server.client().sign_in("kim", PASSWORD);

    for more in [
        json!({"roles": ["admin"]}),
        json!({"roles": ["operator"]}),
        json!({"granted": ["nodes.manage"]}),
        json!({"groups": [{"id": strong}]}),
    ] {
        refused(&add(&kim, "eve", more.clone()), 403, "grant-beyond-own");
        refused(&kim.put(&format!("{USER}/{lee}")).json(&more).send(), 403, "grant-beyond-own");
    }
    for change in
        [json!({"password": "another good one"}), json!({"enabled": false}), json!({"roles": []})]
    {
        let answer = kim.put(&format!("{USER}/{boss}")).json(&change).send();
        refused(&answer, 403, "user-has-more-rights");
    }
    let answer = kim.delete(USER).json(&json!({"uuids": [boss]})).send();
    refused(&answer, 403, "user-has-more-rights");
    let sessions = server.client().sign_in("boss", PASSWORD);
    let all = kim.get("/api/v1.0/identity/session").query("user_name", "boss").send().data();
    let session = all["results"][0]["uuid"].as_str().expect("a session");
    kim.delete(&format!("/api/v1.0/identity/session/{session}"))
        .json(&json!({}))
        .send()
        .expect_status(403);
    sessions.get("/api/account").send().expect_status(200);

    // An API key of theirs gives no more either, and what they lose it loses.
    let key = json!({"name": "k", "permissions": ["users.manage", "users.view"]});
    let key = kim.post("/api/v1.0/identity/own/key").json(&key).send().data();
    let robot = server.client().with_header("Authorization", key["key"].as_str().expect("a key"));
    refused(&add(&robot, "eve", json!({"roles": ["admin"]})), 403, "grant-beyond-own");
    add(&robot, "mia", json!({"roles": []})).data();
    let too_much = json!({"name": "k", "permissions": ["nodes.manage"]});
    let answer = kim.post("/api/v1.0/identity/own/key").json(&too_much).send();
    refused(&answer, 403, "grant-beyond-own");
    let me = kim.get("/api/v1.0/identity/own").send().data();
    let own = format!("{USER}/{}", me["uuid"].as_str().expect("a uuid"));
    admin.put(&own).json(&json!({"roles": []})).send().data();
    robot.get(USER).send().expect_status(403);
}

#[test]
fn nobody_deletes_themselves_or_the_last_administrator() {
    let server = Server::start();
    let admin = server.admin();
    let me = admin.get("/api/v1.0/identity/own").send().data();
    let me = me["uuid"].as_str().expect("a uuid").to_owned();
    refused(&admin.delete(USER).json(&json!({"uuids": [me]})).send(), 409, "own-account");
    let off = admin.put(&format!("{USER}/{me}")).json(&json!({"enabled": false})).send();
    refused(&off, 409, "own-account");
    let less = admin.put(&format!("{USER}/{me}")).json(&json!({"roles": ["normal"]})).send();
    refused(&less, 409, "last-administrator");
    admin.get("/api/account").send().expect_status(200);
}

#[test]
fn tokens_that_are_tampered_with_revoked_or_from_elsewhere_are_nobodys() {
    let (server, other) = (Server::start(), Server::start());
    let login = |server: &Server| {
        let form = [("email", "admin"), ("password", "Carrel-test-1")];
        let answer = server.client().post("/account/").query("action", "login").form(&form).send();
        answer.data()["access_token"].as_str().expect("a token").to_owned()
    };
    let token = login(&server);
    let with = |token: &str| server.client().with_header("Authorization", token);
    with(&token).get("/api/account").send().expect_status(200);
    let last = if token.ends_with('0') { "1" } else { "0" };
    for wrong in [
        &login(&other),
        &format!("{}{last}", &token[..63]),
        &token.to_uppercase(),
        &token[..63],
        &format!("{token}0"),
        &format!("Bearer Bearer {token}"),
    ] {
        with(wrong).get("/api/account").send().expect_status(401);
    }
    with(&token).get("/api/account/logout").send().expect_status(204);
    with(&token).get("/api/account").send().expect_status(401);
}

#[test]
fn a_copy_of_the_database_signs_nobody_in() {
    let server = Server::start();
    let admin = server.admin();
    let mut secrets = vec!["Carrel-test-1".to_owned(), PASSWORD.to_owned()];
    let form = [("email", "admin"), ("password", "Carrel-test-1")];
    let answer = server.client().post("/account/").query("action", "login").form(&form).send();
    secrets.push(answer.data()["access_token"].as_str().expect("a token").to_owned());
    let key = json!({"name": "robot", "permissions": ["users.view"]});
    let key = admin.post("/api/v1.0/identity/own/key").json(&key).send().data();
    secrets.push(key["key"].as_str().expect("a key").to_owned());
    let factor = admin.action("/api/v1.0/identity/own/second_factor", "start", json!({}));
    secrets.push(factor.send().data()["secret"].as_str().expect("a secret").to_owned());
    add(&admin, "lee", json!({"roles": ["normal"], "force_reset": true})).data();
    let reset = json!({"username": "lee", "password": PASSWORD});
    let reset = server.client().post("/api/account/login").json(&reset).send();
    secrets.push(reset.json()["reset_code"].as_str().expect("a code").to_owned());
    let cookie = reset.cookies();
    secrets.push(cookie.split_once('=').expect("a cookie").1.to_owned());

    let mut copy = Vec::new();
    for entry in fs::read_dir(server.data_here()).expect("the data directory").flatten() {
        if entry.file_name().to_string_lossy().starts_with("carrel.db") {
            copy.extend(fs::read(entry.path()).expect("read"));
        }
    }
    assert!(copy.len() > 10_000, "the copy holds the database");
    for secret in &secrets {
        assert!(secret.len() >= 13, "{secret}");
        let found = copy.windows(secret.len()).any(|window| window == secret.as_bytes());
        assert!(!found, "a secret of {} characters is in the database", secret.len());
        if let Ok(bytes) = hex::decode(secret) {
            assert!(!copy.windows(bytes.len()).any(|window| window == bytes), "also not as bytes");
        }
    }
}
