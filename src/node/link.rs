//! Frames on a byte stream, whichever stream it is.
//!
//! Each side first sends a preface: who it is and which version it speaks. So peers of different versions, and
//! programs that print a greeting where frames are expected, are told apart before anything is decoded.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::{BufMut, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio_util::codec::{Decoder, FramedRead, LengthDelimitedCodec};

use crate::error::{Error, Kind, Result};
use crate::node::protocol::{FRAME_LIMIT, Frame, LINK_PATIENCE, VERSION};

const MAGIC: &[u8; 6] = b"carrel";
const PREFACE: usize = 8;
/// Bytes before a frame that tell its length, big endian.
const LENGTH: usize = 4;

/// The error of every call on a link that is no more.
pub fn lost() -> Error {
    Error::unreachable("node-link-lost")
}

/// Sends our preface and checks the peer's.
///
/// # Errors
/// `node-link-lost`, `node-link-noise` when the peer is something else, `node-version-differs`.
pub async fn exchange_prefaces<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S) -> Result<()> {
    let mut ours = [0; PREFACE];
    ours[..MAGIC.len()].copy_from_slice(MAGIC);
    ours[MAGIC.len()..].copy_from_slice(&VERSION.to_be_bytes());
    let mut theirs = [0; PREFACE];
    let exchange = async {
        stream.write_all(&ours).await?;
        stream.flush().await?;
        stream.read_exact(&mut theirs).await
    };
    match tokio::time::timeout(Duration::from_secs(LINK_PATIENCE), exchange).await {
        Ok(Ok(_)) => {}
        Ok(Err(cause)) => return Err(lost().because(cause)),
        Err(late) => return Err(lost().because(late)),
    }
    if &theirs[..MAGIC.len()] != MAGIC {
        return Err(Error::unreachable("node-link-noise")
            .because(format!("expected a preface, read {:?}", String::from_utf8_lossy(&theirs))));
    }
    let version = u16::from_be_bytes([theirs[PREFACE - 2], theirs[PREFACE - 1]]);
    if version == VERSION {
        return Ok(());
    }
    Err(Error::new(Kind::NodeUnreachable, "node-version-differs")
        .arg("ours", VERSION)
        .arg("theirs", version))
}

/// When the peer was last heard, by any byte.
#[derive(Debug, Clone)]
pub struct LastHeard {
    began: Instant,
    millis: Arc<AtomicU64>,
}

impl LastHeard {
    fn new() -> Self {
        Self { began: Instant::now(), millis: Arc::default() }
    }

    fn touch(&self) {
        let millis = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.millis.store(millis, Ordering::Relaxed);
    }

    pub fn ago(&self) -> Duration {
        self.began
            .elapsed()
            .saturating_sub(Duration::from_millis(self.millis.load(Ordering::Relaxed)))
    }
}

/// Frames out of a stream.
pub type FrameReader<R> = FramedRead<R, FrameDecoder>;

pub fn reader<R: AsyncRead>(stream: R) -> (FrameReader<R>, LastHeard) {
    let heard = LastHeard::new();
    let lengths = LengthDelimitedCodec::builder()
        .length_field_length(LENGTH)
        .max_frame_length(FRAME_LIMIT)
        .new_codec();
    (FramedRead::new(stream, FrameDecoder { lengths, heard: heard.clone() }), heard)
}

pub struct FrameDecoder {
    lengths: LengthDelimitedCodec,
    heard: LastHeard,
}

impl Decoder for FrameDecoder {
    type Item = Frame;
    type Error = io::Error;

    /// Called after every read, so that a frame that takes long to come does not count as silence.
    fn decode(&mut self, source: &mut BytesMut) -> io::Result<Option<Frame>> {
        self.heard.touch();
        let Some(bytes) = self.lengths.decode(source)? else { return Ok(None) };
        rmp_serde::from_slice(&bytes)
            .map(Some)
            .map_err(|cause| io::Error::new(io::ErrorKind::InvalidData, cause))
    }
}

/// Where frames go to be written. Clones lead to the same stream.
///
/// Two queues: the bytes of streams, megabytes perhaps, wait for everything else, so that a pong or the wish to stop is
/// late by one piece and not by a whole window of every stream.
///
/// The queues have no bound of their own: streams of bytes have credit, progress is throttled, and a peer that does
/// not read is given up by its silence.
#[derive(Debug, Clone)]
pub struct Outbox {
    first: UnboundedSender<Bytes>,
    bytes: UnboundedSender<Bytes>,
}

impl Outbox {
    /// Encodes and queues a frame; never blocks.
    ///
    /// # Errors
    /// `node-link-lost`, or `node-frame-too-large` for a frame that the peer would refuse.
    pub fn send(&self, frame: &Frame) -> Result<()> {
        let queue = match frame {
            // The end of a stream comes after its bytes.
            Frame::Data { .. } | Frame::End { .. } => &self.bytes,
            Frame::Hello { .. }
            | Frame::Call { .. }
            | Frame::Progress { .. }
            | Frame::Reply { .. }
            | Frame::Cancel { .. }
            | Frame::Credit { .. }
            | Frame::Event(_)
            | Frame::Refused(_)
            | Frame::Ping
            | Frame::Pong => &self.first,
        };
        queue.send(encode(frame)?).map_err(|_| lost())
    }

    /// As [`Outbox::send`], for what must not overtake bytes that were sent before.
    ///
    /// # Errors
    /// As [`Outbox::send`].
    pub fn send_behind(&self, frame: &Frame) -> Result<()> {
        self.bytes.send(encode(frame)?).map_err(|_| lost())
    }
}

