//! From a result to status and body: what all dialects do alike. What they do differently stands in
//! each one's [`DialectSpec`].

use serde_json::Value;

use super::answer::Answer;
use super::dialect::{self, DialectSpec, Failure, Success};
use super::language::{Catalogues, Language};
use crate::error::Error;

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
    dialect: &DialectSpec,
    messages: &Catalogues,
    language: Language,
    answer: Answer,
) -> Wrapped {
    let Answer { data, message, single, status, location } = answer;
    let sentence = message.map(|(key, args)| {
        let args: Vec<(&str, &str)> = args.iter().map(|(n, v)| (*n, v.as_str())).collect();
        messages.text(language, key, &args)
    });
    let status = status.unwrap_or(200);
    let word = messages.text(language, "success", &[]);
    let body = (status != 204).then(|| (dialect.success)(Success { data, sentence, word, single }));
    Wrapped { status, body, location }
}

/// Wraps an error, with the status of its kind or with one that a protocol has for it. The chain of causes stays in the log,
/// which the request id leads to.
pub fn failure(
    dialect: &DialectSpec,
    messages: &Catalogues,
    language: Language,
    error: &Error,
    own_status: Option<u16>,
    request_id: &str,
) -> Wrapped {
    let status = own_status.unwrap_or_else(|| dialect::status(error.kind()));
    let body = (dialect.failure)(&Failure { messages, language, error, status, request_id });
    let status = own_status.unwrap_or_else(|| (dialect.status)(error.kind()));
    Wrapped { status, body: Some(body), location: None }
}
