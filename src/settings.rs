//! Settings: built-in default < `carrel.toml` < `CARREL_…` environment < flags.
//!
//! The keys of the file are the fields of [`File`]; an unknown key is an error that names it.

pub mod certificate;
mod ldap;
mod live;
mod oidc;
mod proxies;
mod sections;
mod smtp;
mod viewer;

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde::Deserialize;

use crate::error::{Error, Result};
use sections::{environment, section};

pub use ldap::{DN, LOGIN, Ldap};
pub use live::LiveValues;
pub use oidc::Oidc;
pub use proxies::TrustedProxies;
pub use sections::RoleMap;

pub use smtp::{Smtp, SmtpTls};
pub use viewer::ViewerAddress;

/// Where the file is looked for when no `--config` names one; it need not exist there.
pub const DEFAULT_FILE: &str = "/etc/carrel/carrel.toml";
const DEFAULT_DATA_DIR: &str = "/var/lib/carrel";
const DEFAULT_LISTEN: &str = "127.0.0.1:50004";
const DEFAULT_LIBVIRT_URI: &str = "qemu:///system";
/// Largest upload, in GiB, unless set otherwise.
const DEFAULT_UPLOAD_LIMIT_GIB: u64 = 512;
/// Days that the audit log goes back, unless set otherwise.
const DEFAULT_AUDIT_DAYS: u32 = 365;
/// Seconds that a guest gets to shut itself down, unless set otherwise.
pub const DEFAULT_SHUTDOWN_SECONDS: u32 = 45;
/// What may be set instead.
pub const SHUTDOWN_SECONDS: RangeInclusive<u32> = 5..=3600;

/// Seconds; proxies and browsers ask again within less on a connection that they keep.
const DEFAULT_CLIENT_PATIENCE: u64 = 75;

/// How domains are run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum VirtType {
    /// KVM where it really runs guests, software emulation elsewhere.
    #[default]
    Auto,
    Kvm,
    Qemu,
}

impl VirtType {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Kvm => "kvm",
            Self::Qemu => "qemu",
        }
    }
}

/// Flags and environment that every subcommand takes.
#[derive(Debug, Clone, Default, Args)]
pub struct Flags {
    /// Configuration file [default: /etc/carrel/carrel.toml]
    #[arg(long, global = true, env = "CARREL_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Database, certificate and, unless set otherwise, disks [default: /var/lib/carrel]
    #[arg(long, global = true, env = "CARREL_DATA_DIR", value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// What to log, for instance `info` or `carrel=debug`
    #[arg(long, global = true, env = "CARREL_LOG", value_name = "FILTER")]
    pub log: Option<String>,
    /// Log lines as JSON
    #[arg(long, global = true, env = "CARREL_LOG_JSON", value_parser = clap::builder::FalseyValueParser::new(), num_args = 0..=1, default_missing_value = "true")]
    pub log_json: Option<bool>,
    /// Hypervisor of this machine
    #[arg(long, global = true, env = "CARREL_LIBVIRT_URI", value_name = "URI")]
    pub libvirt_uri: Option<String>,
    /// How domains are run
    #[arg(long, global = true, env = "CARREL_VIRT_TYPE", value_name = "TYPE")]
    pub virt_type: Option<VirtType>,
}

