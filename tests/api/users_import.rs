//! Users out of a list that a spreadsheet saved: tried out line by line, then made by an operation.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::refused::refused;
use crate::support::{Answer, Client, PASSWORD, Server, Site, rows, wait_for};

const USERS: &str = "/api/v1.0/identity/user";
const IMPORT: &str = "/api/v1.0/identity/user_import";
const CHECK: &str = "/api/v1.0/identity/user_import/check";
const LOG: &str = "/api/v1.0/index/get_operation_log/";

fn send(client: &Client, path: &str, file: &[u8], more: Value) -> Answer {
    let mut body = json!({"content": STANDARD.encode(file)});
    body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    client.post(path).header("Accept-Language", "en").json(&body).send()
}

fn user(admin: &Client, name: &str) -> Value {
    let found = rows(&admin.get(USERS).query("name", name).send());
    found.into_iter().next().unwrap_or_default()
}

/// Waits for the operation of an import, and gives its row.
fn end(admin: &Client, begun: &Value) -> Value {
    let uuid = begun["operation_uuid"].as_str().expect("an operation");
    wait_for("the end of the import", std::time::Duration::from_secs(120), || {
        let all = rows(&admin.get("/api/v1.0/operations").send());
        let row = all.into_iter().find(|row| row["uuid"] == uuid)?;
        row["finished_at"].is_string().then_some(row)
    })
}

#[test]
fn a_list_is_looked_through_and_changes_nothing() {
    let server = Server::start();
    let admin = server.admin();
    admin.post("/api/v1.0/identity/group").json(&json!({"name": "9B"})).send().data();
    let file = "\u{feff}Name;Full name;E-mail;Roles;User groups;Password\r\n\
        ann;Ann Lee;ann@school.example;teacher, auditor;9B;a password of hers\r\n\
        admin;;;;;\r\n\
        bob;;not an address;nobody's;9C;short\r\n\
        ann;Another;;;;\r\n\
        .dot;;;;;;too many\r\n";
    let answer = send(&admin, CHECK, file.as_bytes(), json!({}));
    let report = answer.data();
    assert_eq!(report["good"], 1, "{report:#}");
    let lines = report["lines"].as_array().expect("lines");
    let numbers: Vec<u64> = lines.iter().filter_map(|line| line["line"].as_u64()).collect();
    assert_eq!(numbers, [2, 3, 4, 5, 6]);
    assert_eq!(lines[0]["roles"], json!(["teacher", "auditor"]));
    assert_eq!((&lines[0]["password"], &lines[0]["groups"]), (&json!(true), &json!(["9B"])));
    assert_eq!(lines[1]["roles"], json!(["normal"]), "where the line names none");
    let columns = |line: &Value| -> Vec<Value> {
        line["faults"].as_array().expect("faults").iter().map(|one| one["column"].clone()).collect()
    };
    assert_eq!(columns(&lines[0]), [] as [Value; 0]);
    assert_eq!(columns(&lines[1]), ["name"], "there is one");
    assert_eq!(columns(&lines[2]), ["groups", "password", "email"]);
    assert_eq!(columns(&lines[3]), ["name"], "two of one name");
    assert_eq!(columns(&lines[4]), [Value::Null, json!("name")]);
    let message = lines[2]["faults"][0]["message"].as_str().expect("a message");
    assert!(message.contains("9C"), "{message}");
    assert_eq!(admin.get(USERS).send().data()["count"], 1);
    // Nor does it when one line is wrong.
    refused(&send(&admin, IMPORT, file.as_bytes(), json!({})), 400, "import-lines-wrong");
    assert_eq!(admin.get(USERS).send().data()["count"], 1);
}

#[test]
fn files_that_cannot_be_read_are_refused_with_a_word() {
    let server = Server::start();
    let admin = server.admin();
    // 姓名 in GBK.
    let gbk = send(&admin, CHECK, b"name,full name\nann,\xd0\xd5\xc3\xfb\n", json!({}));
    assert!(refused(&gbk, 400, "csv-not-utf8").contains("GBK"), "{}", gbk.body);
    for (file, key) in [
        (&b""[..], "csv-empty"),
        (b"name\n", "csv-empty"),
        (b"email\nann@school.example\n", "csv-without-name"),
        (b"name,nickname\nann,a\n", "csv-heading-unknown"),
        (b"name,name\nann,a\n", "csv-heading-twice"),
    ] {
        for path in [CHECK, IMPORT] {
            refused(&send(&admin, path, file, json!({})), 400, key);
        }
    }
    let broken = admin.post(CHECK).json(&json!({"content": "no base64!"})).send();
    refused(&broken, 400, "field-wrong");
    let many = format!("name\n{}", (0..2_001).map(|n| format!("u{n}\n")).collect::<String>());
    refused(&send(&admin, CHECK, many.as_bytes(), json!({})), 400, "csv-too-many-lines");
}

