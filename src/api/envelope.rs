//! One function per dialect from a result to its envelope. Status codes and words differ, the errors
//! behind them do not.

use serde_json::{Value, json};

use super::account;
use super::answer::Answer;
use super::language::{Catalogues, Language};
use crate::error::{Error, Kind};

/// A documented API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// Document 000: `{code, msg, data}`, `code` 0 or 1.
    Analysis,
    /// Document 001: bare JSON and real status codes, errors `{id, message}`.
    Account,
    /// Document 002: `{code, msg, data}`. Errors carry the HTTP status as `code` too.
    DesktopCloud,
    /// Document 004: `{ok, info}`. 403 for who may not, 500 for defects, all else 200.
    Operations,
}

impl Dialect {
    /// The dialect of a path that no endpoint has.
    pub fn of_path(path: &str) -> Self {
        match path {
            _ if path.starts_with("/api/account") => Self::Account,
            _ if path.starts_with("/account") || path.starts_with("/role") => Self::Analysis,
            _ if OPERATIONS_PATHS.iter().any(|start| path.starts_with(start)) => Self::Operations,
            _ => Self::DesktopCloud,
        }
    }

    /// The language of those who name none.
    pub const fn language(self) -> Language {
        match self {
            Self::Account => Language::English,
            Self::Analysis | Self::DesktopCloud | Self::Operations => Language::Chinese,
        }
    }

    pub const fn tag(self) -> &'static str {
        match self {
            Self::Analysis => "000 analysis platform",
            Self::Account => "001 account",
            Self::DesktopCloud => "002 desktop cloud",
            Self::Operations => "004 operations",
        }
    }
}

/// Where document 004 is mounted.
const OPERATIONS_PATHS: [&str; 4] =
    ["/api/user", "/api/login", "/api/permission", "/api/ssh_key_manage"];

/// Status and body of an answer; no body for 204.
#[derive(Debug)]
pub struct Wrapped {
    pub status: u16,
    pub body: Option<Value>,
    /// Header `Location`.
    pub location: Option<String>,
}

/// Wraps a success.
pub fn success(
    dialect: Dialect,
    messages: &Catalogues,
    language: Language,
    answer: Answer,
) -> Wrapped {
    let Answer { data, message, single, status, location } = answer;
    let text = |fallback: &'static str| {
        let (key, args) = message.clone().unwrap_or((fallback, Vec::new()));
        let args: Vec<(&str, &str)> = args.iter().map(|(n, v)| (*n, v.as_str())).collect();
        messages.text(language, key, &args)
    };
    let status = status.unwrap_or(200);
    let body = match dialect {
        Dialect::Analysis => {
            let msg = message.as_ref().map_or_else(String::new, |_| text("success"));
            json!({"code": 0, "msg": msg, "data": data})
        }
        Dialect::Account => data,
        Dialect::Operations => json!({"ok": true, "info": data}),
        Dialect::DesktopCloud => {
            let msg = text("success");
            match single {
                true => json!({"code": 0, "msg": msg, "message": msg, "data": data}),
                false => json!({"code": 0, "msg": msg, "data": data}),
            }
        }
    };
    Wrapped { status, body: (status != 204).then_some(body), location }
}

/// Wraps an error. The chain of causes stays in the log, which the request id leads to.
pub fn failure(
    dialect: Dialect,
    messages: &Catalogues,
    language: Language,
    error: &Error,
    request_id: &str,
) -> Wrapped {
    let status = status(error.kind());
    let text = messages.error(language, error);
    let body = match dialect {
        Dialect::Analysis => json!({"code": 1, "msg": text, "data": ""}),
        Dialect::Account => account::words::failure(messages, language, error),
        Dialect::Operations => json!({"ok": false, "info": text}),
        Dialect::DesktopCloud => {
            let mut data = json!({"request_id": request_id, "error": error.key()});
            if let Some((_, field)) = error.args().find(|(name, _)| *name == "field") {
                data["field"] = json!(field);
            }
            json!({"code": status, "msg": text, "data": data})
        }
    };
    // Document 000 shows failures of sign-in and the like with status 200.
    let status = match dialect {
        Dialect::Analysis
            if !matches!(error.kind(), Kind::NotSignedIn | Kind::Forbidden | Kind::Internal) =>
        {
            200
        }
        Dialect::Operations => match error.kind() {
            Kind::NotSignedIn | Kind::Forbidden => 403,
            Kind::Internal => 500,
            _ => 200,
        },
        _ => status,
    };
    Wrapped { status, body: Some(body), location: None }
}

/// HTTP status of each kind; the one place that knows it.
pub const fn status(kind: Kind) -> u16 {
    match kind {
        Kind::BadInput => 400,
        Kind::NotSignedIn => 401,
        Kind::Forbidden => 403,
        Kind::NotFound => 404,
        Kind::Conflict | Kind::Busy | Kind::Cancelled => 409,
        Kind::TooMany => 429,
        Kind::NoRoom => 507,
        Kind::NodeUnreachable => 503,
        Kind::Internal => 500,
    }
}
