//! What of the settings the console may set in the place of the file.

use std::time::Duration;

/// Values that hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LiveValues {
    /// How long a guest gets to shut itself down.
    pub shutdown_seconds: u32,
    /// Days that the audit log is kept; 0 is for ever.
    pub audit_days: u32,
    /// Largest upload.
    pub upload_limit_gib: u64,
}

impl LiveValues {
    pub fn shutdown_patience(&self) -> Duration {
        Duration::from_secs(self.shutdown_seconds.into())
    }

    /// Bytes.
    pub fn upload_limit(&self) -> u64 {
        self.upload_limit_gib.saturating_mul(1 << 30)
    }
}
