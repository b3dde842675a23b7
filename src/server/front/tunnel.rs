//! Bytes that are no requests: a console's, and those that come after the last answer.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf, copy, sink, split};
use tokio::sync::oneshot::{self, Receiver, Sender};
use tokio::time::timeout;
use tokio::{pin, select};

/// So long the client may go on after the server ended the connection.
pub const LAST_WORD: Duration = Duration::from_secs(5);
/// Bytes that wait for one side at most.
const PIECE: usize = 16 * 1024;

/// Carries both ways until both have ended, or one has broken: then neither side is kept waiting for the other. A side
/// that takes nothing for `patience` has broken.
pub async fn relay(
    client: impl AsyncRead + AsyncWrite,
    server: impl AsyncRead + AsyncWrite,
    patience: Duration,
    last_word: Duration,
) -> io::Result<()> {
    let (from_client, to_client) = split(client);
    let (from_server, to_server) = split(server);
    let up = flow(from_client, to_server, patience);
    let down = flow(from_server, to_client, patience);
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

async fn flow(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    patience: Duration,
) -> io::Result<()> {
    let mut piece = vec![0; PIECE];
    loop {
        let read = from.read(&mut piece).await?;
        if read == 0 {
            return within(patience, to.shutdown()).await;
        }
        let mut rest = &piece[..read];
        while !rest.is_empty() {
            let written = within(patience, to.write(rest)).await?;
            rest = &rest[written..];
        }
        within(patience, to.flush()).await?;
    }
}

/// Ends a connection so that the client can read the last answer although it is still sending.
pub async fn linger(mut client: impl AsyncRead + AsyncWrite + Unpin) {
    let rest = async {
        client.shutdown().await?;
        copy(&mut client, &mut sink()).await
    };
    // However it ends, nothing more is said.
    let _ = timeout(LAST_WORD, rest).await;
}

/// # Errors
/// `TimedOut`
pub async fn within<T>(
    limit: Duration,
    work: impl Future<Output = io::Result<T>>,
) -> io::Result<T> {
    timeout(limit, work).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}

/// A connection that comes back from whoever drops it. What was read of it before is read first.
pub struct Lent<T> {
    read: Bytes,
    connection: Option<T>,
    back: Option<Sender<T>>,
}

impl<T> Lent<T> {
    pub fn new(read: Vec<u8>, connection: T) -> (Self, Receiver<T>) {
        let (back, waits) = oneshot::channel();
        (Self { read: read.into(), connection: Some(connection), back: Some(back) }, waits)
    }
}

impl<T: Unpin> Lent<T> {
    fn inner(self: Pin<&mut Self>) -> io::Result<Pin<&mut T>> {
        let connection = self.get_mut().connection.as_mut();
        connection.map(Pin::new).ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

impl<T> Drop for Lent<T> {
    fn drop(&mut self) {
        if let (Some(connection), Some(back)) = (self.connection.take(), self.back.take()) {
            // Nobody waits for it when the server ends.
            drop(back.send(connection));
        }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Lent<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.read.is_empty() {
            return self.inner()?.poll_read(context, buffer);
        }
        let piece = self.read.len().min(buffer.remaining());
        buffer.put_slice(&self.read.split_to(piece));
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Lent<T> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.inner()?.poll_write(context, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.inner()?.poll_write_vectored(context, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.connection.as_ref().is_some_and(AsyncWrite::is_write_vectored)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner()?.poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner()?.poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use tokio::io::duplex;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);

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
        let carried = tokio::spawn(relay(Broken, front, PATIENCE, LAST_WORD));
        let mut word = [0; 8];
        let end = within(PATIENCE, server.read(&mut word)).await;
        assert_eq!(end.expect("the end"), 0);
        carried.await.expect("the relay").expect_err("it broke");
    }

    #[tokio::test]
    async fn what_was_asked_is_answered_and_what_nobody_reads_is_not_waited_for() {
        let ((mut client, theirs), (front, mut server)) = (duplex(64), duplex(64));
        let carried = tokio::spawn(relay(theirs, front, PATIENCE, LAST_WORD));
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
        let carried = tokio::spawn(relay(theirs, front, PATIENCE, Duration::from_millis(1)));
        drop(server);
        carried.await.expect("the relay").expect("not for ever");
        drop(client);
    }

    #[tokio::test]
    async fn a_console_that_takes_nothing_ends_and_one_that_says_nothing_stays() {
        let ((client, theirs), (front, mut server)) = (duplex(64), duplex(64));
        let patience = Duration::from_millis(20);
        let mut carried = pin!(relay(theirs, front, patience, LAST_WORD));
        let silence = timeout(10 * patience, &mut carried).await;
        assert!(silence.is_err(), "nothing is wrong with silence");
        let (full, broken) = tokio::join!(server.write_all(&[0; 1024]), carried);
        full.expect_err("nobody reads it");
        assert_eq!(broken.expect_err("it broke").kind(), io::ErrorKind::TimedOut);
        drop(client);
    }

    #[tokio::test]
    async fn what_was_lent_comes_back() {
        let (mut client, theirs) = duplex(64);
        client.write_all(b"ask").await.expect("write");
        let (mut lent, back) = Lent::new(b"may I ".to_vec(), theirs);
        let mut asked = [0; 9];
        lent.read_exact(&mut asked).await.expect("read");
        assert_eq!(&asked, b"may I ask");
        lent.write_all(b"word").await.expect("write");
        drop(lent);
        let mut theirs = back.await.expect("back");
        theirs.write_all(b"s").await.expect("write");
        drop(theirs);
        let mut said = String::new();
        client.read_to_string(&mut said).await.expect("read");
        assert_eq!(said, "words");
    }
}
