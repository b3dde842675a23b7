//! Document 001: bare JSON and real status codes, errors `{id, message}`.

use serde_json::Value;

use super::words;
use crate::api::dialect::{self, ActionInput, DialectSpec, Failure, Success};
use crate::api::language::Language;
use crate::error::{Error, Kind};
use crate::identity::Credential;

pub static DIALECT: DialectSpec = DialectSpec {
    tag: "Own account",
    about: "One's own account, settings, sessions and API keys. Bare JSON and real status codes.",
    chinese: ("我的账号", "自己的账号、设置、会话和 API 密钥。直接返回 JSON，使用标准状态码。"),
    prefixes: &["/api/account"],
    language: Language::English,
    action_input: ActionInput::Beside,
    success,
    failure,
    status: dialect::status,
    not_signed_in,
    schema: std::convert::identity,
    refusal: None,
};

fn success(answer: Success) -> Value {
    answer.data
}

fn failure(failure: &Failure<'_>) -> Value {
    words::failure(failure.messages, failure.language, failure.error)
}

fn not_signed_in(_: Error, credential: &Credential) -> Error {
    let key = match credential {
        Credential::Basic { name, .. } if name.is_empty() => "authorization-malformed",
        _ => "authorization-wrong",
    };
    Error::new(Kind::NotSignedIn, key)
}
