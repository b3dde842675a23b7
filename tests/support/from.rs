//! Requests from many addresses: the whole of 127.0.0.0/8 belongs to this machine.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;
use tokio::net::TcpSocket;

/// `POST` of JSON from the address `from` to the server at `base`; gives status and body.
///
/// # Panics
/// When no whole answer comes.
#[track_caller]
pub fn post_from(from: Ipv4Addr, base: &str, path: &str, body: &Value) -> (u16, Value) {
    post_with(from, base, path, "", body)
}

/// As [`post_from`], with further headers, each with its end of line.
#[track_caller]
pub fn post_with(
    from: Ipv4Addr,
    base: &str,
    path: &str,
    headers: &str,
    body: &Value,
) -> (u16, Value) {
    let host = base.trim_start_matches("http://");
    let mut stream = connect(from, host.parse().expect("an address"));
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a time limit");
    let body = body.to_string();
    let length = body.len();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nAccept-Language: en\r\n{headers}\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    );
    stream.write_all(format!("{head}{body}").as_bytes()).expect("send");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let status = answer.split(' ').nth(1).and_then(|text| text.parse().ok()).expect("a status");
    let text = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    (status, serde_json::from_str(text).unwrap_or(Value::Null))
}

/// A connection from there. The standard library cannot choose where one comes from.
///
/// # Panics
/// When nobody listens.
pub fn connect(from: Ipv4Addr, to: SocketAddr) -> TcpStream {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
    let stream = runtime.expect("a runtime").block_on(async {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind((from, 0).into()).expect("bind");
        socket.connect(to).await.expect("connect").into_std().expect("a stream")
    });
    stream.set_nonblocking(false).expect("blocking");
    stream
}
