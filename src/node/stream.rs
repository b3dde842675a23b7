//! The bytes of one call, in pieces with credit: who sends may be at most [`STREAM_WINDOW`] bytes
//! ahead of who reads, so a slow reader never fills memory and never holds up other calls of the link.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::runtime::Handle;

use crate::node::link::Outbox;
use crate::node::protocol::{Frame, STREAM_WINDOW};

/// Bytes in one piece: many calls share a link, none holds it for long.
const PIECE: usize = 256 << 10;

/// Pieces that came are put together up to this size.
const TOGETHER: usize = 16 << 10;

/// Consumed bytes after which the sender is told.
const CREDIT_STEP: u32 = STREAM_WINDOW / 8;

/// Both ends of the stream of call `id`, and the handle by which the link feeds them.
pub fn open(id: u64, outbox: &Outbox) -> (StreamHandle, Incoming, Outgoing) {
    let arrived = Arc::new(Arrived::default());
    let credit = Arc::new(Credit::new());
    let handle = StreamHandle { arrived: arrived.clone(), credit: credit.clone() };
    let incoming = Incoming {
        id,
        arrived,
        now: Bytes::new(),
        ended: false,
        consumed: 0,
        outbox: outbox.clone(),
    };
    let outgoing = Outgoing { id, credit, outbox: outbox.clone(), ended: false };
    (handle, incoming, outgoing)
}

/// What the link does with frames of a call's stream. Dropped when the call ends, which ends both ends.
pub struct StreamHandle {
    arrived: Arc<Arrived>,
    credit: Arc<Credit>,
}

impl StreamHandle {
    /// A piece came. `false` when the peer sent more than it had credit for: the call must be ended.
    #[must_use]
    pub fn data(&self, bytes: Vec<u8>) -> bool {
        self.arrived.put(bytes)
    }

    /// The peer sends no more.
    pub fn end(&self) {
        self.arrived.end();
    }

    /// The peer has consumed so many bytes.
    pub fn credit(&self, bytes: u32) {
        self.credit.add(bytes);
    }
}

impl Drop for StreamHandle {
    fn drop(&mut self) {
        self.arrived.close();
        self.credit.close();
    }
}

/// What came and was not read yet. It takes about as much memory as there are bytes, however the peer cuts them.
#[derive(Default)]
struct Arrived(Mutex<ArrivedState>);

#[derive(Default)]
struct ArrivedState {
    pieces: VecDeque<Vec<u8>>,
    /// Bytes that the reader has not consumed.
    waiting: u32,
    ended: bool,
    closed: bool,
    /// The reader has lost interest; it is told by the end of its call, not here.
    unread: bool,
    waker: Option<Waker>,
}

impl Arrived {
    fn state(&self) -> MutexGuard<'_, ArrivedState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `false` when there was no credit for it.
    fn put(&self, bytes: Vec<u8>) -> bool {
        let count = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let mut state = self.state();
        if state.waiting.saturating_add(count) > STREAM_WINDOW {
            return false;
        }
        state.waiting += count;
        if count == 0 || state.ended || state.unread {
            return true;
        }
        match state.pieces.back_mut() {
            Some(last) if last.len() + bytes.len() <= TOGETHER => last.extend_from_slice(&bytes),
            _ => state.pieces.push_back(bytes),
        }
        wake(&mut state.waker);
        true
    }

    fn end(&self) {
        let mut state = self.state();
        state.ended = true;
        wake(&mut state.waker);
    }

    fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        wake(&mut state.waker);
    }

    fn consume(&self, count: u32) {
        self.state().waiting -= count;
    }

    /// The next piece; none at the end.
    fn next(&self, task: &mut Context<'_>) -> Poll<io::Result<Option<Bytes>>> {
        let mut state = self.state();
        if let Some(piece) = state.pieces.pop_front() {
            return Poll::Ready(Ok(Some(piece.into())));
        }
        if state.ended {
            return Poll::Ready(Ok(None));
        }
        if state.closed {
            return Poll::Ready(Err(call_ended()));
        }
        state.waker = Some(task.waker().clone());
        Poll::Pending
    }
}

/// Bytes from the peer. Ends with an error when the call ended before the peer said that it was done.
pub struct Incoming {
    id: u64,
    arrived: Arc<Arrived>,
    now: Bytes,
    ended: bool,
    /// Not yet told to the peer.
    consumed: u32,
    outbox: Outbox,
}

impl Incoming {
    /// For a thread that may block. Not for one of the runtime's own.
    pub fn blocking(self, runtime: Handle) -> BlockingStream<Self> {
        BlockingStream { stream: self, runtime }
    }

    fn consume(&mut self, count: usize) {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        self.arrived.consume(count);
        self.consumed += count;
        if self.consumed >= CREDIT_STEP {
            // A link that is gone shows itself at the next piece.
            drop(self.outbox.send(&Frame::Credit { id: self.id, bytes: self.consumed }));
            self.consumed = 0;
        }
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        let mut state = self.arrived.state();
        state.unread = true;
        state.pieces = VecDeque::new();
    }
}

