//! Keeps a reserve for a full disk.

use std::sync::Arc;
use std::time::Duration;

use crate::api::{self, App};

/// What was used of it is made good when there is room again.
const INTERVAL: Duration = Duration::from_secs(600);

/// Looks after it from time to time, for ever.
pub async fn keep(app: Arc<App>) {
    let mut ticks = tokio::time::interval(INTERVAL);
    loop {
        ticks.tick().await;
        let app = Arc::clone(&app);
        let kept = api::blocking(move || app.store.keep_reserve(&app.settings.data_dir)).await;
        if let Err(error) = kept {
            tracing::warn!(error = error.detail(), "no reserve for a full disk");
        }
    }
}
