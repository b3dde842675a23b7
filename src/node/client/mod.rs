//! The controller's end of a link to a node.
//!
//! Many calls run over one link at the same time. Domain code is synchronous and calls from threads that may block;
//! calls with a stream of bytes are asynchronous. When the link dies, all pending calls fail at once, and
//! the receiver of events ends: that is how the rest of the controller learns of it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self as blocking, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use futures::StreamExt;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;

use crate::error::{Error, Fault, Result};
use crate::node::cancel::{CancelFlag, cancelled};
use crate::node::link::{self, FrameReader, Outbox, lost};
use crate::node::protocol::{AgentConfig, Event, Frame, LINK_PATIENCE, Progress, Reply, Request};
use crate::node::stream::StreamHandle;

mod calls;
mod open;
mod pump;

pub use open::OpenCall;

/// How often a watched call looks whether it shall stop.
const CANCEL_POLL: Duration = Duration::from_millis(100);

/// What a cancelled call gets to answer before it is given up.
const CANCEL_PATIENCE: Duration = Duration::from_secs(15);

/// A link to one node's agent. Clones share it; when the last is dropped the link ends.
#[derive(Clone)]
pub struct NodeClient(Arc<Owned>);

/// Ends the link when dropped; the tasks of the link hold only what is inside.
struct Owned(Arc<Shared>);

impl Drop for Owned {
    fn drop(&mut self) {
        self.0.gone.cancel();
    }
}

struct Shared {
    outbox: Outbox,
    /// `None` once the link is dead.
    calls: Mutex<Option<HashMap<u64, Pending>>>,
    next: AtomicU64,
    gone: CancelFlag,
    /// What the agent ended the link with.
    refusal: OnceLock<Fault>,
}

/// A call without its reply.
struct Pending {
    /// Whether a reply is one of those that answer the request.
    answer: fn(&Reply) -> bool,
    caller: Caller,
}

enum Caller {
    Blocking(blocking::Sender<Answer>),
    Open { stream: StreamHandle, reply: oneshot::Sender<Result<Reply, Fault>> },
}

enum Answer {
    Progress(Progress),
    Reply(Result<Reply, Fault>),
}

/// Who looks on at a long call, and may stop it.
pub struct Watch<'a> {
    pub progress: &'a mut dyn FnMut(Progress),
    pub cancel: &'a CancelFlag,
}

