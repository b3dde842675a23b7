//! The client's side of a desktop's console.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use tungstenite::{Error, HandshakeError, Message, WebSocket, client::IntoClientRequest};

/// How long a byte from the server may take.
const READ_LIMIT: Duration = Duration::from_secs(20);

/// What a console goes through.
pub trait Stream: Read + Write + Send {}
impl<S: Read + Write + Send> Stream for S {}

/// An open console: the bytes of RFB (VNC's protocol) in a WebSocket.
pub struct Console {
    socket: WebSocket<Box<dyn Stream>>,
    received: Vec<u8>,
}

impl Console {
    /// Opens the `ws://` URL of `get_console`.
    pub fn open(url: &str) -> Result<Self, Box<Error>> {
        let host = url.split('/').nth(2).expect("a host and port");
        let stream = TcpStream::connect(host).map_err(|error| Box::new(error.into()))?;
        stream.set_read_timeout(Some(READ_LIMIT)).map_err(|error| Box::new(error.into()))?;
        Self::open_through(url, Box::new(stream))
    }

    /// Opens the URL of `get_console` through a connection that is there, for instance one with TLS.
    pub fn open_through(url: &str, stream: Box<dyn Stream>) -> Result<Self, Box<Error>> {
        let mut request = url.into_client_request().map_err(Box::new)?;
        request
            .headers_mut()
            .insert("Sec-WebSocket-Protocol", "binary".parse().expect("a header value"));
        match tungstenite::client(request, stream) {
            Ok((socket, _)) => Ok(Self { socket, received: Vec::new() }),
            Err(HandshakeError::Failure(error)) => Err(Box::new(error)),
            Err(HandshakeError::Interrupted(_)) => panic!("no answer to a console's handshake"),
        }
    }

    /// Reads exactly `count` bytes. `None` when the other side closed before.
    pub fn read(&mut self, count: usize) -> Option<Vec<u8>> {
        while self.received.len() < count {
            match self.socket.read() {
                Ok(Message::Binary(bytes)) => self.received.extend(bytes),
                Ok(Message::Close(_)) | Err(Error::ConnectionClosed | Error::AlreadyClosed) => {
                    return None;
                }
                Ok(_) => {}
                Err(Error::Io(error)) if error.kind() == ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("console: {error}"),
            }
        }
        Some(self.received.drain(..count).collect())
    }

    pub fn write(&mut self, bytes: &[u8]) {
        self.socket.send(Message::Binary(bytes.to_vec())).expect("write to the console");
    }

    /// Does the handshake of RFB 3.8 without authentication, and gives width and height of the screen.
    #[track_caller]
    pub fn handshake(&mut self) -> (u16, u16) {
        let version = self.read(12).expect("the greeting");
        assert!(version.starts_with(b"RFB 003."), "not a VNC greeting: {version:?}");
        self.write(b"RFB 003.008\n");
        let count = self.read(1).expect("security types")[0];
        let types = self.read(count.into()).expect("security types");
        assert!(types.contains(&1), "the console asks for a password: {types:?}");
        self.write(&[1]);
        assert_eq!(self.read(4).expect("the security result"), [0; 4]);
        self.write(&[1]); // shared: others stay connected
        let screen = self.read(24).expect("the screen");
        (u16::from_be_bytes([screen[0], screen[1]]), u16::from_be_bytes([screen[2], screen[3]]))
    }
}
