//! From a client's requests, of HTTP/1.1 or HTTP/2, to the web server's port and back.
//!
//! The web server names no limit to its clients, neither of requests of one connection nor of their headers, and waits
//! for ever. So each request is read here first, and goes on as one of HTTP/1.1.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{CONNECTION, EXPECT, HOST, HeaderValue, RETRY_AFTER, TE, UPGRADE};
use hyper::http::uri::PathAndQuery;
use hyper::upgrade::OnUpgrade;
use hyper::{Request, Response, StatusCode, Uri, Version};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, Sleep, sleep_until};

use super::doors::{Doors, Held, What};
use super::tunnel::{LAST_WORD, relay};
use super::usage::{InUse, Usage};
use crate::api::Peers;

/// Headers of one request; the web server takes no more either.
const HEADERS: usize = 100;
/// Bytes of an answer that may wait in the kernel for a client that does not take them.
const WAITING: u32 = 256 * 1024;
/// They are about one connection, which is not the one that goes on.
const OF_THE_CONNECTION: [&str; 2] = ["keep-alive", "proxy-connection"];

/// One client's way to the web server.
pub struct Bridge {
    pub port: u16,
    pub peers: Arc<Peers>,
    pub client: SocketAddr,
    pub doors: Arc<Doors>,
    pub usage: Arc<Usage>,
    /// So long the client may let a body or an answer wait.
    pub patience: Duration,
    /// One connection to the web server, for the next request: a client holds no more of them than [`Doors`] reckons with.
    pub kept: Mutex<Option<Link>>,
}

/// A connection to the web server.
type Link = SendRequest<Question>;

impl Bridge {
    /// # Errors
    /// The web server is not there any more, or the client let it wait: the connection ends.
    pub async fn answer(
        self: Arc<Self>,
        mut request: Request<Incoming>,
    ) -> io::Result<Response<Reply>> {
        let Some(held) = self.doors.enter(self.client.ip(), What::Request) else {
            let mut refusal = refusal(StatusCode::TOO_MANY_REQUESTS);
            refusal.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
            return Ok(refusal);
        };
        if request.headers().len() > HEADERS {
            return Ok(refusal(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE));
        }
        let in_use = self.usage.begin();
        let tunnel = request.headers().contains_key(UPGRADE);
        let tunnel = tunnel.then(|| hyper::upgrade::on(&mut request));
        let request = for_the_web_server(request)?;
        let patience = self.patience;
        let request = request.map(|body| Question { body, patience, due: None });
        let (link, mut response) = self.send(request).await?;
        match tunnel {
            Some(theirs) if response.status() == StatusCode::SWITCHING_PROTOCOLS => {
                let ours = hyper::upgrade::on(&mut response);
                tokio::spawn(tunnelled(theirs, ours, patience, (held, in_use)));
                Ok(response.map(|_| Reply::default()))
            }
            _ => {
                response.headers_mut().remove(CONNECTION);
                in_use.handed();
                Ok(response.map(|body| Reply {
                    body: Some(body),
                    of: Some(Answered { in_use, link, bridge: self, _held: held }),
                }))
            }
        }
    }

    async fn send(&self, mut request: Request<Question>) -> io::Result<(Link, Response<Incoming>)> {
        // One that was kept may have ended a moment ago.
        while let Some(mut link) = self.take() {
            match link.try_send_request(request).await {
                Ok(response) => return Ok((link, response)),
                Err(mut failed) => match failed.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(io::Error::other(failed.into_error())),
                },
            }
        }
        let mut link = self.connect().await?;
        let response = link.send_request(request).await.map_err(io::Error::other)?;
        Ok((link, response))
    }

    async fn connect(&self) -> io::Result<Link> {
        let socket = TcpSocket::new_v4()?;
        socket.set_recv_buffer_size(WAITING)?;
        let server: TcpStream = socket.connect((Ipv4Addr::LOCALHOST, self.port).into()).await?;
        server.set_nodelay(true)?;
        // Told before a byte of a request goes there.
        let known = self.peers.know(server.local_addr()?, self.client);
        let mut builder = http1::Builder::new();
        builder.preserve_header_case(true);
        let (link, connection) =
            builder.handshake(TokioIo::new(server)).await.map_err(io::Error::other)?;
        tokio::spawn(async move {
            if let Err(cause) = connection.with_upgrades().await {
                tracing::debug!(%cause, "a connection to the web server ended");
            }
            drop(known);
        });
        Ok(link)
    }

    fn take(&self) -> Option<Link> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.take().filter(SendRequest::is_ready)
    }

    fn keep(&self, link: Link) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if !link.is_closed() {
            *kept = Some(link);
        }
    }
}

