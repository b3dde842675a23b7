//! From libvirt's errors to ours.

use std::fmt::Display;

use virt::error::{Error as Cause, ErrorDomain, ErrorNumber};

use crate::error::{Error, Kind, Result};

/// Puts what was done, and on what, onto an error of libvirt's.
pub trait Libvirt<T> {
    /// `doing` is for the log. `object` is what the administrator knows it by: a desktop's name, a
    /// network's, or libvirt itself.
    fn libvirt(self, doing: &str, object: impl Display) -> Result<T>;
}

impl<T> Libvirt<T> for std::result::Result<T, Cause> {
    fn libvirt(self, doing: &str, object: impl Display) -> Result<T> {
        self.map_err(|cause| translate(doing, object, cause))
    }
}

fn translate(doing: &str, object: impl Display, cause: Cause) -> Error {
    let message = cause.message().to_owned();
    let object = object.to_string();
    let error = if is_connection_lost(&cause) {
        Error::unreachable("libvirt-down").arg("reason", &message)
    } else if says_no_memory(&cause) {
        Error::no_room("libvirt-no-memory").arg("object", &object).arg("message", &message)
    } else {
        let (kind, key) = kind_and_key(&cause);
        Error::new(kind, key).arg("object", &object).arg("message", &message)
    };
    error.because(format!("{doing} {object}: {cause}"))
}

fn kind_and_key(cause: &Cause) -> (Kind, &'static str) {
    match cause.code().known() {
        Some(ErrorNumber::NoDomain) => (Kind::NotFound, "domain-missing"),
        Some(ErrorNumber::NoNetwork) => (Kind::NotFound, "network-missing"),
        Some(
            ErrorNumber::OperationDenied | ErrorNumber::AccessDenied | ErrorNumber::AuthFailed,
        ) => (Kind::Internal, "libvirt-denied"),
        Some(ErrorNumber::NoSupport) => (Kind::Conflict, "libvirt-unsupported"),
        Some(ErrorNumber::OperationTimeout | ErrorNumber::ResourceBusy) => {
            (Kind::Busy, "libvirt-busy")
        }
        _ => (Kind::Internal, "libvirt-failed"),
    }
}

/// Whether the connection is of no more use, rather than the request.
pub fn is_connection_lost(cause: &Cause) -> bool {
    let by_code = matches!(
        cause.code().known(),
        Some(ErrorNumber::NoConnect | ErrorNumber::InvalidConn | ErrorNumber::Rpc)
    );
    // "client socket is closed", "Cannot recv data", "End of file while reading data": all kinds of codes.
    by_code || matches!(cause.domain().known(), Some(ErrorDomain::Rpc | ErrorDomain::Remote))
}

fn says_no_memory(cause: &Cause) -> bool {
    cause.code().is(ErrorNumber::NoMemory)
        || cause.message().contains("Cannot allocate memory")
        || cause.message().contains("cannot set up guest memory")
}

pub fn is_code(cause: &Cause, code: ErrorNumber) -> bool {
    cause.code().is(code)
}

/// `None` for what does not exist.
pub fn optional<T>(
    found: std::result::Result<T, Cause>,
    absent: ErrorNumber,
    doing: &str,
    object: impl Display,
) -> Result<Option<T>> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(cause) if is_code(&cause, absent) => Ok(None),
        Err(cause) => Err(translate(doing, object, cause)),
    }
}
