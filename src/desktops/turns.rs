//! Turns at each node, so that what waits for one node holds up no other.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::{Context, Result};
use crate::store::NodeId;

/// At most so many at a time on each node. Clones are the same.
#[derive(Clone)]
pub struct Turns {
    at_once: usize,
    nodes: Arc<Mutex<HashMap<NodeId, Arc<Semaphore>>>>,
}

impl Turns {
    pub fn new(at_once: usize) -> Self {
        Self { at_once, nodes: Arc::default() }
    }

    /// Waits for a turn at the node, which lasts until it is dropped.
    pub async fn take(&self, node: NodeId) -> Result<OwnedSemaphorePermit> {
        let turns = {
            let mut nodes = self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(nodes.entry(node).or_insert_with(|| Arc::new(Semaphore::new(self.at_once))))
        };
        turns.acquire_owned().await.context("wait for a turn at a node")
    }
}

#[cfg(test)]
mod tests {
    use tokio::runtime::Builder;

    use super::*;

    #[test]
    fn what_waits_for_one_node_holds_up_no_other() {
        let runtime = Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async {
            let turns = Turns::new(2);
            let [hung, good] = [1, 2].map(NodeId::new);
            let first = turns.take(hung).await.expect("a turn");
            let _second = turns.take(hung).await.expect("a turn");
            let mut third = Box::pin(turns.take(hung));
            tokio::select! {
                biased;
                _ = &mut third => panic!("three at a time"),
                turn = turns.take(good) => drop(turn.expect("a turn of its own")),
            }
            drop(first);
            drop(third.await.expect("the turn that was given back"));
        });
    }
}