/// Host and path where HTTP/1.1 has them, and nothing about the client's own connection.
fn for_the_web_server(mut request: Request<Incoming>) -> io::Result<Request<Incoming>> {
    if request.version() == Version::HTTP_2 {
        let uri = std::mem::take(request.uri_mut());
        if let Some(authority) = uri.authority() {
            let host = HeaderValue::from_str(authority.as_str()).map_err(io::Error::other)?;
            request.headers_mut().insert(HOST, host);
        }
        let path = uri.into_parts().path_and_query;
        *request.uri_mut() = Uri::from(path.unwrap_or(PathAndQuery::from_static("/")));
    }
    *request.version_mut() = Version::HTTP_11;
    let headers = request.headers_mut();
    for name in OF_THE_CONNECTION {
        headers.remove(name);
    }
    // Who waits for "100 Continue" hears it from here.
    for name in [CONNECTION, TE, EXPECT] {
        headers.remove(name);
    }
    if headers.contains_key(UPGRADE) {
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    }
    Ok(request)
}

/// Without a body: it needs no room that the client would have to give.
fn refusal(status: StatusCode) -> Response<Reply> {
    let mut response = Response::new(Reply::default());
    *response.status_mut() = status;
    response
}

/// What is no HTTP any more; `counted` is dropped with it.
async fn tunnelled(theirs: OnUpgrade, ours: OnUpgrade, patience: Duration, counted: (Held, InUse)) {
    let carried = async {
        let (theirs, ours) = tokio::try_join!(theirs, ours).map_err(io::Error::other)?;
        relay(TokioIo::new(theirs), TokioIo::new(ours), patience, LAST_WORD).await
    };
    if let Err(cause) = carried.await {
        tracing::debug!(%cause, "a console's connection broke");
    }
    drop(counted);
}

/// A request's body. It breaks when nothing more comes of it.
pub struct Question {
    body: Incoming,
    patience: Duration,
    due: Option<Pin<Box<Sleep>>>,
}

impl Body for Question {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            self.due = None;
            return Poll::Ready(frame.map(|frame| frame.map_err(io::Error::other)));
        }
        let end = Instant::now() + self.patience;
        let due = self.due.get_or_insert_with(|| Box::pin(sleep_until(end)));
        ready!(due.as_mut().poll(context));
        Poll::Ready(Some(Err(io::ErrorKind::TimedOut.into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// An answer's body.
#[derive(Default)]
pub struct Reply {
    body: Option<Incoming>,
    of: Option<Answered>,
}

/// What an answer holds until it was taken, or nobody is there any more to take it.
struct Answered {
    in_use: InUse,
    link: Link,
    bridge: Arc<Bridge>,
    _held: Held,
}

impl Body for Reply {
    type Data = Bytes;
    type Error = hyper::Error;

    /// Asked for the next piece when the one before was taken.
    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Self { body, of } = self.get_mut();
        let Some(body) = body else { return Poll::Ready(None) };
        if let Some(of) = of {
            of.in_use.taken();
        }
        let frame = ready!(Pin::new(body).poll_frame(context));
        match (&frame, &of) {
            (Some(Ok(_)), Some(of)) => of.in_use.handed(),
            (None, _) => {
                if let Some(Answered { link, bridge, .. }) = of.take() {
                    bridge.keep(link);
                }
            }
            _ => {}
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        // Without a body nobody asks for its end.
        if self.is_end_stream()
            && let Some(Answered { link, bridge, .. }) = self.of.take()
        {
            bridge.keep(link);
        }
    }
}
