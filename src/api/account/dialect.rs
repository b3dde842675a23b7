//! Document 001: bare JSON and real status codes, errors `{id, message}`.

use serde_json::{Value, json};

use super::words;
use crate::api::dialect::{self, ActionInput, DialectSpec, Failure, Success};
use crate::api::language::Language;
use crate::error::{Error, Kind};
use crate::identity::Credential;

pub static DIALECT: DialectSpec = DialectSpec {
    tag: "Own account",
    about: "One's own account, settings, sessions and API keys. Bare JSON and HTTP statuses as they are meant. What is \
            refused is told as {id, message}; of fields that do not fit as a list.",
    chinese: (
        "我的账号",
        "自己的账号、设置、会话和 API 密钥。直接返回 JSON，使用标准状态码；被拒绝时返回 {id, message}，字段有误时返回列表。",
    ),
    prefixes: &["/api/account"],
    language: Language::English,
    action_input: ActionInput::Beside,
    success,
    failure,
    status: dialect::status,
    not_signed_in,
    schema: std::convert::identity,
    refusal: ("AccountRefusal", refusal),
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

fn refusal() -> Value {
    let text = json!({"type": "string"});
    json!({
        "oneOf": [
            {
                "type": "object",
                "required": ["id", "message", "error"],
                "properties": {"id": text, "message": text, "error": text}
            },
            {
                "type": "array",
                "description": "Fields that do not fit",
                "items": {
                    "type": "object",
                    "required": ["in", "loc", "msg", "type"],
                    "properties": {
                        "in": {"const": "body"},
                        "loc": {"type": "array", "items": text},
                        "msg": text,
                        "type": text
                    }
                }
            }
        ]
    })
}
