//! Reading columns that are more than numbers and text.

use rusqlite::Row;
use rusqlite::types::Type;
use serde::de::DeserializeOwned;
use uuid::Uuid;

/// A uuid that is kept as text.
pub fn uuid(row: &Row<'_>, index: usize) -> rusqlite::Result<Uuid> {
    let text: String = row.get(index)?;
    Uuid::parse_str(&text).map_err(|cause| wrong(index, cause))
}

/// A value that is kept as JSON, or nothing.
pub fn json<T: DeserializeOwned>(row: &Row<'_>, index: usize) -> rusqlite::Result<Option<T>> {
    let text: Option<String> = row.get(index)?;
    text.map(|text| serde_json::from_str(&text).map_err(|cause| wrong(index, cause))).transpose()
}

/// A number that cannot be negative.
pub fn unsigned<T: TryFrom<i64, Error: std::error::Error + Send + Sync + 'static>>(
    row: &Row<'_>,
    index: usize,
) -> rusqlite::Result<T> {
    let number: i64 = row.get(index)?;
    T::try_from(number).map_err(|cause| wrong(index, cause))
}

/// A value that is kept as one of a set of words.
pub fn word<T>(
    row: &Row<'_>,
    index: usize,
    parse: impl FnOnce(&str) -> Option<T>,
) -> rusqlite::Result<T> {
    let word: String = row.get(index)?;
    parse(&word).ok_or_else(|| wrong(index, std::io::Error::other(format!("unknown word {word}"))))
}

/// Numbers for `IN (…)`: they need no quoting. An empty list matches nothing.
pub fn in_numbers(ids: impl IntoIterator<Item = i64>) -> String {
    let ids: Vec<String> = ids.into_iter().map(|id| id.to_string()).collect();
    format!("({})", ids.join(","))
}

fn wrong(index: usize, cause: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(index, Type::Text, Box::new(cause))
}
