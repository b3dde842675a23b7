//! That no thread takes a second reader while it holds one, and that none waits while it holds the writer.
//!
//! There are few readers. When as many threads hold one each and want another, all wait for each other until the pool
//! gives up. There is one writer: who waits for a node with it in hand stops every other change. Such code works in
//! every quiet trial, so debug builds, which the tests run, panic at once.

use std::cell::Cell;

thread_local! {
    static READING: Cell<bool> = const { Cell::new(false) };
    static WRITING: Cell<bool> = const { Cell::new(false) };
}

/// Says, while it lives, that this thread holds a reader.
pub(super) struct Reading(());

impl Reading {
    pub fn begin() -> Self {
        let held = READING.replace(true);
        debug_assert!(!held, "a reader is taken by a thread that holds one: pass the connection");
        Self(())
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        READING.set(false);
    }
}

/// Says, while it lives, that this thread holds the writer.
pub(super) struct Writing(());

impl Writing {
    pub fn begin() -> Self {
        WRITING.set(true);
        Self(())
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        WRITING.set(false);
    }
}

/// For whoever is about to wait: panics in debug builds when this thread is within a transaction.
pub fn outside_transaction(doing: &str) {
    debug_assert!(!WRITING.get(), "{doing} within a transaction: every other change waits too");
}

#[cfg(test)]
mod tests {
    use super::super::Store;

    #[test]
    #[should_panic(expected = "pass the connection")]
    fn a_reader_within_a_reader_is_found_at_once() {
        let dir = tempfile::tempdir().expect("temp dir");
        let store = Store::open(&dir.path().join("test.db")).expect("store");
        let _ = store.read(|_| store.read(|_| Ok(())));
    }

    #[test]
    #[should_panic(expected = "waiting for a node within a transaction")]
    fn who_waits_within_a_transaction_is_found_at_once() {
        let dir = tempfile::tempdir().expect("temp dir");
        let store = Store::open(&dir.path().join("test.db")).expect("store");
        let _ = store.write(|_| {
            super::outside_transaction("waiting for a node");
            Ok(())
        });
    }

    #[test]
    fn readers_one_after_the_other_are_fine() {
        let dir = tempfile::tempdir().expect("temp dir");
        let store = Store::open(&dir.path().join("test.db")).expect("store");
        let failed = store.read(|_| Err::<(), _>(crate::error::Error::internal("a query fails")));
        failed.expect_err("a failure");
        store.read(|_| Ok(())).expect("the next");
    }
}
