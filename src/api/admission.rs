//! Who calls, by which credential, from which page, and what they may.

use base64::Engine;
use rocket::Request;

use super::SESSION_COOKIE;
use super::call::{Call, not_signed_in};
use super::dialect::DialectSpec;
use super::endpoint::{Access, Mounted};
use super::origin::Origin;
use crate::error::{Error, Kind, Result};
use crate::identity::{Credential, Permission};
use crate::store::visible::Visible;

/// What the caller may see and reach by this row.
pub fn permit(row: &Mounted, call: &Call) -> Result<Visible> {
    match (row.access, &call.caller) {
        (Access::Public, _) => Ok(Visible::NOTHING),
        (_, Some(caller)) if caller.lacks_factor && !row.before_factor => {
            Err(Error::forbidden("second-factor-required"))
        }
        (Access::SignedIn, Some(_)) => Ok(Visible::NOTHING),
        (_, None) => Err(not_signed_in()),
        (Access::InPerson, Some(caller)) => match caller.session_id() {
            Some(_) => Ok(Visible::NOTHING),
            None => Err(Error::forbidden("session-needed")),
        },
        (Access::Needs(permission), Some(caller)) => match caller.may(permission) {
            true => Ok(Visible::All),
            false => Err(lacking(row, permission)),
        },
        (Access::NeedsIn(permission, scope), Some(caller)) => {
            scope.of(caller, permission).ok_or_else(|| lacking(row, permission))
        }
    }
}

fn lacking(row: &Mounted, permission: Permission) -> Error {
    Error::forbidden(row.refusal).arg("permission", permission.word())
}

/// `Authorization`: `Basic` with user name and API key, else a token with or without `Bearer` or `Token`; else
/// the session cookie (`true`).
pub fn credential_of(request: &Request<'_>) -> Option<(Credential, bool)> {
    if let Some(header) = request.headers().get_one("Authorization") {
        let header = header.trim();
        let (scheme, rest) = header.split_once(' ').unwrap_or(("", header));
        let credential = match scheme.to_ascii_lowercase().as_str() {
            "basic" => basic(rest.trim()),
            "bearer" | "token" => Credential::Token(rest.trim().to_owned()),
            _ => Credential::Token(header.to_owned()),
        };
        return Some((credential, false));
    }
    let cookie = request.cookies().get(SESSION_COOKIE)?;
    Some((Credential::Token(cookie.value().to_owned()), true))
}

/// A document may have words of its own for a header that signs nobody in.
pub fn told_apart(error: Error, dialect: &DialectSpec, request: &Request<'_>) -> Error {
    match credential_of(request) {
        Some((credential, false)) if error.kind() == Kind::NotSignedIn => {
            (dialect.not_signed_in)(error, &credential)
        }
        _ => error,
    }
}

/// What cannot be read belongs to nobody.
fn basic(encoded: &str) -> Credential {
    let bytes = base64::engine::general_purpose::STANDARD.decode(encoded).unwrap_or_default();
    let text = String::from_utf8(bytes).unwrap_or_default();
    let (name, key) = text.split_once(':').unwrap_or_default();
    Credential::Basic { name: name.to_owned(), key: key.to_owned() }
}

/// A page of another site must not act with the visitor's cookie.
pub fn same_origin(own: &Origin, request: &Request<'_>) -> Result<()> {
    let headers = request.headers();
    let foreign = || Error::forbidden("request-from-another-site");
    if let Some(site) = headers.get_one("Sec-Fetch-Site") {
        return if matches!(site, "same-origin" | "none") { Ok(()) } else { Err(foreign()) };
    }
    match headers.get_one("Origin") {
        Some(page) if !own.is_own(page) => Err(foreign()),
        _ => Ok(()),
    }
}
