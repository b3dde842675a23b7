//! The same call to several nodes at once, each a part of the operation.

use crate::error::{Fault, Result};
use crate::inventory::{Inventory, side_by_side};
use crate::node::client::{NodeClient, Watch};
use crate::node::protocol::Progress;
use crate::operations::Execution;

/// Calls each node with its part of the work, all at the same time. A node that does not answer fails its own
/// part only. Every part is so many things, for the progress.
pub fn each<T, R>(
    inventory: &Inventory,
    execution: &Execution,
    work: impl IntoIterator<Item = (i64, Vec<T>)>,
    call: impl Fn(&NodeClient, i64, Vec<T>, &mut Watch<'_>) -> Result<R> + Sync,
) -> Vec<(i64, Result<R>)>
where
    T: Send,
    R: Send,
{
    let one = |node: i64, part: Vec<T>| -> Result<R> {
        let client = inventory.client(node)?;
        let mut progress = |progress: Progress| execution.part_progress(node, progress.done);
        let mut watch = Watch { progress: &mut progress, cancel: execution.cancel_flag() };
        call(&client, node, part, &mut watch)
    };
    let told = |node: i64, part: Vec<T>| -> Result<R> {
        let result = one(node, part);
        execution.part_ends(node, result.as_ref().map(drop).map_err(Fault::from));
        result
    };
    let work: Vec<(i64, Vec<T>)> = work.into_iter().collect();
    // All of them first: the whole does not grow while it goes on.
    work.iter().for_each(|(node, part)| execution.part_begins(*node, part.len() as u64));
    side_by_side(work, told)
}

/// Fails with the first failure among the nodes.
pub fn all<R>(results: Vec<(i64, Result<R>)>) -> Result<Vec<R>> {
    results.into_iter().map(|(_, result)| result).collect()
}
