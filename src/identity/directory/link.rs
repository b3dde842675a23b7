//! The directory's protocol: one connection for each sign-in.

use std::sync::{Arc, OnceLock};

use ldap3::{
    LdapConnAsync, LdapConnSettings, LdapError, LdapResult, Scope, SearchEntry, SearchOptions,
    ldap_escape,
};
use rustls::ClientConfig;
use tokio::task::JoinHandle;

use crate::error::{Error, Result};
use crate::identity::token::Token;
use crate::identity::trust;
use crate::settings::{DN, LOGIN, Ldap};

/// Result codes (RFC 4511, A.1).
const SIZE_LIMIT_EXCEEDED: u32 = 4;
/// Groups of one person that are looked at.
const GROUPS_LIMIT: i32 = 1_000;

/// Why the directory gave no answer.
pub enum Trouble {
    /// It is not there, or not who it should be.
    Unreachable(String),
    /// It is there, and the settings do not fit it.
    Refused(String),
    /// It was not asked.
    Here(Error),
}

impl From<LdapError> for Trouble {
    fn from(cause: LdapError) -> Self {
        match cause {
            LdapError::FilterParsing => Self::Refused("the filter is not understood".into()),
            other => Self::Unreachable(other.to_string()),
        }
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Here(error)
    }
}

/// Somebody as the directory knows them.
pub struct Entry {
    pub dn: String,
    pub id: String,
    pub name: String,
    pub email: Option<String>,
    pub full_name: String,
    /// DNs.
    pub groups: Vec<String>,
}

pub struct Link {
    settings: Ldap,
    tls: OnceLock<Arc<ClientConfig>>,
}

