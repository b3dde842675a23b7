//! Sections of the settings: `[ldap]` and the like. Each key of one is also in the environment:
//! `url` of `[ldap]` is `CARREL_LDAP_URL`.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use toml::{Table, Value};

use crate::error::{Error, Result};

/// A password among the settings; never printed.
#[derive(Clone, Default, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    pub fn text(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// Which roles somebody from elsewhere has, by the groups that they are in there.
#[derive(Debug, Clone, Default)]
pub struct RoleMap {
    /// Codes of roles by group.
    pub of_groups: BTreeMap<String, Vec<String>>,
    /// For those in none of these groups; without one they are not let in.
    pub default: Option<String>,
}

impl RoleMap {
    pub(super) fn new(of_groups: BTreeMap<String, Vec<String>>, default: Option<String>) -> Self {
        let default = default.unwrap_or_else(|| "normal".into());
        Self { of_groups, default: Some(default).filter(|role| !role.is_empty()) }
    }
}

/// The environment of this process, as far as it is text.
pub(super) fn environment() -> impl Iterator<Item = (String, String)> {
    let pairs = std::env::vars_os();
    pairs.filter_map(|(name, text)| Some((name.into_string().ok()?, text.into_string().ok()?)))
}

/// Reads a section out of file and environment; `None` when neither has anything of it.
///
/// # Errors
/// `settings-section-wrong`, naming the section
pub(super) fn section<T: DeserializeOwned>(
    name: &'static str,
    in_file: Option<Table>,
    environment: impl Iterator<Item = (String, String)>,
) -> Result<Option<T>> {
    let prefix = format!("CARREL_{}_", name.to_uppercase());
    let mut table = in_file.unwrap_or_default();
    for (variable, text) in environment {
        if let Some(key) = variable.strip_prefix(&prefix) {
            table.insert(key.to_lowercase(), value(text));
        }
    }
    if table.is_empty() {
        return Ok(None);
    }
    let read = T::deserialize(Value::Table(table));
    read.map(Some).map_err(|cause| wrong(name, cause.message()).because(cause))
}

pub(super) fn wrong(section: &str, cause: impl std::fmt::Display) -> Error {
    Error::bad_input("settings-section-wrong").arg("section", section).arg("cause", cause)
}

/// Flags, lists and tables are written as in the file; all else is text.
fn value(text: String) -> Value {
    if matches!(text.as_str(), "true" | "false") || text.starts_with(['[', '{']) {
        let read = format!("value = {text}").parse::<Table>();
        if let Some(value) = read.ok().and_then(|mut table| table.remove("value")) {
            return value;
        }
    }
    Value::String(text)
}

/// `host` of `scheme://host:port/path`.
pub(super) fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split('/').next().unwrap_or_default();
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    }
}

/// Whether a host is this machine itself.
pub(super) fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare == "localhost" || bare.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback())
}

/// # Errors
/// `settings-section-wrong` when the file is not there or holds no certificate
pub(super) fn check_ca_file(section: &'static str, path: Option<&Path>) -> Result<()> {
    let Some(path) = path else { return Ok(()) };
    match std::fs::read_to_string(path) {
        Ok(text) if text.contains("-----BEGIN CERTIFICATE-----") => Ok(()),
        Ok(_) => Err(wrong(section, format_args!("ca_file: {} holds no PEM", path.display()))),
        Err(cause) => Err(wrong(section, format_args!("ca_file: {}: {cause}", path.display()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Example {
        url: String,
        #[serde(default)]
        starttls: bool,
        #[serde(default)]
        password: Secret,
        #[serde(default)]
        roles: BTreeMap<String, Vec<String>>,
    }

    fn read(file: &str, environment: &[(&str, &str)]) -> Result<Option<Example>> {
        let table: Table = file.parse().expect("TOML");
        let pairs = environment.iter().map(|(name, text)| ((*name).into(), (*text).into()));
        section("example", (!table.is_empty()).then_some(table), pairs)
    }

    #[test]
    fn the_environment_beats_the_file() {
        assert!(read("", &[("CARREL_OTHER_URL", "x")]).expect("nothing").is_none());
        let environment = [
            ("CARREL_EXAMPLE_URL", "b"),
            ("CARREL_EXAMPLE_STARTTLS", "true"),
            ("CARREL_EXAMPLE_PASSWORD", "[not a list"),
            ("CARREL_EXAMPLE_ROLES", r#"{ "cn=a,dc=b" = ["teacher"] }"#),
        ];
        let example = read("url = \"a\"", &environment).expect("read").expect("a section");
        assert_eq!((example.url.as_str(), example.starttls), ("b", true));
        assert_eq!(example.password.text(), "[not a list");
        assert_eq!(example.roles["cn=a,dc=b"], ["teacher"]);
        assert!(format!("{example:?}").contains("***"));
    }

    #[test]
    fn an_unknown_key_is_named_and_no_value_is_shown() {
        let error = read("url = \"a\"\npasword = \"secret-word\"", &[]).expect_err("refused");
        assert!(error.to_string().contains("pasword"), "{error}");
        assert!(!error.detail().contains("secret-word"), "{}", error.detail());
        let error = read("", &[("CARREL_EXAMPLE_PASSWORD", "x")]).expect_err("no url");
        assert!(error.to_string().contains("url"), "{error}");
    }
}
