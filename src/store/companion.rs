//! What has to be written together with a change, whatever the change is: the line of the audit log. It
//! accompanies the thread that works on a request, and goes into the first transaction that this thread
//! commits: there is no change without its line, and no handler can forget it.

use std::cell::RefCell;
use std::rc::Rc;

use super::Tx;
use crate::error::Result;

/// Something to be written with the first change.
pub trait Companion {
    /// Within the transaction of the change, which fails with it.
    fn write(&self, tx: &Tx<'_>) -> Result<()>;
    /// The transaction is on disk.
    fn written(&self);
}

thread_local! {
    static COMPANION: RefCell<Option<Rc<dyn Companion>>> = const { RefCell::new(None) };
}

/// Does `work`, whose first change on this thread is accompanied.
pub fn with<T>(companion: Rc<dyn Companion>, work: impl FnOnce() -> T) -> T {
    /// Also after a panic: the thread goes on to other requests.
    struct Leave;
    impl Drop for Leave {
        fn drop(&mut self) {
            COMPANION.take();
        }
    }
    COMPANION.set(Some(companion));
    let _leave = Leave;
    work()
}

/// To be called at the end of a transaction; says whom to tell when it is committed.
pub(super) fn write(tx: &Tx<'_>) -> Result<Option<Rc<dyn Companion>>> {
    let companion = COMPANION.with_borrow(Clone::clone);
    if let Some(companion) = &companion {
        companion.write(tx)?;
    }
    Ok(companion)
}

pub(super) fn written(companion: &dyn Companion) {
    COMPANION.take();
    companion.written();
}
