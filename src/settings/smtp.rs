//! The mail server: section `smtp` of `carrel.toml`, `CARREL_SMTP_…` in the environment.

use clap::{Args, ValueEnum};
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::error::{Error, Result};

/// A password of a setting, wiped from memory after use and never printed.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub struct Secret(Zeroizing<String>);

impl Secret {
    pub fn text(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

/// How the connection to the mail server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum SmtpTls {
    /// Not at all: for a server on this machine.
    None,
    /// From the first command on; a server that cannot is refused.
    #[default]
    Starttls,
    /// From the first byte on.
    Tls,
}

impl SmtpTls {
    const fn port(self) -> u16 {
        match self {
            Self::None => 25,
            Self::Starttls => 587,
            Self::Tls => 465,
        }
    }
}

/// Flags and environment, and keys of the section.
#[derive(Debug, Clone, Default, Args, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SmtpFlags {
    /// Mail server; without one registered accounts wait for an administrator
    #[arg(id = "smtp_host", long = "smtp-host", env = "CARREL_SMTP_HOST", value_name = "NAME")]
    host: Option<String>,
    /// Its port [default: 587 with starttls, 465 with tls, 25 with none]
    #[arg(id = "smtp_port", long = "smtp-port", env = "CARREL_SMTP_PORT", value_name = "PORT")]
    port: Option<u16>,
    /// How the connection is protected [default: starttls]
    #[arg(id = "smtp_tls", long = "smtp-tls", env = "CARREL_SMTP_TLS", value_name = "HOW")]
    tls: Option<SmtpTls>,
    /// Account at the mail server, where it asks for one
    #[arg(id = "smtp_user", long = "smtp-user", env = "CARREL_SMTP_USER", value_name = "NAME")]
    user: Option<String>,
    // Other users of the machine see the flags of a process: in the environment or the file only.
    #[arg(
        id = "smtp_password",
        long = "smtp-password",
        env = "CARREL_SMTP_PASSWORD",
        hide = true,
        hide_env_values = true
    )]
    password: Option<Secret>,
    /// Sender of mails, for instance `Carrel <carrel@school.example>`
    #[arg(id = "smtp_from", long = "smtp-from", env = "CARREL_SMTP_FROM", value_name = "ADDRESS")]
    from: Option<String>,
}

/// The mail server, checked.
#[derive(Debug, Clone)]
pub struct Smtp {
    pub host: String,
    pub port: u16,
    pub tls: SmtpTls,
    /// User and password.
    pub login: Option<(String, Secret)>,
    pub from: String,
}

impl Smtp {
    /// Merges environment and file; `None` when neither names a server.
    ///
    /// # Errors
    /// `settings-smtp-half`, naming what is missing
    pub fn merge(flags: SmtpFlags, file: SmtpFlags) -> Result<Option<Self>> {
        let text = |flag: Option<String>, key: Option<String>| {
            flag.or(key).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
        };
        let missing = |key| Error::bad_input("settings-smtp-half").arg("key", key);
        let Some(host) = text(flags.host, file.host) else { return Ok(None) };
        let from = text(flags.from, file.from).ok_or_else(|| missing("smtp.from"))?;
        let tls = flags.tls.or(file.tls).unwrap_or_default();
        let password = flags.password.or(file.password);
        let login = match (text(flags.user, file.user), password) {
            (Some(user), Some(password)) => Some((user, password)),
            (None, None) => None,
            (None, Some(_)) => return Err(missing("smtp.user")),
            (Some(_), None) => return Err(missing("smtp.password")),
        };
        let port = flags.port.or(file.port).unwrap_or(tls.port());
        Ok(Some(Self { host, port, tls, login, from }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(text: &str) -> SmtpFlags {
        toml::from_str(text).expect("a section")
    }

    fn merged(text: &str) -> Result<Option<Smtp>> {
        Smtp::merge(SmtpFlags::default(), section(text))
    }

    #[test]
    fn a_server_needs_a_sender_and_a_user_a_password() {
        assert!(merged("").expect("nothing").is_none());
        for text in [
            "host = \"mail\"",
            "host = \"mail\"\nfrom = \"a@b.example\"\nuser = \"u\"",
            "host = \"mail\"\nfrom = \"a@b.example\"\npassword = \"p\"",
        ] {
            assert_eq!(merged(text).expect_err(text).key(), "settings-smtp-half");
        }
    }

    #[test]
    fn ports_follow_the_protection_and_the_environment_beats_the_file() {
        let base = "host = \"mail\"\nfrom = \"a@b.example\"\n";
        for (more, port) in
            [("", 587), ("tls = \"tls\"", 465), ("tls = \"none\"", 25), ("port = 7", 7)]
        {
            let smtp = merged(&format!("{base}{more}")).expect(more).expect("a server");
            assert_eq!(smtp.port, port, "{more}");
        }
        let flags = SmtpFlags { host: Some("other".into()), ..SmtpFlags::default() };
        let smtp = Smtp::merge(flags, section(base)).expect("merge").expect("a server");
        assert_eq!(smtp.host, "other");
    }

    #[test]
    fn the_password_is_never_printed() {
        let text = "host = \"m\"\nfrom = \"a@b.example\"\nuser = \"u\"\npassword = \"hidden word\"";
        assert!(!format!("{:?} {:?}", section(text), merged(text)).contains("hidden"));
    }
}
