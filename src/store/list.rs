//! The one list mechanism: pages, search types, white-listed filter and sort columns.
//!
//! A [`Listing`] says where rows come from and which names a client may use; a [`ListQuery`] is what
//! the client asked. Column names of a client never reach SQL, only their white-listed expressions.
//! Counts are kept until there is news of a table that they depend on, so that a page costs the same in
//! a table of 100 as in one of 10,000 rows.

mod closest;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use rusqlite::types::{ToSql, Value};
use rusqlite::{Connection, Row};

use super::Store;
use super::news::{State, topics_of};
use super::visible::Visible;
use crate::error::{Error, Result};

/// Rows of a page when the client names no number.
pub const PAGE_SIZE: u32 = 20;
/// Largest page.
pub const PAGE_LIMIT: u32 = 1_000;
/// Remembered counts; beyond it the memory starts anew.
const COUNTS_LIMIT: usize = 1_000;

/// Name of [`Column::seen`].
const SEEN: &str = "seen";

/// Document 002, 通用查询方法.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SearchType {
    /// Every given column must be equal.
    #[default]
    All,
    /// Text columns contain the value; at least one column must be given.
    Contain,
    /// As `All`, but the first row only; at least one column must be given.
    Single,
}

impl SearchType {
    pub fn parse(text: &str) -> Result<Self> {
        match text {
            "" | "all" => Ok(Self::All),
            "contain" => Ok(Self::Contain),
            "single" => Ok(Self::Single),
            other => Err(Error::bad_input("searchtype-unknown").arg("value", other)),
        }
    }
}

/// What a client asks of a list.
#[derive(Debug, Clone, Default)]
pub struct ListQuery {
    /// From 1; 0 counts as 1.
    pub page: u32,
    /// 0 is [`PAGE_SIZE`].
    pub page_size: u32,
    pub search: SearchType,
    /// Column and wanted value.
    pub filters: Vec<(String, String)>,
    /// Filters by names that the listing does not know are left to whoever asks, in [`Page::left`], instead of
    /// refused.
    pub leaves_unknown: bool,
    /// Conditions of the server's own: never `contain`, and none of those that a search type needs.
    pub scope: Vec<(&'static str, String)>,
    /// Column name; a `-` before it turns the order round.
    pub sort: Option<String>,
    /// In place of an order: columns, and the text that what comes first is or begins with in one of them.
    pub closest_to: Option<(&'static [&'static str], String)>,
}

impl ListQuery {
    pub fn page(&self) -> u32 {
        self.page.max(1)
    }

    pub fn page_size(&self) -> u32 {
        if self.page_size == 0 { PAGE_SIZE } else { self.page_size.min(PAGE_LIMIT) }
    }

    /// Leaves only what this caller may see; the listing needs a [`Column::seen`].
    pub fn seen_by(self, visible: &Visible) -> Self {
        match visible.parameter() {
            Some(parameter) => self.with(SEEN, parameter),
            None => self,
        }
    }

    /// Adds a condition of the server's own.
    pub fn with(mut self, column: &'static str, value: impl ToString) -> Self {
        self.scope.push((column, value.to_string()));
        self
    }
}

/// How a column compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compare {
    /// Equal, or contained for `searchtype=contain`.
    Text,
    /// Equal, also for `contain`: identifiers and words of a fixed set.
    Exact,
    /// Equal, as a whole number.
    Integer,
    /// Unix seconds: equal as a whole number, else as the text that people are shown.
    Time,
    /// Sorts only: it is shown in another form than the row holds.
    Order,
    /// A whole number from that one on.
    AtLeast,
    /// A whole number up to that one.
    AtMost,
    /// Whether a condition holds: 1 or `true`, 0 or `false`. It stands in the query as it is, so that a partial index
    /// with the same condition serves.
    Condition,
    /// A condition of the server's own, with `?0` for the parameter. No client's filter reaches it.
    Seen,
}

impl Compare {
    const fn sign(self) -> &'static str {
        match self {
            Self::Text | Self::Exact | Self::Integer | Self::Time | Self::Order => "=",
            Self::AtLeast => ">=",
            Self::AtMost => "<=",
            Self::Seen | Self::Condition => "",
        }
    }
}

