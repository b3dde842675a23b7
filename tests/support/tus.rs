//! Uploads in parts, as a client of the protocol tus 1.0.0 makes them.

use std::io::Read;
use std::sync::mpsc::{Receiver, Sender, channel};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::client::{Answer, Client, Request};

pub const UPLOADS: &str = "/api/v1.0/uploads";
const PART: &str = "application/offset+octet-stream";

/// A request of the protocol.
pub fn tus(client: &Client, method: &str, path: &str) -> Request {
    client.request(method, path).header("Tus-Resumable", "1.0.0")
}

pub fn metadata(pairs: &[(&str, &str)]) -> String {
    let pairs = pairs.iter().map(|(key, value)| format!("{key} {}", STANDARD.encode(value)));
    pairs.collect::<Vec<_>>().join(",")
}

/// Asks for an upload of an ISO of this name and size.
pub fn create_iso(client: &Client, name: &str, size: impl ToString) -> Request {
    let metadata = metadata(&[
        ("kind", "iso"),
        ("name", name),
        ("os_type", "linux"),
        ("iso_type", "3"),
        ("filename", "a.iso"),
        ("fingerprint", "a.iso-1"),
    ]);
    tus(client, "POST", UPLOADS).header("Upload-Length", size).header("Upload-Metadata", metadata)
}

/// An upload that was created.
#[derive(Clone)]
pub struct Upload {
    pub client: Client,
    /// Its path.
    pub path: String,
}

impl Upload {
    #[track_caller]
    pub fn of(client: &Client, created: &Answer) -> Self {
        created.expect_status(201);
        let path = created.header("Location").expect("where it is").to_owned();
        Self { client: client.clone(), path }
    }

    pub fn uuid(&self) -> &str {
        self.path.rsplit('/').next().expect("a uuid")
    }

    pub fn head(&self) -> Answer {
        tus(&self.client, "HEAD", &self.path).send()
    }

    /// So many bytes of it are there.
    #[track_caller]
    pub fn offset(&self) -> usize {
        let answer = self.head();
        answer.expect_status(200);
        answer.header("Upload-Offset").expect("an offset").parse().expect("a number")
    }

    pub fn part(&self, from: impl ToString) -> Request {
        tus(&self.client, "PATCH", &self.path).header("Upload-Offset", from)
    }

    pub fn append(&self, from: usize, bytes: &[u8]) -> Answer {
        self.part(from).bytes(PART, bytes.to_vec()).send()
    }

    /// A part of this length of which some bytes come, and then no more until somebody says so.
    pub fn begin_part(&self, from: usize, bytes: &[u8], length: usize) -> (Request, Sender<()>) {
        let (go_on, wait) = channel();
        let body = Halting { bytes: bytes.to_vec(), at: 0, halt: length.min(bytes.len()), wait };
        (self.part(from).stream(PART, (bytes.len()) as u64, body), go_on)
    }

    pub fn cancel(&self) -> Answer {
        tus(&self.client, "DELETE", &self.path).send()
    }
}

/// Stops in the middle.
struct Halting {
    bytes: Vec<u8>,
    at: usize,
    halt: usize,
    wait: Receiver<()>,
}

impl Read for Halting {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        if self.at == self.halt {
            // Nobody there any more is as good as a word.
            let _ = self.wait.recv();
            self.halt = self.bytes.len();
        }
        let count = into.len().min(self.halt - self.at);
        into[..count].copy_from_slice(&self.bytes[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}
