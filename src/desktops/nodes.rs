//! The same call to several nodes at once, each a part of the operation.

use crate::error::{Fault, Kind, Result};
use crate::inventory::{FIRST_CONNECTION, Inventory, side_by_side_telling};
use crate::node::cancel::cancelled;
use crate::node::client::{NodeClient, Watch};
use crate::node::protocol::{ItemResult, Progress};
use crate::operations::Execution;
use crate::store::NodeId;

/// Calls each node with its part of the work, all at the same time. A node that does not answer fails its own
/// part only. Every part is so many things, for the progress.
pub fn each<T: Send, R: Send>(
    inventory: &Inventory,
    execution: &Execution,
    work: impl IntoIterator<Item = (NodeId, Vec<T>)>,
    call: impl Fn(&NodeClient, NodeId, Vec<T>, &mut Watch<'_>) -> Result<R> + Sync,
) -> Vec<(NodeId, Result<R>)> {
    parts(inventory, execution, work, call, |node, _| execution.part_ends(node, Ok(())))
}

/// As [`each`], where nodes answer for each thing: a node that did some of its things did its part partly.
pub fn each_item<T: Send>(
    inventory: &Inventory,
    execution: &Execution,
    work: impl IntoIterator<Item = (NodeId, Vec<T>)>,
    call: impl Fn(&NodeClient, NodeId, Vec<T>, &mut Watch<'_>) -> Result<Vec<ItemResult>> + Sync,
) -> Vec<(NodeId, Result<Vec<ItemResult>>)> {
    parts(inventory, execution, work, call, |node, items| end_of_items(execution, node, items))
}

fn parts<T: Send, R: Send>(
    inventory: &Inventory,
    execution: &Execution,
    work: impl IntoIterator<Item = (NodeId, Vec<T>)>,
    call: impl Fn(&NodeClient, NodeId, Vec<T>, &mut Watch<'_>) -> Result<R> + Sync,
    ends: impl Fn(NodeId, &R) + Sync,
) -> Vec<(NodeId, Result<R>)> {
    let one = |node: NodeId, part: Vec<T>| -> Result<R> {
        let client = inventory.client_within(node, FIRST_CONNECTION)?;
        let mut progress = |progress: Progress| execution.part_progress(node, progress.done);
        let mut watch = Watch { progress: &mut progress, cancel: execution.cancel_flag() };
        call(&client, node, part, &mut watch).map_err(|error| match error.kind() {
            // It hung, and nobody wants to wait for it any more.
            Kind::NodeUnreachable if execution.cancel_flag().is_cancelled() => cancelled(),
            _ => error,
        })
    };
    let work: Vec<(NodeId, Vec<T>)> = work.into_iter().collect();
    // All of them first: the whole does not grow while it goes on.
    work.iter().for_each(|(node, part)| execution.part_begins(*node, part.len() as u64));
    side_by_side_telling(work, one, |node, result| match result {
        Ok(done) => ends(node, done),
        Err(error) => execution.part_ends(node, Err(Fault::from(error))),
    })
}

fn end_of_items(execution: &Execution, node: NodeId, items: &[ItemResult]) {
    let faults: Vec<&Fault> = items.iter().filter_map(|item| item.result.as_ref().err()).collect();
    execution.part_progress(node, (items.len() - faults.len()) as u64);
    let stopped = faults.iter().find(|fault| fault.kind == Kind::Cancelled);
    match stopped.or(faults.first()) {
        None => execution.part_ends(node, Ok(())),
        Some(fault) if stopped.is_some() || faults.len() == items.len() => {
            execution.part_ends(node, Err((*fault).clone()));
        }
        Some(fault) => execution.part_ends_partly(node, (*fault).clone()),
    }
}

/// Fails with the first failure among the nodes.
pub fn all<R>(results: Vec<(NodeId, Result<R>)>) -> Result<Vec<R>> {
    results.into_iter().map(|(_, result)| result).collect()
}
