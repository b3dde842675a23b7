//! TLS beyond this machine, plain HTTP only when asked for by name.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::json;

use crate::support::{ADMIN, Client, PASSWORD, Server};

/// Beside other tests.
const LIMIT: Duration = Duration::from_secs(30);

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

#[test]
fn the_certificate_of_the_first_start_is_one_that_apple_s_devices_take() {
    let server = on_all_addresses();
    let (chain, _) = files(&server);
    let days = holds(&chain);
    assert!((365..=825).contains(&days), "{days} days");
    let usage = openssl(&["x509", "-noout", "-ext", "extendedKeyUsage,keyUsage", "-in"], &chain);
    assert!(usage.contains("TLS Web Server Authentication"), "{usage}");
    assert!(usage.contains("Digital Signature"), "{usage}");
}

#[test]
fn a_certificate_that_was_made_is_made_anew_where_devices_refuse_it_or_it_ends() {
    let mut server = on_all_addresses();
    let (chain, key) = files(&server);
    // As an earlier version made them, and one that is near its end.
    let made_before = |from: Day, to: Day, is_for_servers: bool| {
        let (certificate, secret) = certificate("Carrel", from, to, is_for_servers);
        fs::write(&key, secret).expect("write");
        fs::write(&chain, certificate).expect("write");
        fs::read(&chain).expect("read")
    };
    let soon = soon();
    for (from, to, is_for_servers) in [
        ((2025, 1, 1), (2036, 1, 1), false),
        ((2025, 1, 1), (2036, 1, 1), true),
        ((2025, 6, 1), soon, true),
    ] {
        server.stop();
        let old = made_before(from, to, is_for_servers);
        server.start_again();
        assert_ne!(fs::read(&chain).expect("read"), old, "{to:?}");
        assert!((365..=825).contains(&holds(&chain)));
        client(&server).sign_in(ADMIN, PASSWORD);
    }
    // Also while it runs.
    let old = made_before((2025, 6, 1), soon, true);
    let log = server.log().len();
    client(&server).sign_in(ADMIN, PASSWORD);
    assert_ne!(fs::read(&chain).expect("read"), old);
    let made = |line: &str| line.contains("made a certificate").then_some(());
    assert!(server.log().wait_from(log, LIMIT, made).is_some());
    // Somebody else's stays, whatever it is.
    let (certificate, secret) = certificate("School", (2025, 1, 1), soon, false);
    fs::write(&key, secret).expect("write");
    fs::write(&chain, &certificate).expect("write");
    client(&server).sign_in(ADMIN, PASSWORD);
    assert_eq!(fs::read_to_string(&chain).expect("read"), certificate);
}

#[test]
fn a_renewed_certificate_is_served_without_a_restart() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let (chain, key) = (folder.path().join("chain.pem"), folder.path().join("key.pem"));
    let put = |name: &str| {
        let (certificate, secret) = certificate(name, (2025, 1, 1), (2030, 1, 1), true);
        fs::write(&chain, certificate).expect("write");
        fs::write(&key, secret).expect("write");
    };
    put("first");
    let mut server = Server::with()
        .env("CARREL_TLS_CERTIFICATE", chain.display())
        .env("CARREL_TLS_KEY", key.display())
        .start();
    assert!(served(&server).contains("O = first"), "{}", served(&server));
    let before = server.client().sign_in(ADMIN, PASSWORD);
    put("second");
    assert!(served(&server).contains("O = second"), "{}", served(&server));
    // What was open goes on.
    before.get("/api/account").send().expect_status(200);
    // Half of a renewal: the certificate is there, and not yet its key.
    let (next, secret) = certificate("third", (2025, 1, 1), (2030, 1, 1), true);
    fs::write(&chain, next).expect("write");
    assert!(served(&server).contains("O = second"), "{}", served(&server));
    let said = |line: &str| line.contains("the one before is kept").then_some(());
    assert!(server.log().wait_for(LIMIT, said).is_some());
    fs::write(&key, secret).expect("write");
    assert!(served(&server).contains("O = third"), "{}", served(&server));
    // The usual signal after a renewal.
    let log = server.log().len();
    server.signal(Signal::SIGHUP);
    let said = |line: &str| line.contains("the certificate was read again").then_some(());
    assert!(server.log().wait_from(log, LIMIT, said).is_some());
    assert!(server.is_running());
    before.get("/api/account").send().expect_status(200);
}

#[test]
fn a_hangup_ends_nothing_without_a_certificate_either() {
    let mut server = Server::start();
    let log = server.log().len();
    server.signal(Signal::SIGHUP);
    let said = |line: &str| line.contains("there is none").then_some(());
    assert!(server.log().wait_from(log, LIMIT, said).is_some());
    assert!(server.is_running());
    server.client().sign_in(ADMIN, PASSWORD);
}

#[test]
fn a_hangup_ends_no_agent() {
    let mut server = Server::with().nodes(2).start();
    let agent = server.agent(2);
    agent.signal(Signal::SIGHUP);
    let said = |line: &str| line.contains("asked to read the settings again").then_some(());
    assert!(agent.log().wait_for(LIMIT, said).is_some());
    // Another one is taken as well: it is still there.
    let log = agent.log().len();
    agent.signal(Signal::SIGHUP);
    assert!(agent.log().wait_from(log, LIMIT, said).is_some());
}

