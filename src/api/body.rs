//! Reads the bodies of requests.

use std::time::Duration;

use rocket::Request;
use rocket::data::{Data, ToByteUnit};
use serde_json::Value;

use super::input;
use super::work::blocking;
use crate::error::{Error, Result};

/// Largest JSON body, in MiB: a batch of a thousand things fits. Uploads are streamed instead.
const BODY_LIMIT_MIB: u32 = 4;
/// The same for people.
pub const LIMIT: &str = "4 MiB";
/// The same for whom nobody knows yet, in KiB: a sign-in or a registration fits many times. Anybody may have many bodies
/// read at once, and what was read waits in memory for the rest.
const STRANGERS_LIMIT_KIB: u32 = 64;
const STRANGERS_LIMIT: &str = "64 KiB";
/// Bytes that are read as JSON without others having to wait for it.
const AT_ONCE: usize = 64 * 1024;
/// What is read of a refused request at most.
const DRAIN_LIMIT_MIB: u32 = 64;
const DRAIN_TIME: Duration = Duration::from_secs(5);

/// Reads for a moment what a refused client still sends: most read the answer only after they have
/// sent everything, and would see a broken connection instead of the reason.
pub async fn drain(data: Data<'_>) {
    let rest = data.open(DRAIN_LIMIT_MIB.mebibytes()).stream_to(rocket::tokio::io::sink());
    // However it ends, the answer is sent.
    let _ = rocket::tokio::time::timeout(DRAIN_TIME, rest).await;
}

/// JSON, or the fields of a form; null when there is none. `is_known`: whether it is of somebody who has signed in.
pub async fn read_body(request: &Request<'_>, data: Data<'_>, is_known: bool) -> Result<Value> {
    let (limit, named) = match is_known {
        true => (BODY_LIMIT_MIB.mebibytes(), LIMIT),
        false => (STRANGERS_LIMIT_KIB.kibibytes(), STRANGERS_LIMIT),
    };
    let bytes = data.open(limit).into_bytes().await;
    let bytes = bytes.map_err(|cause| Error::bad_input("body-unreadable").because(cause))?;
    if !bytes.is_complete() {
        return Err(Error::bad_input("body-too-large").arg("limit", named));
    }
    let bytes = bytes.into_inner();
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(Value::Null);
    }
    if request.content_type().is_some_and(|kind| kind.is_form()) {
        let fields: Vec<_> = form_urlencoded::parse(&bytes).into_owned().collect();
        input::utf8(fields.iter().map(|(name, value)| (name, value)))?;
        let fields = fields.into_iter().map(|(name, value)| (name, Value::String(value)));
        return Ok(Value::Object(fields.collect()));
    }
    match bytes.len() > AT_ONCE {
        true => blocking(move || parse(&bytes)).await,
        false => parse(&bytes),
    }
}

fn parse(bytes: &[u8]) -> Result<Value> {
    serde_json::from_slice(bytes).map_err(|cause| {
        let error = Error::bad_input("body-not-json").arg("line", cause.line());
        let error = error.arg("column", cause.column());
        error.because(cause)
    })
}
