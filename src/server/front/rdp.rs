//! The first word of a viewer of RDP: a request for a connection of X.224 in a TPKT
//! ([MS-RDPBCGR] 2.2.1.1), which names its ticket where a routing token stands.
//!
//! It comes before TLS, which is between the viewer and the system in the desktop: the ticket crosses the network as it is.
//! It is good for nobody at another address, and only for a desktop that then asks who comes.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt};

/// What a TPKT begins with.
pub const VERSION: u8 = 3;
/// Of the TPKT, and of X.224 with its length.
const HEADERS: usize = 4 + 7;
/// X.224 tells its own length in one byte.
const LONGEST: usize = 4 + 256;
const CONNECTION_REQUEST: u8 = 0xe0;
/// What the token says, before the ticket.
const COOKIE: &[u8] = b"Cookie: carrel=";
const END: &[u8] = b"\r\n";

/// A request that brings a ticket.
#[derive(Debug, PartialEq, Eq)]
pub struct Request {
    pub ticket: String,
    /// The request as the guest gets it, which needs no ticket.
    pub onward: Vec<u8>,
}

/// Reads no byte further than the request.
///
/// # Errors
/// `InvalidData` for anything else.
pub async fn read(client: &mut (impl AsyncRead + Unpin)) -> io::Result<Request> {
    let mut head = [0; 4];
    client.read_exact(&mut head).await?;
    let length = usize::from(u16::from_be_bytes([head[2], head[3]]));
    if head[0] != VERSION || !(HEADERS..=LONGEST).contains(&length) {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut request = vec![0; length];
    request[..4].copy_from_slice(&head);
    client.read_exact(&mut request[4..]).await?;
    parse(&request).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

fn parse(request: &[u8]) -> Option<Request> {
    let (headers, rest) = request.split_at_checked(HEADERS)?;
    let told = usize::from(headers[4]) + 5;
    if told != request.len() || headers[5] & 0xf0 != CONNECTION_REQUEST {
        return None;
    }
    let rest = rest.strip_prefix(COOKIE)?;
    let end = rest.windows(END.len()).position(|window| window == END)?;
    let ticket = std::str::from_utf8(&rest[..end]).ok()?.to_owned();
    let rest = &rest[end + END.len()..];
    let length = HEADERS + rest.len();
    let mut onward = headers.to_vec();
    onward[2..4].copy_from_slice(&u16::try_from(length).ok()?.to_be_bytes());
    onward[4] = u8::try_from(length - 5).ok()?;
    onward.extend(rest);
    Some(Request { ticket, onward })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEGOTIATION: [u8; 8] = [1, 0, 8, 0, 3, 0, 0, 0];

    /// As FreeRDP sends it.
    fn request(token: &[u8]) -> Vec<u8> {
        let rest = [token, b"\r\n", &NEGOTIATION].concat();
        let length = HEADERS + rest.len();
        let headers = [3, 0, 0, length as u8, (length - 5) as u8, 0xe0, 0, 0, 0, 0, 0];
        [&headers[..], &rest].concat()
    }

    #[test]
    fn the_guest_gets_the_request_without_the_ticket() {
        let read = parse(&request(b"Cookie: carrel=abc")).expect("a request");
        let onward = [&[3, 0, 0, 19, 14, 0xe0, 0, 0, 0, 0, 0][..], &NEGOTIATION].concat();
        assert_eq!(read, Request { ticket: "abc".into(), onward });
    }

    #[test]
    fn nothing_else_is_a_request() {
        let good = request(b"Cookie: carrel=abc");
        for length in 0..good.len() {
            assert_eq!(parse(&good[..length]), None, "{length}");
        }
        for token in [&b"Cookie: mstshash=ann"[..], b"", b"tsv://x", b"Cookie: carrel=\xff\xfe"] {
            assert_eq!(parse(&request(token)), None, "{token:?}");
        }
        let mut other = good.clone();
        other[5] = 0xd0;
        assert_eq!(parse(&other), None);
        // Each byte changed in every way: whatever is taken is a request again.
        for place in 0..good.len() {
            for byte in 0..=u8::MAX {
                let mut changed = good.clone();
                changed[place] = byte;
                if let Some(Request { ticket, onward }) = parse(&changed) {
                    assert!(ticket.len() < LONGEST && onward.len() == usize::from(onward[3]));
                }
            }
        }
    }

    #[tokio::test]
    async fn no_byte_of_what_follows_is_taken() {
        let bytes = [request(b"Cookie: carrel=abc"), b"tls".to_vec()].concat();
        let mut from = &bytes[..];
        assert_eq!(read(&mut from).await.expect("a request").ticket, "abc");
        assert_eq!(from, b"tls");
        for short in [&b"\x03\0\0\x04"[..], b"\x03\0\xff\xff", b"\x16\x03\x01\0\x50"] {
            let error = read(&mut &short[..]).await.expect_err("no request");
            assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        }
    }
}
