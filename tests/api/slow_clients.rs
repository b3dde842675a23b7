//! Clients that hold connections and do not use them.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::support::{Server, connect, wait_until};

/// Until the server gives a client up; its own patience is shorter in these tests.
const LIMIT: Duration = Duration::from_secs(60);
/// What an attack may cost, in bytes.
const HARMLESS: u64 = 50 << 20;
const PUBLIC: &str = "/api/openapi.json";

/// Another one from there, with a limit of waiting.
fn stranger(server: &Server, from: Ipv4Addr) -> TcpStream {
    let stream = connect(from, server.base().trim_start_matches("http://").parse().expect("one"));
    stream.set_read_timeout(Some(LIMIT)).expect("a time limit");
    stream
}

/// Reads until the server has ended the connection.
#[track_caller]
fn wait_end(what: &str, stream: &mut TcpStream) -> usize {
    let mut read = 0;
    let mut piece = [0; 64 * 1024];
    loop {
        match stream.read(&mut piece) {
            Ok(0) => return read,
            Ok(more) => read += more,
            Err(cause) if cause.kind() == ErrorKind::ConnectionReset => return read,
            Err(cause) => panic!("{what}: {cause}"),
        }
    }
}

#[test]
fn two_thousand_who_say_half_a_word_keep_nobody_out() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).expect("our own ends");
    let server = Server::start();
    // A sign-in takes memory of its own.
    server.admin().get(PUBLIC).send().expect_status(200);
    let before = server.resident();
    let held: Vec<TcpStream> = (0..2000_u32)
        .map(|number| {
            let [_, _, high, low] = (number / 20 + 2).to_be_bytes();
            let mut stream = stranger(&server, Ipv4Addr::new(127, 1, high, low));
            stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nX-a: ").expect("half a request");
            stream
        })
        .collect();
    // Of the address of one of them, too.
    server.client().get(PUBLIC).send().expect_status(200);
    let mut neighbour = stranger(&server, Ipv4Addr::new(127, 1, 0, 2));
    neighbour
        .write_all(b"GET /api/openapi.json HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .expect("ask");
    assert!(wait_end("the neighbour", &mut neighbour) > 100_000);
    server.admin().get("/api/v1.0/operations").send().expect_status(200);
    let grown = server.resident().saturating_sub(before);
    assert!(grown < HARMLESS, "{grown} bytes");
    drop(held);
}

#[test]
fn who_does_not_use_a_connection_loses_it_and_who_waits_for_the_server_keeps_it() {
    let server = Server::with().env("CARREL_CLIENT_PATIENCE", 2).start();
    let admin = server.admin();
    let events = admin.get("/api/v1.0/events").follow();
    let words: [(&str, &str); 6] = [
        ("nothing", ""),
        ("half a request", "GET / HTTP/1.1\r\nHost: x\r\nX-a: "),
        ("half a preface", "PRI * HTTP/2.0\r\n"),
        (
            "a body that does not come",
            "POST /api/account/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{",
        ),
        (
            "the same where nothing is",
            "POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n",
        ),
        ("no second request", "GET /api/openapi.json HTTP/1.1\r\nHost: x\r\n\r\n"),
    ];
    let mut held: Vec<(&str, TcpStream)> = words
        .into_iter()
        .map(|(what, word)| {
            let mut stream = stranger(&server, Ipv4Addr::LOCALHOST);
            stream.write_all(word.as_bytes()).expect("speak");
            (what, stream)
        })
        .collect();
    for (what, stream) in &mut held {
        wait_end(what, stream);
    }
    // The stream of events has been silent for as long.
    let from = events.len();
    admin
        .post("/api/v1.0/resource_mgr/resource_pools")
        .json(&serde_json::json!({"name": "heard", "desc": ""}))
        .send();
    let heard = |line: &str| line.contains("changed").then_some(());
    assert!(events.wait_from(from, LIMIT, heard).is_some(), "{}", events.tail(20));
    assert!(!events.has_ended());
}

#[test]
fn who_does_not_take_the_answer_loses_the_connection() {
    let server = Server::with().env("CARREL_CLIENT_PATIENCE", 2).env("CARREL_LOG", "carrel=debug");
    let server = server.start();
    server.client().get(PUBLIC).send().expect_status(200);
    let before = server.resident();
    // More than any buffer of the kernel holds, asked for at once.
    let request = format!("GET {PUBLIC} HTTP/1.1\r\nHost: x\r\n\r\n").repeat(400);
    let mut greedy: Vec<TcpStream> = (0..20)
        .map(|_| {
            let mut stream = stranger(&server, Ipv4Addr::LOCALHOST);
            stream.write_all(request.as_bytes()).expect("ask");
            stream
        })
        .collect();
    wait_until("the end of all", LIMIT, || {
        server.log().matching("a client was given up").len() == greedy.len()
    });
    let grown = server.resident().saturating_sub(before);
    assert!(grown < HARMLESS, "{grown} bytes");
    for stream in &mut greedy {
        let read = wait_end("a slow reader", stream);
        assert!(read < 400 * 150_000, "it was answered whole: {read}");
    }
}

#[test]
fn a_handshake_that_does_not_come_ends_the_connection() {
    let server = Server::with().listen("0.0.0.0:0").env("CARREL_CLIENT_PATIENCE", 1).start();
    let address = server.base().replace("https://0.0.0.0", "127.0.0.1");
    for word in [&b""[..], &b"\x16\x03\x01\x02"[..]] {
        let mut stream = TcpStream::connect(&address).expect("connect");
        stream.set_read_timeout(Some(LIMIT)).expect("a time limit");
        stream.write_all(word).expect("speak");
        wait_end("a handshake", &mut stream);
    }
    // One that was made, and then nothing.
    let mut openssl = Command::new("openssl")
        .args(["s_client", "-quiet", "-connect", &address])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("openssl");
    openssl.wait().expect("its end");
}

/// What has not signed in has no long bodies.
#[test]
fn a_stranger_s_body_is_small_and_a_known_one_s_is_not() {
    let server = Server::start();
    let long = serde_json::json!({"username": "x".repeat(100_000), "password": "y"});
    let answer = server.client().post("/api/account/login").json(&long).send();
    assert!(answer.body.contains("64 KiB"), "{}", answer.body);
    let answer = server.admin().post("/api/v1.0/resource_mgr/resource_pools").json(&long).send();
    assert!(!answer.body.contains("KiB") && !answer.body.contains("MiB"), "{}", answer.body);
}
