//! Turns a request into the input type of its handler, naming the field that does not fit.
//!
//! Query parameters and body are laid over each other; the documents' types are sometimes text and
//! sometimes numbers, so the helpers here read either.

use std::borrow::Cow;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, Error as _, IgnoredAny};
use serde_json::{Map, Value};
use unicode_normalization::UnicodeNormalization;

use super::call::Call;
use super::misfit;
use crate::error::{Error, Result};
use crate::store::list::PAGE_LIMIT;
use crate::store::text::{is_hidden, is_unwritable, shown};

/// Longest name of anything, in characters.
pub const NAME_LIMIT: usize = 64;
/// Longest description, in characters.
pub const TEXT_LIMIT: usize = 1_000;

/// Things that a list or object of a request may hold: as many as a page of a list shows.
pub const THINGS_LIMIT: usize = PAGE_LIMIT as usize;

/// Reads `I` out of query and body.
///
/// # Errors
/// `batch-too-large`, and those of [`read`]
pub fn parse<I: DeserializeOwned>(call: &Call) -> Result<I> {
    let body = body(call)?;
    check_size("", body)?;
    let mut fields = Map::new();
    for (name, value) in &call.query {
        fields.insert(name.clone(), Value::String(value.clone()));
    }
    match body {
        Value::Null => {}
        Value::Object(given) => fields.extend(given.clone()),
        _ => return Err(Error::bad_input("body-not-an-object")),
    }
    read(Value::Object(fields))
}

fn body(call: &Call) -> Result<&Value> {
    if !call.in_param {
        return Ok(&call.body);
    }
    match &call.body {
        Value::Object(body) => Ok(body.get("param").unwrap_or(&Value::Null)),
        _ => Err(Error::bad_input("body-not-an-object")),
    }
}

/// Every list of every request has the same end, whatever it is a list of. `field`: where the value is.
fn check_size(field: &str, value: &Value) -> Result<()> {
    let size = match value {
        Value::Array(things) => things.len(),
        Value::Object(things) => things.len(),
        _ => return Ok(()),
    };
    if size > THINGS_LIMIT {
        let error = Error::bad_input("batch-too-large").arg("field", field);
        return Err(error.arg("limit", THINGS_LIMIT));
    }
    match value {
        Value::Array(things) => things.iter().try_for_each(|thing| check_size(field, thing)),
        Value::Object(things) => {
            let dot = if field.is_empty() { "" } else { "." };
            things
                .iter()
                .try_for_each(|(name, thing)| check_size(&format!("{field}{dot}{name}"), thing))
        }
        _ => Ok(()),
    }
}

/// Reads a part of a request.
///
/// # Errors
/// `field-missing` and `field-wrong`, naming the field
pub fn read<I: DeserializeOwned>(value: Value) -> Result<I> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        let cause = error.into_inner();
        let text = cause.to_string();
        if let Some(field) = text.strip_prefix("missing field `").and_then(|t| t.split('`').next())
        {
            let field = join(&path, field);
            return missing(field).because(cause);
        }
        let error = Error::bad_input("field-wrong").arg("field", path).arg("cause", &text);
        error.with_reason(&misfit::reason(&text)).because(cause)
    })
}

fn join(path: &str, field: &str) -> String {
    if path == "." { field.to_owned() } else { format!("{path}.{field}") }
}

/// A parameter that the list mechanism reads by itself and checks: here it only documents its type.
/// In a query it is text, in a body it may be anything.
#[derive(Debug)]
pub struct Listed<T>(PhantomData<T>);

impl<'de, T> Deserialize<'de> for Listed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Self(PhantomData))
    }
}

impl<T: JsonSchema> JsonSchema for Listed<T> {
    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }

    fn inline_schema() -> bool {
        T::inline_schema()
    }
}

/// What every list takes. The list mechanism reads it by itself: here it is documented.
#[derive(Debug, Deserialize, JsonSchema)]
#[expect(dead_code, reason = "documents the parameters, which the list mechanism reads by itself")]
pub struct Paging {
    /// From 1.
    page: Option<Listed<u32>>,
    /// 20 when left out, 1000 at most.
    page_size: Option<Listed<u32>>,
    /// all: every given field is equal; contain: texts contain what is given; single: as all, the first row alone.
    /// Every field that a row shows may be given, in the form that it shows.
    searchtype: Option<Listed<String>>,
    /// Name of a column; with `-` before it the largest comes first.
    sort: Option<Listed<String>>,
}

/// Input of a list, and what it can be filtered by.
#[derive(Debug, Deserialize, JsonSchema)]
#[expect(dead_code, reason = "documents the parameters, which the list mechanism reads by itself")]
pub struct Paged<F> {
    #[serde(flatten)]
    paging: Paging,
    #[serde(flatten)]
    filters: F,
}

/// Input of a list of things with names, and what else this list can be filtered by.
pub type List<F = NoFilters> = Paged<Named<F>>;

