//! What several of document 002's inputs share: `{name, uuid}`, counts, distributions over nodes.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use uuid::Uuid;

use crate::api::call::{Call, NAMED, several};
use crate::api::input;
use crate::desktops::templates::MEMORY_LIMIT_GIB;
use crate::error::{Error, Result};
use crate::images::os_type;
use crate::store::list::{ListQuery, SearchType};

/// A thing as the caller sees it.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct Named {
    pub name: String,
    pub uuid: Uuid,
}

/// What a client asks of a list whose rows have an `os_type`: any form of it is understood.
pub fn os_query(call: &Call) -> Result<ListQuery> {
    let mut query = call.list_query()?;
    if query.search != SearchType::Contain {
        for (_, value) in query.filters.iter_mut().filter(|(name, _)| name == "os_type") {
            *value = os_type::documented(value);
        }
    }
    Ok(query)
}

/// What the audit entry of a batch is about. An empty batch is refused.
pub fn subject(things: &[Named], field: &'static str) -> Result<String> {
    if things.is_empty() {
        return Err(Error::bad_input("batch-empty").arg("field", field));
    }
    let names: Vec<&str> = things.iter().take(NAMED).map(|thing| thing.name.as_str()).collect();
    Ok(several(&names, things.len()))
}

/// As the domain takes it.
pub fn pairs(things: Vec<Named>) -> Vec<(Uuid, String)> {
    things.into_iter().map(|Named { name, uuid }| (uuid, name)).collect()
}

/// A number that cannot be negative.
pub fn count(field: &'static str, number: i64) -> Result<u32> {
    u32::try_from(number).map_err(|_| {
        let error = Error::bad_input("number-out-of-range").arg("field", field);
        error.arg("low", 0).arg("high", u32::MAX)
    })
}

/// GiB with a fraction to MiB.
pub fn mebibytes(field: &'static str, gibibytes: f64) -> Result<u64> {
    if !(0.0..=f64::from(MEMORY_LIMIT_GIB)).contains(&gibibytes) {
        let error = Error::bad_input("number-out-of-range").arg("field", field);
        return Err(error.arg("low", 0).arg("high", MEMORY_LIMIT_GIB));
    }
    Ok((gibibytes * 1024.0).round() as u64)
}

/// A flag that must be given: true, 1, "1" or "true".
pub fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    let given = input::optional_flag(deserializer)?;
    given.ok_or_else(|| D::Error::custom("expected 0 or 1"))
}

/// `{"192.0.2.11": 3}`; numbers may come as text.
pub fn create_info<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<BTreeMap<String, u32>>, D::Error> {
    #[derive(Deserialize)]
    struct Number(#[serde(deserialize_with = "input::integer")] i64);

    let Some(given) = Option::<BTreeMap<String, Number>>::deserialize(deserializer)? else {
        return Ok(None);
    };
    let numbers = given.into_iter().map(|(ip, Number(number))| {
        let number = u32::try_from(number);
        number.map(|number| (ip, number)).map_err(|_| D::Error::custom("expected a count"))
    });
    let numbers = numbers.collect::<Result<BTreeMap<_, _>, _>>()?;
    Ok((!numbers.is_empty()).then_some(numbers))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_in_gibibytes_may_have_a_fraction() {
        assert_eq!(mebibytes("ram", 1.0).expect("ram"), 1024);
        assert_eq!(mebibytes("ram", 0.078_125).expect("ram"), 80);
        assert!(mebibytes("ram", -1.0).is_err());
        assert!(mebibytes("ram", 1e12).is_err());
    }

    #[test]
    fn an_empty_distribution_is_none() {
        let parse = |text: &str| create_info(&mut serde_json::Deserializer::from_str(text));
        assert_eq!(parse("{}").expect("empty"), None);
        assert_eq!(parse("null").expect("null"), None);
        let given = parse(r#"{"10.0.0.1": "2"}"#).expect("text").expect("given");
        assert_eq!(given["10.0.0.1"], 2);
        assert!(parse(r#"{"10.0.0.1": -2}"#).is_err());
    }

    #[test]
    fn a_long_batch_is_named_by_its_first() {
        let thing = |name: &str| Named { name: name.into(), uuid: Uuid::nil() };
        let things = [thing("a"), thing("b"), thing("c"), thing("d")];
        assert_eq!(subject(&things, "desktops").expect("named"), "a, b, c (+1)");
        assert!(subject(&[], "desktops").is_err());
    }
}
