//! The same call to several nodes at once, with one progress for all.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::error::{Error, Result};
use crate::inventory::Inventory;
use crate::node::client::{NodeClient, Watch};
use crate::node::protocol::Progress;
use crate::operations::Execution;

/// Progress of the parts of a step, by node.
struct Parts<'a> {
    execution: &'a Execution,
    total: u64,
    done: Mutex<HashMap<i64, u64>>,
}

impl Parts<'_> {
    fn tell(&self, node: i64, progress: Progress) {
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        done.insert(node, progress.done);
        let sum = done.values().sum();
        drop(done);
        self.execution.progress(sum, self.total);
    }
}

/// Calls each node with its part of the work, all at the same time. A node that does not answer fails its own
/// part only. `total` counts the things of all parts, for the progress.
pub fn each<T, R>(
    inventory: &Inventory,
    execution: &Execution,
    total: usize,
    work: impl IntoIterator<Item = (i64, T)>,
    call: impl Fn(&NodeClient, T, &mut Watch<'_>) -> Result<R> + Sync,
) -> Vec<(i64, Result<R>)>
where
    T: Send,
    R: Send,
{
    let parts = Parts { execution, total: total as u64, done: Mutex::default() };
    if total > 0 {
        execution.progress(0, parts.total);
    }
    let one = |node: i64, part: T| -> Result<R> {
        let client = inventory.client(node)?;
        let mut progress = |progress| parts.tell(node, progress);
        let mut watch = Watch { progress: &mut progress, cancel: execution.cancel_flag() };
        call(&client, part, &mut watch)
    };
    let one = &one;
    thread::scope(|scope| {
        let running: Vec<_> = work
            .into_iter()
            .map(|(node, part)| (node, scope.spawn(move || one(node, part))))
            .collect();
        let panicked = |_| Err(Error::internal("a call to a node panicked"));
        running
            .into_iter()
            .map(|(node, call)| (node, call.join().unwrap_or_else(panicked)))
            .collect()
    })
}

/// Fails with the first failure among the nodes.
pub fn all<R>(results: Vec<(i64, Result<R>)>) -> Result<Vec<R>> {
    results.into_iter().map(|(_, result)| result).collect()
}
