//! The certificate made at first start, for an administrator who has none.

use std::fs::{self, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rcgen::{CertificateParams, DnType, KeyPair};

use crate::error::{Context, Result};
use crate::node::names::{LocalNames, local_names};
use crate::store::files;

/// Years that it holds; browsers ask about it once all the same.
const YEARS: i32 = 10;

/// Makes certificate and key unless both are there: kept, so that browsers ask about it once.
pub fn make_if_missing(chain: &Path, key: &Path) -> Result<()> {
    if chain.exists() && key.exists() {
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
    params.distinguished_name.push(DnType::OrganizationName, "Carrel");
    let year = i32::from(jiff::Zoned::now().year());
    // Valid since yesterday's year: clocks of clients are not all right.
    params.not_before = rcgen::date_time_ymd(year - 1, 1, 1);
    params.not_after = rcgen::date_time_ymd(year + YEARS, 1, 1);
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
