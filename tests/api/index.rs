//! The first page: charts, counts, the operation log.

use std::time::Duration;

use serde_json::{Value, json};

use crate::refused::refused;
use crate::support::{SMALL, Server, Site, rows, wait_for};

const TOP: &str = "/api/v1.0/index/get_top_data/";
const COUNTS: &str = "/api/v1.0/index/get_resource_statistic/";
const LOG: &str = "/api/v1.0/index/get_operation_log/";
const POOLS: &str = "/api/v1.0/resource_mgr/resource_pools";

#[test]
fn charts_show_what_the_node_uses() {
    let server = Server::start();
    let admin = server.admin();
    let top = wait_for("the first sample", Duration::from_secs(20), || {
        let top = admin.post(TOP).json(&json!({"statis_period": 15})).send();
        let top = top.documented("vdi.index.top-data");
        (top["cpu_util"] != json!([])).then_some(top)
    });
    for chart in ["cpu_util", "memory_util", "disk_util", "nic_util"] {
        assert_eq!(top[chart].as_array().map(Vec::len), Some(1), "{chart}: {top}");
    }
    let disk = &top["disk_util"][0];
    let percent: f64 = disk[1].as_str().expect("text").parse().expect("a number");
    let share = disk[3].as_f64().expect("used") * 100.0 / disk[2].as_f64().expect("total");
    assert!((percent - share).abs() < 0.01, "{disk}");
    let memory: f64 = top["memory_util"][0][1].as_str().expect("text").parse().expect("a number");
    assert!(memory > 0.0 && memory <= 100.0, "{memory}");

    for (period, key) in [
        (json!(1), "statis-period-wrong"),
        (json!(60), "statis-period-wrong"),
        (json!(-5), "statis-period-wrong"),
        (json!("soon"), "field-wrong"),
        (json!(2.5), "field-wrong"),
    ] {
        refused(&admin.post(TOP).json(&json!({"statis_period": period})).send(), 400, key);
    }
    refused(&admin.post(TOP).json(&json!({})).send(), 400, "field-missing");
    admin.post(TOP).json(&json!({"statis_period": "59"})).send().data();
    admin.post(TOP).json(&json!({"statis_period": 2})).send().data();
}

#[test]
fn counts_follow_what_is_there() {
    let server = Server::start();
    let admin = server.admin();
    let counts = admin.get(COUNTS).send().documented("vdi.index.resource-statistic");
    assert_eq!((&counts["sum_node_cnt"], &counts["resource_pool_cnt"]), (&json!(1), &json!(1)));
    assert_eq!((&counts["license_status"], &counts["sum_instance_cnt"]), (&json!(1), &json!(0)));
    admin.post(POOLS).json(&json!({"name": "b", "desc": ""})).send().data();
    assert_eq!(admin.get(COUNTS).send().data()["resource_pool_cnt"], 2);
}

#[test]
fn the_log_tells_who_did_what_and_how_it_went() {
    let server = Server::start();
    let admin = server.admin();
    admin.post(POOLS).json(&json!({"name": "log me", "desc": ""})).send().data();
    admin.post(POOLS).json(&json!({"name": "log me", "desc": ""})).send().refusal();
    let log = admin.get(LOG).query("module", "resource_pool").send();
    let log = log.documented("vdi.index.operation-log");
    assert_eq!(log["count"], 2, "{log}");
    let (failed, made) = (&log["results"][0], &log["results"][1]);
    assert!(made["content"].as_str().expect("content").contains("log me"));
    assert_eq!((&made["result"], &made["user_name"]), (&json!("成功"), &json!("admin")));
    assert_eq!(made["created_at"], made["create_at"]);
    assert_ne!(failed["result"], "成功");
    assert_ne!(failed["user_ip"], Value::Null);

    let first = admin.get(LOG).query("page", 1).query("page_size", 1).send().data();
    assert_eq!(first["previous"], Value::Null);
    let next = first["next"].as_str().expect("a next page");
    assert!(next.starts_with(&format!("{}{LOG}?page=2&page_size=1", server.base())), "{next}");
    let second = admin.get(&next[server.base().len()..]).send().data();
    let back = second["previous"].as_str().expect("a page before");
    assert!(back.contains("page=1&"), "{back}");
    assert_ne!(first["results"], second["results"]);
}

