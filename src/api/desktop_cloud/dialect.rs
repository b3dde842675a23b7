//! Document 002: `{code, msg, data}`. Its clients know nothing else: what an operation refuses has HTTP status 200,
//! and `code` is the status that HTTP has for it.

use serde_json::{Value, json};

use crate::api::dialect::{self, ActionInput, DialectSpec, Failure, Success};
use crate::api::language::Language;

pub static DIALECT: DialectSpec = DialectSpec {
    tag: "Desktops and resources",
    about: "Desktops, templates, images, networks and nodes. Answers are {code, msg, data} with code 0 for success. What an \
            operation refuses has HTTP status 200 and a code that is not 0: 400 what was sent is wrong, 404 something named \
            does not exist, 409 it contradicts what exists or is worked on, 429 later, 503 a node does not answer, 507 no \
            room. HTTP statuses 401 and 403 are for who is not signed in or may not, 500 for a defect; a path or method that \
            does not exist has 404 or 405.",
    chinese: (
        "桌面与资源",
        "桌面、模板、镜像、网络与节点。返回 {code, msg, data}，成功时 code 为 0。被拒绝的操作 HTTP 状态码为 200，code 不为 0：\
         400 参数有误，404 所指对象不存在，409 与现有内容冲突或正在处理，429 请稍后再试，503 节点无响应，507 空间不足。\
         HTTP 状态码 401 和 403 表示未登录或无权限，500 表示内部错误；路径或方法不存在时为 404 或 405。",
    ),
    prefixes: &[
        "/api/v1.0/index",
        "/api/v1.0/resource_mgr",
        "/api/v1.0/education",
        "/api/v1.0/personal",
        "/api/v1.0/monitor_mgr",
    ],
    language: Language::Chinese,
    action_input: ActionInput::Param,
    success,
    failure,
    status: dialect::told_in_body,
    not_signed_in: dialect::no_more_to_say,
    schema: coded,
    refusal: ("CodedRefusal", refusal),
};

/// What is in no document, in the same form; HTTP statuses are as they are meant. What no other document claims is
/// answered here.
pub static OWN: DialectSpec = DialectSpec {
    tag: "People and console",
    about: "People, sign-in, tasks, the log, screens and news: what the console does besides. Answers are {code, msg, data} \
            with code 0 for success, and HTTP statuses as they are meant.",
    chinese: (
        "用户与控制台",
        "用户、登录、任务、日志、屏幕与通知，即控制台的其他功能。返回 {code, msg, data}，成功时 code 为 0，使用标准状态码。",
    ),
    // Pictures of screens stand below the document's paths.
    prefixes: &[
        "/api",
        "/api/v1.0/education/instance/{uuid}/screen",
        "/api/v1.0/education/template/{uuid}/screen",
    ],
    language: Language::Chinese,
    action_input: ActionInput::Param,
    success,
    failure,
    status: dialect::status,
    not_signed_in: dialect::no_more_to_say,
    schema: coded,
    refusal: ("CodedRefusal", refusal),
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
    json!({"code": failure.status, "msg": failure.text(), "data": data})
}

fn coded(data: Value) -> Value {
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
            "code": {"type": "integer", "minimum": 400, "description": "The HTTP status that means it"},
            "msg": {"type": "string", "description": "Why, in the reader's language"},
            "data": {
                "type": "object",
                "required": ["request_id", "error"],
                "properties": {
                    "request_id": {"type": "string", "description": "Leads to the causes in the log"},
                    "error": {"type": "string", "description": "Why, in a word for programs"},
                    "field": {"type": "string", "description": "The field that it is about"}
                }
            }
        }
    })
}
