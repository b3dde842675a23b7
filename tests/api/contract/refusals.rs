//! How refusals come: document 002 has HTTP status 200 for them, and so its clients never look at another.

use serde_json::{Value, json};

use crate::refused::NOTHING;
use crate::support::{Answer, Client, Part, Server, empty_image};

const MANAGER: &str = "/api/v1.0/resource_mgr";
const TEMPLATES: &str = "/api/v1.0/education/template/";
const INSTANCES: &str = "/api/v1.0/education/instance/";

#[track_caller]
fn refused(answer: &Answer, http: u16, code: u16) {
    let body = answer.json();
    assert_eq!((answer.http_status, &body["code"]), (http, &json!(code)), "{}", answer.body);
    assert!(body["msg"].as_str().is_some_and(|why| !why.is_empty()), "{}", answer.body);
    assert!(body["data"]["request_id"].is_string(), "{}", answer.body);
}

#[test]
fn an_operation_of_document_002_refuses_with_status_200_and_a_code() {
    let server = Server::start();
    let admin = server.admin();
    let pools = format!("{MANAGER}/resource_pools");
    let new = json!({"name": "second", "desc": ""});
    admin.post(&pools).json(&new).send().data();
    refused(&admin.post(&pools).json(&new).send(), 200, 409);
    refused(&admin.post(&pools).json(&json!({"desc": ""})).send(), 200, 400);
    refused(&admin.post(&pools).bytes("application/json", b"{".to_vec()).send(), 200, 400);
    refused(&admin.get(&pools).query("nonsense", "1").send(), 200, 400);
    let one = format!("{pools}/{NOTHING}");
    refused(&admin.put(&one).json(&json!({"name": "x"})).send(), 200, 404);
    refused(&admin.get(&format!("{one}/base_images")).send(), 200, 404);
    refused(&admin.get(&format!("{one}/nodes")).send(), 200, 404);
    let templates = json!({"templates": [{"name": "x", "uuid": NOTHING}]});
    refused(&admin.action(TEMPLATES, "start", templates).send(), 200, 404);
    refused(&admin.action(TEMPLATES, "explode", json!({})).send(), 200, 400);
    let console = json!({"name": "x", "uuid": NOTHING});
    refused(&admin.action(INSTANCES, "get_console", console).send(), 200, 404);
    // one that reads its body itself
    let images = format!("{one}/base_images");
    let image = std::fs::File::open(empty_image()).expect("the image");
    let size = image.metadata().expect("the image").len();
    let upload = admin.post(&images).query("name", "x").query("os_type", "linux");
    let part = Part::File { name: "file", file_name: "x.qcow2", size, content: Box::new(image) };
    refused(&upload.multipart(vec![part]).send(), 200, 404);
}

#[test]
fn who_may_not_and_what_is_no_operation_have_a_status_of_their_own() {
    let server = Server::start();
    let (admin, stranger) = (server.admin(), server.client());
    let pools = format!("{MANAGER}/resource_pools");
    refused(&stranger.get(&pools).send(), 401, 401);
    let auditor = crate::refused::auditor(&server);
    refused(&auditor.post(&pools).json(&json!({"name": "x", "desc": ""})).send(), 403, 403);
    for path in ["/api/v1.0/education/nothing", "/api/v1.0/personal/nothing", "/api/v1.0/nothing"] {
        refused(&admin.get(path).send(), 404, 404);
    }
    // Carrel's own, in the same form
    refused(&admin.get(&format!("/api/v1.0/identity/user/{NOTHING}")).send(), 404, 404);
    refused(&admin.post("/api/v1.0/identity/role").json(&json!({})).send(), 400, 400);
    // pictures, files and sockets, whose clients look at nothing but the status
    for path in [
        format!("{INSTANCES}{NOTHING}/screen"),
        format!("{TEMPLATES}{NOTHING}/screen"),
        "/api/v1.0/downloads/templates/nonsense".to_owned(),
    ] {
        refused(&admin.get(&path).send(), 404, 404);
    }
    refused(&admin.get("/api/v1.0/console/nonsense").send(), 400, 400);
}

#[test]
fn the_openapi_document_says_how_refusals_come() {
    let server = Server::start();
    let document = server.client().get("/api/openapi.json").send().json();
    let says = |operation: &Value| {
        let of = |status: &str| operation["responses"][status].to_string();
        (of("200").contains("Refusal\""), of("default").contains("Refusal\""))
    };
    let mut seen = 0;
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("methods") {
            let id = operation["operationId"].as_str().expect("an id");
            let in_body =
                !["Own account", "People and console"].contains(&text(&operation["tags"][0]));
            assert_eq!(says(operation), (in_body, true), "{method} {path} {id}");
            seen += 1;
        }
    }
    assert!(seen > 100, "{seen}");
    for tag in document["tags"].as_array().expect("tags") {
        assert!(!text(&tag["description"]).is_empty(), "{tag}");
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[test]
fn a_token_may_have_a_scheme_or_none() {
    let server = Server::start();
    let login = [("email", "admin"), ("password", crate::support::PASSWORD)];
    let answer = server.client().post("/account/").query("action", "login").form(&login).send();
    let token = answer.data()["access_token"].as_str().expect("a token").to_owned();
    for scheme in ["", "Bearer ", "bearer ", "Token ", "token  "] {
        let client: Client =
            server.client().with_header("Authorization", &format!("{scheme}{token}"));
        client.get("/api/v1.0/identity/own").send().data();
    }
    let other = server.client().with_header("Authorization", &format!("Other {token}"));
    other.get("/api/v1.0/identity/own").send().expect_status(401);
}
