//! Document 002: `{code, msg, data}`. Errors carry the HTTP status as `code` too.

use serde_json::{Value, json};

use crate::api::dialect::{self, ActionInput, DialectSpec, Failure, Success};
use crate::api::language::Language;

pub static DIALECT: DialectSpec = DialectSpec {
    tag: "Desktops and resources",
    about: "Desktops, templates, images, networks, nodes and people: all that the console does. Answers are {code, msg, data} with code 0 for success.",
    chinese: (
        "桌面与资源",
        "桌面、模板、镜像、网络、节点与用户，即控制台的全部功能。返回 {code, msg, data}，成功时 code 为 0。",
    ),
    // What no other document claims is answered here.
    prefixes: &["/api"],
    language: Language::Chinese,
    action_input: ActionInput::Param,
    success,
    failure,
    status: dialect::status,
    not_signed_in: dialect::no_more_to_say,
    schema: coded,
    refusal: None,
};

fn success(answer: Success) -> Value {
    let msg = answer.sentence.unwrap_or(answer.word);
    match answer.single {
        true => json!({"code": 0, "msg": msg, "message": msg, "data": answer.data}),
        false => json!({"code": 0, "msg": msg, "data": answer.data}),
    }
}

fn failure(failure: &Failure<'_>) -> Value {
    let error = failure.error;
    let mut data = json!({"request_id": failure.request_id, "error": error.key()});
    if let Some((_, field)) = error.args().find(|(name, _)| *name == "field") {
        data["field"] = json!(field);
    }
    json!({"code": dialect::status(error.kind()), "msg": failure.text(), "data": data})
}

fn coded(data: Value) -> Value {
    json!({
        "type": "object",
        "required": ["code", "msg", "data"],
        "properties": {
            "code": {"type": "integer", "description": "0 is success"},
            "msg": {"type": "string"},
            "data": data
        }
    })
}
