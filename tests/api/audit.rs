//! The operation log under filters, and as a file for a spreadsheet.

use serde_json::{Value, json};

use crate::guard::routes;
use crate::refused::{auditor, refused};
use crate::room::NOBODY;
use crate::support::{Answer, Client, PASSWORD, Server, uuid_of};

const LOG: &str = "/api/v1.0/index/get_operation_log/";
const EXPORT: &str = "/api/v1.0/audit/export";
const POOLS: &str = "/api/v1.0/resource_mgr/resource_pools";
const MODULE: &str = "resource_pool";

/// Makes a pool, or fails to because there is one.
fn make_pool(client: &Client, name: &str) -> Answer {
    client.post(POOLS).json(&json!({"name": name, "desc": ""})).send()
}

fn lines(client: &Client, filters: &[(&str, &str)]) -> Vec<Value> {
    let request = client.get(LOG).query("page_size", 100);
    let request = filters.iter().fold(request, |request, (name, value)| request.query(name, value));
    request.send().data()["results"].as_array().expect("results").clone()
}

/// Titles and rows of an export in English.
fn export(client: &Client, filters: &[(&str, &str)]) -> (Vec<String>, Vec<Vec<String>>) {
    let request = client.get(EXPORT).query("language", "en");
    let request = filters.iter().fold(request, |request, (name, value)| request.query(name, value));
    let answer = request.send();
    answer.expect_status(200);
    assert_eq!(answer.header("content-type"), Some("text/csv; charset=utf-8"));
    let disposition = answer.header("content-disposition").unwrap_or_default();
    assert!(disposition.starts_with("attachment; filename=\"carrel-log.csv\""), "{disposition}");
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let text = answer.bytes.strip_prefix("\u{feff}".as_bytes()).expect("a byte order mark");
    let mut reader = csv::Reader::from_reader(text);
    let titles = reader.headers().expect("titles").iter().map(str::to_owned).collect();
    let rows = reader.records().map(|row| row.expect("a row").iter().map(str::to_owned).collect());
    (titles, rows.collect())
}

#[test]
fn the_log_is_filtered_by_result_user_and_address() {
    let server = Server::start();
    let admin = server.admin();
    make_pool(&admin, "north").data();
    refused(&make_pool(&admin, "north"), 409, "pool-name-taken");
    let mine = [("module", MODULE)];
    assert_eq!(lines(&admin, &mine).len(), 2);
    for (succeeded, expected) in [("1", true), ("0", false), ("true", true), ("false", false)] {
        let found = lines(&admin, &[("module", MODULE), ("succeeded", succeeded)]);
        assert_eq!(found.len(), 1, "{succeeded}");
        assert_eq!(found[0]["succeeded"], expected);
    }
    let subject = [("module", MODULE), ("searchtype", "contain"), ("subject", "ORT")];
    assert_eq!(lines(&admin, &subject).len(), 2);
    let user = [("module", MODULE), ("searchtype", "contain"), ("user_name", "dmi")];
    assert_eq!(lines(&admin, &user).len(), 2);
    assert_eq!(lines(&admin, &[("module", MODULE), ("user_name", "dmi")]).len(), 0);
    assert_eq!(lines(&admin, &[("module", MODULE), ("user_ip", "127.0.0.1")]).len(), 2);
    assert_eq!(lines(&admin, &[("module", MODULE), ("user_ip", "192.0.2.1")]).len(), 0);
}

#[test]
fn the_log_is_filtered_by_time_with_both_ends() {
    let server = Server::start();
    let admin = server.admin();
    make_pool(&admin, "south").data();
    let line = lines(&admin, &[("module", MODULE)]).remove(0);
    let at = line["created_at"].as_str().expect("a time");
    let count = |filters: &[(&str, &str)]| {
        let filters: Vec<_> = filters.iter().chain(&[("module", MODULE)]).copied().collect();
        lines(&admin, &filters).len()
    };
    assert_eq!(count(&[("from", at), ("to", at)]), 1, "that very second");
    assert_eq!(count(&[("from", "2020-01-01 00:00:00"), ("to", at)]), 1);
    assert_eq!(count(&[("from", at), ("to", "2100-01-01 00:00:00")]), 1);
    assert_eq!(count(&[("from", "2100-01-01 00:00:00")]), 0);
    assert_eq!(count(&[("to", "2020-01-01 00:00:00")]), 0);
    for name in ["from", "to"] {
        refused(&admin.get(LOG).query(name, "yesterday").send(), 400, "time-malformed");
        refused(&admin.get(EXPORT).query(name, "yesterday").send(), 400, "time-malformed");
    }
}

