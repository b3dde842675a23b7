//! One connection of a controller: its calls run side by side, long ones do not hold up short ones.
//!
//! Blocking work has threads of its own and not the runtime's: in one process with the server, callers that
//! wait on all of the runtime's threads would otherwise wait for each other.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;

use super::Agent;
use super::call::Call;
use super::dispatch;
use super::keeper::{Keeper, Turn};
use super::libvirt;
use crate::error::{Error, Fault, Result};
use crate::node::cancel::CancelFlag;
use crate::node::link::{self, FrameReader, LastHeard, Outbox, lost};
use crate::node::protocol::{
    AgentConfig, Event, Frame, LINK_PATIENCE, REPLACED, Reply, Request, Weight,
};
use crate::node::stream::{self, Incoming, Outgoing, StreamHandle};

/// Calls that may wait or run at once; a controller that asks for more has lost count.
const CALLS_LIMIT: usize = 1024;
/// Calls that work at once.
const LIGHT_AT_ONCE: usize = 64;
/// Those that fill a disk.
const HEAVY_AT_ONCE: usize = 16;
/// Those that mostly wait for the next bytes from a browser or another node: they hold up nothing but each other.
const TRANSFERS_AT_ONCE: usize = 64;
/// A controller pings every few seconds; one that is silent for long is gone, whatever the stream says.
const SILENCE: Duration = Duration::from_secs(3 * LINK_PATIENCE);
/// What cancelled calls get to end before the connection is left behind.
const END_PATIENCE: Duration = Duration::from_secs(5);

/// Talks to one controller until it goes, or a newer one of its installation comes.
///
/// # Errors
/// When the peer is no controller of this version, and when the link breaks instead of being closed.
pub async fn serve<S>(mut stream: S, keeper: &Keeper) -> Result<()>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    link::exchange_prefaces(&mut stream).await?;
    let (read, write) = tokio::io::split(stream);
    let (mut frames, heard) = link::reader(read);
    let (outbox, writing) = link::outbox(write);
    let writing = tokio::spawn(writing);
    let config = configuration(&mut frames).await?;
    let outcome = match admit(keeper, config).await {
        Ok((turn, agent)) => {
            outbox.send(&Frame::Hello { config: None })?;
            let events = forward_events(&agent, &outbox);
            let mut connection = Connection::new(agent, outbox.clone());
            let outcome = connection.run(&mut frames, &heard, turn.replaced()).await;
            events.abort();
            connection.end().await;
            drop(turn);
            // After the replies of its calls. One that has gone itself does not hear it.
            if matches!(outcome, Ok(End::Replaced)) {
                drop(outbox.send(&Frame::Refused(Error::unreachable(REPLACED).into())));
            }
            drop(outbox);
            outcome.map(drop)
        }
        Err(error) => {
            tracing::error!(
                error = error.detail(),
                "cannot work with this controller's configuration"
            );
            outbox.send(&Frame::Refused(Fault::from(&error)))?;
            drop(outbox);
            Err(error)
        }
    };
    let abort = writing.abort_handle();
    if tokio::time::timeout(Duration::from_secs(1), writing).await.is_err() {
        abort.abort();
    }
    outcome
}

/// What is wrong with a configuration is said before an earlier controller has to go for it.
async fn admit(keeper: &Keeper, config: AgentConfig) -> Result<(Turn, Arc<Agent>)> {
    libvirt::require_local(&config.libvirt_uri)?;
    let turn = keeper.take_over(config.installation, END_PATIENCE).await?;
    let agent = keeper.agent(config, END_PATIENCE).await?;
    Ok((turn, agent))
}

async fn configuration<R: AsyncRead + Unpin>(frames: &mut FrameReader<R>) -> Result<AgentConfig> {
    match tokio::time::timeout(Duration::from_secs(LINK_PATIENCE), frames.next()).await {
        Ok(Some(Ok(Frame::Hello { config: Some(config) }))) => Ok(config),
        Ok(Some(Ok(frame))) => {
            Err(Error::unreachable("node-link-noise").because(format!("expected Hello: {frame:?}")))
        }
        Ok(Some(Err(cause))) => Err(lost().because(cause)),
        Ok(None) => Err(lost()),
        Err(late) => Err(lost().because(late)),
    }
}

