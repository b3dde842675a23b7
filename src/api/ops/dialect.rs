//! Document 004: `{ok, info}`. 403 for who may not, 500 for defects, all else 200.

use serde_json::{Value, json};

use crate::api::dialect::{self, ActionInput, DialectSpec, Failure, Success};
use crate::api::language::Language;
use crate::error::Kind;

pub static DIALECT: DialectSpec = DialectSpec {
    tag: "Users and ssh keys",
    about: "Users, permissions and ssh keys for programs that look after machines. Answers are {ok, info}. What is refused \
            has HTTP status 200 and ok false; 403 is for who is not signed in or may not.",
    chinese: (
        "用户与 ssh 公钥",
        "供运维程序管理用户、权限和 ssh 公钥。返回 {ok, info}；被拒绝时 HTTP 状态码为 200、ok 为 false，403 表示未登录或无权限。",
    ),
    prefixes: &[
        "/api/user",
        "/api/login",
        "/api/permission",
        "/api/ssh_key_manage",
        "/api/task",
        "/api/machine",
        "/api/update",
    ],
    language: Language::Chinese,
    action_input: ActionInput::Beside,
    success,
    failure,
    status,
    not_signed_in: dialect::no_more_to_say,
    schema,
    refusal: ("OpsRefusal", refusal),
};

fn success(answer: Success) -> Value {
    json!({"ok": true, "info": answer.data})
}

fn failure(failure: &Failure<'_>) -> Value {
    json!({"ok": false, "info": failure.text()})
}

fn status(kind: Kind) -> u16 {
    match kind {
        Kind::NotSignedIn | Kind::Forbidden => 403,
        Kind::Internal => 500,
        _ => 200,
    }
}

fn schema(data: Value) -> Value {
    json!({
        "type": "object",
        "required": ["ok", "info"],
        "properties": {"ok": {"const": true}, "info": data}
    })
}

fn refusal() -> Value {
    json!({
        "type": "object",
        "required": ["ok", "info"],
        "properties": {"ok": {"const": false}, "info": {"type": "string", "description": "Why"}}
    })
}
