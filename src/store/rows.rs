//! Reading columns that are more than numbers and text.

use rusqlite::types::Type;
use rusqlite::{Connection, Params, Row, RowIndex};
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::error::{Error, Result};

/// The row that a query gives first, read by `read`.
pub fn first<T>(
    conn: &Connection,
    sql: &str,
    parameters: impl Params,
    read: impl FnOnce(&Row<'_>) -> Result<T>,
) -> Result<Option<T>> {
    conn.prepare_cached(sql)?.query(parameters)?.next()?.map(read).transpose()
}

/// All rows of a query, read by `read`.
pub fn all<T>(
    conn: &Connection,
    sql: &str,
    parameters: impl Params,
    mut read: impl FnMut(&Row<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    let mut statement = conn.prepare_cached(sql)?;
    let mut rows = statement.query(parameters)?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        all.push(read(row)?);
    }
    Ok(all)
}

/// A uuid that is kept as text.
pub fn uuid(row: &Row<'_>, column: impl RowIndex) -> rusqlite::Result<Uuid> {
    let index = column.idx(row.as_ref())?;
    let text: String = row.get(index)?;
    Uuid::parse_str(&text).map_err(|cause| wrong(index, cause))
}

/// A uuid, or nothing.
pub fn optional_uuid(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<Uuid>> {
    let is_there = row.get::<_, Option<String>>(column)?.is_some();
    is_there.then(|| uuid(row, column)).transpose()
}

/// A value that is kept as JSON, or nothing.
pub fn json<T: DeserializeOwned>(
    row: &Row<'_>,
    column: impl RowIndex,
) -> rusqlite::Result<Option<T>> {
    let index = column.idx(row.as_ref())?;
    let text: Option<String> = row.get(index)?;
    text.map(|text| serde_json::from_str(&text).map_err(|cause| wrong(index, cause))).transpose()
}

/// As [`json`] reads it.
pub fn to_json<T: Serialize + ?Sized>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(Error::internal)
}

/// A number that cannot be negative.
pub fn unsigned<T: TryFrom<i64, Error: std::error::Error + Send + Sync + 'static>>(
    row: &Row<'_>,
    column: impl RowIndex,
) -> rusqlite::Result<T> {
    let index = column.idx(row.as_ref())?;
    let number: i64 = row.get(index)?;
    T::try_from(number).map_err(|cause| wrong(index, cause))
}

/// A value that is kept as one of a set of words.
pub fn word<T>(
    row: &Row<'_>,
    column: impl RowIndex,
    parse: impl FnOnce(&str) -> Option<T>,
) -> rusqlite::Result<T> {
    let index = column.idx(row.as_ref())?;
    let word: String = row.get(index)?;
    parse(&word).ok_or_else(|| wrong(index, std::io::Error::other(format!("unknown word {word}"))))
}

/// Numbers for `IN (…)`: they need no quoting. An empty list matches nothing.
pub fn in_numbers(ids: impl IntoIterator<Item: Into<i64>>) -> String {
    let ids: Vec<String> = ids.into_iter().map(|id| id.into().to_string()).collect();
    format!("({})", ids.join(","))
}

/// What is said of a column whose value means nothing.
pub fn unreadable(
    row: &Row<'_>,
    column: impl RowIndex,
    cause: impl std::error::Error + Send + Sync + 'static,
) -> rusqlite::Error {
    column.idx(row.as_ref()).map_or_else(|error| error, |index| wrong(index, cause))
}

fn wrong(index: usize, cause: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(index, Type::Text, Box::new(cause))
}
