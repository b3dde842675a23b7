//! What users set for themselves, in a column of their row.

use rusqlite::{Connection, OptionalExtension, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Context, Result};
use crate::store::{Topic, Tx, UserId};

pub fn get<T: DeserializeOwned>(conn: &Connection, user: UserId) -> Result<Option<T>> {
    let mut statement = conn.prepare_cached("SELECT settings FROM users WHERE id = ?1")?;
    let text: Option<String> = statement.query_row([user], |row| row.get(0)).optional()?;
    text.map(|text| serde_json::from_str(&text).context("read the settings of a user")).transpose()
}

pub fn put(tx: &Tx<'_>, user: UserId, preferences: &impl Serialize) -> Result<()> {
    tx.changed(Topic::Users);
    let text = serde_json::to_string(preferences).context("write the settings of a user")?;
    tx.execute("UPDATE users SET settings = ?2 WHERE id = ?1", params![user, text])?;
    Ok(())
}
