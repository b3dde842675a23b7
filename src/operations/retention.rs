//! Drops lines of the audit log and ended operations that are older than anybody wants to keep.

use std::time::Duration;

use super::{LiveSettings, Operations, store};
use crate::error::{Result, logged};
use crate::store::{ROWS_AT_ONCE, Store, now};

/// How often it is looked for what has become too old.
const EVERY: Duration = Duration::from_secs(6 * 3600);
const DAY: i64 = 24 * 3600;
/// Ended operations are kept this long; what they did is in the audit log.
const OPERATIONS_DAYS: i64 = 90;

impl Operations {
    /// From now on keeps only the last days of the audit log; all of it when that is 0 days. Call it in the runtime.
    pub fn keep_log(&self, live: &LiveSettings) {
        let live = live.clone();
        let store = self.store().clone();
        tokio::spawn(async move {
            let mut ticks = tokio::time::interval(EVERY);
            loop {
                ticks.tick().await;
                let (store, live) = (store.clone(), live.clone());
                let dropped = tokio::task::spawn_blocking(move || {
                    drop_old(&store, live.now()?.audit_days, now())
                });
                logged("dropping old lines of the audit log", dropped.await);
            }
        });
    }
}

fn drop_old(store: &Store, days: u32, now: i64) -> Result<()> {
    in_parts(store, |tx| store::forget_before(tx, now - OPERATIONS_DAYS * DAY, ROWS_AT_ONCE))?;
    if days > 0 {
        let time = now - i64::from(days) * DAY;
        in_parts(store, |tx| store::audit::forget_before(tx, time, ROWS_AT_ONCE))?;
    }
    Ok(())
}

/// Until nothing is left to be dropped. Between the parts others may write.
fn in_parts(
    store: &Store,
    drop_part: impl Fn(&crate::store::Tx<'_>) -> Result<usize>,
) -> Result<()> {
    while store.write(&drop_part)? > 0 {}
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::audit::{Entry, list, write};
    use crate::operations::{Actor, audit::Line};
    use crate::store::list::ListQuery;

    const NOW: i64 = 2_000_000_000;

    /// A store with so many lines, the newest one now and each a day older than the next.
    fn store_of(lines: i64) -> (tempfile::TempDir, Store) {
        let dir = tempfile::tempdir().expect("temp dir");
        let store = Store::open(&dir.path().join("test.db")).expect("store");
        for _ in 0..lines {
            let entry = Entry { action: "log-sign-in", subject: "x", module: "m", fault: None };
            write(&store, &Actor::system(), &entry).expect("write");
        }
        let age = |tx: &crate::store::Tx<'_>| {
            tx.changed(crate::store::Topic::Audit);
            Ok(tx.execute("UPDATE audit SET at = ?1 - (?2 - id) * ?3", [NOW, lines, DAY])?)
        };
        store.write(age).expect("make them old");
        (dir, store)
    }

    fn left(store: &Store) -> Vec<Line> {
        let query = ListQuery { page_size: 1000, ..ListQuery::default() };
        list(store, &query).expect("list").results
    }

    #[test]
    fn lines_are_kept_for_their_time_and_no_longer() {
        let lines = i64::try_from(2 * ROWS_AT_ONCE + 50).expect("small");
        let (_dir, store) = store_of(lines);
        drop_old(&store, 0, NOW).expect("nothing is dropped");
        assert_eq!(left(&store).len(), 2 * ROWS_AT_ONCE + 50);
        drop_old(&store, 30, NOW).expect("drop");
        let left = left(&store);
        assert_eq!(left.len(), 31, "those of today and of the 30 days before");
        assert!(left.iter().all(|line| line.at >= NOW - 30 * DAY));
        assert_eq!(left[0].at, NOW);
    }

    #[test]
    fn a_clock_that_was_wrong_once_keeps_nothing_for_ever() {
        let (_dir, store) = store_of(3);
        let future = |tx: &crate::store::Tx<'_>| {
            tx.changed(crate::store::Topic::Audit);
            Ok(tx.execute("UPDATE audit SET at = ?1 WHERE id = 1", [NOW + 900 * DAY])?)
        };
        store.write(future).expect("a wrong clock");
        drop_old(&store, 1, NOW).expect("drop");
        let ids: Vec<i64> = left(&store).iter().map(|line| line.id.number()).collect();
        assert_eq!(ids, [3, 2, 1]);
        drop_old(&store, 1, NOW + 3 * DAY).expect("drop");
        let ids: Vec<i64> = left(&store).iter().map(|line| line.id.number()).collect();
        assert_eq!(ids, [1]);
    }
}
