//! Every route, as the OpenAPI document lists them, refuses those who may not use it.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::refused::refused;
use crate::support::{ADMIN, Answer, Client, PASSWORD, Request, Server};

/// What anybody may call without a credential. A new one belongs here on purpose.
const PUBLIC: [&str; 18] = [
    "analysis.account.login",
    "analysis.account.register",
    // a single-use token in the address is the credential
    "carrel.console",
    // as for templates below
    "carrel.isos.download-file",
    // so is it in the mail
    "carrel.mail.confirm",
    // the way to the identity provider and back; the browser's sealed memory is the credential
    "carrel.oidc.begin",
    "carrel.oidc.callback",
    "carrel.openapi",
    "carrel.session.get",
    "carrel.session.logout",
    "carrel.setup",
    // a client asks what the server can do before it signs in
    "carrel.uploads.options",
    // as for consoles: a link that somebody with the permission was given
    "carrel.templates.download-file",
    // tells strangers nothing but that they are not signed in
    "ops.login.check",
    "ops.login.login",
    "virtool.session.login",
    "virtool.session.logout",
    // the cookie and the code of a sign-in are the credential
    "virtool.session.reset",
];

/// One row of the table of endpoints.
#[derive(Debug)]
pub struct Route {
    pub id: String,
    method: String,
    path: String,
    action: Option<String>,
    permission: String,
    /// The message key of its line in the audit log.
    pub audit: Option<String>,
}

impl Route {
    pub fn is_public(&self) -> bool {
        self.permission == "public"
    }

    pub fn is_of_document_004(&self) -> bool {
        self.id.starts_with("ops.")
    }

    fn changes(&self) -> bool {
        !matches!(self.method.as_str(), "GET" | "HEAD" | "OPTIONS")
    }

    /// A call of it: with its action, and nothing else that it needs.
    pub fn call(&self, client: &Client) -> Request {
        let request = client.request(&self.method, &self.path);
        match &self.action {
            Some(action) if self.path.starts_with("/api/") => {
                request.json(&json!({"action": action, "param": {}}))
            }
            Some(action) => request.query("action", action),
            None if self.changes() => request.json(&json!({})),
            None => request,
        }
    }

    /// A refusal in the form of the route's document.
    #[track_caller]
    fn expect_refusal(&self, answer: &Answer, status: u16) {
        if self.method == "HEAD" {
            // Its body would not come.
            answer.expect_status(status);
            return;
        }
        let body = answer.json();
        // document 004 knows no 401
        let status = if self.is_of_document_004() { 403 } else { status };
        assert_eq!(answer.status, status, "{self:?}: {body}");
        let message = match &self.path {
            path if path.starts_with("/api/account") => &body["message"],
            _ if self.is_of_document_004() => &body["info"],
            _ => &body["msg"],
        };
        assert!(message.as_str().is_some_and(|text| !text.is_empty()), "{self:?}: {body}");
        if let Some(code) = body.get("code") {
            assert_ne!(*code, json!(0), "{self:?}: {body}");
        }
    }
}

pub fn routes(server: &Server) -> Vec<Route> {
    let document = server.client().get("/api/openapi.json").send().json();
    let mut found = Vec::new();
    for (path, methods) in document["paths"].as_object().expect("paths") {
        for (method, operation) in methods.as_object().expect("methods") {
            let route = |row: &Value, id: &str, permission: &str, audit: &str| Route {
                id: row[id].as_str().expect("an id").to_owned(),
                method: method.to_uppercase(),
                path: filled(path),
                action: row["action"].as_str().map(str::to_owned),
                permission: row[permission].as_str().expect("a permission").to_owned(),
                audit: row[audit].as_str().map(str::to_owned),
            };
            match operation["x-actions"].as_array() {
                Some(rows) => {
                    found.extend(rows.iter().map(|row| route(row, "id", "permission", "audit")))
                }
                None => found.push(route(operation, "operationId", "x-permission", "x-audit")),
            }
        }
    }
    found
}

/// The path with something in the place of each parameter.
fn filled(path: &str) -> String {
    let parts = path.split('/').map(|part| match part.starts_with('{') {
        true => "00000000-0000-4000-8000-000000000000",
        false => part,
    });
    parts.collect::<Vec<_>>().join("/")
}

#[track_caller]
fn add(server: &Server, user: &str, role: &str) -> Client {
    let output = server.run(&["admin", "add", user, "--role", role], "a good password");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    server.client().sign_in(user, "a good password")
}

fn permissions(client: &Client) -> BTreeSet<String> {
    let session = client.get("/api/v1.0/session").send().data();
    serde_json::from_value(session["permissions"].clone()).expect("permissions")
}

#[test]
fn nobody_passes_without_a_credential() {
    let server = Server::start();
    let routes = routes(&server);
    assert!(routes.len() > 12, "the walk is long: {}", routes.len());
    let public: BTreeSet<&str> =
        routes.iter().filter(|route| route.is_public()).map(|route| route.id.as_str()).collect();
    let expected: BTreeSet<&str> = PUBLIC.into_iter().collect();
    assert_eq!(public, expected, "routes without a guard");

    let strangers = [
        server.client(),
        server.client().with_header("Authorization", "garbage"),
        server.client().with_header("Authorization", &"0".repeat(64)),
        server.client().with_header("Authorization", "Bearer "),
        server.client().with_header("Authorization", "Basic YWRtaW46Q2FycmVsLXRlc3QtMQ=="),
        server.client().with_header("Cookie", "carrel_session=garbage"),
    ];
    for route in routes.iter().filter(|route| !route.is_public()) {
        for stranger in &strangers {
            route.expect_refusal(&route.call(stranger).send(), 401);
        }
    }
}

