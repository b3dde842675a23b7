//! The document's errors: `{id, message}`, and a list of fields for what does not fit. Its own words
//! stand where it has them.

use serde_json::{Value, json};

use crate::api::language::{Catalogues, Language};
use crate::error::{Error, Kind};

/// What the document says for errors that have other words elsewhere.
const OWN: [(&str, &str); 6] = [
    ("not-signed-in", "account-unauthorized"),
    ("key-unknown", "account-not-found"),
    ("route-unknown", "account-not-found"),
    ("old-password-wrong", "account-credentials-wrong"),
    ("password-too-short", "account-password-too-short"),
    ("email-wrong", "account-email-wrong"),
];

/// Message keys of fields that do not fit, and the document's words for how.
const WRONG: [(&str, &str); 6] = [
    ("account-field-null", "type_error.none.not_allowed"),
    ("account-field-text", "type_error.str"),
    ("account-field-flag", "type_error.bool"),
    ("account-field-object", "type_error.dict"),
    ("account-field-workflow", "type_error.enum"),
    ("account-field-empty", "value_error.any_str.min_length"),
];

/// The body of a failure.
pub fn failure(messages: &Catalogues, language: Language, error: &Error) -> Value {
    if error.key() == "body-not-json" {
        let text = messages.error(language, error);
        return json!({"id": id(error), "message": text, "error": "Malformed JSON"});
    }
    match error.args().find(|(name, _)| *name == "field") {
        Some((_, field)) if is_of_field(error) => {
            let (text, kind) = field_error(messages, language, error);
            let path: Vec<&str> = field.split('.').collect();
            json!([{"in": "body", "loc": path, "msg": text, "type": kind}])
        }
        _ => {
            let text = said(messages, language, error);
            json!({"id": id(error), "message": text, "error": error.key()})
        }
    }
}

/// Passwords and codes that are refused are answered as ordinary errors.
fn is_of_field(error: &Error) -> bool {
    const SECRETS: [&str; 3] = ["password-", "old-password-", "second-factor-"];
    let about_secret = SECRETS.iter().any(|start| error.key().starts_with(start));
    error.kind() == Kind::BadInput && !about_secret
}

fn field_error(messages: &Catalogues, language: Language, error: &Error) -> (String, &'static str) {
    if error.key() == "field-missing" {
        return (messages.text(language, "account-field-missing", &[]), "value_error.missing");
    }
    let cause = error.args().find(|(name, _)| *name == "cause").map_or("", |(_, cause)| cause);
    match WRONG.iter().find(|(key, _)| error.key() == "field-wrong" && cause.starts_with(key)) {
        Some((key, kind)) => (messages.text(language, key, &[]), kind),
        None => (said(messages, language, error), "value_error"),
    }
}

fn said(messages: &Catalogues, language: Language, error: &Error) -> String {
    match OWN.iter().find(|(key, _)| *key == error.key()) {
        None => messages.error(language, error),
        Some((_, own)) => {
            let args: Vec<(&str, &str)> = error.args().collect();
            messages.text(language, own, &args)
        }
    }
}

fn id(error: &Error) -> &'static str {
    match error.kind() {
        Kind::NotSignedIn if error.key() == "authorization-wrong" => "invalid_authorization_header",
        Kind::NotSignedIn if error.key() == "authorization-malformed" => {
            "malformed_authorization_header"
        }
        Kind::NotSignedIn => "unauthorized",
        Kind::Forbidden => "forbidden",
        Kind::NotFound => "not_found",
        Kind::WrongMethod => "method_not_allowed",
        Kind::Conflict | Kind::Busy | Kind::Cancelled => "conflict",
        Kind::BadInput => "bad_request",
        Kind::TooMany => "too_many_requests",
        Kind::NoRoom | Kind::NodeUnreachable | Kind::Internal => "server_error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_of_the_document_is_in_both_catalogues() {
        let messages = Catalogues::load().expect("catalogues");
        let keys = OWN.iter().map(|(_, own)| *own).chain(WRONG.iter().map(|(key, _)| *key));
        for key in keys.chain(["account-field-missing"]) {
            for language in [Language::Chinese, Language::English] {
                assert_ne!(messages.text(language, key, &[]), key);
            }
        }
    }
}