/// Flags and environment of `carrel serve` alone.
#[derive(Debug, Clone, Default, Args)]
pub struct ServeFlags {
    /// Address and port to serve on [default: 127.0.0.1:50004]
    #[arg(long, env = "CARREL_LISTEN", value_name = "ADDR:PORT")]
    pub listen: Option<SocketAddr>,
    /// Serve without TLS also beyond this machine: passwords then cross the network readable
    #[arg(long, env = "CARREL_PLAIN_HTTP", value_parser = clap::builder::FalseyValueParser::new(), num_args = 0..=1, default_missing_value = "true")]
    pub plain_http: Option<bool>,
    /// Own certificate chain (PEM) instead of the one made at first start
    #[arg(long, env = "CARREL_TLS_CERTIFICATE", value_name = "FILE")]
    pub tls_certificate: Option<PathBuf>,
    /// Private key (PEM) of that certificate
    #[arg(long, env = "CARREL_TLS_KEY", value_name = "FILE")]
    pub tls_key: Option<PathBuf>,
    /// Socket of the local node agent; without it the agent runs inside this process
    #[arg(long, env = "CARREL_AGENT_SOCKET", value_name = "PATH")]
    pub agent_socket: Option<PathBuf>,
    /// Storage for disks and images; may be given several times
    #[arg(long, env = "CARREL_STORAGE", value_name = "DIR", value_delimiter = ',')]
    pub storage: Vec<PathBuf>,
    /// Largest upload, in GiB
    #[arg(long, env = "CARREL_UPLOAD_LIMIT_GIB", value_name = "GIB")]
    pub upload_limit_gib: Option<u64>,
    /// Days that the audit log is kept; 0 keeps all of it [default: 365]
    #[arg(long, env = "CARREL_AUDIT_DAYS", value_name = "DAYS")]
    pub audit_days: Option<u32>,
    /// Seconds that a guest gets to shut itself down when it is asked to [default: 45]
    #[arg(long, env = "CARREL_SHUTDOWN_SECONDS", value_name = "SECONDS")]
    pub shutdown_seconds: Option<u32>,
    /// Address at which people reach this server, for links in mails [default: the one it serves on]
    #[arg(long, env = "CARREL_PUBLIC_URL", value_name = "URL")]
    pub public_url: Option<String>,
    /// Host and port at which viewers (.vv, .rdp) reach this server [default: as browsers do]
    #[arg(long, env = "CARREL_VIEWER_ADDRESS", value_name = "HOST:PORT")]
    pub viewer_address: Option<String>,
    /// Address or network of a proxy whose X-Forwarded headers count; may be given several times
    #[arg(long, env = "CARREL_TRUSTED_PROXIES", value_name = "ADDR", value_delimiter = ',')]
    pub trusted_proxies: Vec<String>,
    // Its default suits every client; tests have less time.
    #[arg(long, env = "CARREL_CLIENT_PATIENCE", value_name = "SECONDS", hide = true)]
    pub client_patience: Option<u64>,
    #[command(flatten)]
    pub smtp: smtp::SmtpFlags,
}

/// `carrel.toml`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    data_dir: Option<PathBuf>,
    listen: Option<SocketAddr>,
    plain_http: Option<bool>,
    tls_certificate: Option<PathBuf>,
    tls_key: Option<PathBuf>,
    agent_socket: Option<PathBuf>,
    storage: Option<Vec<PathBuf>>,
    upload_limit_gib: Option<u64>,
    audit_days: Option<u32>,
    shutdown_seconds: Option<u32>,
    libvirt_uri: Option<String>,
    virt_type: Option<VirtType>,
    log: Option<String>,
    log_json: Option<bool>,
    public_url: Option<String>,
    viewer_address: Option<String>,
    trusted_proxies: Option<Vec<String>>,
    smtp: Option<smtp::SmtpFlags>,
    ldap: Option<toml::Table>,
    oidc: Option<toml::Table>,
}

/// What holds, merged and checked.
#[derive(Debug, Clone)]
pub struct Settings {
    pub data_dir: PathBuf,
    pub listen: SocketAddr,
    /// Plain HTTP was asked for by name.
    pub plain_http: bool,
    /// The administrator's own certificate chain and key.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// `None`: the agent runs inside this process.
    pub agent_socket: Option<PathBuf>,
    pub storages: Vec<PathBuf>,
    /// What the console may set in its place.
    pub live: LiveValues,
    pub libvirt_uri: String,
    pub virt_type: VirtType,
    pub log: String,
    pub log_json: bool,
    /// Scheme, host and port, without a slash at the end.
    pub public_url: Option<String>,
    /// `None`: the address under which the page is open.
    pub viewer_address: Option<ViewerAddress>,
    /// Whose word counts about where a request came from and to.
    pub trusted_proxies: TrustedProxies,
    /// So long a client may hold a connection without asking for something, sending it, or taking the answer.
    pub client_patience: Duration,
    /// `None`: no mail is sent.
    pub smtp: Option<Smtp>,
    /// `None`: no directory is asked.
    pub ldap: Option<Ldap>,
    /// `None`: no provider is asked.
    pub oidc: Option<Oidc>,
}