/// Where TLS ends before the web server, its own port must not be another way in with another address.
#[test]
fn guesses_are_counted_by_the_client_s_address_behind_tls_too() {
    let server = on_all_addresses();
    let body = json!({"username": ADMIN, "password": PASSWORD}).to_string();
    let request = format!(
        "POST /api/account/login HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let to = server.base().replace("https://0.0.0.0", "127.0.0.1");
    let mut openssl = std::process::Command::new("openssl")
        .args(["s_client", "-quiet", "-bind", "127.9.8.7:0", "-connect", &to])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("openssl");
    openssl.stdin.as_mut().expect("piped").write_all(request.as_bytes()).expect("send");
    let answer = openssl.wait_with_output().expect("an answer");
    let answer = String::from_utf8_lossy(&answer.stdout).into_owned();
    assert!(answer.contains(" 201 "), "{answer}");
    let admin = client(&server).sign_in(ADMIN, PASSWORD);
    let log = admin.get("/api/v1.0/index/get_operation_log/").query("user_name", ADMIN).send();
    assert!(log.body.contains("127.9.8.7"), "{}", log.body);
    assert!(log.body.contains("127.0.0.1"), "{}", log.body);
}

#[test]
fn the_end_of_an_own_certificate_is_looked_at() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let (chain, key) = (folder.path().join("chain.pem"), folder.path().join("key.pem"));
    let server = Server::with()
        .env("CARREL_TLS_CERTIFICATE", chain.display())
        .env("CARREL_TLS_KEY", key.display());
    let (certificate_now, secret) = certificate("x", (2025, 1, 1), (2035, 1, 1), true);
    fs::write(&chain, certificate_now).expect("write");
    fs::write(&key, secret).expect("write");
    let server = server.start();
    let said = |from, to| {
        let (certificate, secret) = certificate("x", from, to, true);
        fs::write(&chain, certificate).expect("write");
        fs::write(&key, secret).expect("write");
        let doctor = server.run(&["doctor"], "");
        String::from_utf8_lossy(&doctor.stdout).into_owned()
    };
    let line = |verdict: &str, text: &str, said: &str| {
        assert!(said.lines().any(|line| line.contains(verdict) && line.contains(text)), "{said}");
    };
    line("[ ok ]", "2035-01-01", &said((2025, 1, 1), (2035, 1, 1)));
    line("[FAIL]", "2024-02-01", &said((2024, 1, 1), (2024, 2, 1)));
    line("[FAIL]", "2034-01-01", &said((2034, 1, 1), (2035, 1, 1)));
    line("[ !! ]", "ends on", &said((2025, 1, 1), soon()));
    // Another key than the certificate's.
    fs::write(&key, certificate("x", (2025, 1, 1), (2035, 1, 1), true).1).expect("write");
    let doctor = server.run(&["doctor"], "");
    line("[FAIL]", "cannot be used", &String::from_utf8_lossy(&doctor.stdout));
}

/// Certificate and key as PEM; from and to are the days from and to which it holds.
fn certificate(name: &str, from: Day, to: Day, is_for_servers: bool) -> (String, String) {
    let pair = rcgen::KeyPair::generate().expect("a key");
    let mut params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).expect("names");
    params.distinguished_name.push(rcgen::DnType::OrganizationName, name);
    params.not_before = rcgen::date_time_ymd(from.0, from.1, from.2);
    params.not_after = rcgen::date_time_ymd(to.0, to.1, to.2);
    if is_for_servers {
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    }
    let made = params.self_signed(&pair).expect("a certificate");
    (made.pem(), pair.serialize_pem())
}

/// Year, month and day.
type Day = (i32, u8, u8);

/// A day of the next week.
fn soon() -> Day {
    let day = jiff::Zoned::now().checked_add(jiff::Span::new().days(5)).expect("a day");
    (i32::from(day.year()), day.month().unsigned_abs(), day.day().unsigned_abs())
}

/// Days that a certificate holds.
fn holds(chain: &Path) -> i64 {
    let dates = openssl(&["x509", "-noout", "-dates", "-dateopt", "iso_8601", "-in"], chain);
    let date = |name: &str| -> jiff::Timestamp {
        let line = dates.lines().find_map(|line| line.strip_prefix(name)).expect("a date");
        line.trim().replace(' ', "T").parse().expect("a date")
    };
    (date("notAfter=").as_second() - date("notBefore=").as_second()) / 86_400
}

/// The certificate that a client is met with, as openssl describes it.
fn served(server: &Server) -> String {
    let address = server.base().trim_start_matches("https://");
    let script = format!(
        "openssl s_client -connect {address} </dev/null 2>/dev/null | openssl x509 -noout -subject -nameopt RFC2253,space_eq"
    );
    let output = std::process::Command::new("sh").args(["-c", &script]).output().expect("sh");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn openssl(arguments: &[&str], file: &Path) -> String {
    let output =
        std::process::Command::new("openssl").args(arguments).arg(file).output().expect("openssl");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}
