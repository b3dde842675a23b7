//! What a documented API is to the shared layers: where it is mounted, what it speaks, and how it puts
//! results, errors and actions. Each document's folder has one value of this type, `DIALECT`; nothing
//! else asks which document a request belongs to.

use serde_json::Value;

use super::language::{Catalogues, Language};
use crate::error::{Error, Kind};
use crate::identity::Credential;

/// A documented API.
pub struct DialectSpec {
    /// Its name in the OpenAPI document.
    pub tag: &'static str,
    /// What it is for and how it answers and refuses, for those who read the API page.
    pub about: &'static str,
    /// Name and purpose in Chinese.
    pub chinese: (&'static str, &'static str),
    /// Paths below which everything is this document's, unless a longer one is another's; a part in braces is any.
    pub prefixes: &'static [&'static str],
    /// The language of those who name none.
    pub language: Language,
    /// Where the input of a row is that an `action` selects.
    pub action_input: ActionInput,
    /// The body of a success.
    pub success: fn(Success) -> Value,
    /// The body of a failure.
    pub failure: fn(&Failure<'_>) -> Value,
    /// The HTTP status of a failure.
    pub status: fn(Kind) -> u16,
    /// Says in the document's words why the credential of a header signed nobody in.
    pub not_signed_in: fn(Error, &Credential) -> Error,
    /// The JSON schema of a success around that of its data.
    pub schema: fn(Value) -> Value,
    /// Name and JSON schema of the body of a failure, as a component.
    pub refusal: (&'static str, fn() -> Value),
}

impl std::fmt::Debug for DialectSpec {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.tag)
    }
}

/// Where the input of a row is that an `action` selects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActionInput {
    /// `{action, param: {…}}`
    Param,
    /// `{action, …}`
    Beside,
    /// `?action=…`, and all of the body.
    Query,
}

/// A success to be wrapped.
pub struct Success {
    pub data: Value,
    /// What the answer says in words of its own.
    pub sentence: Option<String>,
    /// What it says otherwise.
    pub word: String,
    /// The answer to `searchtype=single`.
    pub single: bool,
}

/// A failure to be wrapped.
pub struct Failure<'a> {
    pub messages: &'a Catalogues,
    pub language: Language,
    pub error: &'a Error,
    /// That means it, whatever the answer's own is.
    pub status: u16,
    /// Leads to the causes in the log.
    pub request_id: &'a str,
}

impl Failure<'_> {
    /// The sentence of the error.
    pub fn text(&self) -> String {
        self.messages.error(self.language, self.error)
    }
}

impl DialectSpec {
    /// Whether what an operation refuses has the HTTP status of a success: only the body tells.
    pub fn refuses_in_body(&self) -> bool {
        (self.status)(Kind::Conflict) == 200
    }

    /// How much of the path's beginning is the document's own, if any.
    fn claim(&self, path: &str) -> Option<usize> {
        let begins = |prefix: &&&str| {
            let mut parts = path.split('/');
            prefix.split('/').all(|wanted| {
                parts.next().is_some_and(|part| part == wanted || wanted.starts_with('{'))
            })
        };
        self.prefixes.iter().filter(begins).map(|prefix| prefix.split('/').count()).max()
    }
}

/// The dialect that a path belongs to, also one that no endpoint has; `None` for a page of the console.
pub fn of_path(dialects: &[&'static DialectSpec], path: &str) -> Option<&'static DialectSpec> {
    let claims = dialects.iter().filter_map(|dialect| Some((dialect.claim(path)?, *dialect)));
    claims.max_by_key(|(parts, _)| *parts).map(|(_, dialect)| dialect)
}

/// For documents that have no words for it.
pub fn no_more_to_say(error: Error, _: &Credential) -> Error {
    error
}

/// The HTTP status of a failure where the body tells of refusals: except for who may not, and for defects.
pub const fn told_in_body(kind: Kind) -> u16 {
    match kind {
        Kind::NotSignedIn | Kind::Forbidden | Kind::Internal => status(kind),
        _ => 200,
    }
}

/// The HTTP status of each kind, for documents that use it as it is meant.
pub const fn status(kind: Kind) -> u16 {
    match kind {
        Kind::BadInput => 400,
        Kind::NotSignedIn => 401,
        Kind::Forbidden => 403,
        Kind::NotFound => 404,
        Kind::WrongMethod => 405,
        Kind::Conflict | Kind::Busy | Kind::Cancelled => 409,
        Kind::TooMany => 429,
        Kind::NoRoom => 507,
        Kind::NodeUnreachable => 503,
        Kind::Internal => 500,
    }
}
