//! What the protocol tus 1.0.0 says in headers: https://tus.io/protocols/resumable-upload

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rocket::http::Status;
use rocket::{Request, Response};

use crate::api::call::Call;
use crate::api::dialect;
use crate::api::endpoint::Streamed;
use crate::api::reply::Reply;
use crate::api::{App, desktop_cloud, input};
use crate::error::{Error, Kind, Result};

pub const VERSION: &str = "1.0.0";
pub const EXTENSIONS: &str = "creation,expiration,termination";
/// What the bytes of a part come as.
pub const PART: &str = "application/offset+octet-stream";
/// Bytes of all metadata of an upload.
const METADATA_LIMIT: usize = 4096;

/// A success: there is nothing to say but headers.
pub struct Told {
    status: u16,
    headers: Vec<(&'static str, String)>,
}

impl Told {
    pub const fn new(status: u16) -> Self {
        Self { status, headers: Vec::new() }
    }

    pub fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.headers.push((name, value.to_string()));
        self
    }
}

/// The answer, also to what is refused: clients of the protocol go by its statuses.
pub fn answer<'r>(app: &Arc<App>, call: &Call, told: Result<Told>) -> Streamed<'r> {
    let mut response = match told {
        Ok(told) => {
            let mut response = Response::build();
            response.status(Status::new(told.status)).raw_header("Cache-Control", "no-store");
            for (name, value) in told.headers {
                response.raw_header(name, value);
            }
            response.finalize()
        }
        Err(error) => {
            call.note.failed(&error);
            let dialect = &desktop_cloud::OWN;
            let reply = Reply { app: Arc::clone(app), dialect, language: call.language };
            reply.failure_as(status(&error), &error, call.actor.request_id.clone())
        }
    };
    response.set_raw_header("Tus-Resumable", VERSION);
    response.set_raw_header("Tus-Version", VERSION);
    Streamed::Response(response)
}

/// 409 and 423 mean that a client shall look where it stands and try again: all else that contradicts what is there
/// has another status.
fn status(error: &Error) -> u16 {
    match (error.key(), error.kind()) {
        ("tus-version-unknown", _) => 412,
        ("upload-too-large" | "upload-too-long", _) => 413,
        ("upload-not-a-part", _) => 415,
        ("upload-in-use", _) => 423,
        ("upload-offset-wrong", _) => 409,
        (_, Kind::Conflict) => 422,
        (_, Kind::Busy) => 503,
        (_, kind) => dialect::status(kind),
    }
}

/// # Errors
/// `tus-version-unknown`
pub fn require_version(request: &Request<'_>) -> Result<()> {
    match request.headers().get_one("Tus-Resumable").map(str::trim) {
        Some(VERSION) => Ok(()),
        other => Err(Error::bad_input("tus-version-unknown")
            .arg("given", other.unwrap_or("-"))
            .arg("known", VERSION)),
    }
}

/// A number of bytes. `None` when there is no such header.
///
/// # Errors
/// `header-not-a-size` for what is negative, too large for anything, or no number.
pub fn bytes(request: &Request<'_>, header: &'static str) -> Result<Option<u64>> {
    let Some(text) = request.headers().get_one(header).map(str::trim) else { return Ok(None) };
    let wrong = || Error::bad_input("header-not-a-size").arg("field", header).arg("value", text);
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong());
    }
    // SQLite's numbers end there.
    let number = text.parse().ok().filter(|number| *number <= i64::MAX as u64);
    number.map(Some).ok_or_else(wrong)
}

/// The pairs of `Upload-Metadata`: words, and what was base64.
#[derive(Debug, Default)]
pub struct Metadata(Vec<(String, String)>);

impl Metadata {
    /// # Errors
    /// `upload-metadata-malformed`, `text-not-utf8`
    pub fn read(header: &str) -> Result<Self> {
        let wrong = |key: &str| Error::bad_input("upload-metadata-malformed").arg("field", key);
        if header.len() > METADATA_LIMIT {
            let error = Error::bad_input("text-too-long").arg("field", "Upload-Metadata");
            return Err(error.arg("limit", METADATA_LIMIT));
        }
        let mut pairs: Vec<(String, String)> = Vec::new();
        for pair in header.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once(' ').unwrap_or((pair, ""));
            let bytes = STANDARD.decode(value.trim()).map_err(|cause| wrong(key).because(cause))?;
            let text = String::from_utf8(bytes).map_err(|cause| {
                Error::bad_input("text-not-utf8").arg("field", key).because(cause)
            })?;
            if pairs.iter().any(|(known, _)| known == key) {
                return Err(wrong(key));
            }
            pairs.push((key.to_owned(), text));
        }
        Ok(Self(pairs))
    }

    /// `None` for what is not there, or empty.
    pub fn get(&self, key: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == key);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.trim().is_empty())
    }

    pub fn text(&self, key: &str) -> Option<String> {
        self.get(key).map(str::to_owned)
    }

    /// # Errors
    /// `field-missing`
    pub fn required(&self, key: &'static str) -> Result<&str> {
        self.get(key).ok_or_else(|| input::missing(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_are_words_with_base64() {
        let read = Metadata::read("name d2luNw==, kind aXNv,is_confidential").expect("read");
        assert_eq!((read.get("name"), read.get("kind")), (Some("win7"), Some("iso")));
        assert_eq!((read.get("is_confidential"), read.get("pool")), (None, None));
        for wrong in ["name win7!", "name d2luNw==,name d2luNw==", "name d2lu Nw=="] {
            let error = Metadata::read(wrong).expect_err(wrong);
            assert_eq!(error.key(), "upload-metadata-malformed", "{wrong}");
        }
        assert_eq!(Metadata::read("name /w==").expect_err("no text").key(), "text-not-utf8");
        let long = format!("name {}", "AAAA".repeat(METADATA_LIMIT / 4));
        assert_eq!(Metadata::read(&long).expect_err("long").key(), "text-too-long");
    }
}
