//! `[oidc]`: sign-in by an identity provider (OpenID Connect).

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

use super::sections::{RoleMap, Secret, check_ca_file, host, is_loopback, wrong};
use crate::error::Result;

/// Name of the section.
pub(super) const SECTION: &str = "oidc";

/// The section as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    issuer: String,
    client_id: String,
    #[serde(default)]
    client_secret: Secret,
    #[serde(default)]
    audiences: Vec<String>,
    display_name: Option<String>,
    redirect_url: Option<String>,
    scopes: Option<Vec<String>>,
    name_claim: Option<String>,
    group_claim: Option<String>,
    #[serde(default)]
    group_roles: BTreeMap<String, Vec<String>>,
    default_role: Option<String>,
    ca_file: Option<PathBuf>,
}

/// How the provider is asked.
#[derive(Debug, Clone)]
pub struct Oidc {
    pub issuer: String,
    pub client_id: String,
    /// Empty for a client without one.
    pub client_secret: Secret,
    /// Who else a token may be for without saying that it was made for this client.
    pub audiences: Vec<String>,
    /// On the button of the sign-in page.
    pub display_name: String,
    /// Where the provider sends people back, when that is not the address that they see Carrel at.
    pub redirect_url: Option<String>,
    /// Beside `openid`.
    pub scopes: Vec<String>,
    pub name_claim: String,
    pub group_claim: String,
    pub roles: RoleMap,
    /// Instead of the certificates that this machine trusts.
    pub ca_file: Option<PathBuf>,
}

impl Written {
    /// # Errors
    /// `settings-section-wrong`
    pub(super) fn check(self) -> Result<Oidc> {
        let or = |given: Option<String>, usual: &str| given.unwrap_or_else(|| usual.to_owned());
        let scopes = self.scopes.unwrap_or_else(|| vec!["profile".into(), "email".into()]);
        for url in [Some(&self.issuer), self.redirect_url.as_ref()].into_iter().flatten() {
            check_url(url)?;
        }
        check_ca_file(SECTION, self.ca_file.as_deref())?;
        Ok(Oidc {
            issuer: self.issuer,
            client_id: self.client_id,
            client_secret: self.client_secret,
            audiences: self.audiences,
            display_name: or(self.display_name, "OpenID Connect"),
            redirect_url: self.redirect_url,
            scopes: scopes.into_iter().filter(|scope| scope != "openid").collect(),
            name_claim: or(self.name_claim, "preferred_username"),
            group_claim: or(self.group_claim, "groups"),
            roles: RoleMap::new(self.group_roles, self.default_role),
            ca_file: self.ca_file,
        })
    }
}

/// `https`, or plain on this machine only.
fn check_url(url: &str) -> Result<()> {
    let wrong = || wrong(SECTION, format_args!("{url}: https://HOST is needed"));
    match url.split_once("://") {
        Some(("https", _)) if !host(url).is_empty() => Ok(()),
        Some(("http", _)) if is_loopback(host(url)) => Ok(()),
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_is_asked_by_tls_or_on_this_machine() {
        let read = |issuer: &str| {
            let text = format!("issuer = \"{issuer}\"\nclient_id = \"carrel\"");
            toml::from_str::<Written>(&text).expect("TOML").check()
        };
        for good in ["https://id.school.example", "http://127.0.0.1:3000", "http://[::1]:3000/x"] {
            read(good).expect(good);
        }
        for bad in ["http://id.school.example", "id.school.example", "ftp://127.0.0.1", "https://"]
        {
            assert_eq!(read(bad).expect_err(bad).key(), "settings-section-wrong", "{bad}");
        }
    }
}
