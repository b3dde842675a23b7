//! Settings of the server that an administrator changes in the console: at once, before the file, and back to it.

use std::time::Duration;

use rusqlite::Connection;
use serde_json::{Value, json};

use crate::refused::{auditor, needs_a_right, refused};
use crate::support::{Client, Part, SMALL, Server, Site, wait_until};

const SETTINGS: &str = "/api/v1.0/settings";
const LOG: &str = "/api/v1.0/index/get_operation_log/";

fn set(admin: &Client, value: &Value) -> Value {
    admin.put(SETTINGS).json(value).send().data()
}

#[test]
fn what_is_set_holds_before_the_file_and_null_is_the_file_again() {
    let mut server = Server::with().env("CARREL_SHUTDOWN_SECONDS", 30).start();
    let admin = server.admin();
    let file = json!({"shutdown_seconds": 30, "audit_days": 365, "upload_limit_gib": 512});
    let chosen = |shutdown: Value, audit: Value| json!({"chosen": {"shutdown_seconds": shutdown, "audit_days": audit, "upload_limit_gib": null}, "file": file});
    let nothing = chosen(Value::Null, Value::Null);
    assert_eq!(admin.get(SETTINGS).send().data(), nothing);
    let set_both = chosen(json!(90), json!(30));
    assert_eq!(set(&admin, &json!({"shutdown_seconds": 90, "audit_days": 30})), set_both);
    // What is left out stays, also over a restart.
    assert_eq!(set(&admin, &json!({})), set_both);
    server.kill();
    server.start_again();
    let admin = server.admin();
    assert_eq!(admin.get(SETTINGS).send().data(), set_both);
    let one = chosen(Value::Null, json!(30));
    assert_eq!(set(&admin, &json!({"shutdown_seconds": null})), one);

    let wrong = [
        (json!({"shutdown_seconds": 4}), "number-out-of-range"),
        (json!({"shutdown_seconds": 3601}), "number-out-of-range"),
        (json!({"audit_days": 36_501}), "number-out-of-range"),
        (json!({"upload_limit_gib": 0}), "number-out-of-range"),
        (json!({"shutdown_seconds": 60, "audit_days": -1}), "field-wrong"),
        (json!({"shutdown_seconds": "long"}), "field-wrong"),
    ];
    for (value, key) in wrong {
        refused(&admin.put(SETTINGS).json(&value).send(), 400, key);
        assert_eq!(admin.get(SETTINGS).send().data(), one, "{value}");
    }
    let auditor = auditor(&server);
    needs_a_right(&auditor, "PUT", SETTINGS);
    needs_a_right(&auditor, "GET", SETTINGS);
    let log = admin.get(LOG).query("module", "settings").header("Accept-Language", "en").send();
    assert!(log.body.contains("Change settings of the server"), "{}", log.body);
    for told in ["shutdown_seconds = 90, audit_days = 30", "shutdown_seconds = –"] {
        assert!(log.body.contains(told), "{told}: {}", log.body);
    }
}

#[test]
fn an_upload_is_as_large_as_is_set_now() {
    let server = Server::start();
    let site = Site::of(&server, SMALL);
    set(&site.admin, &json!({"upload_limit_gib": 1}));
    let path = format!("/api/v1.0/resource_mgr/resource_pools/{}/base_images", site.pool);
    let size = 2_u64 << 30;
    let content = Box::new(std::io::Read::take(std::io::repeat(0), size));
    let part = Part::File { name: "file", file_name: "huge", size, content };
    let request = site.admin.post(&path).query("name", "huge").query("os_type", "linux");
    // The refusal may come before the client has sent everything, which then sees a broken pipe.
    if let Ok(answer) = request.multipart(vec![part]).try_send() {
        assert_eq!(answer.json()["data"]["error"], "upload-too-large", "{}", answer.body);
    }
    assert_eq!(site.admin.get(&path).send().data()["count"], 0);
}

/// It is looked for at the start, and every few hours.
#[test]
fn the_log_is_kept_for_as_many_days_as_are_set() {
    let mut server = Server::start();
    set(&server.admin(), &json!({"audit_days": 10}));
    server.kill();
    let database = || Connection::open(server.data_here().join("carrel.db")).expect("the database");
    let old = "UPDATE audit SET at = at - 20 * 86400 WHERE id = 1";
    assert_eq!(database().execute(old, []).expect("an old line"), 1);
    let count = "SELECT count(*) FROM audit WHERE id = 1";
    let is_there = move |database: Connection| {
        database.query_row(count, [], |row| row.get::<_, i64>(0)).expect("count") == 1
    };
    assert!(is_there(database()));
    server.start_again();
    let path = server.data_here().join("carrel.db");
    wait_until("the old line is gone", Duration::from_secs(20), || {
        !is_there(Connection::open(&path).expect("the database"))
    });
}
