//! The same work on several nodes, side by side.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::error::{Error, Result};
use crate::store::NodeId;

/// Nodes at the same time. Whatever hangs ends by the patience of its calls.
const AT_ONCE: usize = 64;

/// Does each node's part of the work on a thread of its own; of many nodes the last begin when the first have ended.
/// What fails, or panics, fails for its node only. Results come in the order of the work. Blocks until all are done.
pub fn side_by_side<T: Send, R: Send>(
    work: impl IntoIterator<Item = (NodeId, T)>,
    each: impl Fn(NodeId, T) -> Result<R> + Sync,
) -> Vec<(NodeId, Result<R>)> {
    side_by_side_telling(work, each, |_, _| ())
}

/// As [`side_by_side`]; `ended` is told of each node's end when it comes, also of one that panicked.
pub fn side_by_side_telling<T: Send, R: Send>(
    work: impl IntoIterator<Item = (NodeId, T)>,
    each: impl Fn(NodeId, T) -> Result<R> + Sync,
    ended: impl Fn(NodeId, &Result<R>) + Sync,
) -> Vec<(NodeId, Result<R>)> {
    let parts: VecDeque<_> = work.into_iter().enumerate().collect();
    let nodes: Vec<NodeId> = parts.iter().map(|(_, (node, _))| *node).collect();
    let count = parts.len().min(AT_ONCE);
    let (parts, each, ended) = (&Mutex::new(parts), &each, &ended);
    let take = || parts.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    let worker = move || {
        let mut results = Vec::new();
        while let Some((place, (node, part))) = take() {
            let caught =
                std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| each(node, part)));
            let panicked = |_| Err(Error::internal("the work of a node panicked"));
            let result = caught.unwrap_or_else(panicked);
            ended(node, &result);
            results.push((place, result));
        }
        results
    };
    let mut results: Vec<(usize, Result<R>)> = thread::scope(|scope| {
        let workers: Vec<_> = (0..count).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().filter_map(|worker| worker.join().ok()).flatten().collect()
    });
    results.sort_unstable_by_key(|(place, _)| *place);
    nodes.into_iter().zip(results.into_iter().map(|(_, result)| result)).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;

    #[test]
    fn nodes_work_at_the_same_time_and_fail_by_themselves() {
        let together = Barrier::new(3);
        let results = side_by_side(
            [(7, 1), (8, 2), (9, 3)].map(|(node, part)| (NodeId::new(node), part)),
            |node, part| {
                together.wait();
                if node == NodeId::new(8) { Err(Error::internal("broken")) } else { Ok(part * 10) }
            },
        );
        let told: Vec<_> =
            results.into_iter().map(|(node, result)| (node.number(), result.ok())).collect();
        assert_eq!(told, [(7, Some(10)), (8, None), (9, Some(30))]);
    }

    #[test]
    fn each_end_is_told_once_also_of_one_that_panicked() {
        let told = Mutex::new(Vec::new());
        let ended = |node: NodeId, result: &Result<i32>| {
            told.lock().expect("told").push((node.number(), result.as_ref().ok().copied()));
        };
        let work = [(7, 1), (8, 2)].map(|(node, part)| (NodeId::new(node), part));
        side_by_side_telling(
            work,
            |_, part| {
                assert_ne!(part, 2, "on purpose");
                Ok(part)
            },
            ended,
        );
        let mut told = told.into_inner().expect("told");
        told.sort_unstable();
        assert_eq!(told, [(7, Some(1)), (8, None)]);
    }

    #[test]
    fn more_nodes_than_threads_all_have_their_turn() {
        let results =
            side_by_side((0..200).map(|node| (NodeId::new(node), node)), |_, part| Ok(part));
        assert!(
            results
                .iter()
                .all(|(node, result)| result.as_ref().is_ok_and(|part| *part == node.number()))
        );
        assert_eq!(results.len(), 200);
    }
}