#[test]
fn an_export_holds_what_the_log_shows() {
    let server = Server::start();
    let admin = server.admin();
    make_pool(&admin, "east, \"wing\"").refusal();
    make_pool(&admin, "东楼").data();
    make_pool(&admin, "东楼").refusal();
    let (titles, rows) = export(&admin, &[("module", MODULE)]);
    assert_eq!(titles[..4], ["Time", "User", "Address", "Operation"]);
    let shown = admin.get(LOG).query("module", MODULE).header("Accept-Language", "en").send();
    let shown = shown.data()["results"].as_array().expect("results").clone();
    assert_eq!(rows.len(), 3);
    for (row, line) in rows.iter().zip(&shown) {
        let of = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
        assert_eq!(row[..4], [of("created_at"), of("user_name"), of("user_ip"), of("content")]);
        assert_eq!(row[5], of("result"));
        assert_eq!(row[6], u8::from(line["succeeded"] == true).to_string());
        assert_eq!(of("module"), MODULE);
        assert_eq!(
            row[7..],
            ["Resource pools".to_owned(), of("request_id")],
            "as the console says"
        );
    }
    assert_eq!(rows[0][4], "东楼");
    let (_, failed) = export(&admin, &[("module", MODULE), ("succeeded", "0")]);
    assert_eq!(failed.len(), 2);
    // in the reader's language, which a link names in its address
    let chinese = admin.get(EXPORT).query("language", "zh-CN").send();
    assert!(chinese.body.starts_with("\u{feff}时间,用户,"), "{}", chinese.body);
}

#[test]
fn a_long_export_passes_nothing_over_and_repeats_nothing() {
    let server = Server::start();
    let admin = server.admin();
    // Each refusal is a line; more than are read at once.
    let rounds = 2_100;
    for _ in 0..rounds {
        admin.delete("/api/v1.0/identity/role/999999").json(&json!({})).send().refusal();
    }
    let (_, rows) = export(&admin, &[("module", "identity"), ("succeeded", "0")]);
    assert_eq!(rows.len(), rounds);
    let mut requests: Vec<_> = rows.iter().map(|row| row[8].clone()).collect();
    requests.sort();
    requests.dedup();
    assert_eq!(requests.len(), rounds, "every request once");
}

#[test]
fn nothing_in_an_export_is_a_formula() {
    let server = Server::start();
    let admin = server.admin();
    // Anybody can put a name into the log: by failing to sign in with it.
    for name in ["=cmd|' /C calc'!A0", "+1+1", "-2", "@SUM(A1)"] {
        let form = [("email", name), ("password", "not the one")];
        server.client().post("/account/").query("action", "login").form(&form).send();
    }
    let (_, rows) = export(&admin, &[("module", "identity"), ("succeeded", "0")]);
    assert_eq!(rows.len(), 4);
    for cell in rows.iter().flatten() {
        assert!(!cell.starts_with(['=', '+', '-', '@']), "{cell}");
    }
    assert!(rows.iter().any(|row| row[1] == "'@SUM(A1)" && row[4] == "'@SUM(A1)"), "{rows:?}");
}

#[test]
fn who_exports_stands_in_the_log_and_needs_the_permission() {
    let server = Server::start();
    let admin = server.admin();
    let auditor = auditor(&server);
    export(&auditor, &[("module", MODULE), ("succeeded", "1")]);
    auditor.get(EXPORT).query("from", "nonsense").send().refusal();
    let mine = lines(&admin, &[("module", "audit"), ("user_name", "auditor")]);
    assert_eq!(mine.len(), 2, "{mine:?}");
    let content = mine[1]["content"].as_str().expect("content");
    assert!(content.contains("module=resource_pool, succeeded=1"), "{content}");
    assert_eq!((&mine[0]["succeeded"], &mine[1]["succeeded"]), (&json!(false), &json!(true)));

    let output = server.run(&["admin", "add", "teacher", "--role", "teacher"], PASSWORD);
    assert!(output.status.success());
    let teacher = server.client().sign_in("teacher", PASSWORD);
    refused(&teacher.get(EXPORT).send(), 403, "permission-missing");
    refused(&server.client().get(EXPORT).send(), 401, "not-signed-in");
}

