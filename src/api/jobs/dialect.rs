//! Document 003: `{stat, data}` and `{stat, info}`. What is refused has HTTP status 200.

use serde_json::{Value, json};

use crate::api::dialect::{self, ActionInput, DialectSpec, Failure, Success};
use crate::api::language::Language;

pub static DIALECT: DialectSpec = DialectSpec {
    tag: "Jobs",
    about: "Jobs on machines. Answers are {stat, data}; what is refused has HTTP status 200, stat false and the reason in info.",
    chinese: (
        "作业",
        "机器上的作业。返回 {stat, data}；被拒绝时 HTTP 状态码为 200、stat 为 false，原因在 info 中。",
    ),
    prefixes: &["/api/job", "/api/agent", "/api/connector"],
    language: Language::Chinese,
    action_input: ActionInput::Beside,
    success,
    failure,
    status: dialect::told_in_body,
    not_signed_in: dialect::no_more_to_say,
    schema,
    refusal: ("JobsRefusal", refusal),
};

fn success(answer: Success) -> Value {
    json!({"stat": true, "data": answer.data})
}

fn failure(failure: &Failure<'_>) -> Value {
    json!({"stat": false, "info": failure.text()})
}

fn schema(data: Value) -> Value {
    json!({
        "type": "object",
        "required": ["stat", "data"],
        "properties": {"stat": {"const": true}, "data": data}
    })
}

fn refusal() -> Value {
    json!({
        "type": "object",
        "required": ["stat", "info"],
        "properties": {"stat": {"const": false}, "info": {"type": "string", "description": "Why"}}
    })
}
