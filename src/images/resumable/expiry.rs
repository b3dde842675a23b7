//! Throws away uploads that nobody has continued for too long, and forgets those that became images.

use std::time::Duration;

use super::store;
use crate::error::{Result, logged};
use crate::images::Images;
use crate::images::under_way::UnderWay;
use crate::store::now;

/// How often it is looked for them; the first time when the server starts.
const EVERY: Duration = Duration::from_secs(600);

impl Images {
    /// From now on drops what has expired. Within the runtime; returns at once.
    pub(in crate::images) fn drop_expired_from_now_on(&self) {
        let images = self.clone();
        self.runtime.spawn(async move {
            let mut ticks = tokio::time::interval(EVERY);
            loop {
                ticks.tick().await;
                let images = images.clone();
                let dropped = tokio::task::spawn_blocking(move || images.drop_expired(now()));
                logged("dropping expired uploads", dropped.await);
            }
        });
    }

    fn drop_expired(&self, now: i64) -> Result<()> {
        for upload in self.store.read(|conn| store::expired(conn, now))? {
            if upload.is_added {
                self.store.write(|tx| store::remove(tx, upload.uuid))?;
                continue;
            }
            // One that is being continued does not expire.
            let Some(_under_way) = UnderWay::enter(self, upload.uuid) else { continue };
            match self.drop_upload(&upload) {
                Ok(()) => tracing::info!(upload.uuid = %upload.uuid, "unfinished upload expired"),
                Err(error) => {
                    let (uuid, error) = (upload.uuid, error.detail());
                    tracing::warn!(upload.uuid = %uuid, error, "an expired upload is still there");
                }
            }
        }
        Ok(())
    }
}
