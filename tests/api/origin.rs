//! The address at which clients reach the server: in HTTP/1 and HTTP/2, and behind a proxy that ends TLS.

use std::process::Command;

use serde_json::{Value, json};

use crate::room::{INSTANCES, Room};
use crate::support::{ADMIN, PASSWORD, Server};

const LOGIN: &str = "/api/account/login";
const USERS: &str = "/api/v1.0/identity/user";

/// A request over HTTP/2 and TLS: status and body.
fn over_http_2(url: &str, arguments: &[&str]) -> (u16, String) {
    let output = Command::new("curl")
        .args(["--silent", "--insecure", "--http2", "--max-time", "60"])
        .args(["--write-out", "\n%{http_version} %{http_code}"])
        .args(arguments)
        .arg(url)
        .output()
        .expect("curl");
    let text = String::from_utf8(output.stdout).expect("text");
    let (body, end) = text.rsplit_once('\n').expect("what curl writes at the end");
    let (version, status) = end.split_once(' ').expect("version and status");
    assert_eq!(version, "2", "spoken with {url}");
    (status.parse().expect("a status"), body.to_owned())
}

fn sign_in_by_form(base: &str, origin: &str) -> u16 {
    let body = json!({"username": ADMIN, "password": PASSWORD}).to_string();
    let origin = format!("Origin: {origin}");
    let kind = "Content-Type: application/json";
    over_http_2(&format!("{base}{LOGIN}"), &["-H", &origin, "-H", kind, "-d", &body]).0
}

#[test]
fn http_2_has_no_host_header_and_the_server_knows_its_address() {
    let room = Room::on(Server::with().listen("0.0.0.0:0").start());
    let base = room.server.base().to_owned();
    assert!(base.starts_with("https://"), "{base}");
    assert_eq!(sign_in_by_form(&base, &base), 201, "its own page");
    assert_eq!(sign_in_by_form(&base, "https://evil.example"), 403);

    let group = room.deploy("pc", 2);
    room.site.group_action("start", &group, "pc");
    let row = room.site.desktops(&group)[0].clone();
    let form = format!("email={ADMIN}&password={PASSWORD}");
    let (_, body) = over_http_2(&format!("{base}/account/?action=login"), &["-d", &form]);
    let body: Value = serde_json::from_str(&body).expect("JSON");
    let token = body["data"]["access_token"].as_str().expect("a token");
    let token = format!("Authorization: {token}");
    let kind = "Content-Type: application/json";
    let ask = json!({"action": "get_console", "param": {"uuid": row["uuid"], "name": row["name"]}});
    let url = format!("{base}{INSTANCES}");
    let (status, body) = over_http_2(&url, &["-H", &token, "-H", kind, "-d", &ask.to_string()]);
    assert_eq!(status, 200, "{body}");
    let body: Value = serde_json::from_str(&body).expect("JSON");
    let console = body["data"]["websockify_url"].as_str().expect("url").to_owned();
    assert!(console.starts_with(&base.replacen("https", "wss", 1)), "{console}");

    let list = format!("{base}{INSTANCES}?page_size=1");
    let (_, body) = over_http_2(&list, &["-H", &token]);
    let body: Value = serde_json::from_str(&body).expect("JSON");
    let next = body["data"]["next"].as_str().expect("another page").to_owned();
    assert!(next.starts_with(&format!("{base}{INSTANCES}")), "{next}");
    assert_eq!(over_http_2(&next, &["-H", &token]).0, 200, "the address works");
}

#[test]
fn behind_a_proxy_addresses_are_the_public_ones() {
    let public = "https://carrel.school.example";
    let server = Server::with().env("CARREL_PUBLIC_URL", public).start();
    let admin = server.admin();
    let second = json!({"name": "second", "password": "a password of length"});
    admin.post(USERS).json(&second).send().data();
    let next = admin.get(USERS).query("page_size", 1).send().data()["next"].clone();
    let next = next.as_str().expect("another page").to_owned();
    assert!(next.starts_with(&format!("{public}{USERS}?")), "{next}");

    let attempt = |origin: &str, host: Option<&str>| {
        let mut request = server.client().post(LOGIN).header("Origin", origin);
        if let Some(host) = host {
            request = request.header("Host", host);
        }
        request.json(&json!({"username": ADMIN, "password": PASSWORD})).send()
    };
    // A proxy may hand the name on or put its own.
    for host in [None, Some("carrel.school.example")] {
        let answer = attempt(public, host);
        answer.expect_status(201);
        let cookie = answer.header("Set-Cookie").expect("a cookie");
        assert!(cookie.contains("; Secure"), "browsers come by TLS: {cookie}");
    }
    attempt(server.base(), None).expect_status(201);
    attempt("https://evil.example", None).expect_status(403);
}
