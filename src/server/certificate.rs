//! The certificate that is served: the administrator's own, or the one made at first start for who has none.
//!
//! One that was made is made anew before it ends. Either is read again when its files have changed.

use std::fs::{self, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::error::{Context, Result};
use crate::node::names::{LocalNames, local_names};
use crate::settings::Settings;
use crate::settings::certificate::{MAKER, Validity, read, validity};
use crate::store::{files, now};

const DAY: i64 = 24 * 60 * 60;
/// How long one that is made holds, in seconds. Apple's devices refuse what holds longer than 825 days.
const HOLDS: i64 = 820 * DAY;
/// It holds since so long before it is made: clocks of clients are not all right.
const BEFORE: i64 = 2 * DAY;
/// It is made anew so long before it ends.
const RENEWED: i64 = 30 * DAY;
/// Before one that could not be made is tried again.
const RETRY: i64 = 60;
/// The longest that Apple's devices take.
const LONGEST: i64 = 825 * DAY;

/// Certificate and key that clients are met with.
#[derive(Debug)]
pub struct Certificate {
    chain: PathBuf,
    key: PathBuf,
    /// Made here and not by the administrator.
    is_own: bool,
    served: RwLock<Arc<CertifiedKey>>,
    /// What the files were when they were looked at last, and when the certificate is to be made anew.
    known: Mutex<(State, i64)>,
}

/// Tells one state of the files from another: of each place, size and time of the last change.
type State = [Option<(u64, u64, i64, i64)>; 2];

impl Certificate {
    /// That of the settings; makes one where there is none.
    ///
    /// # Errors
    /// `tls-unusable`, naming the file
    pub fn open(settings: &Settings) -> Result<Self> {
        let (chain, key) = settings.certificate();
        let is_own = settings.tls.is_none();
        if is_own {
            make_if_needed(&chain, &key)?;
        }
        let state = state(&chain, &key);
        let (served, validity) = read(&chain, &key)?;
        let served = RwLock::new(Arc::new(served));
        Ok(Self { chain, key, is_own, served, known: Mutex::new((state, due_at(&validity))) })
    }

    /// Reads the files again when they have changed, and makes a certificate anew that ends soon. What cannot be
    /// used is not served in the place of what can.
    pub fn refresh(&self) {
        let state = state(&self.chain, &self.key);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = self.is_own && known.1 <= now();
        if known.0 != state || is_due {
            self.load(&mut known);
        }
    }

    /// Reads the files again.
    pub fn reload(&self) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        self.load(&mut known);
    }

    fn load(&self, known: &mut (State, i64)) {
        let path = self.chain.display();
        let made = match self.is_own {
            true => make_if_needed(&self.chain, &self.key),
            false => Ok(()),
        };
        // Looked at before they are read: what changes meanwhile is read once more.
        known.0 = state(&self.chain, &self.key);
        match made.and_then(|()| read(&self.chain, &self.key)) {
            Ok((served, validity)) => {
                known.1 = due_at(&validity);
                *self.served.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(served);
                tracing::info!(%path, "the certificate was read again");
            }
            Err(error) => {
                // Not tried again for each client that comes.
                known.1 = now() + RETRY;
                let error = error.detail();
                tracing::error!(%path, error, "the new certificate cannot be used; the one before is kept");
            }
        }
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.served.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

fn state(chain: &Path, key: &Path) -> State {
    [chain, key].map(|path| {
        let found = fs::metadata(path).ok()?;
        Some((found.ino(), found.len(), found.mtime(), found.mtime_nsec()))
    })
}

/// Seconds of the clock at which it has to be made anew; one that somebody else made never is.
fn due_at(validity: &Validity) -> i64 {
    match validity.is_made_here {
        true => validity.ends_at - RENEWED,
        false => i64::MAX,
    }
}

/// Makes certificate and key unless both are there and devices take them for a while yet: browsers ask about each
/// new one once. What somebody else made is left as it is, and so is what cannot be read, to be complained of.
fn make_if_needed(chain: &Path, key: &Path) -> Result<()> {
    let is_good = |found: Validity| {
        let is_taken = found.is_for_servers && found.ends_at - found.begins_at <= LONGEST;
        !found.is_made_here || (is_taken && due_at(&found) > now())
    };
    if chain.exists() && key.exists() && validity(chain).map_or(true, is_good) {
        return Ok(());
    }
    let names = local_names();
    let pair = KeyPair::generate().context("make a private key")?;
    let made = params(&names)?.self_signed(&pair).context("make a certificate")?;
    write(key, &pair.serialize_pem())?;
    write(chain, &made.pem())?;
    // No secret: it may be handed to those who are to trust it.
    fs::set_permissions(chain, Permissions::from_mode(0o644)).context("open the certificate")?;
    tracing::info!(path = %chain.display(), names = ?names, "made a certificate");
    Ok(())
}

fn params(names: &LocalNames) -> Result<CertificateParams> {
    let hosts = ["localhost".to_owned(), names.host.clone()];
    let hosts = hosts.into_iter().filter(|host| is_host_name(host));
    let addresses = ["127.0.0.1".to_owned(), "::1".to_owned()].into_iter();
    let mut all: Vec<String> =
        hosts.chain(addresses).chain(names.addresses.iter().map(ToString::to_string)).collect();
    all.dedup();
    let mut params = CertificateParams::new(all).context("name the certificate")?;
    let name = if names.host.is_empty() { "Carrel" } else { names.host.as_str() };
    params.distinguished_name.push(DnType::CommonName, name);
    params.distinguished_name.push(DnType::OrganizationName, MAKER);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let begins_at = now() - BEFORE;
    params.not_before =
        rcgen::date_time_ymd(1970, 1, 1) + std::time::Duration::from_secs(begins_at.unsigned_abs());
    params.not_after = params.not_before + std::time::Duration::from_secs(HOLDS.unsigned_abs());
    Ok(params)
}
/// Whether a name can stand in a certificate and in a link.
pub fn is_host_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
    !name.is_empty() && name.len() < 254 && name.chars().all(allowed)
}

/// Written whole or not at all, for the owner alone.
fn write(path: &Path, text: &str) -> Result<()> {
    let mut unready = path.as_os_str().to_owned();
    unready.push(".new");
    let unready = PathBuf::from(unready);
    let doing = || format!("write {}", path.display());
    let options =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unready);
    let mut file = options.context(doing())?;
    files::protect(&unready)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).context(doing())?;
    fs::rename(&unready, path).context(doing())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_host_names_do_not_keep_the_certificate_from_being_made() {
        for host in ["", "lab_7", "教室", "carrel.lan"] {
            let names = LocalNames { host: host.into(), addresses: vec![[192, 0, 2, 7].into()] };
            params(&names).expect(host);
        }
    }
}
