//! Assertions on JSON, field by field.

use jiff::Timestamp;
use serde_json::Value;

/// Compares `actual` with a pattern and lists every difference with its path.
///
/// Objects are compared by the fields that the pattern names (others may be there), arrays element by
/// element and in length. A text in the pattern that stands in angle brackets is a type instead of a
/// value: `<any>`, `<string>`, `<text>` (not empty), `<int>`, `<number>`, `<bool>`, `<array>`, `<object>`,
/// `<uuid>`, `<time>` (`YYYY-MM-DD HH:MM:SS` or RFC 3339), `<null>`, `<absent>`; `<a|b>` allows either.
/// `{"<each>": pattern}` is an array of any length whose elements all fit; a field `"name?"` may be absent.
pub fn differences(actual: &Value, pattern: &Value) -> Vec<String> {
    let mut found = Vec::new();
    compare("$", Some(actual), pattern, &mut found);
    found
}

/// The only key of a pattern for all elements of an array.
const EACH: &str = "<each>";

/// Fails with all differences and the whole answer when `actual` does not fit the pattern of
/// [`differences`].
#[track_caller]
pub fn assert_json(actual: &Value, pattern: Value) {
    let found = differences(actual, &pattern);
    assert!(found.is_empty(), "{}\nwhole answer:\n{actual:#}", found.join("\n"));
}

fn compare(path: &str, actual: Option<&Value>, pattern: &Value, found: &mut Vec<String>) {
    if let Some(types) = type_pattern(pattern) {
        if !types.split('|').any(|name| has_type(actual, name)) {
            found.push(format!("{path}: expected <{types}>, got {}", shown(actual)));
        }
        return;
    }
    match (actual, pattern) {
        (Some(Value::Array(actual)), Value::Object(pattern)) if pattern.contains_key(EACH) => {
            for (index, actual) in actual.iter().enumerate() {
                compare(&format!("{path}[{index}]"), Some(actual), &pattern[EACH], found);
            }
        }
        (Some(Value::Object(actual)), Value::Object(pattern)) if !pattern.contains_key(EACH) => {
            for (name, pattern) in pattern {
                let may_be_absent = name.ends_with('?');
                let name = name.trim_end_matches('?');
                if actual.contains_key(name) || !may_be_absent {
                    compare(&format!("{path}.{name}"), actual.get(name), pattern, found);
                }
            }
        }
        (Some(Value::Array(actual)), Value::Array(pattern)) => {
            if actual.len() != pattern.len() {
                found.push(format!(
                    "{path}: expected {} elements, got {}",
                    pattern.len(),
                    actual.len()
                ));
            }
            for (index, (actual, pattern)) in actual.iter().zip(pattern).enumerate() {
                compare(&format!("{path}[{index}]"), Some(actual), pattern, found);
            }
        }
        (Some(actual), pattern) if actual == pattern => {}
        (actual, pattern) => {
            found.push(format!("{path}: expected {pattern}, got {}", shown(actual)))
        }
    }
}

fn type_pattern(pattern: &Value) -> Option<&str> {
    pattern.as_str()?.strip_prefix('<')?.strip_suffix('>')
}

fn shown(actual: Option<&Value>) -> String {
    actual.map_or_else(|| "nothing".to_owned(), Value::to_string)
}

/// Whether `actual` is of the type that a pattern names.
///
/// # Panics
/// When no such type is known: the test itself is wrong.
pub fn has_type(actual: Option<&Value>, name: &str) -> bool {
    let Some(actual) = actual else { return name == "absent" };
    let text = || actual.as_str();
    match name {
        "any" => true,
        "absent" => false,
        "null" => actual.is_null(),
        "bool" => actual.is_boolean(),
        "int" => actual.is_i64() || actual.is_u64(),
        "number" => actual.is_number(),
        "string" => actual.is_string(),
        "text" => text().is_some_and(|text| !text.trim().is_empty()),
        "array" => actual.is_array(),
        "object" => actual.is_object(),
        "uuid" => text().is_some_and(|text| uuid::Uuid::try_parse(text).is_ok()),
        "time" => text().is_some_and(is_time),
        other => panic!("no type is called <{other}>"),
    }
}

fn is_time(text: &str) -> bool {
    text.parse::<jiff::civil::DateTime>().is_ok() || text.parse::<Timestamp>().is_ok()
}
