//! The wish to stop, shared by who has it and who does the work.

use std::future::Future;

use tokio_util::sync::CancellationToken;

use crate::error::{Error, Kind, Result};

/// Set once, never taken back. Clones are the same flag.
#[derive(Debug, Clone, Default)]
pub struct CancelFlag(CancellationToken);

impl CancelFlag {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn cancel(&self) {
        self.0.cancel();
    }

    pub fn is_cancelled(&self) -> bool {
        self.0.is_cancelled()
    }

    /// For asynchronous work; blocking work asks [`CancelFlag::check`] between its steps.
    pub fn cancelled(&self) -> impl Future<Output = ()> + '_ {
        self.0.cancelled()
    }

    /// # Errors
    /// Of kind [`Kind::Cancelled`] once the flag is set.
    pub fn check(&self) -> Result<()> {
        if self.is_cancelled() { Err(cancelled()) } else { Ok(()) }
    }
}

/// What work answers that stopped because it was asked to.
pub fn cancelled() -> Error {
    Error::new(Kind::Cancelled, "cancelled")
}
