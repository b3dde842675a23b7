//! Answers and refusals as responses of a dialect.

use std::io::Cursor;
use std::sync::Arc;

use rocket::Response;
use rocket::http::{ContentType, Cookie, Header, Status};

use super::App;
use super::answer::Answer;
use super::dialect::DialectSpec;
use super::envelope::{self, Wrapped};
use super::language::Language;
use crate::error::{Error, Kind};

/// Turns results into responses of a dialect.
pub struct Reply {
    pub app: Arc<App>,
    pub dialect: &'static DialectSpec,
    pub language: Language,
}

impl Reply {
    pub fn success<'r>(
        &self,
        answer: Answer,
        cookies: Vec<Cookie<'static>>,
        request_id: String,
    ) -> Response<'r> {
        let wrapped = envelope::success(self.dialect, &self.app.language, self.language, answer);
        let mut response = respond(wrapped, request_id);
        for cookie in cookies {
            response.adjoin_header(Header::new("Set-Cookie", cookie.to_string()));
        }
        response
    }

    pub fn failure<'r>(&self, error: &Error, request_id: String) -> Response<'r> {
        self.failed(None, error, request_id)
    }

    /// As [`Reply::failure`], where a protocol has a status of its own for it.
    pub fn failure_as<'r>(&self, status: u16, error: &Error, request_id: String) -> Response<'r> {
        self.failed(Some(status), error, request_id)
    }

    fn failed<'r>(&self, status: Option<u16>, error: &Error, request_id: String) -> Response<'r> {
        let detail = error.detail();
        match error.kind() {
            Kind::Internal => {
                tracing::error!(request.id = request_id, error = detail, "request failed")
            }
            _ => tracing::debug!(request.id = request_id, error = detail, "request refused"),
        }
        let (messages, language) = (&self.app.language, self.language);
        let wrapped =
            envelope::failure(self.dialect, messages, language, error, status, &request_id);
        let mut response = respond(wrapped, request_id);
        if let (Kind::TooMany, Some((_, seconds))) =
            (error.kind(), error.args().find(|(name, _)| *name == "seconds"))
        {
            response.set_raw_header("Retry-After", seconds.to_owned());
        }
        response
    }
}

fn respond<'r>(wrapped: Wrapped, request_id: String) -> Response<'r> {
    let mut response = Response::build();
    response.status(Status::new(wrapped.status));
    response.raw_header("X-Request-Id", request_id);
    response.raw_header("Cache-Control", "no-store");
    if let Some(location) = wrapped.location {
        response.raw_header("Location", location);
    }
    if let Some(body) = wrapped.body {
        let text = body.to_string();
        response.header(ContentType::JSON).sized_body(text.len(), Cursor::new(text));
    }
    response.finalize()
}