#[test]
fn a_class_is_made_with_passwords_that_are_told_once() {
    let server = Server::start();
    let admin = server.admin();
    admin.post("/api/v1.0/identity/group").json(&json!({"name": "9B"})).send().data();
    let file =
        "name,full_name,groups,password\nann,Ann Lee,9B,a password of hers\nbob,Bob,,\nadmin,,,\n";
    let options = json!({"make_passwords": true, "force_reset": true, "skip_wrong": true, "roles": ["teacher"]});
    let begun = send(&admin, IMPORT, file.as_bytes(), options).data();
    assert_eq!(begun["count"], 2, "{begun:#}");
    let made = begun["passwords"].as_array().expect("passwords").clone();
    assert_eq!((made.len(), &made[0]["name"]), (1, &json!("bob")));
    let operation = end(&admin, &begun);
    assert_eq!((&operation["state"], &operation["total"]), (&json!("succeeded"), &json!(2)));
    let ann = user(&admin, "ann");
    assert_eq!((&ann["full_name"], &ann["force_reset"]), (&json!("Ann Lee"), &json!(true)));
    assert_eq!(ann["roles"], json!(["teacher"]));
    let detail =
        admin.get(&format!("{USERS}/{}", ann["uuid"].as_str().expect("uuid"))).send().data();
    assert_eq!(detail["groups"][0]["name"], "9B");
    for (name, password) in
        [("ann", "a password of hers"), ("bob", made[0]["password"].as_str().expect("text"))]
    {
        let body = json!({"username": name, "password": password});
        let entered = server.client().post("/api/account/login").json(&body).send();
        assert_eq!(entered.json()["reset"], true, "{name}: {}", entered.body);
    }
    // One line of the log, with the first names; nowhere is a password kept.
    let log = admin.get(LOG).query("module", "identity").header("Accept-Language", "en");
    let is_import =
        |line: &Value| line["content"].as_str().is_some_and(|text| text.contains("Import"));
    let lines: Vec<Value> = rows(&log.send()).into_iter().filter(is_import).collect();
    assert_eq!((lines.len(), &lines[0]["succeeded"]), (1, &json!(true)), "{lines:#?}");
    assert!(
        lines[0]["content"].as_str().is_some_and(|text| text.contains("ann, bob")),
        "{lines:#?}"
    );
    let database = rusqlite::Connection::open(server.data_here().join("carrel.db")).expect("open");
    let waiting: i64 = database
        .query_row("SELECT count(*) FROM user_imports", [], |row| row.get(0))
        .expect("count");
    assert_eq!(waiting, 0);
}

#[test]
fn an_import_goes_on_after_a_kill_and_stops_when_it_is_cancelled() {
    let mut server = Server::start();
    let list = |letter: char, count: u32| {
        let lines = (0..count).map(|n| format!("{letter}{n:03},a good password {n}\n"));
        format!("name,password\n{}", lines.collect::<String>())
    };
    let begin = |admin: &Client, file: &str| {
        let body = json!({"content": STANDARD.encode(file)});
        admin.post(IMPORT).header("Prefer", "respond-async").json(&body).send().data()
    };
    let begun = begin(&server.admin(), &list('a', 60));
    server.kill_and_start();
    let admin = server.admin();
    assert_eq!(end(&admin, &begun)["state"], "succeeded");
    let count = |admin: &Client| admin.get(USERS).send().data()["count"].as_u64().expect("count");
    assert_eq!(count(&admin), 61);
    let person = json!({"username": "a059", "password": "a good password 59"});
    server.client().post("/api/account/login").json(&person).send().expect_status(201);

    let begun = begin(&admin, &list('b', 500));
    let uuid = begun["operation_uuid"].as_str().expect("an operation");
    admin.action("/api/v1.0/operations", "cancel", json!({"uuid": uuid})).send().data();
    let operation = end(&admin, &begun);
    assert!(
        ["partly", "cancelled"].contains(&operation["state"].as_str().expect("state")),
        "{operation:#}"
    );
    assert!(count(&admin) < 561, "stopped");
    let database = rusqlite::Connection::open(server.data_here().join("carrel.db")).expect("open");
    let sql = "SELECT count(*) FROM user_imports";
    let waiting: i64 = database.query_row(sql, [], |row| row.get(0)).expect("count");
    assert_eq!(waiting, 0, "nobody waits any more");
}

#[test]
fn nobody_imports_more_than_they_may_give() {
    let server = Server::start();
    let site = Site::of_default(&server);
    let role = json!({"code": "helper", "permissions": ["users.manage", "users.view"]});
    site.admin.post("/api/v1.0/identity/role").json(&role).send().data();
    let lee = json!({"name": "lee", "password": PASSWORD, "roles": ["helper"]});
    site.admin.post(USERS).json(&lee).send().data();
    let lee = server.client().sign_in("lee", PASSWORD);
    let report = send(&lee, CHECK, b"name,roles\nann,admin\n", json!({"roles": []})).data();
    assert_eq!(report["lines"][0]["faults"][0]["column"], "roles", "{report:#}");
    refused(&send(&lee, IMPORT, b"name,roles\nann,admin\n", json!({})), 400, "import-lines-wrong");
    refused(
        &server.client().post(CHECK).json(&json!({"content": ""})).send(),
        401,
        "not-signed-in",
    );
}
