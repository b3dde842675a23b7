//! One connection of HTTP/2 that asks for much and takes nothing.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::support::Server;

/// Requests that the server answers at once for one connection.
const LIMIT: u32 = 100;

const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
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
        self.0.write_all(&frame).expect("write a frame");
    }

    fn get(&mut self, stream: u32, path: &str) {
        // GET and http of the static table, then path and authority as literals.
        let mut fields = vec![0x82, 0x86];
        for (name, value) in [(0x04, path), (0x01, "localhost")] {
            fields.extend([name, u8::try_from(value.len()).expect("short")]);
            fields.extend(value.as_bytes());
        }
        self.send(HEADERS, END_STREAM | END_HEADERS, stream, &fields);
    }

    /// The kind, flags and stream of the next frame.
    fn frame(&mut self) -> (u8, u8, u32) {
        let mut head = [0; 9];
        self.0.read_exact(&mut head).expect("a frame");
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; usize::try_from(length).expect("a length")];
        self.0.read_exact(&mut payload).expect("its payload");
        if head[3] == SETTINGS && head[4] & ACK == 0 {
            self.send(SETTINGS, ACK, 0, &[]);
        }
        (head[3], head[4], u32::from_be_bytes([head[5] & 0x7f, head[6], head[7], head[8]]))
    }

    /// For each of so many requests whether the answer ended with its head: it has no body.
    fn heads(&mut self, count: usize) -> HashMap<u32, bool> {
        let mut heads = HashMap::new();
        while heads.len() < count {
            let (kind, flags, stream) = self.frame();
            if kind == HEADERS {
                heads.insert(stream, flags & END_STREAM != 0);
            }
        }
        heads
    }
}

#[test]
fn a_connection_that_takes_nothing_is_refused_beyond_a_limit_and_harms_no_other() {
    let server = Server::start();
    let mut greedy = Client::connect(&server);
    let beyond = 50;
    for number in 0..LIMIT + beyond {
        greedy.get(2 * number + 1, "/api/openapi.json");
    }
    let heads = greedy.heads(usize::try_from(LIMIT + beyond).expect("few"));
    let refused = heads.values().filter(|ended| **ended).count();
    assert_eq!(refused, usize::try_from(beyond).expect("few"));
    server.client().get("/api/openapi.json").send().expect_status(200);
    // Its own limit, not that of the address.
    let mut other = Client::connect(&server);
    other.get(1, "/api/openapi.json");
    assert_eq!(other.heads(1), HashMap::from([(1, false)]));
}
