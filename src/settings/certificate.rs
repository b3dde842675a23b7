//! What a certificate says about itself, and whether it can be served with its key.

use std::path::Path;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::error::{Error, Result};

/// When a certificate holds, and for whom. Times are Unix seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    pub begins_at: i64,
    pub ends_at: i64,
    /// It says that it is for servers, which Apple's devices ask for.
    pub is_for_servers: bool,
    /// It was made at the first start, by no authority.
    pub is_made_here: bool,
}

/// The organization in certificates that are made here.
pub const MAKER: &str = "Carrel";

impl Validity {
    /// # Errors
    /// Why it is no certificate.
    fn read(certificate: &[u8]) -> std::result::Result<Self, String> {
        let (_, read) =
            X509Certificate::from_der(certificate).map_err(|cause| cause.to_string())?;
        let usage = read.extended_key_usage().ok().flatten();
        let (subject, issuer) = (read.subject(), read.issuer());
        let made =
            subject.iter_organization().any(|name| name.as_str().is_ok_and(|name| name == MAKER));
        Ok(Self {
            is_made_here: made && subject.as_raw() == issuer.as_raw(),
            begins_at: read.validity().not_before.timestamp(),
            ends_at: read.validity().not_after.timestamp(),
            is_for_servers: usage.is_some_and(|usage| usage.value.server_auth),
        })
    }
}

/// Reads a chain and the key of its first certificate.
///
/// # Errors
/// `tls-unusable`, naming the file
pub fn read(chain: &Path, key: &Path) -> Result<(CertifiedKey, Validity)> {
    let unusable = |path: &Path, cause: String| {
        Error::bad_input("tls-unusable").arg("path", path.display()).arg("cause", cause)
    };
    let certificates = CertificateDer::pem_file_iter(chain)
        .and_then(Iterator::collect::<std::result::Result<Vec<_>, _>>)
        .map_err(|cause| unusable(chain, cause.to_string()))?;
    let first = certificates.first();
    let first = first.ok_or_else(|| unusable(chain, "no certificate in it".into()))?;
    let validity = Validity::read(first).map_err(|cause| unusable(chain, cause))?;
    let secret = PrivateKeyDer::from_pem_file(key);
    let secret = secret.map_err(|cause| unusable(key, cause.to_string()))?;
    let provider = rustls::crypto::ring::default_provider();
    let both = CertifiedKey::from_der(certificates, secret, &provider);
    both.map(|both| (both, validity)).map_err(|cause| unusable(key, cause.to_string()))
}

/// By whom viewers know a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issued {
    /// Of the first certificate: `CN=carrel, O=Carrel`.
    pub subject: String,
    /// The chain ends with an authority of its own making, which nobody knows without it.
    pub is_rooted: bool,
}

/// # Errors
/// `tls-unusable`
pub fn issued(chain: &Path) -> Result<Issued> {
    let unusable = |cause: String| {
        Error::bad_input("tls-unusable").arg("path", chain.display()).arg("cause", cause)
    };
    let certificates = CertificateDer::pem_file_iter(chain)
        .and_then(Iterator::collect::<std::result::Result<Vec<_>, _>>)
        .map_err(|cause| unusable(cause.to_string()))?;
    let (Some(first), Some(last)) = (certificates.first(), certificates.last()) else {
        return Err(unusable("no certificate in it".into()));
    };
    let read = |certificate| {
        let (_, read) =
            X509Certificate::from_der(certificate).map_err(|cause| unusable(cause.to_string()))?;
        Ok::<_, Error>(read)
    };
    let (first, last) = (read(first)?, read(last)?);
    Ok(Issued {
        subject: first.subject().to_string(),
        is_rooted: last.subject().as_raw() == last.issuer().as_raw(),
    })
}

/// When the first certificate of a chain holds.
///
/// # Errors
/// `tls-unusable`
pub fn validity(chain: &Path) -> Result<Validity> {
    let unusable = |cause: String| {
        Error::bad_input("tls-unusable").arg("path", chain.display()).arg("cause", cause)
    };
    let first =
        CertificateDer::from_pem_file(chain).map_err(|cause| unusable(cause.to_string()))?;
    Validity::read(&first).map_err(unusable)
}