/// Audited rows that anybody may call. What is said at the door names nobody until somebody is known:
/// other tests look for their lines, as the second word says.
const AT_THE_DOOR: [(&str, &str); 11] = [
    ("analysis.account.login", "login"),
    ("analysis.account.register", "register"),
    ("carrel.console", "console"),
    ("carrel.mail.confirm", "register"),
    ("carrel.oidc.callback", "provider"),
    ("carrel.session.logout", "login"),
    ("carrel.setup", "setup"),
    ("ops.login.login", "login"),
    ("virtool.session.login", "login"),
    ("virtool.session.logout", "login"),
    ("virtool.session.reset", "account"),
];

#[test]
fn every_audited_row_leaves_its_line() {
    let server = Server::start();
    let mut admin = server.admin();
    let routes = routes(&server);
    let audited = routes.iter().filter(|route| route.audit.is_some());
    let (door, inside): (Vec<_>, Vec<_>) = audited.partition(|route| route.is_public());
    assert!(inside.len() > 60, "{}", inside.len());
    for route in door {
        let known = AT_THE_DOOR.iter().any(|(id, _)| *id == route.id);
        assert!(known, "{} is audited, and no test looks for its line", route.id);
    }
    for route in inside {
        let answer = route.call(&admin).send();
        assert_ne!(answer.status, 401, "{}: {}", route.id, answer.body);
        let id = answer.header("X-Request-Id").expect("an id").to_owned();
        let found = lines(&admin, &[("request_id", &id)]);
        let keys: Vec<&Value> = found.iter().map(|line| &line["module"]).collect();
        assert_eq!(found.len(), 1, "{}: {keys:?} after {}", route.id, answer.body);
        if admin.get("/api/v1.0/identity/own").send_for_status() == 401 {
            admin = server.admin();
        }
    }
}

/// Lets a statement on the log fail from now on, as a full disk would.
fn break_log(server: &Server, statement: &str) -> rusqlite::Connection {
    let database = rusqlite::Connection::open(server.data_here().join("carrel.db")).expect("open");
    let broken = format!(
        "CREATE TRIGGER broken BEFORE {statement} ON audit \
         BEGIN SELECT RAISE(ABORT, 'the log is broken'); END"
    );
    database.execute_batch(&broken).expect("break the log");
    database
}

#[test]
fn without_its_line_no_change_is_made() {
    let server = Server::start();
    let admin = server.admin();
    let database = break_log(&server, "INSERT");
    make_pool(&admin, "west").expect_status(500);
    admin.get(EXPORT).send().expect_status(500);
    database.execute_batch("DROP TRIGGER broken").expect("mend the log");
    assert_eq!(admin.get(POOLS).query("name", "west").send().data()["count"], 0);
    // The client may try again: its name is not taken.
    make_pool(&admin, "west").data();
    assert_eq!(lines(&admin, &[("subject", "west")]).len(), 1);
}

#[test]
fn a_change_is_told_although_its_line_stays_open() {
    let server = Server::start();
    let admin = server.admin();
    let database = break_log(&server, "UPDATE");
    make_pool(&admin, "west").data();
    database.execute_batch("DROP TRIGGER broken").expect("mend the log");
    assert_eq!(admin.get(POOLS).query("name", "west").send().data()["count"], 1);
    let open = lines(&admin, &[("module", MODULE)]);
    assert_eq!((open.len(), &open[0]["succeeded"]), (1, &Value::Null), "{open:#?}");
    for (filter, value) in [("succeeded", "1"), ("succeeded", "0"), ("failed", "1")] {
        let found = lines(&admin, &[("module", MODULE), (filter, value)]);
        assert!(found.is_empty(), "{filter}={value}: {found:#?}");
    }
    let (titles, rows) = export(&admin, &[("module", MODULE)]);
    let column = titles.iter().position(|title| title == "Succeeded").expect("the column");
    assert_eq!(rows[0][column], "");
    assert_eq!(open[0]["result"], "操作已开始，结果尚未记录。");
    assert_eq!(open[0]["user_name"], "admin");
    assert_eq!(lines(&admin, &[("subject", "west")]).len(), 1);
}

