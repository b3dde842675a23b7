//! Lists every field of which filters, in the form that it shows.
//!
//! What the listing's statement knows it compares itself; the rest, such as a reason in the reader's language, is
//! compared with what each row would show.

use schemars::{JsonSchema, SchemaGenerator};
use serde::Serialize;
use serde_json::Value;

use crate::error::{Context, Error, Result};
use crate::store::list::{ListQuery, PAGE_LIMIT, Page, SearchType, unknown_filter};

/// Rows that are looked through at most for fields that no statement knows.
const LOOKED_THROUGH: u64 = 20_000;

/// The page that `query` asks for, of rows that `fetch` gives as they are shown.
///
/// # Errors
/// `filter-unknown` names the fields, `filter-too-wide`
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
    let found = look_through(&query, &wanted, fetch)?;
    let single = query.search == SearchType::Single;
    let (page, page_size) = if single { (1, 1) } else { (query.page(), query.page_size()) };
    let skipped = (page - 1) as usize * page_size as usize;
    let count = found.len() as u64;
    let results = found.into_iter().skip(skipped).take(page_size as usize).collect();
    Ok(Page { count, page, page_size, search: query.search, results, left: Vec::new() })
}

/// The rows that show what is wanted, of those that the statement gives.
fn look_through<T: Serialize>(
    query: &ListQuery,
    wanted: &[(String, String)],
    fetch: impl Fn(ListQuery) -> Result<Page<T>>,
) -> Result<Vec<T>> {
    let mut rest = query.clone();
    rest.filters.retain(|filter| !wanted.contains(filter));
    let contain = query.search == SearchType::Contain;
    rest.search =
        if contain && !rest.filters.is_empty() { SearchType::Contain } else { SearchType::All };
    rest.page_size = PAGE_LIMIT;
    let mut found = Vec::new();
    for number in 1.. {
        rest.page = number;
        let page = fetch(rest.clone())?;
        if page.count > LOOKED_THROUGH {
            let error = Error::bad_input("filter-too-wide").arg("field", &wanted[0].0);
            return Err(error.arg("count", page.count).arg("limit", LOOKED_THROUGH));
        }
        let is_last = u64::from(number) * u64::from(PAGE_LIMIT) >= page.count;
        for row in page.results {
            let shown = serde_json::to_value(&row).context("show a row")?;
            if wanted.iter().all(|(name, text)| shows(&shown[name], text, contain)) {
                found.push(row);
            }
        }
        if is_last {
            break;
        }
    }
    Ok(found)
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
