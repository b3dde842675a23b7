//! TLS before the web server.
//!
//! ```text
//!   client ── TLS ──► front ── loopback ──► Rocket
//!                       │ whose connection it is: api::Peers
//!                       └ certificate and key, read again when their files change
//! ```
//!
//! Rocket reads a certificate when it starts and never again. A renewed one has to be served without a restart, which
//! would cut consoles off.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader, copy, split};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tokio::{pin, select};
use tokio_rustls::TlsAcceptor;

use super::certificate::Certificate;
use crate::api::Peers;
use crate::error::{Error, Result};

/// A handshake that takes longer has no client that wants to speak.
const HANDSHAKE: Duration = Duration::from_secs(30);
/// So long a client may say nothing after it.
const FIRST_WORD: Duration = Duration::from_secs(30);
/// As [`relay`]'s `last_word`.
const LAST_WORD: Duration = Duration::from_secs(5);
/// Connections at one time. Each takes three descriptors.
const CONNECTIONS: usize = 8192;
/// What makes accepting fail (no free file, a client that left) may be over after so long.
const REST: Duration = Duration::from_millis(100);

/// Listens for clients; where Rocket is it learns when Rocket listens.
pub struct Front {
    listener: TcpListener,
    address: SocketAddr,
    config: Arc<ServerConfig>,
    certificate: Arc<Certificate>,
    peers: Arc<Peers>,
    room: Arc<Semaphore>,
}

impl Front {
    /// # Errors
    /// `tls-unusable`, `listen-failed`
    pub async fn bind(
        address: SocketAddr,
        certificate: Certificate,
        peers: Arc<Peers>,
    ) -> Result<Self> {
        let certificate = Arc::new(certificate);
        let config = config(&certificate)?;
        let listener = TcpListener::bind(address).await;
        let failed = |cause| super::not_listening(address, cause);
        let listener = listener.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let (config, room) = (Arc::new(config), Arc::new(Semaphore::new(CONNECTIONS)));
        Ok(Self { listener, address, config, certificate, peers, room })
    }

