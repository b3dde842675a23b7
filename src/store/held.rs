//! That no thread takes a second reader while it holds one.
//!
//! There are few readers. When as many threads hold one each and want another, all wait for each other until the pool
//! gives up. Such code works in every quiet trial, so debug builds, which the tests run, panic at once.

use std::cell::Cell;

thread_local! {
    static READING: Cell<bool> = const { Cell::new(false) };
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
    fn readers_one_after_the_other_are_fine() {
        let dir = tempfile::tempdir().expect("temp dir");
        let store = Store::open(&dir.path().join("test.db")).expect("store");
        let failed = store.read(|_| Err::<(), _>(crate::error::Error::internal("a query fails")));
        failed.expect_err("a failure");
        store.read(|_| Ok(())).expect("the next");
    }
}