/// The task ends by itself when the agent gets another listener.
fn forward_events(agent: &Agent, outbox: &Outbox) -> tokio::task::JoinHandle<()> {
    let (sender, mut events) = mpsc::unbounded_channel::<Event>();
    agent.events().listen(sender);
    let outbox = outbox.clone();
    tokio::spawn(async move {
        while let Some(event) = events.recv().await {
            if outbox.send(&Frame::Event(event)).is_err() {
                return;
            }
        }
    })
}

/// How a connection ended that did not break.
enum End {
    Left,
    /// A newer controller of the installation has come.
    Replaced,
}

struct Connection {
    agent: Arc<Agent>,
    outbox: Outbox,
    calls: Arc<Mutex<HashMap<u64, Running>>>,
    tasks: JoinSet<()>,
    lanes: Lanes,
}

/// Room for calls that work, one lane for each weight that needs a thread.
#[derive(Clone)]
struct Lanes {
    light: Arc<Semaphore>,
    heavy: Arc<Semaphore>,
    transfers: Arc<Semaphore>,
}

impl Lanes {
    fn new() -> Self {
        let lane = |width| Arc::new(Semaphore::new(width));
        Self {
            light: lane(LIGHT_AT_ONCE),
            heavy: lane(HEAVY_AT_ONCE),
            transfers: lane(TRANSFERS_AT_ONCE),
        }
    }

    /// `None` for a call that needs no thread.
    fn of(&self, weight: Weight) -> Option<Arc<Semaphore>> {
        match weight {
            Weight::Light => Some(self.light.clone()),
            Weight::Heavy => Some(self.heavy.clone()),
            Weight::Transfer => Some(self.transfers.clone()),
            Weight::Waiting => None,
        }
    }
}

/// A call under way.
struct Running {
    cancel: CancelFlag,
    stream: StreamHandle,
}

impl Connection {
    fn new(agent: Arc<Agent>, outbox: Outbox) -> Self {
        Self { agent, outbox, calls: Arc::default(), tasks: JoinSet::new(), lanes: Lanes::new() }
    }

    async fn run<R: AsyncRead + Unpin>(
        &mut self,
        frames: &mut FrameReader<R>,
        heard: &LastHeard,
        replaced: impl Future<Output = ()>,
    ) -> Result<End> {
        let mut look = tokio::time::interval(Duration::from_secs(1));
        tokio::pin!(replaced);
        loop {
            tokio::select! {
                () = &mut replaced => {
                    tracing::info!("a newer controller has come");
                    return Ok(End::Replaced);
                }
                _ = look.tick() => {
                    if heard.ago() >= SILENCE {
                        return Err(lost().because(format!("controller silent for {} s", heard.ago().as_secs())));
                    }
                }
                frame = frames.next() => match frame {
                    Some(Ok(frame)) => self.take(frame)?,
                    Some(Err(cause)) => return Err(lost().because(cause)),
                    None => return Ok(End::Left),
                },
            }
        }
    }

    fn take(&mut self, frame: Frame) -> Result<()> {
        match frame {
            Frame::Call { id, request } => self.begin(id, *request),
            Frame::Cancel { id } => {
                self.end_call(id);
                Ok(())
            }
            Frame::Data { id, bytes } => {
                let in_credit = self.calls().get(&id).is_none_or(|call| call.stream.data(bytes));
                if in_credit {
                    Ok(())
                } else {
                    Err(lost().because("the controller sends beyond its credit"))
                }
            }
            Frame::Credit { id, bytes } => {
                if let Some(call) = self.calls().get(&id) {
                    call.stream.credit(bytes);
                }
                Ok(())
            }
            Frame::End { id } => {
                if let Some(call) = self.calls().get(&id) {
                    call.stream.end();
                }
                Ok(())
            }
            Frame::Ping => self.outbox.send(&Frame::Pong),
            frame => Err(lost().because(format!("unexpected from a controller: {frame:?}"))),
        }
    }

