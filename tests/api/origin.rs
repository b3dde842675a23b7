//! The address at which clients reach the server and theirs: in HTTP/1 and HTTP/2, by name and by address, and behind a
//! proxy that ends TLS.

use std::net::{Ipv4Addr, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::presence::follow;
use crate::room::{INSTANCES, Room};
use crate::support::{ADMIN, Client, Console, PASSWORD, Proxy, Server, Setup, post_with, rows};

const LOGIN: &str = "/api/account/login";
const USERS: &str = "/api/v1.0/identity/user";
const SESSIONS: &str = "/api/v1.0/identity/own/session";
const LOG: &str = "/api/v1.0/index/get_operation_log/";
const NAME: &str = "carrel.test";

/// A request over HTTP/2 and TLS: status and body.
fn over_http_2(url: &str, arguments: &[&str]) -> (u16, String) {
    let output = Command::new("curl")
        .args(["--silent", "--show-error", "--insecure", "--http2", "--max-time", "60"])
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

/// `base` with another host.
fn by(host: &str, base: &str) -> String {
    let (scheme, rest) = base.split_once("://").expect("a scheme");
    let (_, port) = rest.rsplit_once(':').expect("a port");
    format!("{scheme}://{host}:{port}")
}

/// Asserts that whoever comes to `base` over HTTP/2 finds it in every address that they are given, and that pages of it
/// are the server's own.
#[track_caller]
fn assert_at_home(base: &str, room: &Room, desktop: &Value) {
    let (_, port) = base.rsplit_once(':').expect("a port");
    let resolve = format!("{NAME}:{port}:127.0.0.1");
    let ask = |url: &str, arguments: &[&str]| {
        over_http_2(url, &[&["--resolve", &resolve], arguments].concat())
    };
    let kind = "Content-Type: application/json";
    let sign_in = json!({"username": ADMIN, "password": PASSWORD}).to_string();
    let by_form = |origin: &str| {
        let origin = format!("Origin: {origin}");
        let sent = ["--include", "-H", &origin, "-H", kind, "-d", &sign_in];
        ask(&format!("{base}{LOGIN}"), &sent)
    };
    let (status, head) = by_form(base);
    assert_eq!(status, 201, "{base}: its own page");
    assert!(head.contains("; Secure"), "{base}: {head}");
    assert_eq!(by_form("https://evil.example").0, 403, "{base}");

    let form = format!("email={ADMIN}&password={PASSWORD}");
    let (_, body) = ask(&format!("{base}/account/?action=login"), &["-d", &form]);
    let body: Value = serde_json::from_str(&body).expect("JSON");
    let token = body["data"]["access_token"].as_str().expect("a token");
    let token = format!("Authorization: {token}");
    let param = json!({"uuid": desktop["uuid"], "name": desktop["name"]});
    let console = json!({"action": "get_console", "param": param}).to_string();
    let url = format!("{base}{INSTANCES}");
    let (status, body) = ask(&url, &["-H", &token, "-H", kind, "-d", &console]);
    assert_eq!(status, 200, "{body}");
    let body: Value = serde_json::from_str(&body).expect("JSON");
    let console = body["data"]["websockify_url"].as_str().expect("url").to_owned();
    assert!(console.starts_with(&base.replacen("https", "wss", 1)), "{base}: {console}");
    let opened = Console::open_through(&console, Box::new(tls(base)));
    assert!(opened.is_ok(), "{console}: {:?}", opened.err());

    let list = format!("{base}{INSTANCES}?page_size=1");
    let (_, body) = ask(&list, &["-H", &token]);
    let body: Value = serde_json::from_str(&body).expect("JSON");
    let next = body["data"]["next"].as_str().expect("another page").to_owned();
    assert!(next.starts_with(&format!("{base}{INSTANCES}")), "{base}: {next}");
    assert_eq!(ask(&next, &["-H", &token]).0, 200, "the address works");

    let param = json!({"uuid": room.template, "name": "plain"});
    let download = json!({"action": "download", "param": param}).to_string();
    let templates = format!("{base}/api/v1.0/education/template/");
    let (status, body) = ask(&templates, &["-H", &token, "-H", kind, "-d", &download]);
    assert_eq!(status, 200, "{body}");
    let body: Value = serde_json::from_str(&body).expect("JSON");
    let file = body["data"]["url"].as_str().expect("a URL").to_owned();
    assert!(file.starts_with(base), "{base}: {file}");
}

/// A connection with TLS, whatever certificate is shown.
fn tls(base: &str) -> rustls::StreamOwned<rustls::ClientConnection, TcpStream> {
    let (_, host) = base.split_once("://").expect("a scheme");
    let (name, port) = host.rsplit_once(':').expect("a port");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody(provider)))
        .with_no_client_auth();
    let name = name.to_owned().try_into().expect("a name");
    let connection = rustls::ClientConnection::new(Arc::new(config), name).expect("TLS");
    let stream = TcpStream::connect(("127.0.0.1", port.parse().expect("a port"))).expect("connect");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a limit");
    rustls::StreamOwned::new(connection, stream)
}

/// Takes the certificates of the tests, which nobody signed.
#[derive(Debug)]
struct Anybody(Arc<rustls::crypto::CryptoProvider>);