#[test]
fn what_goes_on_after_its_request_is_one_line_that_tells_the_end() {
    let room = crate::room::Room::start();
    let admin = &room.site.admin;
    let about = |name: &str| lines(admin, &[("subject", name)]);
    room.deploy("pc", 2);
    let [line] = &about("pc")[..] else { panic!("{:#?}", about("pc")) };
    assert_eq!((&line["module"], &line["succeeded"]), (&json!("education"), &json!(true)));
    // Answered before the end.
    let late = room.site.deploy_request("pd", &room.classroom, &room.template, 2);
    room.site.done(late.header("Prefer", "respond-async"));
    let [line] = &about("pd")[..] else { panic!("{:#?}", about("pd")) };
    assert_eq!((&line["module"], &line["succeeded"]), (&json!("education"), &json!(true)));
    // The reason of what fails after the answer.
    let group = room.deploy("pe", 1);
    let desktop = room.site.desktops(&group).remove(0);
    for overlay in room.overlays() {
        std::fs::write(room.server.data_here().join(overlay), "no disk").expect("spoil a disk");
    }
    let param = json!({"desktops": [{"uuid": group, "name": "pe"}]});
    let start = admin.action("/api/v1.0/education/desktop/", "start", param);
    let begun = start.header("Prefer", "respond-async").send().data();
    let uuid = begun["operation_uuid"].as_str().expect("an operation");
    let state = room.site.wait_operation(uuid)["state"].clone();
    let found = about("pe");
    assert_eq!(found.len(), 2, "made and started: {found:#?}");
    assert_eq!(found[0]["succeeded"], state == "succeeded", "{state}: {found:#?}");
    assert!(about(desktop["name"].as_str().expect("name")).is_empty(), "told with the group");
}

#[test]
fn what_a_killed_server_began_has_its_line_closed_when_it_is_done() {
    let mut room = crate::room::Room::start();
    let request = room.site.deploy_request("pc", &room.classroom, &room.template, 40);
    let begun = request.header("Prefer", "respond-async").send().data();
    room.server.kill_and_start();
    let admin = room.server.admin();
    let uuid = begun["operation_uuid"].as_str().expect("an operation");
    crate::support::Site { admin: admin.clone(), ..room.site.clone() }.wait_operation(uuid);
    let found = lines(&admin, &[("module", "education"), ("subject", "pc")]);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!(found[0]["succeeded"], true, "{found:#?}");
}

#[test]
fn a_reason_within_a_sentence_is_in_the_readers_language() {
    let server = Server::start();
    let english = server.admin().with_header("Accept-Language", "en");
    let both = json!({"uuids": [NOBODY, uuid::Uuid::new_v4()]});
    let sentence = refused(&english.delete(POOLS).json(&both).send(), 404, "batch-failed");
    let reason = sentence.split("reason: ").nth(1).expect("a reason");
    let read = |language: &str| {
        let reader = english.clone().with_header("Accept-Language", language);
        lines(&reader, &[("module", MODULE)])[0]["result"].as_str().expect("result").to_owned()
    };
    assert_eq!(read("en"), sentence);
    let chinese = read("zh-CN");
    assert!(
        chinese.starts_with("2 个全部失败。第一个原因：") && !chinese.contains(reason),
        "{chinese}"
    );
    assert!(chinese.contains(NOBODY) && !chinese.contains("resource pool"), "{chinese}");
}

#[test]
fn a_batch_that_is_done_in_part_is_no_success_in_the_log() {
    let server = Server::start();
    let admin = server.admin();
    make_pool(&admin, "east").data();
    let uuid = uuid_of(&admin, POOLS, "east");
    let both = json!({"uuids": [uuid, NOBODY]});
    let answer = admin.delete(POOLS).json(&both).send().data();
    assert_eq!((&answer["success_num"], &answer["failed_num"]), (&json!(1), &json!(1)));
    let line = &lines(&admin, &[("module", MODULE)])[0];
    assert_eq!(line["succeeded"], false, "{line:#}");
    let result = line["result"].as_str().expect("result");
    assert!(result.contains(NOBODY) && !result.contains(&uuid), "{result}");
}
