//! The row of the sign-in policy.

use rusqlite::{Connection, OptionalExtension};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Context, Result};
use crate::store::Tx;

/// Without a row the default.
pub fn get<T: DeserializeOwned + Default>(conn: &Connection) -> Result<T> {
    let mut statement = conn.prepare_cached("SELECT value FROM sign_in_policy")?;
    let text: Option<String> = statement.query_row([], |row| row.get(0)).optional()?;
    match text {
        None => Ok(T::default()),
        Some(text) => serde_json::from_str(&text).context("read the sign-in policy"),
    }
}

pub fn put(tx: &Tx<'_>, policy: &impl Serialize) -> Result<()> {
    let text = serde_json::to_string(policy).context("write the sign-in policy")?;
    tx.execute("INSERT OR REPLACE INTO sign_in_policy (id, value) VALUES (1, ?1)", [text])?;
    Ok(())
}
