//! `carrel doctor`: what a first hour trips over, on this machine.
//!
//! The agent looks at libvirt, KVM, programs, storages and the clock; what concerns the controller
//! itself is looked at here. Nothing here needs a running server.

use std::fs;
use std::io::ErrorKind;
use std::net::TcpListener;
use std::path::Path;

use jiff::Timestamp;
use nix::unistd::{AccessFlags, access};
use tokio::sync::mpsc::unbounded_channel;
use uuid::Uuid;

use crate::error::{Context, Result};
use crate::identity::{Directory, Door};
use crate::node::local::start_in_process;
use crate::node::protocol::{AgentConfig, Check, Verdict};
use crate::node::units::human;
use crate::settings::Settings;
use crate::settings::certificate::{self, Validity};
use crate::store::backup;
use crate::store::lock::DataLock;
use crate::store::now;

/// A certificate that ends within this time, in seconds, should have been renewed.
const SOON: i64 = 14 * 24 * 60 * 60;
/// Bytes that the database and certificates should have free, and must.
const ROOMY: u64 = 1 << 30;
const NEARLY_FULL: u64 = 100 << 20;

/// All checks: the controller's, then those of this machine as a node.
///
/// # Errors
/// When the agent cannot be asked at all.
pub async fn checks(settings: Settings) -> Result<Vec<Check>> {
    let mut checks = controller(&settings);
    checks.extend(elsewhere(&settings).await);
    // Not through the socket of an agent that serves: it would leave its controller for this one.
    let config = AgentConfig {
        installation: Uuid::nil(),
        libvirt_uri: settings.libvirt_uri,
        virt_type: settings.virt_type.word().to_owned(),
        storages: settings.storages.iter().map(|p| p.to_string_lossy().into_owned()).collect(),
        known: Vec::new(),
    };
    let (events, _ignored) = unbounded_channel();
    let agent = start_in_process(config, events).await?;
    let found = tokio::task::spawn_blocking(move || agent.doctor()).await;
    checks.extend(found.context("ask the agent")??);
    Ok(checks)
}

fn controller(settings: &Settings) -> Vec<Check> {
    let mut checks = vec![data_dir(&settings.data_dir)];
    checks.extend(database(&settings.database()));
    checks.push(port(settings));
    checks.push(encryption(settings));
    checks
}

/// Who else checks sign-ins.
async fn elsewhere(settings: &Settings) -> Vec<Check> {
    let mut checks = Vec::new();
    if let Some(ldap) = &settings.ldap {
        let asked = Directory::new(ldap.clone()).probe().await;
        checks.push(asked_elsewhere("check-directory", &ldap.url, &asked));
        if ldap.is_readable_on_the_way() {
            checks.push(check("check-directory-plain", Verdict::Poor, &[("url", &ldap.url)]));
        }
    }
    if let Some(oidc) = settings.oidc.clone() {
        let issuer = oidc.issuer.clone();
        let asked = tokio::task::spawn_blocking(move || Door::new(oidc).probe()).await;
        let asked = asked.context("ask the provider").flatten();
        checks.push(asked_elsewhere("check-provider", &issuer, &asked));
    }
    checks
}

fn asked_elsewhere(key: &str, url: &str, asked: &Result<()>) -> Check {
    match asked {
        Ok(()) => check(key, Verdict::Good, &[("url", url)]),
        Err(error) => {
            let cause = error.detail();
            let args = [("url", url), ("cause", cause.as_str())];
            check(&format!("{key}-unusable"), Verdict::Bad, &args)
        }
    }
}

fn check(key: &str, verdict: Verdict, args: &[(&str, &str)]) -> Check {
    let args = args.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Check { key: key.to_owned(), args, verdict }
}

/// Can be written, and has room.
fn data_dir(path: &Path) -> Check {
    let name = path.display().to_string();
    if !path.exists() {
        return check("check-data-dir-unmade", Verdict::Good, &[("path", &name)]);
    }
    if let Err(cause) = access(path, AccessFlags::W_OK | AccessFlags::X_OK) {
        let cause = cause.to_string();
        let args = [("path", name.as_str()), ("cause", &cause)];
        return check("check-data-dir-closed", Verdict::Bad, &args);
    }
    let stat = match nix::sys::statvfs::statvfs(path) {
        Ok(stat) => stat,
        Err(cause) => {
            let cause = cause.to_string();
            let args = [("path", name.as_str()), ("cause", &cause)];
            return check("check-data-dir-closed", Verdict::Bad, &args);
        }
    };
    let free = stat.blocks_available() as u64 * stat.fragment_size() as u64;
    let verdict = match free {
        ROOMY.. => Verdict::Good,
        NEARLY_FULL..ROOMY => Verdict::Poor,
        _ => Verdict::Bad,
    };
    check("check-data-dir", verdict, &[("path", &name), ("free", &human(free))])
}

/// Nothing to say before the first start.
fn database(path: &Path) -> Option<Check> {
    let name = path.display().to_string();
    if !path.exists() {
        return None;
    }
    Some(match backup::inspect(path) {
        Ok(()) => check("check-database", Verdict::Good, &[("path", &name)]),
        Err(error) if error.key() == "database-newer" => {
            check("check-database-newer", Verdict::Bad, &[("path", &name)])
        }
        Err(error) => {
            tracing::debug!(error = error.detail(), "database not sound");
            check("check-database-damaged", Verdict::Bad, &[("path", &name)])
        }
    })
}

