//! TLS beyond this machine, plain HTTP only when asked for by name.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::support::{ADMIN, Client, PASSWORD, Server};

/// What `serve` on all addresses is reached by from here.
fn client(server: &Server) -> Client {
    Client::new(&server.base().replace("0.0.0.0", "127.0.0.1"))
}

fn on_all_addresses() -> Server {
    Server::with().listen("0.0.0.0:0").start()
}

#[test]
fn beyond_loopback_a_certificate_is_made_once_and_kept() {
    let mut server = on_all_addresses();
    assert!(server.base().starts_with("https://0.0.0.0:"), "{}", server.base());
    let answer = client(&server)
        .post("/api/account/login")
        .json(&json!({"username": ADMIN, "password": PASSWORD}))
        .send();
    answer.expect_status(201);
    let cookie = answer.header("Set-Cookie").expect("a cookie");
    assert!(cookie.contains("; Secure") && cookie.contains("; HttpOnly"), "{cookie}");

    let (chain, key) = files(&server);
    let mode = |path: &Path| fs::metadata(path).expect("made").permissions().mode() & 0o777;
    assert_eq!((mode(&chain), mode(&key)), (0o644, 0o600));
    let made = fs::read(&chain).expect("read");
    server.stop();
    server.start_again();
    client(&server).sign_in(ADMIN, PASSWORD);
    assert_eq!(fs::read(&chain).expect("read"), made, "browsers ask about a new one");
}

#[test]
fn the_certificate_names_this_machine() {
    let server = on_all_addresses();
    let text = described(&files(&server).0);
    for name in ["DNS:localhost", "IP Address:127.0.0.1", "IP Address:0:0:0:0:0:0:0:1"] {
        assert!(text.contains(name), "no {name} in {text}");
    }
    let host = nix::sys::utsname::uname().expect("uname").nodename().to_string_lossy().into_owned();
    assert!(text.contains(&host), "no {host} in {text}");
    for address in own_addresses() {
        assert!(text.contains(&format!("IP Address:{address}")), "no {address} in {text}");
    }
}

#[test]
fn plain_http_beyond_loopback_only_by_name() {
    let server = Server::with().listen("0.0.0.0:0").env("CARREL_PLAIN_HTTP", "1").start();
    assert!(server.base().starts_with("http://0.0.0.0:"), "{}", server.base());
    client(&server).sign_in(ADMIN, PASSWORD);
    assert!(!files(&server).1.exists(), "no key without need");
}

#[test]
fn an_own_certificate_is_served() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let made = rcgen::generate_simple_self_signed(vec!["carrel.school.example".to_owned()]);
    let made = made.expect("a certificate");
    let (chain, key) = (folder.path().join("chain.pem"), folder.path().join("key.pem"));
    fs::write(&chain, made.cert.pem()).expect("write");
    fs::write(&key, made.signing_key.serialize_pem()).expect("write");
    // Also on loopback: whoever gives a certificate wants it used.
    let server = Server::with()
        .env("CARREL_TLS_CERTIFICATE", chain.display())
        .env("CARREL_TLS_KEY", key.display())
        .start();
    assert!(server.base().starts_with("https://127.0.0.1:"), "{}", server.base());
    server.client().sign_in(ADMIN, PASSWORD);
    assert!(!files(&server).0.exists());
}

#[test]
fn a_certificate_that_cannot_be_used_is_named() {
    let server = Server::start();
    let data = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let broken = data.path().join("broken.pem");
    fs::write(
        &broken,
        "-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\nPRIVATE KEY-----",
    )
    .expect("write");
    let missing = data.path().join("missing.pem");
    let data_dir = data.path().join("data").to_string_lossy().into_owned();
    for path in [&broken, &missing] {
        let path = path.to_string_lossy().into_owned();
        let mut arguments = vec!["serve", "--data-dir", &data_dir, "--listen", "127.0.0.1:0"];
        arguments.extend(["--tls-certificate", &path, "--tls-key", &path]);
        let output = server.run(&arguments, "");
        assert_eq!(output.status.code(), Some(1));
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(text.contains(&path) && text.contains("cannot be used"), "{text}");
        assert!(!text.contains("panicked at"), "{text}");
    }
    let half = server.run(&["serve", "--data-dir", &data_dir, "--tls-key", "x"], "");
    assert_eq!(half.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&half.stderr).contains("belong together"));
}

fn files(server: &Server) -> (PathBuf, PathBuf) {
    let data = server.data_here();
    (data.join("tls-certificate.pem"), data.join("tls-key.pem"))
}

/// The names in a certificate, as openssl prints them.
fn described(chain: &Path) -> String {
    let output = std::process::Command::new("openssl")
        .args(["x509", "-noout", "-ext", "subjectAltName", "-in"])
        .arg(chain)
        .output()
        .expect("openssl");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// IPv4 addresses of this machine that others may reach, as iproute2 prints them.
fn own_addresses() -> Vec<String> {
    let output = std::process::Command::new("ip")
        .args(["-4", "-o", "addr", "show", "scope", "global"])
        .output()
        .expect("ip");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let inward = ["crl", "virbr", "vnet", "docker", "br-", "veth", "cni"];
    let lines = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    lines
        .filter(|fields| fields.len() > 3 && !inward.iter().any(|name| fields[1].starts_with(name)))
        .filter_map(|fields| fields[3].split('/').next().map(str::to_owned))
        .collect()
}