impl Settings {
    /// Merges file, environment and flags (clap has merged the last two).
    pub fn load(flags: &Flags, serve: &ServeFlags) -> Result<Self> {
        let file = read_file(flags.config.as_deref())?;
        let flags = flags.clone();
        let serve = serve.clone();
        let data_dir = flags.data_dir.or(file.data_dir);
        let data_dir = absolute(data_dir.unwrap_or_else(|| DEFAULT_DATA_DIR.into()))?;
        let storages = match (serve.storage, file.storage) {
            (given, _) if !given.is_empty() => given,
            (_, Some(given)) if !given.is_empty() => given,
            _ => vec![data_dir.join("storage")],
        };
        let proxies = match (serve.trusted_proxies, file.trusted_proxies) {
            (given, _) if !given.is_empty() => given,
            (_, written) => written.unwrap_or_default(),
        };
        let listen = serve.listen.or(file.listen);
        let default_listen = || DEFAULT_LISTEN.parse().map_err(Error::internal);
        let ldap = section::<ldap::Written>(ldap::SECTION, file.ldap, environment())?;
        let oidc = section::<oidc::Written>(oidc::SECTION, file.oidc, environment())?;
        let gib = serve.upload_limit_gib.or(file.upload_limit_gib);
        Ok(Self {
            listen: listen.map_or_else(default_listen, Ok)?,
            plain_http: serve.plain_http.or(file.plain_http).unwrap_or(false),
            tls: tls_pair(
                serve.tls_certificate.or(file.tls_certificate),
                serve.tls_key.or(file.tls_key),
            )?,
            agent_socket: serve.agent_socket.or(file.agent_socket),
            storages: storages.into_iter().map(absolute).collect::<Result<_>>()?,
            live: LiveValues {
                upload_limit_gib: gib.unwrap_or(DEFAULT_UPLOAD_LIMIT_GIB),
                audit_days: serve.audit_days.or(file.audit_days).unwrap_or(DEFAULT_AUDIT_DAYS),
                shutdown_seconds: shutdown_seconds(
                    serve.shutdown_seconds.or(file.shutdown_seconds),
                )?,
            },
            libvirt_uri: flags
                .libvirt_uri
                .or(file.libvirt_uri)
                .unwrap_or_else(|| DEFAULT_LIBVIRT_URI.into()),
            virt_type: flags.virt_type.or(file.virt_type).unwrap_or_default(),
            log: flags.log.or(file.log).unwrap_or_else(|| "info".into()),
            log_json: flags.log_json.or(file.log_json).unwrap_or(false),
            public_url: serve.public_url.or(file.public_url).map(public_url).transpose()?,
            viewer_address: serve
                .viewer_address
                .or(file.viewer_address)
                .map(|text| ViewerAddress::parse(&text))
                .transpose()?,
            trusted_proxies: TrustedProxies::parse(&proxies)?,
            client_patience: Duration::from_secs(
                serve.client_patience.unwrap_or(DEFAULT_CLIENT_PATIENCE),
            ),
            smtp: Smtp::merge(serve.smtp, file.smtp.unwrap_or_default())?,
            ldap: ldap.map(ldap::Written::check).transpose()?,
            oidc: oidc.map(oidc::Written::check).transpose()?,
            data_dir,
        })
    }

    pub fn database(&self) -> PathBuf {
        self.data_dir.join("carrel.db")
    }

    /// Files of certificate chain and key: the administrator's own, or those made at first start.
    pub fn certificate(&self) -> (PathBuf, PathBuf) {
        let made = ("tls-certificate.pem", "tls-key.pem");
        let made = || (self.data_dir.join(made.0), self.data_dir.join(made.1));
        self.tls.clone().unwrap_or_else(made)
    }

    /// Whether HTTP goes without TLS: on loopback always, elsewhere only when asked for by name.
    pub fn is_plain(&self) -> bool {
        self.plain_http || (self.listen.ip().is_loopback() && self.tls.is_none())
    }
}

