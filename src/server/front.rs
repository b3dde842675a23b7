//! Where clients come in: TLS, and how long and how much of this server a client may take.
//!
//! ```text
//!   client ── TLS or plain ──► front ── HTTP/1.1, loopback ──► Rocket
//!                                │ whose connection it is: api::Peers
//!                                ├ certificate and key, read again when their files change
//!                                ├ doors.rs   how many there may be at a time, in all and of one address
//!                                ├ usage.rs   whether a client uses its connection
//!                                ├ bridge.rs  requests
//!                                ├ tunnel.rs  consoles
//!                                └ viewer.rs  no HTTP: viewers of SPICE (spice.rs) and of RDP (rdp.rs)
//! ```
//!
//! Rocket reads a certificate when it starts and never again. A renewed one has to be served without a restart, which
//! would cut consoles off. It has no limits of time either, and none of how much one connection may ask for.

mod bridge;
mod doors;
mod rdp;
mod spice;
mod tunnel;
mod usage;
mod viewer;

use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn as server;
use hyper::service::{HttpService, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rocket::Shutdown;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::select;
use tokio::task::spawn_blocking;
use tokio_rustls::TlsAcceptor;

use super::certificate::Certificate;
use crate::api::{App, Peers};
use crate::error::{Error, Result};
use bridge::{Bridge, Reply};
use doors::{Doors, What};
use tunnel::{Lent, linger, within};
use usage::Usage;
use viewer::{Guard, Refused};

/// What makes accepting fail (no free file, a client that left) may be over after so long.
const REST: Duration = Duration::from_millis(100);
/// Requests of one connection of HTTP/2 at a time: as many as the standard recommends; a page of the console asks for
/// fewer.
const STREAMS: u32 = 100;
/// Bytes of the headers of one request.
const HEAD: u32 = 64 * 1024;
/// Bytes of one answer that wait for a client of HTTP/2.
const WAITING: usize = 64 * 1024;
/// What HTTP/2 begins with.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\n";
/// Bytes by which the room for the first word grows, and those after which it is no longer waited for its end.
const FIRST_WORD: usize = 256;
const LONG_WORD: usize = 4096;
/// A client of HTTP/2 that says nothing is asked this often whether it is there.
const PING: Duration = Duration::from_secs(20);

/// Listens for clients; where Rocket is it learns when Rocket listens.
pub struct Front {
    listener: TcpListener,
    address: SocketAddr,
    entry: Entry,
}

/// What a connection that comes in needs.
#[derive(Clone)]
struct Entry {
    /// `None`: without TLS.
    tls: Option<(TlsAcceptor, Arc<Certificate>)>,
    peers: Arc<Peers>,
    doors: Arc<Doors>,
    patience: Duration,
    app: Arc<App>,
    refused: Arc<Refused>,
}

impl Front {
    /// `certificate`: `None` is plain HTTP. `files`: how many this process may have open.
    ///
    /// # Errors
    /// `tls-unusable`, `listen-failed`
    pub async fn bind(
        app: &Arc<App>,
        certificate: Option<Certificate>,
        peers: Arc<Peers>,
        files: u64,
    ) -> Result<Self> {
        let settings = &app.settings;
        let tls = certificate.map(|certificate| {
            let certificate = Arc::new(certificate);
            let config = config(&certificate)?;
            Ok::<_, Error>((TlsAcceptor::from(Arc::new(config)), certificate))
        });
        let tls = tls.transpose()?;
        let failed = |cause| super::not_listening(settings.listen, cause);
        let listener = TcpListener::bind(settings.listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let doors = Doors::new(files, settings.trusted_proxies.clone());
        let (patience, app) = (settings.client_patience, Arc::clone(app));
        let entry = Entry { tls, peers, doors, patience, app, refused: Arc::default() };
        Ok(Self { listener, address, entry })
    }

    pub fn certificate(&self) -> Option<Arc<Certificate>> {
        self.entry.tls.as_ref().map(|(_, certificate)| Arc::clone(certificate))
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Carries requests to the web server that listens on this port of the machine itself, until it stops.
    pub async fn run(self, port: u16, stop: Shutdown) {
        let serve = async {
            loop {
                match self.listener.accept().await {
                    Ok((client, address)) => self.begin(client, address, port, stop.clone()),
                    Err(cause) => {
                        tracing::warn!(%cause, "a connection cannot be taken");
                        tokio::time::sleep(REST).await;
                    }
                }
            }
        };
        select! {
            () = serve => {}
            () = stop.clone() => {}
        }
    }

    fn begin(&self, client: TcpStream, address: SocketAddr, port: u16, stop: Shutdown) {
        let Some(held) = self.entry.doors.enter(address.ip(), What::Connection) else { return };
        let entry = self.entry.clone();
        tokio::spawn(async move {
            if let Err(cause) = entry.carry(client, address, port, stop).await {
                tracing::debug!(%address, %cause, "a connection ended");
            }
            drop(held);
        });
    }
}

impl Entry {
    async fn carry(
        self,
        client: TcpStream,
        address: SocketAddr,
        port: u16,
        stop: Shutdown,
    ) -> io::Result<()> {
        client.set_nodelay(true)?;
        let guard = Guard {
            app: self.app,
            refused: self.refused,
            patience: self.patience,
            from: address.ip().to_canonical(),
        };
        // RDP has TLS of its own, later.
        let mut first = [0];
        within(self.patience, client.peek(&mut first)).await?;
        if first[0] == rdp::VERSION {
            return Box::pin(guard.rdp(client, stop)).await;
        }
        let bridge = Bridge {
            port,
            peers: self.peers,
            client: address,
            doors: self.doors,
            usage: Usage::new(),
            patience: self.patience,
            kept: Mutex::default(),
        };
        // Boxed, each by itself: what one connection needs is not the sum of what any may need.
        match self.tls {
            None => Box::pin(speak(client, bridge, guard, stop)).await,
            Some((acceptor, certificate)) => {
                refresh(certificate).await;
                // A handshake that takes longer has no client that wants to speak.
                let client = Box::pin(within(self.patience, acceptor.accept(client))).await?;
                Box::pin(speak(client, bridge, guard, stop)).await
            }
        }
    }
}

/// Answers requests until the client leaves, or uses its connection no more.
async fn speak(
    mut client: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    bridge: Bridge,
    guard: Guard,
    stop: Shutdown,
) -> io::Result<()> {
    let (usage, patience) = (Arc::clone(&bridge.usage), bridge.patience);
    let address = bridge.client;
    let word = within(patience, first_word(&mut client)).await?;
    if word.is_empty() {
        return Ok(());
    }
    let is_http2 = word.starts_with(PREFACE);
    let is_spice = word.starts_with(spice::MAGIC);
    let (lent, back) = Lent::new(word, client);
    if is_spice {
        drop(bridge);
        return Box::pin(guard.spice(lent, stop)).await;
    }
    let (bridge, lent) = (Arc::new(bridge), TokioIo::new(lent));
    let service = service_fn(move |request| Arc::clone(&bridge).answer(request));
    let answered: Pin<Box<dyn Future<Output = hyper::Result<()>> + Send>> = match is_http2 {
        true => Box::pin(http2(lent, service, patience, stop)),
        false => Box::pin(http1(lent, service, stop)),
    };
    select! {
        result = answered => if let Err(cause) = result {
            tracing::debug!(%address, %cause, "a client's connection broke");
        },
        () = usage.given_up(patience) => tracing::debug!(%address, "a client was given up"),
    }
    // A console has it until it ends.
    if let Ok(client) = back.await {
        linger(client).await;
    }
    Ok(())
}

/// Reads until a first request has come, or the preface of HTTP/2. Until then a client costs the server next to nothing.
/// Empty for one that left without a word.
async fn first_word(client: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    let mut word = Vec::new();
    loop {
        let before = word.len();
        word.reserve(FIRST_WORD);
        if client.read_buf(&mut word).await? == 0 {
            return Ok(word);
        }
        let news = &word[before.saturating_sub(3)..];
        let has_ended = news.windows(4).any(|end| end == b"\r\n\r\n")
            || news.windows(2).any(|end| end == b"\n\n");
        // What is no text is refused at once, such as TLS where there is none.
        let is_other =
            news.iter().any(|byte| byte.is_ascii_control() && !byte.is_ascii_whitespace());
        if has_ended || is_other || word.len() >= LONG_WORD {
            return Ok(word);
        }
    }
}

/// Answers until the connection ends. When the server stops, what was asked is still answered.
async fn http1<I, S>(client: I, service: S, stop: Shutdown) -> hyper::Result<()>
where
    I: hyper::rt::Read + hyper::rt::Write + Send + Unpin + 'static,
    S: HttpService<Incoming, ResBody = Reply, Error = io::Error>,
{
    let mut builder = server::http1::Builder::new();
    builder.preserve_header_case(true).header_read_timeout(None);
    builder.max_buf_size(usize::try_from(HEAD).unwrap_or(usize::MAX));
    let mut connection = pin!(builder.serve_connection(client, service).with_upgrades());
    select! {
        result = &mut connection => return result,
        () = stop => connection.as_mut().graceful_shutdown(),
    }
    connection.await
}

/// As [`http1`].
async fn http2<I, S>(client: I, service: S, patience: Duration, stop: Shutdown) -> hyper::Result<()>
where
    I: hyper::rt::Read + hyper::rt::Write + Send + Unpin + 'static,
    S: HttpService<Incoming, ResBody = Reply, Error = io::Error> + Send,
    S::Future: Send + 'static,
{
    let mut builder = server::http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(HEAD)
        .max_send_buf_size(WAITING)
        .keep_alive_interval(PING)
        // Its answer waits behind what a slow client has not taken yet.
        .keep_alive_timeout(patience);
    let mut connection = pin!(builder.serve_connection(client, service));
    select! {
        result = &mut connection => return result,
        () = stop => connection.as_mut().graceful_shutdown(),
    }
    connection.await
}

/// What is to be served now. On a thread that may block: files are looked at.
async fn refresh(certificate: Arc<Certificate>) {
    if let Err(cause) = spawn_blocking(move || certificate.refresh()).await {
        tracing::error!(%cause, "the certificate was not looked at");
    }
}

/// HTTP/2 and HTTP/1.1, and clients need not bring a certificate.
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
