//! Fields of the document's requests: each may be left out, none may be null.
//!
//! What a deserializer here complains is the key of a message, by which `words` finds the document's own.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, Error as _};
use serde_json::Value;

use crate::error::{Error, Result};

/// Text that may be left out: `#[serde(default, deserialize_with = "fields::text")]`.
pub fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::String(text) => Ok(Some(text)),
        other => Err(wrong(&other, "account-field-text")),
    }
}

/// Text that has to be there and to be not empty.
pub fn needed_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let given = text(deserializer)?.unwrap_or_default();
    match given.trim().is_empty() {
        true => Err(D::Error::custom("account-field-empty")),
        false => Ok(given),
    }
}

/// A flag that may be left out.
pub fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<bool>, D::Error> {
    as_flag(Value::deserialize(deserializer)?).map(Some)
}

/// Flags by name; names that nobody knows are passed over.
pub fn flags<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<BTreeMap<String, bool>>, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Object(map) => {
            let flags = map.into_iter().map(|(name, value)| Ok((name, as_flag(value)?)));
            flags.collect::<Result<_, D::Error>>().map(Some)
        }
        other => Err(wrong(&other, "account-field-object")),
    }
}

/// One of the words of an enumeration.
pub fn workflow<'de, D: Deserializer<'de>, T: DeserializeOwned>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    let null = value.is_null();
    serde_json::from_value(value).map(Some).map_err(|_| {
        D::Error::custom(if null { "account-field-null" } else { "account-field-workflow" })
    })
}

fn as_flag<E: serde::de::Error>(value: Value) -> Result<bool, E> {
    let word = match &value {
        Value::Bool(flag) => return Ok(*flag),
        Value::String(word) => word.trim().to_lowercase(),
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    };
    match word.as_str() {
        "true" | "1" | "on" | "yes" => Ok(true),
        "false" | "0" | "off" | "no" => Ok(false),
        _ => Err(wrong(&value, "account-field-flag")),
    }
}

fn wrong<E: serde::de::Error>(value: &Value, key: &str) -> E {
    E::custom(if value.is_null() { "account-field-null" } else { key })
}

/// An error over several fields.
pub fn together(key: &'static str) -> Error {
    Error::bad_input(key).arg("field", "__root__")
}