#[test]
fn nobody_passes_without_the_permission() {
    let server = Server::start();
    let normal = add(&server, "norma", "normal");
    let bare = add(&server, "bert", "normal");
    let teacher = add(&server, "tess", "teacher");
    let database = rusqlite::Connection::open(server.data_here().join("carrel.db")).expect("open");
    let take = "DELETE FROM user_roles WHERE user_id = (SELECT id FROM users WHERE name = 'bert')";
    assert_eq!(database.execute(take, []).expect("take the roles"), 1);
    assert!(permissions(&bare).is_empty());
    let mut refused = 0;
    for client in [normal, bare, teacher] {
        let own = permissions(&client);
        for route in routes(&server) {
            let open = ["public", "signed-in", "in-person"].contains(&route.permission.as_str());
            if !open && !own.contains(&route.permission) {
                route.expect_refusal(&route.call(&client).send(), 403);
                refused += 1;
            }
        }
    }
    assert!(refused > 10, "refused {refused}");
}

#[test]
fn an_api_key_does_nothing_that_needs_its_owner() {
    let server = Server::start();
    let new = json!({"name": "all", "permissions": permissions(&server.admin())});
    let key = server.admin().post("/api/v1.0/identity/own/key").json(&new).send().data();
    let key = key["key"].as_str().expect("a key").to_owned();
    let client = server.client().with_header("Authorization", &key);
    client.get("/api/account").send().expect_status(200);
    let routes = routes(&server);
    let in_person: Vec<_> = routes.iter().filter(|r| r.permission == "in-person").collect();
    assert!(in_person.len() > 10, "{}", in_person.len());
    for route in in_person {
        route.expect_refusal(&route.call(&client).send(), 403);
    }
    let own =
        json!({"action": "update", "data": {"username": ADMIN, "new_passwd": "stolen word 9"}});
    client.post("/api/user").json(&own).send().not_ok(403);
    server.client().sign_in(ADMIN, PASSWORD);
}

/// One that may change users would else give its owner a new password, or let somebody into nodes as them.
#[test]
fn an_api_key_does_not_change_whose_it_is() {
    let server = Server::start();
    let admin = server.admin();
    let new =
        json!({"name": "few", "permissions": ["users.manage", "users.view", "ssh-keys.manage"]});
    let key = admin.post("/api/v1.0/identity/own/key").json(&new).send().data();
    let client = server.client().with_header("Authorization", key["key"].as_str().expect("a key"));
    let own = admin.get("/api/v1.0/identity/own").send().data();
    let one = format!("/api/v1.0/identity/user/{}", own["uuid"].as_str().expect("a uuid"));
    for change in [json!({"password": "stolen word 9"}), json!({"email": "e@evil.example"})] {
        refused(&client.put(&one).json(&change).send(), 403, "session-needed");
    }
    let line = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti";
    let added = client.post(&format!("{one}/ssh_key")).json(&json!({"key": line})).send();
    refused(&added, 403, "session-needed");
    let role = json!({"userid": own["id"], "role": []});
    assert!(!client.patch("/account/manager").json(&role).send().refusal().is_empty());
    server.client().sign_in(ADMIN, PASSWORD);
    assert_eq!(admin.get("/api/v1.0/identity/own").send().data()["email"], own["email"]);
}

#[test]
fn a_page_of_another_site_cannot_act_with_the_visitors_cookie() {
    let server = Server::start();
    let answer = server
        .client()
        .post("/api/account/login")
        .json(&json!({"username": ADMIN, "password": PASSWORD}))
        .send();
    let visitor = server.client().with_header("Cookie", &answer.cookies());
    let foreign = [
        visitor.with_header("Sec-Fetch-Site", "cross-site"),
        visitor.with_header("Sec-Fetch-Site", "same-site"),
        visitor.with_header("Origin", "https://evil.example"),
        visitor.with_header("Origin", "null"),
    ];
    for route in routes(&server).iter().filter(|route| route.changes()) {
        for client in &foreign {
            route.expect_refusal(&route.call(client).send(), 403);
        }
    }
    // Reads that change something are such calls too; the session is still there afterwards.
    for client in &foreign {
        client.get("/api/account/logout").send().expect_status(403);
    }
    visitor.get("/api/account").send().expect_status(200);
}

#[test]
fn unknown_paths_are_404_in_json() {
    let server = Server::start();
    let paths = [
        "/api/nothing",
        "/api/v1.0/nothing/",
        "/api/v1.0/session/nothing",
        "/api/account/nothing",
        "/account/nothing",
    ];
    for client in [server.client(), server.admin()] {
        for path in paths {
            for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
                let answer = client.request(method, path).send();
                answer.expect_status(404);
                assert!(answer.json().is_object(), "{method} {path}: {}", answer.body);
                assert_eq!(answer.header("Content-Type"), Some("application/json"));
            }
        }
    }
    let one = server.client().get("/api/account/nothing").send().json();
    assert_eq!(one["id"], "not_found");
    let two = server.client().get("/api/v1.0/nothing").send().json();
    assert_eq!(two["code"], 404);
    let zero = server.client().get("/account/nothing").send().json();
    assert_eq!(zero["code"], 1);
    for path in ["/api/job/nothing", "/api/agent/nothing", "/api/connector/nothing"] {
        let three = server.client().get(path).send().json();
        assert!(three["stat"] == false && three["info"].is_string(), "{path}: {three}");
    }
    for path in ["/api/user/nothing", "/api/task", "/api/machine", "/api/update"] {
        let four = server.client().get(path).send().json();
        assert!(four["ok"] == false && four["info"].is_string(), "{path}: {four}");
    }
}