/// A name that clients may filter and sort by.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    pub name: &'static str,
    pub sql: &'static str,
    pub compare: Compare,
}

impl Column {
    pub const fn text(name: &'static str, sql: &'static str) -> Self {
        Self { name, sql, compare: Compare::Text }
    }

    pub const fn exact(name: &'static str, sql: &'static str) -> Self {
        Self { name, sql, compare: Compare::Exact }
    }

    pub const fn integer(name: &'static str, sql: &'static str) -> Self {
        Self { name, sql, compare: Compare::Integer }
    }

    pub const fn time(name: &'static str, sql: &'static str) -> Self {
        Self { name, sql, compare: Compare::Time }
    }

    pub const fn order(name: &'static str, sql: &'static str) -> Self {
        Self { name, sql, compare: Compare::Order }
    }

    /// The lower end of a range, that value included.
    pub const fn at_least(name: &'static str, sql: &'static str) -> Self {
        Self { name, sql, compare: Compare::AtLeast }
    }

    /// Whether a condition holds.
    pub const fn condition_of(name: &'static str, sql: &'static str) -> Self {
        Self { name, sql, compare: Compare::Condition }
    }

    /// What [`ListQuery::seen_by`] asks for: a condition made by [`super::visible::visible_sql`].
    pub const fn seen(sql: &'static str) -> Self {
        Self { name: SEEN, sql, compare: Compare::Seen }
    }

    /// The upper end of a range, that value included.
    pub const fn at_most(name: &'static str, sql: &'static str) -> Self {
        Self { name, sql, compare: Compare::AtMost }
    }
}

/// A list that can be asked for.
#[derive(Debug)]
pub struct Listing {
    /// `a.x, b.y, …`
    pub select: &'static str,
    /// `a JOIN b ON …`
    pub from: &'static str,
    pub columns: &'static [Column],
    /// Order when the client names none, and the tie-breaker; ends in a unique column.
    pub order: &'static str,
}

/// One page of rows.
#[derive(Debug, Clone)]
pub struct Page<T> {
    /// All rows that match.
    pub count: u64,
    pub page: u32,
    pub page_size: u32,
    pub search: SearchType,
    pub results: Vec<T>,
    /// Filters that were not applied; see [`ListQuery::leaves_unknown`].
    pub left: Vec<(String, String)>,
}

impl<T> Page<T> {
    pub fn map<U>(self, change: impl FnMut(T) -> U) -> Page<U> {
        let Page { count, page, page_size, search, results, left } = self;
        let results = results.into_iter().map(change).collect();
        Page { count, page, page_size, search, results, left }
    }
}

