//! One connection of HTTP/2 that asks for much and takes nothing.

use std::collections::HashSet;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::support::Server;

/// Requests that the server answers at once for one connection.
const LIMIT: u32 = 100;
/// Far longer than the server's own in these tests.
const PATIENCE: Duration = Duration::from_secs(60);
/// What an attack may cost, in bytes.
const HARMLESS: u64 = 50 << 20;

const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;

/// A client that writes its frames itself: a library would not misbehave.
struct Client(TcpStream);

impl Client {
    /// Gives the server no room for bodies.
    fn connect(server: &Server) -> Self {
        let address = server.base().trim_start_matches("http://").to_owned();
        let stream = TcpStream::connect(address).expect("connect");
        stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a time limit");
        let mut client = Self(stream);
        client.0.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").expect("the preface");
        // SETTINGS_INITIAL_WINDOW_SIZE = 0
        client.send(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]);
        client
    }

    fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let length = u32::try_from(payload.len()).expect("short").to_be_bytes();
        let mut frame = length[1..].to_vec();
        frame.extend([kind, flags]);
        frame.extend(stream.to_be_bytes());
        frame.extend(payload);
        // What the server has ended is seen when it is read.
        drop(self.0.write_all(&frame));
    }

    fn get(&mut self, stream: u32, path: &str) {
        self.send(HEADERS, END_STREAM | END_HEADERS, stream, &fields(path));
    }

    /// The kind, flags and stream of the next frame; `None` when the server has ended the connection.
    fn frame(&mut self) -> Option<(u8, u8, u32)> {
        let mut head = [0; 9];
        match self.0.read_exact(&mut head) {
            Ok(()) => {}
            Err(ended)
                if matches!(
                    ended.kind(),
                    ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset
                ) =>
            {
                return None;
            }
            Err(cause) => panic!("no frame: {cause}"),
        }
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; usize::try_from(length).expect("a length")];
        self.0.read_exact(&mut payload).expect("its payload");
        match (head[3], head[4] & ACK) {
            (SETTINGS, 0) => self.send(SETTINGS, ACK, 0, &[]),
            (PING, 0) => self.send(PING, ACK, 0, &payload),
            _ => {}
        }
        Some((head[3], head[4], u32::from_be_bytes([head[5] & 0x7f, head[6], head[7], head[8]])))
    }

    /// How many requests have the head of an answer, and how many were refused, when `all` of them have either or the
    /// server has ended the connection.
    fn answered(&mut self, all: u32) -> (usize, usize) {
        let (mut heads, mut refused) = (HashSet::new(), HashSet::new());
        while heads.len() + refused.len() < usize::try_from(all).expect("few") {
            match self.frame() {
                Some((HEADERS, _, stream)) => drop(heads.insert(stream)),
                Some((RST_STREAM, _, stream)) => drop(refused.insert(stream)),
                Some(_) => {}
                None => break,
            }
        }
        (heads.len(), refused.len())
    }

    /// Waits until the server has read all that was sent, or has ended the connection.
    fn settle(&mut self) {
        self.send(PING, 0, 0, &[7; 8]);
        while self.frame().is_some_and(|(kind, flags, _)| (kind, flags) != (PING, ACK)) {}
    }
}

/// GET and http of the static table, then path and authority as literals.
fn fields(path: &str) -> Vec<u8> {
    let mut fields = vec![0x82, 0x86];
    for (name, value) in [(0x04, path), (0x01, "localhost")] {
        fields.extend([name, u8::try_from(value.len()).expect("short")]);
        fields.extend(value.as_bytes());
    }
    fields
}

const DOCUMENT: &str = "/api/openapi.json";

#[test]
fn a_connection_that_takes_nothing_is_refused_beyond_a_limit_and_harms_no_other() {
    let server = Server::start();
    // The document is made once, for whoever asks first.
    server.client().get(DOCUMENT).send().expect_status(200);
    let before = server.resident();
    let mut greedy = Client::connect(&server);
    let streams = 4000;
    for number in 0..streams {
        greedy.get(2 * number + 1, DOCUMENT);
    }
    // Whoever goes on for so long loses the connection, too.
    let (answered, refused) = greedy.answered(streams);
    assert!(answered <= 100 && refused > 0, "at most {LIMIT} at a time: {answered}, {refused}");
    server.client().get(DOCUMENT).send().expect_status(200);
    let grown = server.resident().saturating_sub(before);
    assert!(grown < HARMLESS, "{grown} bytes");
    // A few too many are refused, and the others wait.
    let mut hasty = Client::connect(&server);
    for number in 0..LIMIT + 50 {
        hasty.get(2 * number + 1, DOCUMENT);
    }
    assert_eq!(hasty.answered(LIMIT + 50), (100, 50));
    // Its own limit, not that of the address.
    let mut other = Client::connect(&server);
    other.get(1, DOCUMENT);
    assert_eq!(other.answered(1), (1, 0));
}

/// A field that later requests name many times, with one byte each.
#[test]
fn headers_that_are_named_a_thousand_times_are_refused() {
    let server = Server::start();
    server.client().get(DOCUMENT).send().expect_status(200);
    let before = server.resident();
    let mut greedy = Client::connect(&server);
    let mut first = fields(DOCUMENT);
    // A literal for the table: `x` with `y`.
    first.extend([0x40, 1, b'x', 1, b'y']);
    greedy.send(HEADERS, END_STREAM | END_HEADERS, 1, &first);
    for number in 1..LIMIT {
        let mut bomb = fields(DOCUMENT);
        // The newest of the table.
        bomb.extend([0xbe; 16_000]);
        greedy.send(HEADERS, END_STREAM | END_HEADERS, 2 * number + 1, &bomb);
    }
    greedy.settle();
    server.client().get(DOCUMENT).send().expect_status(200);
    let grown = server.resident().saturating_sub(before);
    assert!(grown < HARMLESS, "{grown} bytes");
}

#[test]
fn who_gives_no_room_for_the_answer_is_sent_away() {
    let server = Server::with().env("CARREL_CLIENT_PATIENCE", 1).start();
    let mut greedy = Client::connect(&server);
    greedy.get(1, DOCUMENT);
    let (begun, mut frames) = (Instant::now(), 0);
    while greedy.frame().is_some() {
        // It is asked whether it is there, and says so.
        frames += 1;
        assert!(begun.elapsed() < PATIENCE, "it is still there");
    }
    assert!(frames > 1, "it was answered at first");
    server.client().get(DOCUMENT).send().expect_status(200);
}
