//! Document 001, the account: `/api/account/…`, bare JSON and real status codes.

mod current;
mod dialect;
mod fields;
mod keys;
mod reset;
mod session;
mod settings;
pub mod words;

use std::collections::BTreeMap;

use jiff::Timestamp;

pub use dialect::DIALECT;

use super::endpoint::Endpoint;
use crate::error::{Error, Result};
use crate::identity::{Permission, Permissions};

/// Of audit entries.
const MODULE: &str = "identity";

pub fn endpoints() -> Vec<Endpoint> {
    let parts = [
        current::endpoints(),
        settings::endpoints(),
        keys::endpoints(),
        session::endpoints(),
        reset::endpoints(),
    ];
    parts.into_iter().flatten().collect()
}

/// The document's eight permissions, by its names, and whether each is there.
type Flags = BTreeMap<&'static str, bool>;

fn flags(permissions: &Permissions) -> Flags {
    let named = Permission::ALL.iter().filter_map(|one| Some((one.document_001()?, one)));
    named.map(|(name, one)| (name, permissions.contains(one))).collect()
}

/// Times of this document are UTC and end in `Z`.
fn utc(seconds: i64) -> Result<String> {
    let time = Timestamp::from_second(seconds);
    Ok(time.map_err(|cause| Error::internal("a time in the store").because(cause))?.to_string())
}
