//! The same work for many domains: several at a time, a result for each, with progress and cancel.

use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use uuid::Uuid;

use crate::error::{Fault, Result};
use crate::node::agent::call::Call;
use crate::node::cancel;
use crate::node::protocol::ItemResult;

/// QEMU starts are bound by the processors, and even one processor waits for files and the daemon at
/// times; beyond this libvirt's daemon makes them wait for each other.
pub fn width() -> usize {
    thread::available_parallelism().map_or(4, NonZero::get).clamp(4, 16)
}

/// Runs `work` for each item, `width` at a time; results come in the order of the items. Once the call is cancelled the
/// items not yet begun end as cancelled.
pub fn run<T: Sync>(
    items: &[T],
    width: usize,
    call: &Call,
    uuid: impl Fn(&T) -> Uuid + Sync,
    work: impl Fn(&T) -> Result<()> + Sync,
) -> Vec<ItemResult> {
    let results = Results::new(items.len(), call);
    let next = AtomicUsize::new(0);
    let worker = || {
        while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
            let result = call.check().and_then(|()| work(item));
            results.put(uuid(item), result);
        }
    };
    thread::scope(|scope| {
        for _ in 1..width.min(items.len()) {
            scope.spawn(worker);
        }
        worker();
    });
    results.in_order(items.iter().map(&uuid))
}

/// Results of a batch while it runs.
pub struct Results<'a> {
    total: usize,
    call: &'a Call,
    done: Mutex<Vec<ItemResult>>,
}

impl<'a> Results<'a> {
    pub fn new(total: usize, call: &'a Call) -> Self {
        Self { total, call, done: Mutex::new(Vec::with_capacity(total)) }
    }

    pub fn put(&self, uuid: Uuid, result: Result<()>) {
        let result = result.map_err(|error| {
            tracing::warn!(%uuid, error = error.detail(), "not done");
            Fault::from(error)
        });
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        done.push(ItemResult { uuid, result });
        self.call.progress(done.len() as u64, self.total as u64);
    }

    /// One for each uuid; cancelled for what has none.
    pub fn in_order(self, uuids: impl Iterator<Item = Uuid>) -> Vec<ItemResult> {
        let done = self.done.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut done: std::collections::HashMap<Uuid, ItemResult> =
            done.into_iter().map(|item| (item.uuid, item)).collect();
        uuids
            .map(|uuid| {
                let cancelled = || ItemResult { uuid, result: Err(cancel::cancelled().into()) };
                done.remove(&uuid).unwrap_or_else(cancelled)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use crate::node::cancel::CancelFlag;

    #[test]
    fn each_item_gets_its_own_result_in_order() {
        let uuids: Vec<Uuid> = (0..20).map(|_| Uuid::new_v4()).collect();
        let bad = uuids[7];
        let results = run(
            &uuids,
            4,
            &Call::unwatched(),
            |uuid| *uuid,
            |uuid| if *uuid == bad { Err(Error::not_found("domain-missing")) } else { Ok(()) },
        );
        assert_eq!(results.iter().map(|item| item.uuid).collect::<Vec<_>>(), uuids);
        let failed: Vec<Uuid> =
            results.iter().filter(|item| item.result.is_err()).map(|item| item.uuid).collect();
        assert_eq!(failed, [bad]);
    }

    #[test]
    fn what_was_not_begun_when_cancelled_ends_as_cancelled() {
        let flag = CancelFlag::new();
        let call = Call::new(flag.clone(), |_| ());
        let uuids: Vec<Uuid> = (0..5).map(|_| Uuid::new_v4()).collect();
        let results = run(
            &uuids,
            1,
            &call,
            |uuid| *uuid,
            |_| {
                flag.cancel();
                Ok(())
            },
        );
        assert!(results[0].result.is_ok());
        assert!(results[1..].iter().all(|item| item.result.is_err()));
    }
}
