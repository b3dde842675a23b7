//! The task that reads a link and hands each frame to whoever waits for it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use tokio::io::AsyncRead;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinHandle;

use super::calls::unexpected;
use super::{Answer, Caller, Pending, Shared};
use crate::error::Fault;
use crate::node::link::{FrameReader, LastHeard};
use crate::node::protocol::{Event, Frame, LINK_PATIENCE, PING_PAUSE, Reply};

/// What remains to be written when the link ends of our own will, a last `Cancel` perhaps.
const LAST_WORDS: Duration = Duration::from_secs(1);

pub(super) async fn run<R: AsyncRead + Unpin>(
    shared: Arc<Shared>,
    frames: FrameReader<R>,
    heard: LastHeard,
    events: UnboundedSender<Event>,
    writing: JoinHandle<io::Result<()>>,
) {
    if let Err(reason) = read(&shared, frames, &heard, &events).await {
        tracing::warn!(reason, "link to a node lost");
    }
    shared.gone.cancel();
    // Dropping what waits is what fails it.
    drop(shared.calls().take());
    drop(events);
    drop(shared);
    let abort = writing.abort_handle();
    if tokio::time::timeout(LAST_WORDS, writing).await.is_err() {
        abort.abort();
    }
}

/// `Ok` when the controller itself ends the link.
async fn read<R: AsyncRead + Unpin>(
    shared: &Shared,
    mut frames: FrameReader<R>,
    heard: &LastHeard,
    events: &UnboundedSender<Event>,
) -> Result<(), String> {
    let mut ping = tokio::time::interval(Duration::from_secs(PING_PAUSE));
    let mut look = tokio::time::interval(Duration::from_millis(500));
    loop {
        tokio::select! {
            () = shared.gone.cancelled() => return Ok(()),
            _ = ping.tick() => shared.outbox.send(&Frame::Ping).map_err(|error| error.detail())?,
            _ = look.tick() => {
                if heard.ago() >= Duration::from_secs(LINK_PATIENCE) {
                    return Err(format!("nothing heard for {LINK_PATIENCE} s"));
                }
            }
            frame = frames.next() => match frame {
                Some(Ok(frame)) => take(shared, frame, events)?,
                Some(Err(cause)) => return Err(cause.to_string()),
                None => return Err("closed by the agent".to_owned()),
            },
        }
    }
}

fn take(shared: &Shared, frame: Frame, events: &UnboundedSender<Event>) -> Result<(), String> {
    match frame {
        Frame::Progress { id, progress } => {
            if let Some(Caller::Blocking(waiting)) =
                shared.calls().as_ref().and_then(|calls| calls.get(&id)).map(|call| &call.caller)
            {
                drop(waiting.send(Answer::Progress(progress)));
            }
        }
        Frame::Reply { id, result } => answer(shared, id, result),
        Frame::Data { id, bytes } => {
            if on_stream(shared, id, |stream| stream.data(bytes)) == Some(false) {
                return Err("the agent sends more than it has credit for".to_owned());
            }
        }
        Frame::Credit { id, bytes } => {
            on_stream(shared, id, |stream| stream.credit(bytes));
        }
        Frame::End { id } => {
            on_stream(shared, id, |stream| stream.end());
        }
        // Nobody listening to events is the listener's choice.
        Frame::Event(event) => drop(events.send(event)),
        Frame::Pong => {}
        Frame::Refused(fault) => {
            let why = fault.detail.clone();
            // The first word counts.
            drop(shared.refusal.set(fault));
            return Err(why);
        }
        frame => return Err(format!("unexpected from an agent: {frame:?}")),
    }
    Ok(())
}

/// Who no longer waits for a reply has dropped the other end.
fn answer(shared: &Shared, id: u64, result: Result<Reply, Fault>) {
    let Some(Pending { answer, caller }) = shared.take(id) else { return };
    let result = result
        .and_then(|reply| if answer(&reply) { Ok(reply) } else { Err(unexpected(&reply).into()) });
    match caller {
        Caller::Blocking(waiting) => drop(waiting.send(Answer::Reply(result))),
        Caller::Open { stream, reply } => {
            drop(reply.send(result));
            drop(stream);
        }
    }
}

fn on_stream<T>(
    shared: &Shared,
    id: u64,
    act: impl FnOnce(&super::StreamHandle) -> T,
) -> Option<T> {
    match &shared.calls().as_ref()?.get(&id)?.caller {
        Caller::Open { stream, .. } => Some(act(stream)),
        Caller::Blocking(_) => None,
    }
}