    fn calls(&self) -> MutexGuard<'_, HashMap<u64, Running>> {
        lock(&self.calls)
    }

    /// Breaks off the call's stream and tells its work to stop. Its reply still comes.
    fn end_call(&self, id: u64) {
        if let Some(call) = self.calls().remove(&id) {
            call.cancel.cancel();
        }
    }

    fn begin(&mut self, id: u64, request: Request) -> Result<()> {
        while self.tasks.try_join_next().is_some() {}
        if self.tasks.len() >= CALLS_LIMIT {
            let fault = Error::busy("node-busy").into();
            return self.outbox.send(&Frame::Reply { id, result: Err(fault) });
        }
        let (handle, incoming, outgoing) = stream::open(id, &self.outbox);
        let cancel = CancelFlag::new();
        self.calls().insert(id, Running { cancel: cancel.clone(), stream: handle });
        let lane = self.lanes.of(request.weight());
        let behind_bytes = request.answers_with_bytes();
        let (agent, outbox, calls) = (self.agent.clone(), self.outbox.clone(), self.calls.clone());
        self.tasks.spawn(async move {
            let result = match lane {
                None => dispatch::carry_over(agent, request, &cancel, incoming, outgoing).await,
                Some(permits) => {
                    // A cancelled call need not wait for its turn.
                    tokio::select! {
                        permit = permits.acquire() => {
                            let result = on_thread(agent, id, request, cancel, incoming, outgoing, outbox.clone()).await;
                            drop(permit);
                            result
                        }
                        () = cancel.cancelled() => Err(crate::node::cancel::cancelled()),
                    }
                }
            };
            lock(&calls).remove(&id);
            reply(&outbox, id, result, behind_bytes);
        });
        Ok(())
    }

    /// Stops what still runs and waits for it, but not for ever.
    async fn end(mut self) {
        for (_, call) in self.calls().drain() {
            call.cancel.cancel();
        }
        let ended = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(END_PATIENCE, ended).await.is_err() {
            tracing::warn!(calls = self.tasks.len(), "calls of an ended connection do not stop");
        }
        // They finish by themselves, without anyone to answer to.
        self.tasks.detach_all();
    }
}

fn lock(calls: &Mutex<HashMap<u64, Running>>) -> MutexGuard<'_, HashMap<u64, Running>> {
    calls.lock().unwrap_or_else(PoisonError::into_inner)
}

fn reply(outbox: &Outbox, id: u64, result: Result<Reply>, behind_bytes: bool) {
    if let Err(error) = &result {
        tracing::debug!(id, error = error.detail(), "call failed");
    }
    let frame = Frame::Reply { id, result: result.map_err(Fault::from) };
    let sent = if behind_bytes { outbox.send_behind(&frame) } else { outbox.send(&frame) };
    // An answer too large for a frame is replaced by its error; on a dead link nobody waits.
    if let Err(error) = sent {
        drop(outbox.send(&Frame::Reply { id, result: Err(error.into()) }));
    }
}

async fn on_thread(
    agent: Arc<Agent>,
    id: u64,
    request: Request,
    cancel: CancelFlag,
    incoming: Incoming,
    outgoing: Outgoing,
    outbox: Outbox,
) -> Result<Reply> {
    let runtime = Handle::current();
    let ends = dispatch::Ends {
        incoming: incoming.blocking(runtime.clone()),
        outgoing: outgoing.blocking(runtime),
    };
    let work = move || {
        let call = Call::new(cancel, move |progress| {
            // Whoever watched has gone when this fails, and the call is cancelled.
            drop(outbox.send(&Frame::Progress { id, progress }));
        });
        dispatch::carry_out(&agent, request, &call, ends)
    };
    dispatch::on_thread(work).await
}
