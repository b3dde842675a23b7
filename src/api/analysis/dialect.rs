//! Document 000: `{code, msg, data}`, `code` 0 or 1. What fails has status 200, except for who may not
//! and for defects.

use serde_json::{Value, json};

use crate::api::dialect::{self, ActionInput, DialectSpec, Failure, Success};
use crate::api::language::Language;

pub static DIALECT: DialectSpec = DialectSpec {
    tag: "Account by forms",
    about: "Signing in, registering and accounts for programs that send forms. Answers are {code, msg, data} with code 0 or \
            1. What is refused has HTTP status 200 and code 1; 401 and 403 are for who is not signed in or may not.",
    chinese: (
        "账号（表单）",
        "供以表单提交的程序登录、注册和管理账号。返回 {code, msg, data}，code 为 0 或 1；被拒绝时 HTTP 状态码为 200、code 为 1，\
         401 和 403 表示未登录或无权限。",
    ),
    prefixes: &["/account", "/role", "/project", "/task", "/config"],
    language: Language::Chinese,
    action_input: ActionInput::Query,
    success,
    failure,
    status: dialect::told_in_body,
    not_signed_in: dialect::no_more_to_say,
    schema,
    refusal: ("AnalysisRefusal", refusal),
};

fn success(answer: Success) -> Value {
    json!({"code": 0, "msg": answer.sentence.unwrap_or_default(), "data": answer.data})
}

fn failure(failure: &Failure<'_>) -> Value {
    json!({"code": 1, "msg": failure.text(), "data": ""})
}

fn schema(data: Value) -> Value {
    json!({
        "type": "object",
        "required": ["code", "msg", "data"],
        "properties": {
            "code": {"const": 0},
            "msg": {"type": "string"},
            "data": data
        }
    })
}

fn refusal() -> Value {
    json!({
        "type": "object",
        "required": ["code", "msg", "data"],
        "properties": {
            "code": {"const": 1},
            "msg": {"type": "string", "description": "Why"},
            "data": {"const": ""}
        }
    })
}
