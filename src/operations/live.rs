//! What of the settings file an administrator may set in the console: it holds at once, and before the file.

use std::ops::RangeInclusive;

use super::store::live;
use crate::error::{Error, Result};
use crate::settings::{LiveValues, SHUTDOWN_SECONDS};
use crate::store::Store;

pub use super::store::live::Chosen;

/// A hundred years.
const AUDIT_DAYS: RangeInclusive<u64> = 0..=36_500;
const UPLOAD_GIB: RangeInclusive<u64> = 1..=65_536;

impl Chosen {
    fn check(&self) -> Result<()> {
        let (low, high) = (*SHUTDOWN_SECONDS.start(), *SHUTDOWN_SECONDS.end());
        let seconds = u64::from(low)..=u64::from(high);
        let bounds = [
            ("shutdown_seconds", self.shutdown_seconds.map(u64::from), seconds),
            ("audit_days", self.audit_days.map(u64::from), AUDIT_DAYS),
            ("upload_limit_gib", self.upload_limit_gib, UPLOAD_GIB),
        ];
        let is_beyond = |(_, value, allowed): &&(_, Option<u64>, RangeInclusive<u64>)| {
            value.is_some_and(|value| !allowed.contains(&value))
        };
        match bounds.iter().find(is_beyond) {
            None => Ok(()),
            Some((field, _, allowed)) => Err(Error::bad_input("number-out-of-range")
                .arg("field", field)
                .arg("low", allowed.start())
                .arg("high", allowed.end())),
        }
    }
}

/// The settings that may be changed while the server runs. Cheap to clone.
#[derive(Clone)]
pub struct LiveSettings {
    store: Store,
    /// As the settings file says.
    file: LiveValues,
}

impl LiveSettings {
    pub fn new(store: Store, file: LiveValues) -> Self {
        Self { store, file }
    }

    /// As the settings file says.
    pub fn of_file(&self) -> LiveValues {
        self.file
    }

    pub fn chosen(&self) -> Result<Chosen> {
        self.store.read(live::get)
    }

    /// What holds now.
    pub fn now(&self) -> Result<LiveValues> {
        let Chosen { shutdown_seconds, audit_days, upload_limit_gib } = self.chosen()?;
        Ok(LiveValues {
            shutdown_seconds: shutdown_seconds.unwrap_or(self.file.shutdown_seconds),
            audit_days: audit_days.unwrap_or(self.file.audit_days),
            upload_limit_gib: upload_limit_gib.unwrap_or(self.file.upload_limit_gib),
        })
    }

    /// Changes what was set, in one transaction.
    ///
    /// # Errors
    /// `number-out-of-range`; nothing was changed then
    pub fn choose(&self, change: impl FnOnce(&mut Chosen)) -> Result<Chosen> {
        self.store.write(|tx| {
            let mut chosen = live::get(tx)?;
            change(&mut chosen);
            chosen.check()?;
            live::put(tx, &chosen)?;
            Ok(chosen)
        })
    }
}
