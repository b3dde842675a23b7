//! From a result to status and body: what all dialects do alike. What they do differently stands in
//! each one's [`DialectSpec`].

use serde_json::Value;

use super::answer::Answer;
use super::dialect::{DialectSpec, Failure, Success};
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

/// Wraps an error. The chain of causes stays in the log, which the request id leads to.
pub fn failure(
    dialect: &DialectSpec,
    messages: &Catalogues,
    language: Language,
    error: &Error,
    request_id: &str,
) -> Wrapped {
    let body = (dialect.failure)(&Failure { messages, language, error, request_id });
    Wrapped { status: (dialect.status)(error.kind()), body: Some(body), location: None }
}