/// An outbox and the work of writing out what is put in, which ends when all clones of the outbox are
/// dropped or the stream breaks.
pub fn outbox<W: AsyncWrite + Unpin>(stream: W) -> (Outbox, impl Future<Output = io::Result<()>>) {
    let (first, firsts) = mpsc::unbounded_channel();
    let (bytes, pieces) = mpsc::unbounded_channel();
    (Outbox { first, bytes }, write_out(firsts, pieces, stream))
}

async fn write_out<W: AsyncWrite + Unpin>(
    mut first: UnboundedReceiver<Bytes>,
    mut bytes: UnboundedReceiver<Bytes>,
    mut stream: W,
) -> io::Result<()> {
    loop {
        let frame = tokio::select! {
            biased;
            Some(frame) = first.recv() => frame,
            Some(frame) = bytes.recv() => frame,
            else => return stream.shutdown().await,
        };
        stream.write_all(&frame).await?;
        if first.is_empty() && bytes.is_empty() {
            stream.flush().await?;
        }
    }
}

fn encode(frame: &Frame) -> Result<Bytes> {
    let capacity = if let Frame::Data { bytes, .. } = frame { bytes.len() + 64 } else { 256 };
    let mut buffer = BytesMut::with_capacity(capacity);
    buffer.put_bytes(0, LENGTH);
    let mut writer = buffer.writer();
    rmp_serde::encode::write(&mut writer, frame)
        .map_err(|cause| Error::internal("encode a frame").because(cause))?;
    let mut buffer = writer.into_inner();
    let length = buffer.len() - LENGTH;
    match u32::try_from(length) {
        Ok(field) if length <= FRAME_LIMIT => {
            buffer[..LENGTH].copy_from_slice(&field.to_be_bytes())
        }
        _ => {
            return Err(Error::bad_input("node-frame-too-large")
                .arg("size", length)
                .arg("limit", FRAME_LIMIT));
        }
    }
    Ok(buffer.freeze())
}

#[cfg(test)]
mod tests {
    use futures::StreamExt;

    use super::*;
    use crate::node::protocol::Reply;

    #[tokio::test]
    async fn frames_arrive_as_they_were_sent() {
        let (near, far) = tokio::io::duplex(100);
        let (outbox, writing) = outbox(near);
        tokio::spawn(writing);
        outbox.send(&Frame::Data { id: 7, bytes: vec![3; 5000] }).unwrap();
        outbox.send(&Frame::End { id: 7 }).unwrap();
        drop(outbox);
        let (mut frames, _) = reader(far);
        let first = frames.next().await.unwrap().unwrap();
        assert!(matches!(first, Frame::Data { id: 7, bytes } if bytes == vec![3; 5000]));
        assert!(matches!(frames.next().await.unwrap().unwrap(), Frame::End { id: 7 }));
        assert!(frames.next().await.is_none());
    }

    #[tokio::test]
    async fn the_bytes_of_a_stream_hold_up_nothing_but_what_must_stay_behind_them() {
        let (near, far) = tokio::io::duplex(100);
        let (outbox, writing) = outbox(near);
        for _ in 0..16 {
            outbox.send(&Frame::Data { id: 7, bytes: vec![3; 256 << 10] }).unwrap();
        }
        outbox.send_behind(&Frame::Reply { id: 7, result: Ok(Reply::Done) }).unwrap();
        outbox.send(&Frame::Pong).unwrap();
        outbox.send(&Frame::Cancel { id: 3 }).unwrap();
        outbox.send(&Frame::Reply { id: 8, result: Ok(Reply::Done) }).unwrap();
        drop(outbox);
        tokio::spawn(writing);
        let (mut frames, _) = reader(far);
        let mut order = Vec::new();
        while let Some(frame) = frames.next().await {
            order.push(match frame.unwrap() {
                Frame::Pong => "pong",
                Frame::Cancel { .. } => "cancel",
                Frame::Reply { id: 8, .. } => "reply",
                Frame::Reply { .. } => "reply behind",
                _ => "bytes",
            });
        }
        assert_eq!(order[..3], ["pong", "cancel", "reply"]);
        assert_eq!((order.len(), order[19]), (20, "reply behind"));
    }

    #[tokio::test]
    async fn a_frame_beyond_the_limit_is_refused_on_both_sides() {
        let (mut near, far) = tokio::io::duplex(100);
        let error = encode(&Frame::Data { id: 1, bytes: vec![0; FRAME_LIMIT] }).unwrap_err();
        assert_eq!(error.key(), "node-frame-too-large");
        near.write_all(&u32::MAX.to_be_bytes()).await.unwrap();
        let (mut frames, _) = reader(far);
        assert!(frames.next().await.unwrap().is_err());
    }

    #[tokio::test]
    async fn another_version_and_a_greeting_are_told_apart() {
        let (mut near, mut far) = tokio::io::duplex(100);
        far.write_all(b"carrel\x7f\xff").await.unwrap();
        let error = exchange_prefaces(&mut near).await.unwrap_err();
        assert_eq!(error.key(), "node-version-differs");

        let (mut near, mut far) = tokio::io::duplex(100);
        far.write_all(b"Welcome to node 7\n").await.unwrap();
        assert_eq!(exchange_prefaces(&mut near).await.unwrap_err().key(), "node-link-noise");
    }
}