    pub fn certificate(&self) -> Arc<Certificate> {
        Arc::clone(&self.certificate)
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Carries connections to the server that listens on this port of the machine itself, until it stops.
    pub async fn run(self, port: u16, stop: rocket::Shutdown) {
        let serve = async {
            loop {
                match self.listener.accept().await {
                    Ok((client, address)) => match Arc::clone(&self.room).try_acquire_owned() {
                        Ok(room) => self.begin(client, address, port, room),
                        Err(_) => tracing::warn!(%address, "too many connections: one is refused"),
                    },
                    Err(cause) => {
                        tracing::warn!(%cause, "a connection cannot be taken");
                        tokio::time::sleep(REST).await;
                    }
                }
            }
        };
        select! {
            () = serve => {}
            () = stop => {}
        }
    }

    fn begin(&self, client: TcpStream, address: SocketAddr, port: u16, room: OwnedSemaphorePermit) {
        let acceptor = TlsAcceptor::from(Arc::clone(&self.config));
        let (certificate, peers) = (Arc::clone(&self.certificate), Arc::clone(&self.peers));
        tokio::spawn(async move {
            let _room = room;
            refresh(certificate).await;
            if let Err(cause) = carry(client, address, acceptor, &peers, port).await {
                tracing::debug!(%address, %cause, "a connection ended");
            }
        });
    }
}

/// What is to be served now. On a thread that may block: files are looked at.
async fn refresh(certificate: Arc<Certificate>) {
    if let Err(cause) = spawn_blocking(move || certificate.refresh()).await {
        tracing::error!(%cause, "the certificate was not looked at");
    }
}

async fn carry(
    client: TcpStream,
    address: SocketAddr,
    acceptor: TlsAcceptor,
    peers: &Arc<Peers>,
    port: u16,
) -> io::Result<()> {
    client.set_nodelay(true)?;
    let mut client = BufReader::new(within(HANDSHAKE, acceptor.accept(client)).await?);
    // Who says nothing costs the server nothing.
    if within(FIRST_WORD, client.fill_buf()).await?.is_empty() {
        return Ok(());
    }
    let mut server = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    server.set_nodelay(true)?;
    // Told before a byte of a request goes there.
    let _known = peers.know(server.local_addr()?, address);
    relay(client, &mut server, LAST_WORD).await
}

/// Carries both ways until both have ended, or one has broken: then neither side is kept waiting for the other. `last_word`: so
/// long the client may go on after the server ended the connection.
async fn relay(
    client: impl AsyncRead + AsyncWrite,
    server: impl AsyncRead + AsyncWrite,
    last_word: Duration,
) -> io::Result<()> {
    let (from_client, to_client) = split(client);
    let (from_server, to_server) = split(server);
    let (up, down) = (flow(from_client, to_server), flow(from_server, to_client));
    pin!(up, down);
    select! {
        // The server goes on answering what it was asked; to a client that is gone it has nothing to say.
        ended = &mut up => match ended {
            Ok(()) => down.await,
            broken => broken,
        },
        // Nobody reads any more what the client says.
        ended = &mut down => match ended {
            Ok(()) => timeout(last_word, up).await.unwrap_or(Ok(())),
            broken => broken,
        },
    }
}

async fn flow(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) -> io::Result<()> {
    copy(&mut from, &mut to).await?;
    to.shutdown().await
}

async fn within<T>(limit: Duration, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(limit, work).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}

/// As Rocket's own: HTTP/2 and HTTP/1.1, and clients need not bring a certificate.
fn config(certificate: &Arc<Certificate>) -> Result<ServerConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config =
        ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(|cause| Error::internal("TLS as a server").because(cause))?;
    let resolver = Arc::clone(certificate);
    let mut config = config.with_no_client_auth().with_cert_resolver(resolver);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config.ticketer = rustls::crypto::ring::Ticketer::new()
        .map_err(|cause| Error::internal("TLS as a server").because(cause))?;
    Ok(config)
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use tokio::io::{AsyncReadExt, ReadBuf, duplex};

    use super::*;

    /// A client whose connection broke.
    struct Broken;

    impl AsyncRead for Broken {
        fn poll_read(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            _: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()))
        }
    }

    impl AsyncWrite for Broken {
        fn poll_write(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            _: &[u8],
        ) -> Poll<io::Result<usize>> {
            Poll::Pending
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }
    }

    #[tokio::test]
    async fn the_server_hears_at_once_of_a_client_that_is_gone() {
        let (front, mut server) = duplex(64);
        let carried = tokio::spawn(relay(Broken, front, LAST_WORD));
        let mut word = [0; 8];
        let end = within(HANDSHAKE, server.read(&mut word)).await;
        assert_eq!(end.expect("the end"), 0);
        carried.await.expect("the relay").expect_err("it broke");
    }

    #[tokio::test]
    async fn what_was_asked_is_answered_and_what_nobody_reads_is_not_waited_for() {
        let ((mut client, theirs), (front, mut server)) = (duplex(64), duplex(64));
        let carried = tokio::spawn(relay(theirs, front, LAST_WORD));
        client.write_all(b"ask").await.expect("ask");
        client.shutdown().await.expect("no more questions");
        let mut asked = String::new();
        server.read_to_string(&mut asked).await.expect("the question and its end");
        server.write_all(b"answer").await.expect("answer");
        drop(server);
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.expect("the answer and its end");
        assert_eq!((asked.as_str(), answer.as_str()), ("ask", "answer"));
        carried.await.expect("the relay").expect("both ended");
        // A client that goes on although the server has ended.
        let ((client, theirs), (front, server)) = (duplex(64), duplex(64));
        let carried = tokio::spawn(relay(theirs, front, Duration::from_millis(1)));
        drop(server);
        carried.await.expect("the relay").expect("not for ever");
        drop(client);
    }
}
