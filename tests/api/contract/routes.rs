//! The table of operations against the running server.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::table::{Operation, Route, operations, shape};
use crate::support::{Answer, Client, Server};

#[test]
fn every_served_operation_answers() {
    let server = Server::start();
    let (stranger, admin) = (server.client(), server.admin());
    let rows = operations();
    let mut silent = Vec::new();
    for row in rows.iter().filter(|row| row.is_served) {
        for path in [row.path_to_nothing(), row.path_to_nothing() + "/"] {
            if let Err(why) = reaches(row, &path, &stranger, &admin) {
                silent.push(format!("{} {} {path}: {why}", row.id, row.method));
            }
        }
    }
    assert!(silent.is_empty(), "{}", silent.join("\n"));
    let later = rows.iter().filter(|row| !row.is_served).count();
    println!("{} operations are served, {later} come later", rows.len() - later);
}

#[test]
fn the_openapi_document_agrees_with_the_table() {
    let server = Server::start();
    let routes = routes_of(&openapi(&server));
    let rows = operations();
    let mut wrong = Vec::new();
    let named = names_of(&openapi(&server));
    for row in rows.iter().filter(|row| row.is_served) {
        let (method, path, _) = row.route();
        if named.get(row.id) != Some(&(method, path)) {
            wrong.push(format!("{} is served but not in the OpenAPI document", row.id));
        }
    }
    // what the documents do not know has ids of its own
    for (id, route) in routes.iter().filter(|(id, _)| !id.starts_with("carrel.")) {
        match rows.iter().find(|row| row.id == id) {
            None => wrong.push(format!("{id} is in no document")),
            Some(row) if !row.is_served => wrong.push(format!("{id} is served: mark it so")),
            Some(row) if row.route() != *route => {
                wrong.push(format!("{id} is at {route:?} instead of {:?}", row.route()));
            }
            Some(_) => {}
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_route_of_the_openapi_document_answers() {
    let server = Server::start();
    let document = openapi(&server);
    let stranger = server.client();
    for (path, item) in document["paths"].as_object().expect("paths") {
        let path = shape(path).replace("{}", "00000000-0000-4000-8000-000000000000");
        for method in item.as_object().expect("methods").keys().filter(|key| is_method(key)) {
            let answer = stranger.request(&method.to_uppercase(), &path).send();
            assert!(!is_no_route(&answer), "{}: {} {}", answer.what, answer.status, answer.body);
        }
    }
}

#[test]
fn a_route_that_does_not_exist_is_404_in_json() {
    let server = Server::start();
    for path in ["/api/v1.0/nonsense", "/api/nonsense/", "/account/nonsense/x"] {
        let answer = server.admin().get(path).send();
        answer.expect_status(404);
        assert!(answer.json().is_object(), "{}", answer.body);
    }
}

#[test]
fn a_method_that_a_path_does_not_take_is_told_those_that_it_does() {
    let server = Server::start();
    let document = openapi(&server);
    let admin = server.admin();
    for (path, item) in document["paths"].as_object().expect("paths") {
        // As in the table, which the document is made of; a summary of several is written once.
        let path = shape(path).replace("{}", "00000000-0000-4000-8000-000000000000");
        let item = item.as_object().expect("methods");
        let is_told = |key: &&String| is_method(key) || ["head", "options"].contains(&key.as_str());
        let mut known: Vec<String> =
            item.keys().filter(is_told).map(|key| key.to_uppercase()).collect();
        if known.iter().any(|method| method == "GET") {
            known.push("HEAD".to_owned());
        }
        known.sort();
        known.dedup();
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
            if known.iter().any(|known| known == method) {
                continue;
            }
            let answer = admin.request(method, &path).send();
            assert_eq!(answer.status, 405, "{}: {}", answer.what, answer.body);
            assert_eq!(answer.header("Allow"), Some(known.join(", ").as_str()), "{}", answer.what);
            assert!(answer.json().is_object(), "{}", answer.body);
        }
    }
}

/// Whether the route is there, without changing anything: a stranger is turned away by the route, not
/// told that there is none; and an administrator's empty request is not refused for its action.
fn reaches(row: &Operation, path: &str, stranger: &Client, admin: &Client) -> Result<(), String> {
    let answer = stranger.request(row.method, path).send();
    if is_no_route(&answer) {
        return Err(format!("{} {}", answer.status, answer.body));
    }
    if answer.status >= 500 {
        return Err(format!("a defect: {} {}", answer.status, answer.body));
    }
    let Some(action) = row.action else { return Ok(()) };
    let nonsense = "no-such-action";
    let unknown = ask_action(admin, row, path, nonsense);
    let known = ask_action(admin, row, path, action);
    if text_of(&unknown).replace(nonsense, action) == text_of(&known) {
        return Err(format!("the action {action:?} is not known: {}", known.body));
    }
    Ok(())
}

fn ask_action(admin: &Client, row: &Operation, path: &str, action: &str) -> Answer {
    let call = admin.request(row.method, path);
    // document 000 has it in the query
    let answer = match row.document {
        "000" => call.query("action", action).send(),
        _ => call.json(&json!({"action": action, "param": {}})).send(),
    };
    assert!(answer.status < 500, "{}: {} {}", answer.what, answer.status, answer.body);
    answer
}

/// The message without what differs from call to call.
fn text_of(answer: &Answer) -> String {
    let body = answer.json();
    let text = body["msg"].as_str().or(body["info"].as_str());
    text.unwrap_or_default().to_owned()
}

/// Whether the server knows no such route; one that knows it may still say that an object is missing.
fn is_no_route(answer: &Answer) -> bool {
    if !matches!(answer.status, 404 | 405) {
        return false;
    }
    let error = &answer.json()["data"]["error"];
    error.is_null() || error == "route-unknown" || error == "method-unknown"
}

fn is_method(key: &str) -> bool {
    ["get", "post", "put", "patch", "delete"].contains(&key)
}

fn openapi(server: &Server) -> Value {
    let answer = server.client().get("/api/openapi.json").send();
    answer.expect_status(200);
    answer.json()
}

/// The operations of an OpenAPI document by their id, also those that differ by their action only.
fn routes_of(document: &Value) -> BTreeMap<String, Route> {
    let mut routes = BTreeMap::new();
    let text = |value: &Value| value.as_str().map(str::to_owned);
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("methods") {
            let mut add = |id: &Value, action: &Value| {
                let id = text(id).expect("an id");
                routes.insert(id, (method.to_uppercase(), shape(path), text(action)));
            };
            match operation["x-actions"].as_array() {
                Some(rows) => rows.iter().for_each(|row| add(&row["id"], &row["action"])),
                None => add(&operation["operationId"], &Value::Null),
            }
        }
    }
    routes
}

/// The method and path of every operation that an OpenAPI document names, also of those that share one.
fn names_of(document: &Value) -> BTreeMap<String, (String, String)> {
    let mut names = BTreeMap::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("methods") {
            for name in operation["x-operations"].as_array().expect("names") {
                let at = (method.to_uppercase(), shape(path));
                let before = names.insert(name.as_str().expect("a name").to_owned(), at);
                assert_eq!(before, None, "{name} is named twice");
            }
        }
    }
    names
}

#[test]
fn the_document_is_sent_again_only_when_it_is_another() {
    let server = Server::start();
    // As it stands; other forms have tests of their own.
    let plain = server.client().with_header("Accept-Encoding", "identity");
    let get = || plain.get("/api/openapi.json");
    let first = get().send();
    first.expect_status(200);
    let tag = first.header("ETag").expect("a tag").to_owned();
    let again = get().send();
    assert_eq!((again.header("ETag"), &again.body), (Some(tag.as_str()), &first.body));
    assert_eq!(again.header("Content-Length"), Some(first.body.len().to_string().as_str()));
    for known in [tag.clone(), format!("\"other\", W/{tag}"), "*".into()] {
        let same = plain.with_header("If-None-Match", &known).get("/api/openapi.json");
        let same = same.send();
        assert_eq!((same.status, same.body.as_str()), (304, ""), "{known}");
    }
    let other = plain.with_header("If-None-Match", "\"other\"").get("/api/openapi.json");
    assert_eq!(other.send().body, first.body);
}