#[derive(Debug, Deserialize, JsonSchema)]
#[expect(dead_code, reason = "documents the parameters, which the list mechanism reads by itself")]
pub struct Named<F> {
    name: Option<Listed<String>>,
    uuid: Option<Listed<String>>,
    #[serde(flatten)]
    filters: F,
}

#[derive(Debug, Deserialize, JsonSchema)]
pub struct NoFilters {}

/// Of what takes nothing but its path.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct NoInput {}

/// The refusal of a request without a field that it needs.
pub fn missing(field: impl std::fmt::Display) -> Error {
    Error::bad_input("field-missing").arg("field", field)
}

/// A name that people see: trimmed, 1 to [`NAME_LIMIT`] characters, nothing invisible, no path. Accents are part of
/// their letters (NFC), however they were typed.
pub fn name(field: &'static str, text: &str) -> Result<String> {
    let text: String = text.trim().nfc().collect();
    let length = text.chars().count();
    if length == 0 {
        return Err(Error::bad_input("name-empty").arg("field", field));
    }
    if length > NAME_LIMIT {
        return Err(Error::bad_input("name-too-long").arg("field", field).arg("limit", NAME_LIMIT));
    }
    let forbidden =
        |c: char| is_hidden(c) || matches!(c, '/' | '\\' | '<' | '>' | '"' | '\'' | '&');
    if let Some(found) = text.chars().find(|c| forbidden(*c)) {
        return Err(character(field, found));
    }
    if text.starts_with('.') || text.starts_with('-') {
        return Err(Error::bad_input("name-start").arg("field", field));
    }
    Ok(text)
}

/// A description: at most [`TEXT_LIMIT`] characters, in lines.
pub fn text(field: &'static str, text: &str) -> Result<String> {
    if text.chars().count() > TEXT_LIMIT {
        return Err(Error::bad_input("text-too-long").arg("field", field).arg("limit", TEXT_LIMIT));
    }
    match text.chars().find(|c| is_unwritable(*c)) {
        Some(found) => Err(character(field, found)),
        None => Ok(text.trim().nfc().collect()),
    }
}

/// Of a form or query: what is no UTF-8 has become U+FFFD where it was read, which nobody types.
///
/// # Errors
/// `text-not-utf8`, naming the field
pub fn utf8<'v>(mut fields: impl Iterator<Item = (&'v String, &'v String)>) -> Result<()> {
    let is_broken = |text: &str| text.contains(char::REPLACEMENT_CHARACTER);
    match fields.find(|(name, value)| is_broken(name) || is_broken(value)) {
        Some((field, _)) => Err(Error::bad_input("text-not-utf8").arg("field", field)),
        None => Ok(()),
    }
}

fn character(field: &'static str, found: char) -> Error {
    if found == char::REPLACEMENT_CHARACTER {
        return Error::bad_input("text-not-utf8").arg("field", field);
    }
    Error::bad_input("name-character").arg("field", field).arg("found", shown(found))
}

/// A whole number that may come as text: `#[serde(deserialize_with = "input::integer")]`.
pub fn integer<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    optional_integer(deserializer)?.ok_or_else(|| D::Error::custom("expected a whole number"))
}

/// As [`integer`], absent when null or empty text; combine with `#[serde(default)]`.
pub fn optional_integer<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<i64>, D::Error> {
    let wrong = || D::Error::custom("expected a whole number");
    match Value::deserialize(deserializer)? {
        Value::Null => Ok(None),
        Value::Bool(flag) => Ok(Some(flag.into())),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => Ok(Some(whole)),
            None => number
                .as_f64()
                .filter(|n| n.fract() == 0.0)
                .map(|n| Some(n as i64))
                .ok_or_else(wrong),
        },
        Value::String(text) if text.trim().is_empty() => Ok(None),
        Value::String(text) => match text.trim() {
            "true" => Ok(Some(1)),
            "false" => Ok(Some(0)),
            text => text.parse().map(Some).map_err(|_| wrong()),
        },
        _ => Err(wrong()),
    }
}

/// A number, possibly with a fraction, that may come as text.
pub fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    optional_number(deserializer)?.ok_or_else(|| D::Error::custom("expected a number"))
}

/// As [`number`], absent when null or empty text; combine with `#[serde(default)]`.
pub fn optional_number<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<f64>, D::Error> {
    let wrong = || D::Error::custom("expected a number");
    let number = match Value::deserialize(deserializer)? {
        Value::Null => return Ok(None),
        Value::Number(number) => number.as_f64(),
        Value::String(text) if text.trim().is_empty() => return Ok(None),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    number.filter(|n: &f64| n.is_finite()).map(Some).ok_or_else(wrong)
}

/// A flag that may come as true, 1, "1" or "true".
pub fn optional_flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<bool>, D::Error> {
    match optional_integer(deserializer)? {
        None => Ok(None),
        Some(0) => Ok(Some(false)),
        Some(1) => Ok(Some(true)),
        Some(_) => Err(D::Error::custom("expected 0 or 1")),
    }
}

/// Text, where null and empty mean "not given"; combine with `#[serde(default)]`.
pub fn optional_text<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<String>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    Ok(text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()))
}