impl AsyncRead for Incoming {
    fn poll_read(
        self: Pin<&mut Self>,
        task: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        while this.now.is_empty() && !this.ended {
            match ready!(this.arrived.next(task))? {
                Some(bytes) => this.now = bytes,
                None => this.ended = true,
            }
        }
        let count = this.now.len().min(into.remaining());
        into.put_slice(&this.now[..count]);
        this.now.advance(count);
        this.consume(count);
        Poll::Ready(Ok(()))
    }
}

/// Bytes to the peer. `shutdown` says that no more follow; merely dropping it does not.
pub struct Outgoing {
    id: u64,
    credit: Arc<Credit>,
    outbox: Outbox,
    ended: bool,
}

impl Outgoing {
    /// For a thread that may block. Not for one of the runtime's own.
    pub fn blocking(self, runtime: Handle) -> BlockingStream<Self> {
        BlockingStream { stream: self, runtime }
    }
}

impl AsyncWrite for Outgoing {
    fn poll_write(
        self: Pin<&mut Self>,
        task: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let count = ready!(self.credit.take(task, bytes.len().min(PIECE)))?;
        let frame = Frame::Data { id: self.id, bytes: bytes[..count].to_vec() };
        Poll::Ready(self.outbox.send(&frame).map(|()| count).map_err(|_| call_ended()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.ended {
            return Poll::Ready(Ok(()));
        }
        self.ended = true;
        Poll::Ready(self.outbox.send(&Frame::End { id: self.id }).map_err(|_| call_ended()))
    }
}

/// Why a stream breaks off: the call has its reply, was cancelled, or the link is gone.
fn call_ended() -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, "the call has ended")
}

struct Credit(Mutex<CreditState>);

struct CreditState {
    left: u32,
    closed: bool,
    waker: Option<Waker>,
}

impl Credit {
    fn new() -> Self {
        Self(Mutex::new(CreditState { left: STREAM_WINDOW, closed: false, waker: None }))
    }

    fn state(&self) -> MutexGuard<'_, CreditState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, task: &mut Context<'_>, wanted: usize) -> Poll<io::Result<usize>> {
        let mut state = self.state();
        if state.closed {
            return Poll::Ready(Err(call_ended()));
        }
        if state.left == 0 {
            state.waker = Some(task.waker().clone());
            return Poll::Pending;
        }
        let count = u32::try_from(wanted).unwrap_or(u32::MAX).min(state.left);
        state.left -= count;
        Poll::Ready(Ok(count as usize))
    }

    fn add(&self, bytes: u32) {
        let mut state = self.state();
        state.left = state.left.saturating_add(bytes).min(STREAM_WINDOW);
        wake(&mut state.waker);
    }

    fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        wake(&mut state.waker);
    }
}

fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}

/// One end of a stream for work on a thread.
pub struct BlockingStream<T> {
    stream: T,
    runtime: Handle,
}

impl<T: AsyncRead + Unpin> io::Read for BlockingStream<T> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.runtime.block_on(self.stream.read(into))
    }
}

impl<T: AsyncWrite + Unpin> io::Write for BlockingStream<T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.runtime.block_on(self.stream.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.runtime.block_on(self.stream.flush())
    }
}

impl<T: AsyncWrite + Unpin> BlockingStream<T> {
    /// Says that no more follows.
    pub fn finish(mut self) -> io::Result<()> {
        self.runtime.block_on(self.stream.shutdown())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::link;

    #[tokio::test]
    async fn pieces_take_no_more_memory_than_their_bytes() {
        let (outbox, _writing) = link::outbox(tokio::io::sink());
        let (handle, mut incoming, _outgoing) = open(1, &outbox);
        for number in 0..100_000_u32 {
            assert!(handle.data(Vec::new()));
            assert!(handle.data(vec![number as u8]));
        }
        let held: usize =
            incoming.arrived.state().pieces.iter().map(|piece| 24 + piece.capacity()).sum();
        assert!(held < 300_000, "{held} bytes for 100,000");
        assert!(handle.data(vec![7; STREAM_WINDOW as usize - 100_000]));
        assert!(!handle.data(vec![7]), "beyond the credit");
        handle.end();
        let mut read = Vec::new();
        incoming.read_to_end(&mut read).await.unwrap();
        assert_eq!(read.len(), STREAM_WINDOW as usize);
        assert!(read[..100_000].iter().enumerate().all(|(place, byte)| *byte == place as u8));
    }

    #[tokio::test]
    async fn what_came_before_the_call_ended_is_still_read() {
        let (outbox, _writing) = link::outbox(tokio::io::sink());
        let (handle, mut incoming, _outgoing) = open(1, &outbox);
        assert!(handle.data(vec![1, 2]));
        drop(handle);
        let mut read = Vec::new();
        let error = incoming.read_to_end(&mut read).await.unwrap_err();
        assert_eq!((read, error.kind()), (vec![1, 2], io::ErrorKind::BrokenPipe));
    }

    #[tokio::test]
    async fn bytes_that_nobody_reads_are_thrown_away() {
        let (outbox, _writing) = link::outbox(tokio::io::sink());
        let (handle, incoming, _outgoing) = open(1, &outbox);
        let arrived = incoming.arrived.clone();
        assert!(handle.data(vec![1; 1 << 20]));
        drop(incoming);
        assert!(handle.data(vec![1; 1 << 20]));
        assert!(arrived.state().pieces.is_empty());
    }
}