#[test]
fn a_request_and_the_end_of_its_operation_are_one_line_of_the_log() {
    let server = Server::start();
    let site = Site::of(&server, SMALL);
    site.wait_idle();
    let log = rows(&site.admin.get(LOG).query("module", "data_network").send());
    let line = log.iter().find(|line| line["user_name"] == "admin").expect("the subnet's making");
    assert_ne!(line["user_ip"], Value::Null, "{line:#}");
    assert_eq!(line["succeeded"], true);
    let request = line["request_id"].as_str().expect("a request");
    let all = rows(&site.admin.get(LOG).query("request_id", request).send());
    assert_eq!(all.len(), 1, "{all:#?}");
    // What the server does by itself has lines of its own.
    let own = rows(&site.admin.get(LOG).query("module", "operations").send());
    assert!(own.iter().all(|line| line["user_name"] == "system"), "{own:#?}");
}

#[test]
fn the_log_is_kept_for_the_days_that_are_set() {
    let mut server = Server::with().env("CARREL_AUDIT_DAYS", 10).start();
    server.stop();
    let database = rusqlite::Connection::open(server.data_here().join("carrel.db")).expect("open");
    for days in [400, 11, 9] {
        let insert = "INSERT INTO audit (at, user_name, action, subject, module, request_id) \
             VALUES (unixepoch() - ?1 * 86400, 'ann', 'log-sign-in', ?1, 'old', '')";
        database.execute(insert, [days]).expect("an old line");
    }
    let left = || {
        let mut statement = database.prepare("SELECT subject FROM audit WHERE module = 'old'");
        let statement = statement.as_mut().expect("prepare");
        let days = statement.query_map([], |row| row.get::<_, String>(0)).expect("query");
        days.collect::<Result<Vec<_>, _>>().expect("read")
    };
    assert_eq!(left(), ["400", "11", "9"]);
    server.start_again();
    wait_for("the end of old lines", Duration::from_secs(20), || (left() == ["9"]).then_some(()));
    let log = server.admin().get(LOG).query("module", "old").send().data();
    assert_eq!(log["count"], 1, "{log}");
}

#[test]
fn strangers_do_not_fill_the_log() {
    let server = Server::start();
    let admin = server.admin();
    let count = || admin.get(LOG).send().data()["count"].clone();
    let before = count();
    let sign_in =
        |body: Value| server.client().post("/api/account/login").json(&body).send().status;
    // Not even looked at: no name, a wrong type, nothing at all.
    for body in [json!({}), json!({"username": "admin"}), json!({"username": 5, "password": "x"})] {
        assert_eq!(sign_in(body), 400);
    }
    server.client().post("/api/v1.0/education/desktop/").json(&json!({})).send().expect_status(401);
    server.client().get("/api/account/logout").send();
    assert_eq!(count(), before);
    // A wrong password is worth a line, until the account is locked: then no more.
    let wrong = || sign_in(json!({"username": "nobody", "password": "wrong-1"}));
    assert_eq!(wrong(), 400);
    assert_eq!(count(), before.as_i64().map(|n| json!(n + 1)).expect("a number"));
    wait_for("the lock", Duration::from_secs(60), || (wrong() == 429).then_some(()));
    let locked = count();
    for _ in 0..5 {
        assert_eq!(wrong(), 429);
    }
    assert_eq!(count(), locked);
}

#[test]
fn figures_are_told_to_open_pages() {
    let server = Server::start();
    let admin = server.admin();
    let events = admin.get("/api/v1.0/events").follow();
    let node = events.wait_from(0, Duration::from_secs(20), |line| {
        let data: Value = serde_json::from_str(line.strip_prefix("data: ")?).ok()?;
        data.get("node_id").cloned()
    });
    assert!(node.is_some_and(|node| node.is_i64()), "a sample of a node");
    // Whoever hears of it and asks is shown it.
    let top = admin.post(TOP).json(&json!({"statis_period": 15})).send();
    assert_ne!(top.documented("vdi.index.top-data")["memory_util"], json!([]));
}