impl NodeClient {
    /// Greets the agent at the other end of `stream`. Events go to `events` until the link dies.
    ///
    /// # Errors
    /// `node-link-lost`, `node-link-noise`, `node-version-differs`, and what the agent refuses with.
    pub async fn connect<S>(
        mut stream: S,
        config: AgentConfig,
        events: UnboundedSender<Event>,
    ) -> Result<Self>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        link::exchange_prefaces(&mut stream).await?;
        let (read, write) = tokio::io::split(stream);
        let (mut frames, heard) = link::reader(read);
        let (outbox, writing) = link::outbox(write);
        let writing = tokio::spawn(writing);
        outbox.send(&Frame::Hello { config: Some(config) })?;
        greeted(&mut frames).await?;
        let shared = Arc::new(Shared {
            outbox,
            calls: Mutex::new(Some(HashMap::new())),
            next: AtomicU64::new(1),
            gone: CancelFlag::new(),
            refusal: OnceLock::new(),
        });
        tokio::spawn(pump::run(shared.clone(), frames, heard, events, writing));
        Ok(Self(Arc::new(Owned(shared))))
    }

    /// Whether the link still carries, as far as is known.
    pub fn is_alive(&self) -> bool {
        !self.0.0.gone.is_cancelled()
    }

    /// Why the agent let this controller go, once it has.
    pub fn refusal(&self) -> Option<Fault> {
        self.0.0.refusal.get().cloned()
    }

    /// Ends the link for all its users.
    pub fn close(&self) {
        self.0.0.gone.cancel();
    }

    /// Asks and waits for the reply. Blocks: only for threads that may.
    ///
    /// # Errors
    /// `node-link-lost`, `node-too-slow` for a short request without an answer, and what the agent answers.
    pub fn call(&self, request: Request) -> Result<Reply> {
        let patience = request.patience().limit();
        let (id, answers) = self.begin(request)?;
        let until = patience.map(|patience| Instant::now() + patience);
        loop {
            let answer = match until {
                None => answers.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(until) => {
                    answers.recv_timeout(until.saturating_duration_since(Instant::now()))
                }
            };
            match answer {
                Ok(Answer::Progress(_)) => {}
                Ok(Answer::Reply(result)) => return result.map_err(Error::from),
                Err(RecvTimeoutError::Disconnected) => return Err(lost()),
                Err(RecvTimeoutError::Timeout) => {
                    self.0.0.abandon(id);
                    return Err(Error::unreachable("node-too-slow"));
                }
            }
        }
    }

    /// As [`NodeClient::call`], for long work: tells of progress, and passes on the wish to stop. Work that was
    /// finished before the wish arrived answers as usual.
    pub fn call_watched(&self, request: Request, watch: &mut Watch<'_>) -> Result<Reply> {
        watch.cancel.check()?;
        let (id, answers) = self.begin(request)?;
        let mut give_up = None;
        loop {
            match answers.recv_timeout(CANCEL_POLL) {
                Ok(Answer::Progress(progress)) => (watch.progress)(progress),
                Ok(Answer::Reply(result)) => return result.map_err(Error::from),
                // A node that hangs never says that it stopped.
                Err(RecvTimeoutError::Disconnected) if give_up.is_some() => return Err(cancelled()),
                Err(RecvTimeoutError::Disconnected) => return Err(lost()),
                Err(RecvTimeoutError::Timeout) => {}
            }
            match give_up {
                None if watch.cancel.is_cancelled() => {
                    self.0.0.outbox.send(&Frame::Cancel { id })?;
                    give_up = Some(Instant::now() + CANCEL_PATIENCE);
                }
                Some(until) if Instant::now() >= until => {
                    self.0.0.abandon(id);
                    return Err(cancelled());
                }
                _ => {}
            }
        }
    }

    fn begin(&self, request: Request) -> Result<(u64, blocking::Receiver<Answer>)> {
        let (sender, answers) = blocking::channel();
        let id = self.0.0.add(request.answer(), |_| Caller::Blocking(sender))?;
        self.0.0.start(id, request)?;
        Ok((id, answers))
    }
}

impl Shared {
    fn calls(&self) -> MutexGuard<'_, Option<HashMap<u64, Pending>>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, answer: fn(&Reply) -> bool, caller: impl FnOnce(u64) -> Caller) -> Result<u64> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let pending = Pending { answer, caller: caller(id) };
        self.calls().as_mut().ok_or_else(lost)?.insert(id, pending);
        Ok(id)
    }

    fn start(&self, id: u64, request: Request) -> Result<()> {
        let sent = self.outbox.send(&Frame::Call { id, request: Box::new(request) });
        if sent.is_err() {
            self.take(id);
        }
        sent
    }

    fn take(&self, id: u64) -> Option<Pending> {
        self.calls().as_mut()?.remove(&id)
    }

    /// Nobody waits for this call any more.
    fn abandon(&self, id: u64) {
        if self.take(id).is_some() {
            // On a dead link there is nothing left to cancel.
            drop(self.outbox.send(&Frame::Cancel { id }));
        }
    }
}

/// Waits for the agent's answer to our Hello.
async fn greeted<R: AsyncRead + Unpin>(frames: &mut FrameReader<R>) -> Result<()> {
    match tokio::time::timeout(Duration::from_secs(LINK_PATIENCE), frames.next()).await {
        Ok(Some(Ok(Frame::Hello { .. }))) => Ok(()),
        Ok(Some(Ok(Frame::Refused(fault)))) => Err(fault.into()),
        Ok(Some(Ok(frame))) => {
            Err(Error::unreachable("node-link-noise")
                .because(format!("Hello answered by {frame:?}")))
        }
        Ok(Some(Err(cause))) => Err(lost().because(cause)),
        Ok(None) => Err(lost()),
        Err(late) => Err(lost().because(late)),
    }
}
