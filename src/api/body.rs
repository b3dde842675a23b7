//! Reads the bodies of requests.

use std::time::Duration;

use rocket::Request;
use rocket::data::{Data, ToByteUnit};
use serde_json::Value;

use super::input;
use crate::error::{Error, Result};

/// Largest JSON body, in MiB: a batch of a thousand things fits. Uploads are streamed instead.
const BODY_LIMIT_MIB: u32 = 4;
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

/// JSON, or the fields of a form; null when there is none.
pub async fn read_body(request: &Request<'_>, data: Data<'_>) -> Result<Value> {
    let bytes = data.open(BODY_LIMIT_MIB.mebibytes()).into_bytes().await;
    let bytes = bytes.map_err(|cause| Error::bad_input("body-unreadable").because(cause))?;
    if !bytes.is_complete() {
        return Err(Error::bad_input("body-too-large").arg("limit", BODY_LIMIT_MIB));
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
    serde_json::from_slice(&bytes).map_err(|cause| {
        let error = Error::bad_input("body-not-json").arg("cause", &cause);
        error.because(cause)
    })
}
