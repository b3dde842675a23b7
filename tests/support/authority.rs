//! A certificate authority made for a test, and a certificate of a server on this machine.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

/// PEM files.
pub struct Authority {
    pub ca: PathBuf,
    pub certificate: PathBuf,
    pub key: PathBuf,
}

impl Authority {
    /// Makes both in `folder`.
    pub fn make(folder: &Path) -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("params");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "Tests");
        let pair = KeyPair::generate().expect("a key");
        let ca = CertifiedIssuer::self_signed(params, pair).expect("an authority");
        let names = vec!["127.0.0.1".to_owned(), "localhost".to_owned()];
        let params = CertificateParams::new(names).expect("params");
        let pair = KeyPair::generate().expect("a key");
        let signed = params.signed_by(&pair, &ca).expect("a certificate");
        let made = Self {
            ca: folder.join("ca.pem"),
            certificate: folder.join("server.pem"),
            key: folder.join("server.key"),
        };
        fs::write(&made.ca, ca.pem()).expect("write");
        fs::write(&made.certificate, signed.pem()).expect("write");
        fs::write(&made.key, pair.serialize_pem()).expect("write");
        made
    }
}