fn read_file(named: Option<&Path>) -> Result<File> {
    let path = named.unwrap_or_else(|| Path::new(DEFAULT_FILE));
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound && named.is_none() => {
            return Ok(File::default());
        }
        Err(cause) => {
            let error = Error::bad_input("settings-unreadable").arg("path", path.display());
            return Err(error.arg("cause", &cause).because(cause));
        }
    };
    toml::from_str(&text).map_err(|cause| {
        let error = Error::bad_input("settings-wrong").arg("path", path.display());
        error.arg("cause", cause.message()).because(cause)
    })
}

/// # Errors
/// `settings-shutdown-wrong`
fn shutdown_seconds(seconds: Option<u32>) -> Result<u32> {
    let seconds = seconds.unwrap_or(DEFAULT_SHUTDOWN_SECONDS);
    if SHUTDOWN_SECONDS.contains(&seconds) {
        return Ok(seconds);
    }
    Err(Error::bad_input("settings-shutdown-wrong")
        .arg("least", SHUTDOWN_SECONDS.start())
        .arg("most", SHUTDOWN_SECONDS.end()))
}

fn public_url(text: String) -> Result<String> {
    let url = text.trim().trim_end_matches('/');
    match url.split_once("://") {
        Some(("http" | "https", host))
            if !host.is_empty() && !host.contains(['/', ' ', '?', '#']) =>
        {
            Ok(url.to_owned())
        }
        _ => Err(Error::bad_input("settings-url-wrong").arg("value", text)),
    }
}

fn tls_pair(chain: Option<PathBuf>, key: Option<PathBuf>) -> Result<Option<(PathBuf, PathBuf)>> {
    match (chain, key) {
        (Some(chain), Some(key)) => Ok(Some((chain, key))),
        (None, None) => Ok(None),
        _ => Err(Error::bad_input("settings-tls-half")),
    }
}

fn absolute(path: PathBuf) -> Result<PathBuf> {
    std::path::absolute(&path).map_err(|cause| {
        Error::bad_input("settings-path-wrong").arg("path", path.display()).because(cause)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> (tempfile::TempDir, Flags) {
        let dir = tempfile::tempdir().expect("temp dir");
        let path = dir.path().join("carrel.toml");
        std::fs::write(&path, text).expect("write settings");
        let flags = Flags { config: Some(path), ..Flags::default() };
        (dir, flags)
    }

    #[test]
    fn an_unknown_key_is_named() {
        let (_dir, flags) = file("lisen = \"127.0.0.1:1\"");
        let error = Settings::load(&flags, &ServeFlags::default()).expect_err("must be refused");
        assert_eq!(error.key(), "settings-wrong");
        assert!(error.to_string().contains("lisen"), "{error}");
    }

    #[test]
    fn a_flag_beats_the_file() {
        let (_dir, flags) = file("listen = \"127.0.0.1:1\"\nvirt_type = \"qemu\"");
        let serve = ServeFlags { listen: "127.0.0.1:2".parse().ok(), ..ServeFlags::default() };
        let settings = Settings::load(&flags, &serve).expect("load");
        assert_eq!(settings.listen.port(), 2);
        assert_eq!(settings.virt_type, VirtType::Qemu);
    }

    #[test]
    fn a_guest_gets_some_time_to_shut_down_and_not_for_ever() {
        let patience = |line: &str| {
            let (_dir, flags) = file(line);
            let settings = Settings::load(&flags, &ServeFlags::default());
            settings.map(|settings| settings.live.shutdown_seconds)
        };
        assert_eq!(patience("").expect("the default"), DEFAULT_SHUTDOWN_SECONDS);
        assert_eq!(patience("shutdown_seconds = 300").expect("five minutes"), 300);
        for wrong in ["shutdown_seconds = 0", "shutdown_seconds = 4000"] {
            assert_eq!(patience(wrong).expect_err(wrong).key(), "settings-shutdown-wrong");
        }
    }

    #[test]
    fn beyond_loopback_is_tls_unless_asked() {
        let flags = Flags::default();
        let serve = ServeFlags { listen: "0.0.0.0:443".parse().ok(), ..ServeFlags::default() };
        let settings = Settings::load(&flags, &serve).expect("load");
        assert!(!settings.is_plain());
    }
}
