//! The row of what was set in the console.

use rusqlite::{Connection, OptionalExtension};
use serde::{Deserialize, Serialize};

use crate::error::{Context, Result};
use crate::store::Tx;

/// What was set in the console; what is `None` is as the settings file says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Chosen {
    pub shutdown_seconds: Option<u32>,
    pub audit_days: Option<u32>,
    pub upload_limit_gib: Option<u64>,
}

/// Without a row nothing.
pub fn get(conn: &Connection) -> Result<Chosen> {
    let mut statement = conn.prepare_cached("SELECT value FROM live_settings")?;
    let text: Option<String> = statement.query_row([], |row| row.get(0)).optional()?;
    match text {
        None => Ok(Chosen::default()),
        Some(text) => serde_json::from_str(&text).context("read the live settings"),
    }
}

pub fn put(tx: &Tx<'_>, chosen: &Chosen) -> Result<()> {
    let text = serde_json::to_string(chosen).context("write the live settings")?;
    tx.execute("INSERT OR REPLACE INTO live_settings (id, value) VALUES (1, ?1)", [text])?;
    Ok(())
}