/// A connection; it ends when dropped.
struct Connection {
    ldap: ldap3::Ldap,
    driver: JoinHandle<()>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Link {
    pub fn new(settings: Ldap) -> Self {
        Self { settings, tls: OnceLock::new() }
    }

    /// Looks somebody up and binds as them.
    pub async fn check(&self, login: &str, password: &str) -> Result<Option<Entry>, Trouble> {
        let mut connection = self.open().await?;
        let Some(mut entry) = self.find(&mut connection, login).await? else {
            self.bind_as_nobody(&mut connection).await?;
            return Ok(None);
        };
        let bound = connection.ldap.simple_bind(&entry.dn, password).await?;
        if bound.rc != 0 {
            let (dn, code, text) = (&entry.dn, bound.rc, &bound.text);
            tracing::info!(dn, code, text, "the directory refuses the password");
            return Ok(None);
        }
        if let Some((base, filter)) = &self.settings.groups {
            // Who signs in may not be allowed to see groups.
            self.bind(&mut connection).await?;
            let filter = group_filter(filter, &entry);
            let found = search(&mut connection, base, &filter, &["1.1"], GROUPS_LIMIT).await?;
            entry.groups.extend(found.into_iter().map(|group| group.dn));
        }
        Ok(Some(entry))
    }

    /// Asks for a name and binds as nobody.
    pub async fn pretend(&self, login: &str) -> Result<(), Trouble> {
        let mut connection = self.open().await?;
        self.find(&mut connection, login).await?;
        self.bind_as_nobody(&mut connection).await
    }

    /// Connects, binds and searches for a name that nobody has.
    pub async fn probe(&self) -> Result<(), Trouble> {
        let mut connection = self.open().await?;
        self.find(&mut connection, "-").await.map(drop)
    }

    async fn open(&self) -> Result<Connection, Trouble> {
        let mut settings = LdapConnSettings::new().set_starttls(self.settings.starttls);
        if self.settings.starttls || self.settings.url.starts_with("ldaps://") {
            settings = settings.set_config(self.tls()?);
        }
        let opened = LdapConnAsync::with_settings(settings, &self.settings.url).await;
        let (driver, ldap) = opened.map_err(unreachable)?;
        let driver = tokio::spawn(async move {
            if let Err(cause) = driver.drive().await {
                tracing::debug!(%cause, "the connection to the directory ended");
            }
        });
        let mut connection = Connection { ldap, driver };
        self.bind(&mut connection).await?;
        Ok(connection)
    }

    fn tls(&self) -> Result<Arc<ClientConfig>> {
        if let Some(known) = self.tls.get() {
            return Ok(Arc::clone(known));
        }
        let made = trust::tls(self.settings.ca_file.as_deref())?;
        Ok(Arc::clone(self.tls.get_or_init(|| made)))
    }

    /// As who may look people up.
    async fn bind(&self, connection: &mut Connection) -> Result<(), Trouble> {
        let Ldap { bind_dn, bind_password, .. } = &self.settings;
        let bound = connection.ldap.simple_bind(bind_dn, bind_password.text()).await?;
        match bound.rc {
            0 => Ok(()),
            _ => Err(refused(&format!("bind as {bind_dn:?}"), &bound)),
        }
    }

    /// Takes as long as a bind as somebody with a wrong password, or nearly.
    async fn bind_as_nobody(&self, connection: &mut Connection) -> Result<(), Trouble> {
        let random = Token::random()?;
        let dn = format!("cn={},{}", &random.text()[..16], self.settings.base_dn);
        connection.ldap.simple_bind(&dn, random.text()).await?;
        Ok(())
    }

    async fn find(
        &self,
        connection: &mut Connection,
        login: &str,
    ) -> Result<Option<Entry>, Trouble> {
        let settings = &self.settings;
        let filter = settings.user_filter.replace(LOGIN, &ldap_escape(login));
        let attributes = [
            settings.name_attribute.as_str(),
            &settings.mail_attribute,
            &settings.full_name_attribute,
            &settings.id_attribute,
            &settings.member_of_attribute,
        ];
        let mut found = search(connection, &settings.base_dn, &filter, &attributes, 2).await?;
        match (found.pop(), found.is_empty()) {
            (Some(one), true) => Ok(self.entry(one)),
            (None, _) => Ok(None),
            (Some(_), false) => {
                tracing::warn!(filter, "several people in the directory fit; none is let in");
                Ok(None)
            }
        }
    }

    fn entry(&self, found: SearchEntry) -> Option<Entry> {
        let settings = &self.settings;
        let first = |name: &str| values(&found, name).into_iter().next();
        let Some(name) = first(&settings.name_attribute) else {
            tracing::warn!(found.dn, attribute = settings.name_attribute, "has no name");
            return None;
        };
        Some(Entry {
            id: id(&found, &settings.id_attribute).unwrap_or_else(|| found.dn.clone()),
            name,
            email: first(&settings.mail_attribute),
            full_name: first(&settings.full_name_attribute).unwrap_or_default(),
            groups: values(&found, &settings.member_of_attribute),
            dn: found.dn,
        })
    }
}

/// The groups of somebody. What stands for them is put in at once: a name may hold what stands for the other.
fn group_filter(written: &str, entry: &Entry) -> String {
    let (dn, name) = (ldap_escape(entry.dn.as_str()), ldap_escape(entry.name.as_str()));
    let by_dn = written.split(DN).map(|part| part.replace(LOGIN, &name));
    by_dn.collect::<Vec<_>>().join(&dn)
}

async fn search(
    connection: &mut Connection,
    base: &str,
    filter: &str,
    attributes: &[&str],
    limit: i32,
) -> Result<Vec<SearchEntry>, Trouble> {
    let ldap = connection.ldap.with_search_options(SearchOptions::new().sizelimit(limit));
    let ldap3::SearchResult(entries, result) =
        ldap.search(base, Scope::Subtree, filter, attributes).await?;
    match result.rc {
        0 | SIZE_LIMIT_EXCEEDED => {}
        _ => return Err(refused(&format!("search {base:?} for {filter}"), &result)),
    }
    let entries = entries.into_iter().filter(|entry| !entry.is_ref() && !entry.is_intermediate());
    Ok(entries.map(SearchEntry::construct).collect())
}

/// Names of attributes have no case.
fn values(entry: &SearchEntry, name: &str) -> Vec<String> {
    let found = entry.attrs.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
    found.map(|(_, values)| values.clone()).unwrap_or_default()
}

/// An id in letters as it is, one in bytes (Active Directory's objectGUID) in hex.
fn id(entry: &SearchEntry, name: &str) -> Option<String> {
    let text = values(entry, name).into_iter().next();
    let text = text.map(String::into_bytes);
    let bytes = text.or_else(|| {
        let found = entry.bin_attrs.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.and_then(|(_, values)| values.first().cloned())
    })?;
    match bytes.iter().all(u8::is_ascii_graphic) {
        true => String::from_utf8(bytes).ok(),
        false => Some(hex::encode(bytes)),
    }
}

fn refused(what: &str, result: &LdapResult) -> Trouble {
    Trouble::Refused(format!("{what}: code {} {}", result.rc, result.text))
}

/// With the reason below it: what is wrong with a certificate is said there.
fn unreachable(cause: LdapError) -> Trouble {
    let mut text = cause.to_string();
    let mut below = std::error::Error::source(&cause);
    while let Some(inner) = below {
        text = format!("{text}: {inner}");
        below = inner.source();
    }
    Trouble::Unreachable(text)
}
