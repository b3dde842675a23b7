//! Who may call what: every route of the OpenAPI document as each kind of caller, against `matrix.tsv`.
//!
//! The table holds a line for each route and a column for each kind of caller: `yes` is let in, whatever the
//! route then thinks of the empty request; 401 and 403 are refusals. A route without a line fails, and so
//! does a line without a route. `MATRIX=write` writes the table anew, to be read and judged before it is
//! committed.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;

use serde_json::json;

use crate::guard::{Route, routes};
use crate::support::{Client, Server};

const TABLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/api/matrix.tsv");
const PASSWORD: &str = "a good password";

/// Kinds of callers, in the order of the columns. `desktop` is a user without any role, as people are who
/// only open their desktop; `key` is an API key of an administrator with `desktops.view` alone.
const CALLERS: [&str; 10] = [
    "nobody", "disabled", "desktop", "normal", "analyst", "teacher", "auditor", "operator",
    "admin", "key",
];

/// After these a caller is signed in no more.
const ENDING: [&str; 4] = [
    "virtool.session.logout",
    "carrel.session.logout",
    "virtool.session.login",
    "analysis.account.login",
];

struct Callers<'a> {
    server: &'a Server,
    clients: BTreeMap<&'static str, Client>,
}

impl<'a> Callers<'a> {
    fn new(server: &'a Server) -> Self {
        let mut callers = Self { server, clients: BTreeMap::new() };
        let admin = server.admin();
        for caller in CALLERS {
            let roles = match caller {
                "nobody" | "key" => continue,
                "desktop" | "disabled" => json!([]),
                role => json!([role]),
            };
            let body = json!({"name": caller_name(caller), "password": PASSWORD, "roles": roles});
            admin.post("/api/v1.0/identity/user").json(&body).send().expect_status(200);
            callers.sign_in(caller);
        }
        callers.clients.insert("nobody", server.client());
        callers.make_key();
        assert!(server.run(&["admin", "disable", "is-disabled"], "").status.success());
        callers
    }

    fn sign_in(&mut self, caller: &'static str) {
        let client = self.server.client().sign_in(&caller_name(caller), PASSWORD);
        self.clients.insert(caller, client);
    }

    fn make_key(&mut self) {
        let key = json!({"name": "one", "permissions": ["desktops.view"]});
        let made = self.clients["admin"].post("/api/v1.0/identity/own/key").json(&key).send();
        let key = made.data()["key"].as_str().expect("a key").to_owned();
        self.clients.insert("key", self.server.client().with_header("Authorization", &key));
    }

    /// How the route receives the caller.
    fn received(&mut self, route: &Route, caller: &'static str) -> &'static str {
        let status = route.call(&self.clients[caller]).send_for_status();
        let signs_in = !matches!(caller, "nobody" | "key" | "disabled");
        if signs_in && ENDING.contains(&route.id.as_str()) {
            self.sign_in(caller);
        }
        if route.id == "virtool.keys.purge" && caller == "admin" {
            self.make_key();
        }
        match status {
            401 => "401",
            // document 004 has no 401
            403 if matches!(caller, "nobody" | "disabled") && route.is_of_document_004() => "401",
            403 => "403",
            500.. => panic!("{route:?} as {caller}: {status}"),
            _ => "yes",
        }
    }
}

/// Not the bare role: `admin` is there already.
fn caller_name(caller: &str) -> String {
    format!("is-{caller}")
}

#[test]
fn every_route_receives_every_kind_of_caller_as_the_table_says() {
    let server = Server::start().with_registration();
    let mut callers = Callers::new(&server);
    let mut routes = routes(&server);
    routes.sort_by(|one, other| one.id.cmp(&other.id));
    let mut found = format!("route\t{}\n", CALLERS.join("\t"));
    for route in &routes {
        let line: Vec<&str> =
            CALLERS.iter().map(|caller| callers.received(route, caller)).collect();
        writeln!(found, "{}\t{}", route.id, line.join("\t")).expect("write");
    }
    if std::env::var("MATRIX").as_deref() == Ok("write") {
        fs::write(TABLE, &found).expect("write the table");
    }
    let table = fs::read_to_string(TABLE).expect("read the table");
    let differences: Vec<String> = differences(&table, &found);
    assert!(differences.is_empty(), "not as the table says:\n{}", differences.join("\n"));
}

/// Lines that stand in one of both only.
fn differences(table: &str, found: &str) -> Vec<String> {
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let (table, found) = (lines(table), lines(found));
    let missing = table.iter().filter(|line| !found.contains(line)).map(|line| format!("- {line}"));
    let added = found.iter().filter(|line| !table.contains(line)).map(|line| format!("+ {line}"));
    missing.chain(added).collect()
}

/// What the table itself must say, whoever wrote it.
#[test]
fn the_table_lets_nobody_in_who_should_not_be() {
    let table = fs::read_to_string(TABLE).expect("read the table");
    let mut lines = table.lines().map(|line| line.split('\t').collect::<Vec<_>>());
    let head = lines.next().expect("a head");
    let at = |name: &str| head.iter().position(|column| *column == name).expect("a column");
    for line in lines {
        let route = line[0];
        let cell = |name: &str| line[at(name)];
        assert_eq!(cell("nobody"), cell("disabled"), "{route}: a disabled user is nobody");
        assert_eq!(cell("admin"), "yes", "{route}: an administrator may do everything");
        if cell("nobody") == "401" {
            for caller in ["desktop", "normal", "analyst"] {
                let own = ["own", "session", "virtool.", "analysis.", "ops.", "carrel.events"];
                let is_own = own.iter().any(|word| route.contains(word));
                // A search finds what the lists show to whoever asks.
                let is_open = ["carrel.permissions.list", "carrel.search"].contains(&route);
                assert!(cell(caller) == "403" || is_own || is_open, "{route} is open to {caller}");
            }
        }
    }
}