impl rustls::client::danger::ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &[rustls::pki_types::CertificateDer<'_>],
        _: &rustls::pki_types::ServerName<'_>,
        _: &[u8],
        _: rustls::pki_types::UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &rustls::pki_types::CertificateDer<'_>,
        signed: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &rustls::pki_types::CertificateDer<'_>,
        signed: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// A room on such a server with two desktops that run; gives one of them.
fn furnished(setup: Setup) -> (Room, Value) {
    let room = Room::on(setup.start());
    let group = room.deploy("pc", 2);
    room.site.group_action("start", &group, "pc");
    let desktop = room.site.desktops(&group)[0].clone();
    (room, desktop)
}

#[test]
fn http_2_has_no_host_header_and_the_server_knows_its_address() {
    let (room, desktop) = furnished(Server::with().listen("0.0.0.0:0"));
    let base = room.server.base().to_owned();
    assert!(base.starts_with("https://"), "{base}");
    for host in [NAME, "127.0.0.1"] {
        assert_at_home(&by(host, &base), &room, &desktop);
    }
}

/// As the guide in `docs/` says it.
#[test]
fn behind_nginx_the_server_knows_the_address_and_each_visitor() {
    let (room, desktop) = furnished(Server::with().env("CARREL_TRUSTED_PROXIES", "127.0.0.1"));
    let server = &room.server;
    assert!(server.base().starts_with("http://"), "{}", server.base());
    let proxy = Proxy::start(server.base());
    for host in [NAME, "127.0.0.1"] {
        assert_at_home(&by(host, proxy.base()), &room, &desktop);
    }
    // By HTTP/1 too, and nothing is kept back.
    let through = Client::new(proxy.base()).sign_in(ADMIN, PASSWORD);
    let events = follow(&through);
    let from = events.len();
    through
        .post("/api/v1.0/resource_mgr/resource_pools")
        .json(&json!({"name": "p", "desc": ""}))
        .send()
        .data();
    crate::news::tells(&events, from, "pools");
    // What a client writes there itself is not handed on.
    let forged = through
        .get(USERS)
        .query("page_size", 0)
        .header("X-Forwarded-For", "203.0.113.9")
        .header("X-Forwarded-Host", "evil.example")
        .header("X-Forwarded-Proto", "http");
    assert!(!forged.send().body.contains("evil.example"));
    let visitor = "127.9.8.7";
    let url = format!("{}/account/?action=login", proxy.base());
    let form = format!("email={ADMIN}&password={PASSWORD}");
    let forged = ["--interface", visitor, "-H", "X-Forwarded-For: 203.0.113.9", "-d", &form];
    assert_eq!(over_http_2(&url, &forged).0, 200);
    let sessions = room.site.admin.get(SESSIONS).send().data();
    let sessions = sessions.as_array().expect("sessions").iter();
    let from: Vec<&Value> = sessions.map(|row| &row["address"]).collect();
    assert!(from.contains(&&json!(visitor)), "{from:?}");
    assert!(!from.contains(&&json!("203.0.113.9")), "{from:?}");
}

/// Headers of somebody who is no proxy that the settings name are worth nothing.
#[test]
fn who_is_not_named_as_a_proxy_says_nothing() {
    let named = Server::with().env("CARREL_TRUSTED_PROXIES", "127.0.0.5, 10.0.0.0/8");
    for server in [Server::start(), named.start()] {
        let admin = server.admin();
        for name in ["second", "third"] {
            let body = json!({"name": name, "password": "a password of length"});
            admin.post(USERS).json(&body).send().data();
        }
        let next = admin
            .get(USERS)
            .query("page_size", 1)
            .header("X-Forwarded-Host", "evil.example")
            .header("X-Forwarded-Proto", "https")
            .header("Forwarded", "host=evil.example;proto=https;for=203.0.113.9")
            .send()
            .data()["next"]
            .clone();
        let next = next.as_str().expect("another page").to_owned();
        assert!(next.starts_with(&format!("{}{USERS}?", server.base())), "{next}");
        // Nor may a page of another site say that it is this one's.
        let attempt = server.client().post(LOGIN).header("Origin", "https://evil.example");
        let attempt = attempt.header("X-Forwarded-Host", "evil.example");
        attempt.json(&json!({"username": ADMIN, "password": PASSWORD})).send().expect_status(403);
        // Whoever guesses has one address, whatever they write.
        let guess = |number: u32| {
            let request = server.client().post(LOGIN);
            let request = request.header("X-Forwarded-For", format!("203.0.113.{number}"));
            request.json(&json!({"username": ADMIN, "password": "a guess"})).send().status
        };
        assert!((0..8).any(|number| guess(number) == 429), "each guess as if from elsewhere");
        let lines = rows(&admin.get(LOG).query("user_ip", "203.0.113.1").send());
        assert!(lines.is_empty(), "{lines:?}");
    }
}

/// Behind a proxy that is named guesses count for the visitor, not for the proxy.
#[test]
fn each_visitor_behind_a_named_proxy_has_their_own_lock() {
    let server = Server::with().env("CARREL_TRUSTED_PROXIES", "127.0.0.5,127.0.0.6").start();
    let body = |password: &str| json!({"username": ADMIN, "password": password});
    let attempt = |visitor: &str, password: &str| {
        let proxy = Ipv4Addr::new(127, 0, 0, 5);
        let said = format!("X-Forwarded-For: {visitor}\r\n");
        post_with(proxy, server.base(), LOGIN, &said, &body(password)).0
    };
    assert!((0..8).any(|_| attempt("203.0.113.9", "a guess") == 429));
    assert_eq!(attempt("203.0.113.10", PASSWORD), 201);
    // The chain ends at the first that is none of ours, and what stands before it is hearsay.
    assert_eq!(attempt("203.0.113.99, 203.0.113.11, 127.0.0.6", PASSWORD), 201);
    let admin = server.admin();
    let lines = |address| rows(&admin.get(LOG).query("user_ip", address).send()).len();
    assert_eq!((lines("203.0.113.11"), lines("203.0.113.99"), lines("127.0.0.5")), (1, 0, 0));
}

#[test]
fn behind_a_proxy_that_is_not_named_addresses_are_the_public_ones() {
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
