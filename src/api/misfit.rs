//! Why a field of a request does not fit, as a sentence: serde's own words are English and name types of this program.

use crate::error::Error;

/// What `expected` of a serde error begins with, and the message that says it to people.
const EXPECTED: [(&str, &str); 21] = [
    ("a whole number", "wants-whole-number"),
    ("a count", "wants-count"),
    ("a number", "wants-number"),
    ("0 or 1", "wants-flag"),
    ("a boolean", "wants-flag"),
    ("a string", "wants-text"),
    ("a borrowed string", "wants-text"),
    ("a sequence", "wants-list"),
    ("a map", "wants-object"),
    ("struct ", "wants-object"),
    ("a formatted UUID", "wants-uuid"),
    ("UUID", "wants-uuid"),
    ("an IPv4 address", "wants-address"),
    ("IPv4 address", "wants-address"),
    ("i64", "wants-whole-number"),
    ("i32", "wants-whole-number"),
    ("u", "wants-count"),
    ("f64", "wants-number"),
    ("f32", "wants-number"),
    ("one of `", "wants-one-of"),
    ("`", "wants-one-of"),
];

/// Words of errors that have no `expected`.
const OTHERS: [(&str, &str); 6] = [
    ("UUID parsing failed", "wants-uuid"),
    ("invalid IPv4 address", "wants-address"),
    ("account-field-empty", "account-field-empty"),
    ("account-field-null", "account-field-null"),
    ("account-field-workflow", "account-field-workflow"),
    ("invalid digit found", "wants-whole-number"),
];

/// The reason that a serde error gives.
pub fn reason(said: &str) -> Error {
    let expected = said.rsplit_once("expected ").map(|(_, expected)| expected);
    let known = expected.and_then(|expected| {
        EXPECTED.iter().find(|(begin, _)| expected.starts_with(begin)).map(|(_, key)| *key)
    });
    let other = || OTHERS.iter().find(|(begin, _)| said.starts_with(begin)).map(|(_, key)| *key);
    let error = Error::bad_input(known.or_else(other).unwrap_or("wants-another-form"));
    match expected.filter(|_| error.key() == "wants-one-of") {
        Some(words) => {
            let quoted = words.split('`').skip(1).step_by(2).collect::<Vec<_>>();
            error.arg("known", quoted.join(", "))
        }
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use serde::Deserialize;
    use serde::de::DeserializeOwned;
    use serde_json::{Value, json};
    use uuid::Uuid;

    use super::*;
    use crate::api::language::{Catalogues, Language};

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Word {
        One,
        Two,
    }

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only read")]
    struct Thing {
        name: String,
    }

    fn key<T: DeserializeOwned + std::fmt::Debug>(value: Value) -> String {
        let said = serde_json::from_value::<T>(value).expect_err("it does not fit").to_string();
        reason(&said).key().to_owned()
    }

    #[test]
    fn what_serde_says_is_said_in_our_words() {
        assert_eq!(key::<String>(json!([1])), "wants-text");
        assert_eq!(key::<String>(Value::Null), "wants-text");
        assert_eq!(key::<u32>(json!(-1)), "wants-count");
        assert_eq!(key::<u8>(json!("x")), "wants-count");
        assert_eq!(key::<i64>(json!({})), "wants-whole-number");
        assert_eq!(key::<f64>(json!("x")), "wants-number");
        assert_eq!(key::<bool>(json!("x")), "wants-flag");
        assert_eq!(key::<Vec<u8>>(json!("x")), "wants-list");
        assert_eq!(key::<Thing>(json!("x")), "wants-object");
        assert_eq!(key::<std::collections::BTreeMap<String, u8>>(json!(1)), "wants-object");
        assert_eq!(key::<Uuid>(json!("x")), "wants-uuid");
        assert_eq!(key::<Uuid>(json!(1)), "wants-uuid");
        assert_eq!(key::<Ipv4Addr>(json!("300.1.1.1")), "wants-address");
        assert_eq!(key::<Ipv4Addr>(json!(7)), "wants-address");
        assert_eq!(key::<Word>(json!("three")), "wants-one-of");
    }

    #[test]
    fn the_words_to_choose_from_are_named_and_nothing_is_english() {
        let messages = Catalogues::load().expect("catalogues");
        let said = serde_json::from_value::<Word>(json!("three")).expect_err("no word").to_string();
        let error =
            Error::bad_input("field-wrong").arg("field", "kind").with_reason(&reason(&said));
        let sentence = messages.error(Language::Chinese, &error);
        assert_eq!(sentence, "字段 kind 不正确：应为以下之一：one, two。");
        let keys = EXPECTED.iter().chain(&OTHERS).map(|(_, key)| *key);
        for key in keys.chain(["wants-another-form"]) {
            let sentence = messages.text(Language::Chinese, key, &[("known", "")]);
            assert!(!sentence.is_ascii(), "{key}: {sentence}");
        }
    }
}
