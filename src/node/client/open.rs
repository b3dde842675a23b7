//! Calls that carry a stream of bytes.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;

use super::{Caller, NodeClient, Shared};
use crate::error::{Error, Fault, Result};
use crate::node::link::lost;
use crate::node::protocol::{Frame, Reply, Request};
use crate::node::stream::{self, Incoming, Outgoing};

/// A call under way whose bytes are read from and written to it. Dropping it cancels it on the node.
///
/// When reading or writing fails, [`OpenCall::reply`] tells why.
pub struct OpenCall {
    pub incoming: Incoming,
    pub outgoing: Outgoing,
    pub reply: OpenReply,
}

/// The reply to come. Dropping it before it has come cancels the call.
pub struct OpenReply {
    id: u64,
    reply: oneshot::Receiver<Result<Reply, Fault>>,
    /// It has come; who asks again hears that the call is over.
    has_come: bool,
    /// Keeps the link for the call's time.
    client: NodeClient,
}

impl NodeClient {
    /// Begins a call with a stream.
    ///
    /// # Errors
    /// `node-link-lost`
    pub fn open(&self, request: Request) -> Result<OpenCall> {
        let shared: &Arc<Shared> = &self.0.0;
        let (sender, reply) = oneshot::channel();
        let mut ends = None;
        let id = shared.add(request.answer(), |id| {
            let (stream, incoming, outgoing) = stream::open(id, &shared.outbox);
            ends = Some((incoming, outgoing));
            Caller::Open { stream, reply: sender }
        })?;
        shared.start(id, request)?;
        let (incoming, outgoing) = ends.ok_or_else(lost)?;
        Ok(OpenCall {
            incoming,
            outgoing,
            reply: OpenReply { id, reply, has_come: false, client: self.clone() },
        })
    }
}

impl OpenCall {
    /// Waits for the reply; the bytes must have been read or written before.
    ///
    /// # Errors
    /// What the agent answers, or `node-link-lost`.
    pub async fn reply(self) -> Result<Reply> {
        self.reply.await
    }
}

impl OpenReply {
    /// Asks the node to stop. Its reply still comes.
    pub fn stop(&self) {
        // On a dead link there is nothing left to stop.
        drop(self.client.0.0.outbox.send(&Frame::Cancel { id: self.id }));
    }
}

impl Future for OpenReply {
    type Output = Result<Reply>;

    fn poll(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Result<Reply>> {
        if self.has_come {
            return Poll::Ready(Err(lost()));
        }
        let reply = ready!(Pin::new(&mut self.reply).poll(task));
        self.has_come = true;
        Poll::Ready(match reply {
            Ok(result) => result.map_err(Error::from),
            Err(_) => Err(lost()),
        })
    }
}

impl Drop for OpenReply {
    fn drop(&mut self) {
        self.client.0.0.abandon(self.id);
    }
}

impl AsyncRead for OpenCall {
    fn poll_read(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.incoming).poll_read(task, into)
    }
}

impl AsyncWrite for OpenCall {
    fn poll_write(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.outgoing).poll_write(task, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.outgoing).poll_flush(task)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.outgoing).poll_shutdown(task)
    }
}
