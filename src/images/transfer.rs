//! Carries layers from node to node.
//!
//! ```text
//!   from ── send ──► this process ── receive ──► to      at most two from one source at a time
//! ```
//!
//! One copies a layer to a node at a time: whoever comes second waits, and then finds it there. A transfer ends with
//! whichever comes first: all bytes, the word of either end, the wish to stop.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::Handle;
use tokio::sync::{Mutex as Turns, OwnedMutexGuard, Semaphore};
use uuid::Uuid;

use crate::error::{Context, Error, Result};
use crate::node::cancel::{CancelFlag, cancelled};
use crate::node::client::{NodeClient, OpenCall};
use crate::node::protocol::{LayerRef, Reply};
use crate::store::NodeId;

/// Transfers from one node at a time: more would only share its disk and its link.
const FROM_ONE: usize = 2;
/// How often progress is told.
const TELL: Duration = Duration::from_millis(250);
/// What an end gets to say why it stopped, or to throw away what it has.
const LAST_WORD: Duration = Duration::from_secs(1);
const BUFFER: usize = 256 << 10;

/// Who copies what to where.
#[derive(Clone)]
pub struct Transfers {
    runtime: Handle,
    waiting: Arc<Mutex<Waiting>>,
}

#[derive(Default)]
struct Waiting {
    /// By layer and node that gets it.
    turns: HashMap<(Uuid, NodeId), Arc<Turns<()>>>,
    /// By node that sends.
    sources: HashMap<NodeId, Arc<Semaphore>>,
}

/// The right to bring a layer to a node.
pub struct Turn {
    transfers: Transfers,
    at: (Uuid, NodeId),
    held: Option<OwnedMutexGuard<()>>,
}

/// One layer on its way.
pub struct Transfer<'a> {
    /// As it lies on the source.
    pub layer: LayerRef,
    pub from: (NodeId, &'a NodeClient),
    pub to: &'a NodeClient,
    /// Storage that it goes to, as an upload with the layer's uuid.
    pub storage: String,
}

impl Transfers {
    pub fn new(runtime: Handle) -> Self {
        Self { runtime, waiting: Arc::default() }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until nobody else brings this layer to this node. Blocks.
    ///
    /// # Errors
    /// Of kind [`crate::error::Kind::Cancelled`].
    pub fn turn(&self, layer: Uuid, node: NodeId, cancel: &CancelFlag) -> Result<Turn> {
        let at = (layer, node);
        let turn = Arc::clone(self.waiting().turns.entry(at).or_default());
        let held = self.runtime.block_on(async {
            tokio::select! {
                held = turn.lock_owned() => Ok(held),
                () = cancel.cancelled() => Err(cancelled()),
            }
        });
        // Made before the outcome is known, so that a place that nobody needs any more is cleared.
        let mut turn = Turn { transfers: self.clone(), at, held: None };
        turn.held = Some(held?);
        Ok(turn)
    }

    /// Whether somebody brings this layer to this node.
    pub fn is_under_way(&self, layer: Uuid, node: NodeId) -> bool {
        self.waiting().turns.contains_key(&(layer, node))
    }

    /// Carries the bytes; gives the hash of what arrived. `progress` is told the bytes now and then. Blocks. When it
    /// fails nothing stays at the receiver, if it can be reached.
    ///
    /// # Errors
    /// What either end says, `node-link-lost`, and of kind [`crate::error::Kind::Cancelled`].
    pub fn carry(
        &self,
        transfer: &Transfer<'_>,
        cancel: &CancelFlag,
        progress: &mut dyn FnMut(u64),
    ) -> Result<String> {
        let source = {
            let mut waiting = self.waiting();
            let new = || Arc::new(Semaphore::new(FROM_ONE));
            Arc::clone(waiting.sources.entry(transfer.from.0).or_insert_with(new))
        };
        self.runtime.block_on(async {
            let _place = tokio::select! {
                place = source.acquire() => place.context("wait for a transfer's source")?,
                () = cancel.cancelled() => return Err(cancelled()),
            };
            transfer.carry(cancel, progress).await
        })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.held = None;
        let mut waiting = self.transfers.waiting();
        // The map's own, and nobody who waits.
        if waiting.turns.get(&self.at).is_some_and(|turn| Arc::strong_count(turn) == 1) {
            waiting.turns.remove(&self.at);
        }
    }
}

impl Transfer<'_> {
    async fn carry(&self, cancel: &CancelFlag, progress: &mut dyn FnMut(u64)) -> Result<String> {
        let mut sending = self.from.1.send(self.layer.clone())?;
        let mut receiving = self.to.receive(self.layer.uuid, self.storage.clone(), None)?;
        let carried = AtomicU64::new(0);
        let arrived = bring(&mut sending, &mut receiving, &carried, cancel, progress).await;
        if arrived.is_err() {
            receiving.reply.stop();
            // It throws away what it has before it answers. One that hangs does so when it can.
            drop(tokio::time::timeout(LAST_WORD, &mut receiving.reply).await);
        }
        match arrived? {
            Reply::Received(received) => Ok(received.sha256),
            other => Err(Error::internal(format_args!("a receiver answered {other:?}"))),
        }
    }
}

/// Until the receiver has answered, or something else has ended it.
async fn bring(
    sending: &mut OpenCall,
    receiving: &mut OpenCall,
    carried: &AtomicU64,
    cancel: &CancelFlag,
    progress: &mut dyn FnMut(u64),
) -> Result<Reply> {
    let (incoming, sent) = (&mut sending.incoming, &mut sending.reply);
    let (outgoing, received) = (&mut receiving.outgoing, &mut receiving.reply);
    let copy = async {
        let mut buffer = vec![0; BUFFER];
        loop {
            let count = incoming.read(&mut buffer).await?;
            if count == 0 {
                return outgoing.shutdown().await;
            }
            outgoing.write_all(&buffer[..count]).await?;
            carried.fetch_add(count as u64, Ordering::Relaxed);
        }
    };
    tokio::pin!(copy);
    let (mut is_copied, mut is_sent) = (false, false);
    let mut tell = tokio::time::interval(TELL);
    loop {
        tokio::select! {
            biased;
            () = cancel.cancelled() => return Err(cancelled()),
            // Before the last byte it says why it takes no more.
            reply = &mut *received => return reply,
            reply = &mut *sent, if !is_sent => {
                reply?;
                is_sent = true;
            }
            copied = &mut copy, if !is_copied => match copied {
                Ok(()) => is_copied = true,
                Err(cause) => return Err(why(sent, received, is_sent, cause).await),
            },
            _ = tell.tick() => progress(carried.load(Ordering::Relaxed)),
        }
    }
}

/// The bytes do not flow any more: the end that broke off says why in a moment.
async fn why(
    sent: &mut (impl Future<Output = Result<Reply>> + Unpin),
    received: &mut (impl Future<Output = Result<Reply>> + Unpin),
    is_sent: bool,
    cause: std::io::Error,
) -> Error {
    let word = async {
        tokio::select! {
            reply = received => reply.err(),
            reply = sent, if !is_sent => reply.err(),
        }
    };
    let said = tokio::time::timeout(LAST_WORD, word).await.ok().flatten();
    said.unwrap_or_else(|| Error::internal("carry a layer between nodes").because(cause))
}