/// Free, or Carrel's own already.
fn port(settings: &Settings) -> Check {
    let address = settings.listen.to_string();
    let running = DataLock::is_held(&settings.data_dir);
    match TcpListener::bind(settings.listen) {
        Ok(_) if running => check("check-port-elsewhere", Verdict::Poor, &[("address", &address)]),
        Ok(_) => check("check-port", Verdict::Good, &[("address", &address)]),
        Err(cause) if cause.kind() == ErrorKind::AddrInUse && running => {
            check("check-port-serving", Verdict::Good, &[("address", &address)])
        }
        Err(cause) if cause.kind() == ErrorKind::AddrInUse => {
            check("check-port-taken", Verdict::Bad, &[("address", &address)])
        }
        Err(cause) => {
            let cause = cause.to_string();
            let args = [("address", address.as_str()), ("cause", &cause)];
            check("check-port-refused", Verdict::Bad, &args)
        }
    }
}

/// Readable keys, or none needed.
fn encryption(settings: &Settings) -> Check {
    if settings.is_plain() {
        let local = settings.listen.ip().is_loopback();
        let (key, verdict) = match local {
            true => ("check-plain-local", Verdict::Good),
            false => ("check-plain", Verdict::Poor),
        };
        return check(key, verdict, &[]);
    }
    let (chain, key) = settings.certificate();
    let path = chain.display().to_string();
    if settings.tls.is_none() && fs::symlink_metadata(&chain).is_err() {
        return check("check-certificate-unmade", Verdict::Good, &[("path", &path)]);
    }
    match certificate::read(&chain, &key) {
        Ok((_, validity)) => ends(&path, &validity, settings.tls.is_some()),
        Err(error) => {
            let cause = error.args().find(|(name, _)| *name == "cause");
            let cause = cause.map(|(_, value)| value.to_owned()).unwrap_or_default();
            let args = [("path", path.as_str()), ("cause", &cause)];
            check("check-certificate-unusable", Verdict::Bad, &args)
        }
    }
}

/// How long a certificate holds. One that was made here is made anew in time.
fn ends(path: &str, validity: &Validity, is_given: bool) -> Check {
    let day = |seconds: i64| {
        let time = Timestamp::from_second(seconds).unwrap_or(Timestamp::UNIX_EPOCH);
        time.strftime("%Y-%m-%d").to_string()
    };
    let (from, until) = (day(validity.begins_at), day(validity.ends_at));
    let (key, verdict) = match now() {
        _ if !is_given && validity.is_made_here => ("check-certificate", Verdict::Good),
        now if validity.ends_at <= now => ("check-certificate-ended", Verdict::Bad),
        now if validity.begins_at > now => ("check-certificate-early", Verdict::Bad),
        now if validity.ends_at <= now + SOON => ("check-certificate-ends", Verdict::Poor),
        _ => ("check-certificate", Verdict::Good),
    };
    check(key, verdict, &[("path", path), ("from", &from), ("until", &until)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Flags, ServeFlags};

    fn settings(dir: &Path, listen: &str) -> Settings {
        let flags = Flags {
            config: Some("/dev/null".into()),
            data_dir: Some(dir.to_owned()),
            ..Flags::default()
        };
        let serve = ServeFlags { listen: listen.parse().ok(), ..ServeFlags::default() };
        Settings::load(&flags, &serve).expect("settings")
    }

    fn verdict(check: &Check) -> (&str, Verdict) {
        (&check.key, check.verdict)
    }

    #[test]
    fn the_port_is_free_taken_or_our_own() {
        let dir = tempfile::tempdir().expect("temp dir");
        let taken = TcpListener::bind("127.0.0.1:0").expect("bind");
        let address = taken.local_addr().expect("address").to_string();
        let settings = settings(dir.path(), &address);
        assert_eq!(verdict(&port(&settings)), ("check-port-taken", Verdict::Bad));
        let lock = DataLock::take(dir.path()).expect("lock");
        assert_eq!(verdict(&port(&settings)), ("check-port-serving", Verdict::Good));
        drop(taken);
        assert_eq!(verdict(&port(&settings)), ("check-port-elsewhere", Verdict::Poor));
        drop(lock);
        assert_eq!(verdict(&port(&settings)), ("check-port", Verdict::Good));
    }

    #[test]
    fn a_broken_certificate_is_found() {
        let dir = tempfile::tempdir().expect("temp dir");
        let mut settings = settings(dir.path(), "0.0.0.0:0");
        assert_eq!(verdict(&encryption(&settings)), ("check-certificate-unmade", Verdict::Good));
        let path = dir.path().join("broken.pem");
        fs::write(&path, "not a certificate").expect("write");
        settings.tls = Some((path.clone(), path));
        assert_eq!(verdict(&encryption(&settings)), ("check-certificate-unusable", Verdict::Bad));
    }

    #[test]
    fn a_damaged_database_is_found() {
        let dir = tempfile::tempdir().expect("temp dir");
        let path = dir.path().join("carrel.db");
        assert!(database(&path).is_none());
        fs::write(&path, "no database at all, whatever its name says").expect("write");
        let found = database(&path).expect("a check");
        assert_eq!(verdict(&found), ("check-database-damaged", Verdict::Bad));
    }
}