impl Listing {
    /// The page that `query` asks for.
    pub fn page<T, E>(
        &self,
        store: &Store,
        query: &ListQuery,
        row: impl FnMut(&Row<'_>) -> Result<T, E>,
    ) -> Result<Page<T>>
    where
        Error: From<E>,
    {
        self.page_with(store, query, row, |_, rows| Ok(rows))
    }

    /// As [`Listing::page`]; `complete` reads what else belongs to the rows of the page, in the same state.
    pub fn page_with<T, U, E>(
        &self,
        store: &Store,
        query: &ListQuery,
        row: impl FnMut(&Row<'_>) -> Result<T, E>,
        complete: impl FnOnce(&Connection, Vec<T>) -> Result<Vec<U>>,
    ) -> Result<Page<U>>
    where
        Error: From<E>,
    {
        let Conditions { sql: conditions, mut values, left } = self.conditions(query)?;
        let of_count = values.clone();
        let order = self.order(query, &mut values)?;
        let single = query.search == SearchType::Single;
        let (page, size) = if single { (1, 1) } else { (query.page(), query.page_size()) };
        let offset = u64::from(page - 1) * u64::from(size);
        let sql = format!(
            "SELECT {} FROM {}{conditions} ORDER BY {order} LIMIT {size} OFFSET {offset}",
            self.select, self.from
        );
        store.read_at(|conn, state| {
            let count = self.count(store, conn, state, &conditions, &of_count)?;
            let results = complete(conn, rows(conn, &sql, &values, row)?)?;
            Ok(Page { count, page, page_size: size, search: query.search, results, left })
        })
    }

    /// The first `limit` rows that match, in the listing's own order and without counting all. Who wants
    /// more goes on with a condition on what the last row ended with: no row is passed over or read
    /// twice when others come and go meanwhile.
    pub fn first<T, E>(
        &self,
        store: &Store,
        query: &ListQuery,
        limit: u32,
        row: impl FnMut(&Row<'_>) -> Result<T, E>,
    ) -> Result<Vec<T>>
    where
        Error: From<E>,
    {
        let Conditions { sql: conditions, values, .. } = self.conditions(query)?;
        let (select, from, order) = (self.select, self.from, self.order);
        let sql = format!("SELECT {select} FROM {from}{conditions} ORDER BY {order} LIMIT {limit}");
        store.read(|conn| rows(conn, &sql, &values, row))
    }

    fn count(
        &self,
        store: &Store,
        conn: &Connection,
        state: Option<State>,
        conditions: &str,
        values: &[Value],
    ) -> Result<u64> {
        let sql = format!("SELECT count(*) FROM {}{conditions}", self.from);
        let state = state.zip(topics_of(&sql)).map(|(state, topics)| state.of(topics));
        let key = format!("{sql}\u{0}{values:?}");
        if let Some(count) = state.and_then(|state| store.inner.counts.get(&key, state)) {
            return Ok(count);
        }
        let mut statement = conn.prepare_cached(&sql)?;
        let count: i64 = statement.query_row(params(values).as_slice(), |r| r.get(0))?;
        let count = count.unsigned_abs();
        if let Some(state) = state {
            store.inner.counts.put(key, state, count);
        }
        Ok(count)
    }

    fn conditions(&self, query: &ListQuery) -> Result<Conditions> {
        let (mut parts, mut values, mut left) = (Vec::new(), Vec::new(), Vec::new());
        let known = || {
            let names: Vec<&str> = self.filtering().map(|column| column.name).collect();
            names.join(", ")
        };
        for (name, value) in &query.filters {
            match self.filtering().find(|column| column.name == name) {
                Some(column) if query.search == SearchType::Contain => {
                    parts.push(column.contains(value, &mut values)?);
                }
                Some(column) => parts.push(column.is(value, &mut values)?),
                None if query.leaves_unknown => left.push((name.clone(), value.clone())),
                None => return Err(unknown_filter(name, &known())),
            }
        }
        if query.filters.is_empty() && query.search != SearchType::All {
            return Err(Error::bad_input("search-needs-a-column").arg("columns", known()));
        }
        for (name, value) in &query.scope {
            let column = self.columns.iter().find(|column| column.name == *name);
            let column = column.ok_or_else(|| {
                Error::internal(format_args!("{} has no column {name}", self.from))
            })?;
            parts.push(column.is(value, &mut values)?);
        }
        let sql = match parts.is_empty() {
            true => String::new(),
            false => format!(" WHERE {}", parts.join(" AND ")),
        };
        Ok(Conditions { sql, values, left })
    }

    /// The columns by which clients may filter.
    fn filtering(&self) -> impl Iterator<Item = &Column> {
        self.offered().filter(|column| column.compare != Compare::Order)
    }

    /// The columns that clients may name.
    fn offered(&self) -> impl Iterator<Item = &Column> {
        self.columns.iter().filter(|column| column.compare != Compare::Seen)
    }

    /// Also what the order itself compares with goes to `values`.
    fn order(&self, query: &ListQuery, values: &mut Vec<Value>) -> Result<String> {
        if let Some((columns, text)) = &query.closest_to {
            return self.closest(columns, text, values);
        }
        let Some(sort) = query.sort.as_deref().filter(|sort| !sort.is_empty()) else {
            return Ok(self.order.to_owned());
        };
        let (name, direction) = match sort.strip_prefix('-') {
            Some(name) => (name, "DESC"),
            None => (sort, "ASC"),
        };
        let column = self.offered().find(|column| column.name == name);
        let column =
            column.ok_or_else(|| Error::bad_input("sort-column-unknown").arg("column", name))?;
        Ok(format!("{} {direction}, {}", column.sql, self.order))
    }
}

struct Conditions {
    /// ` WHERE …`, or nothing.
    sql: String,
    values: Vec<Value>,
    /// Filters that are not among them.
    left: Vec<(String, String)>,
}

/// A filter that is not understood must not give every row.
pub fn unknown_filter(name: &str, known: &str) -> Error {
    Error::bad_input("filter-unknown").arg("name", name).arg("fields", known)
}

impl Column {
    /// The condition that it contains `text`, where it is text; else that it is as `text` says.
    fn contains(&self, text: &str, values: &mut Vec<Value>) -> Result<String> {
        let shown = match self.compare {
            Compare::Text => self.sql.to_owned(),
            Compare::Time => self.time_shown(),
            _ => return self.is(text, values),
        };
        values.push(Value::Text(format!("%{}%", escape_like(text))));
        Ok(format!("{shown} LIKE ?{} ESCAPE '\\'", values.len()))
    }

    /// A time as people are shown it.
    fn time_shown(&self) -> String {
        format!("strftime('%Y-%m-%d %H:%M:%S', {}, 'unixepoch', 'localtime')", self.sql)
    }

    /// The condition that it is as `text` says; parameters go to `values`.
    fn is(&self, text: &str, values: &mut Vec<Value>) -> Result<String> {
        let value = self.value(text)?;
        if self.compare == Compare::Condition {
            return Ok(match value {
                Value::Integer(0) => format!("NOT ({})", self.sql),
                Value::Integer(1) => format!("({})", self.sql),
                _ => "FALSE".to_owned(),
            });
        }
        values.push(value);
        let parameter = values.len();
        Ok(match self.compare {
            Compare::Seen => self.sql.replace("?0", &format!("?{parameter}")),
            Compare::Time if matches!(values.last(), Some(Value::Text(_))) => {
                format!("{} = ?{parameter}", self.time_shown())
            }
            _ => format!("{} {} ?{parameter}", self.sql, self.compare.sign()),
        })
    }

    fn value(&self, text: &str) -> Result<Value> {
        if matches!(self.compare, Compare::Text | Compare::Exact | Compare::Seen) {
            return Ok(Value::Text(text.to_owned()));
        }
        if self.compare == Compare::Time && text.parse::<i64>().is_err() {
            return Ok(Value::Text(text.trim().to_owned()));
        }
        let number = match text {
            "true" => Some(1),
            "false" => Some(0),
            other => other.parse().ok(),
        };
        let wrong = || Error::bad_input("field-not-a-number").arg("field", self.name);
        number.map(Value::Integer).ok_or_else(wrong)
    }
}

fn rows<T, E>(
    conn: &Connection,
    sql: &str,
    values: &[Value],
    mut row: impl FnMut(&Row<'_>) -> Result<T, E>,
) -> Result<Vec<T>>
where
    Error: From<E>,
{
    let mut statement = conn.prepare_cached(sql)?;
    let mut found = statement.query(params(values).as_slice())?;
    let mut results = Vec::new();
    while let Some(next) = found.next()? {
        results.push(row(next)?);
    }
    Ok(results)
}

fn params(values: &[Value]) -> Vec<&dyn ToSql> {
    values.iter().map(|value| value as &dyn ToSql).collect()
}

fn escape_like(text: &str) -> String {
    text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_")
}

/// Counts by statement, valid in one state of what they depend on.
#[derive(Default)]
pub(super) struct CountCache {
    counts: Mutex<HashMap<String, (State, u64)>>,
}

impl CountCache {
    fn get(&self, key: &str, state: State) -> Option<u64> {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.get(key).filter(|(known, _)| *known == state).map(|(_, count)| *count)
    }

    fn put(&self, key: String, state: State, count: u64) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.len() >= COUNTS_LIMIT {
            counts.clear();
        }
        counts.insert(key, (state, count));
    }
}
