//! Certificates by which servers elsewhere are recognised: those of a file, or those that this machine
//! trusts.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use crate::error::{Error, Kind, Result};

/// # Errors
/// `ca-file-unusable`
pub fn certificates(ca_file: Option<&Path>) -> Result<Vec<CertificateDer<'static>>> {
    let Some(path) = ca_file else {
        let found = rustls_native_certs::load_native_certs();
        for cause in found.errors {
            tracing::warn!(%cause, "a certificate of this machine cannot be read");
        }
        return Ok(found.certs);
    };
    let unusable = |cause: String| {
        let error = Error::new(Kind::Internal, "ca-file-unusable");
        error.arg("path", path.display()).because(cause)
    };
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match read {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) => Err(unusable("no certificate in it".into())),
        Err(cause) => Err(unusable(cause.to_string())),
    }
}

/// TLS as a client.
pub fn tls(ca_file: Option<&Path>) -> Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(certificates(ca_file)?);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(|cause| Error::internal("TLS as a client").because(cause))?;
    Ok(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}
