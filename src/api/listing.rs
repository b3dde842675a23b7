//! Lists every field of which filters, in the form that it shows.
//!
//! What the listing's statement knows it compares itself; the rest, such as a reason in the reader's language, is
//! compared with what each row would show.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

use schemars::{JsonSchema, SchemaGenerator};
use serde::Serialize;
use serde_json::Value;

use crate::error::{Context, Error, Kind, Result};
use crate::store::list::{ListQuery, PAGE_LIMIT, Page, SearchType, unknown_filter};

/// Rows that are looked through at most for fields that no statement knows.
const LOOKED_THROUGH: u64 = 20_000;

/// The page that `query` asks for, of rows that `fetch` gives as they are shown.
///
/// # Errors
/// `filter-unknown` names the fields, `filter-too-wide`, `filter-busy`
pub fn listed<T: Serialize + JsonSchema>(
    query: ListQuery,
    fetch: impl Fn(ListQuery) -> Result<Page<T>>,
) -> Result<Page<T>> {
    let page = fetch(ListQuery { leaves_unknown: true, ..query.clone() })?;
    if page.left.is_empty() {
        return Ok(page);
    }
    let known = fields::<T>();
    if let Some((name, _)) = page.left.iter().find(|(name, _)| !known.contains(name)) {
        return Err(unknown_filter(name, &known.join(", ")));
    }
    let wanted = page.left;
    let _turn = Turn::take()?;
    let single = query.search == SearchType::Single;
    let (page, page_size) = if single { (1, 1) } else { (query.page(), query.page_size()) };
    let first = u64::from(page - 1) * u64::from(page_size);
    let shown = first..first + u64::from(page_size);
    let (count, results) = look_through(&query, &wanted, shown, fetch)?;
    Ok(Page { count, page, page_size, search: query.search, results, left: Vec::new() })
}

/// So many requests look through rows at the same time; others are asked to come again.
const TURNS: usize = 4;
static TAKEN: AtomicUsize = AtomicUsize::new(0);

/// Leave to look through rows.
struct Turn;

impl Turn {
    /// # Errors
    /// `filter-busy`
    fn take() -> Result<Self> {
        let turn = Self;
        match TAKEN.fetch_add(1, Ordering::Relaxed) {
            taken if taken < TURNS => Ok(turn),
            _ => Err(Error::new(Kind::TooMany, "filter-busy")),
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        TAKEN.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How many rows show what is wanted, of those that the statement gives, and those of them that are `shown`.
fn look_through<T: Serialize>(
    query: &ListQuery,
    wanted: &[(String, String)],
    shown: Range<u64>,
    fetch: impl Fn(ListQuery) -> Result<Page<T>>,
) -> Result<(u64, Vec<T>)> {
    let mut rest = query.clone();
    rest.filters.retain(|filter| !wanted.contains(filter));
    let contain = query.search == SearchType::Contain;
    rest.search =
        if contain && !rest.filters.is_empty() { SearchType::Contain } else { SearchType::All };
    rest.page_size = PAGE_LIMIT;
    let (mut count, mut found) = (0, Vec::new());
    for number in 1.. {
        rest.page = number;
        let page = fetch(rest.clone())?;
        if page.count > LOOKED_THROUGH {
            let error = Error::bad_input("filter-too-wide").arg("field", &wanted[0].0);
            return Err(error.arg("count", page.count).arg("limit", LOOKED_THROUGH));
        }
        let is_last = u64::from(number) * u64::from(PAGE_LIMIT) >= page.count;
        for row in page.results {
            let fields = serde_json::to_value(&row).context("show a row")?;
            if !wanted.iter().all(|(name, text)| shows(&fields[name], text, contain)) {
                continue;
            }
            if shown.contains(&count) {
                found.push(row);
            }
            count += 1;
        }
        if is_last {
            break;
        }
    }
    Ok((count, found))
}

/// Whether a field shows this, or one of several texts does.
fn shows(field: &Value, wanted: &str, contain: bool) -> bool {
    match field {
        Value::String(text) if contain => text.to_lowercase().contains(&wanted.to_lowercase()),
        Value::String(text) => text == wanted,
        Value::Bool(is) => matches!((is, wanted), (true, "true" | "1") | (false, "false" | "0")),
        Value::Number(number) => match (number.as_i64(), wanted.parse::<i64>()) {
            (Some(number), Ok(wanted)) => number == wanted,
            _ => wanted.parse().is_ok_and(|wanted: f64| number.as_f64() == Some(wanted)),
        },
        Value::Array(several) => several.iter().any(|one| shows(one, wanted, contain)),
        Value::Null | Value::Object(_) => false,
    }
}

/// Names of the fields that a row shows.
fn fields<T: JsonSchema>() -> Vec<String> {
    let schema = SchemaGenerator::default().into_root_schema_for::<T>();
    let properties = schema.get("properties").and_then(Value::as_object);
    properties.into_iter().flatten().map(|(name, _)| name.clone()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_field_is_compared_in_the_form_that_it_shows() {
        let yes = [
            (json!("Text"), "Text"),
            (json!(1.0), "1"),
            (json!(1.5), "1.5"),
            (json!(7), "7"),
            (json!(true), "true"),
            (json!(false), "0"),
            (json!(["a", "b"]), "b"),
        ];
        for (field, wanted) in yes {
            assert!(shows(&field, wanted, false), "{field} {wanted}");
        }
        let no = [
            (json!("Text"), "text"),
            (json!("Text"), "Tex"),
            (json!(7), "7.5"),
            (json!(9_007_199_254_740_993_i64), "9007199254740992"),
            (json!(true), "0"),
            (json!(null), ""),
            (json!(null), "null"),
            (json!({"a": "b"}), "b"),
        ];
        for (field, wanted) in no {
            assert!(!shows(&field, wanted, false), "{field} {wanted}");
        }
        assert!(shows(&json!("Text"), "ex", true) && !shows(&json!(77), "7", true));
    }
}
