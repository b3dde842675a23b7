//! An order for who looks for something by a part of what people know it by.

use rusqlite::types::Value;

use super::{Listing, escape_like};
use crate::error::{Error, Result};

impl Listing {
    /// First what is as `text` says in one of the columns, then what begins so, in the order of the first column.
    pub(super) fn closest(
        &self,
        columns: &[&'static str],
        text: &str,
        values: &mut Vec<Value>,
    ) -> Result<String> {
        let text = escape_like(text);
        values.push(Value::Text(text.clone()));
        let whole = values.len();
        values.push(Value::Text(format!("{text}%")));
        let begins = values.len();
        let mut found = Vec::new();
        for name in columns {
            let column = self.columns.iter().find(|column| column.name == *name);
            let known = || Error::internal(format_args!("{} has no column {name}", self.from));
            found.push(column.ok_or_else(known)?.sql);
        }
        let any = |parameter: usize| {
            let one = |sql: &&str| format!("{sql} LIKE ?{parameter} ESCAPE '\\'");
            found.iter().map(one).collect::<Vec<_>>().join(" OR ")
        };
        let first = found.first().copied().unwrap_or("1");
        Ok(format!(
            "CASE WHEN {} THEN 0 WHEN {} THEN 1 ELSE 2 END, {first}, {}",
            any(whole),
            any(begins),
            self.order
        ))
    }
}
