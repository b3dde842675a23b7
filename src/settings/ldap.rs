//! `[ldap]`: sign-in by a directory (LDAP, Active Directory).

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

use super::sections::{RoleMap, Secret, check_ca_file, host, is_loopback, wrong};
use crate::error::Result;

/// Name of the section.
pub(super) const SECTION: &str = "ldap";
/// Stands for what somebody typed as their name; where groups are searched, for their name in the directory.
pub const LOGIN: &str = "{login}";
/// Stands for the DN of who signs in.
pub const DN: &str = "{dn}";

/// The section as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    url: String,
    #[serde(default)]
    starttls: bool,
    #[serde(default)]
    plain_text: bool,
    ca_file: Option<PathBuf>,
    #[serde(default)]
    bind_dn: String,
    #[serde(default)]
    bind_password: Secret,
    base_dn: String,
    user_filter: Option<String>,
    name_attribute: Option<String>,
    mail_attribute: Option<String>,
    full_name_attribute: Option<String>,
    id_attribute: Option<String>,
    member_of_attribute: Option<String>,
    group_base_dn: Option<String>,
    group_filter: Option<String>,
    #[serde(default)]
    group_roles: BTreeMap<String, Vec<String>>,
    default_role: Option<String>,
}

/// How the directory is asked.
#[derive(Debug, Clone)]
pub struct Ldap {
    /// `ldap://` or `ldaps://`.
    pub url: String,
    pub starttls: bool,
    /// Instead of the certificates that this machine trusts.
    pub ca_file: Option<PathBuf>,
    /// Empty: people are looked up without an account.
    pub bind_dn: String,
    pub bind_password: Secret,
    pub base_dn: String,
    /// With [`LOGIN`].
    pub user_filter: String,
    pub name_attribute: String,
    pub mail_attribute: String,
    pub full_name_attribute: String,
    /// Never given to another person and kept when somebody moves.
    pub id_attribute: String,
    pub member_of_attribute: String,
    /// Base and filter with [`DN`], or [`LOGIN`] for the name that the directory gives, for directories without
    /// `memberOf`.
    pub groups: Option<(String, String)>,
    pub roles: RoleMap,
}

impl Ldap {
    /// Passwords cross the network readable.
    pub fn is_readable_on_the_way(&self) -> bool {
        self.url.starts_with("ldap://") && !self.starttls && !is_loopback(host(&self.url))
    }
}

impl Written {
    /// # Errors
    /// `settings-section-wrong`
    pub(super) fn check(self) -> Result<Ldap> {
        let or = |given: Option<String>, usual: &str| given.unwrap_or_else(|| usual.to_owned());
        let groups = self.group_base_dn.filter(|base| !base.is_empty());
        let group_filter = or(self.group_filter, "(member={dn})");
        let ldap = Ldap {
            url: self.url.trim_end_matches('/').to_owned(),
            starttls: self.starttls,
            ca_file: self.ca_file,
            bind_dn: self.bind_dn,
            bind_password: self.bind_password,
            base_dn: self.base_dn,
            user_filter: or(self.user_filter, "(uid={login})"),
            name_attribute: or(self.name_attribute, "uid"),
            mail_attribute: or(self.mail_attribute, "mail"),
            full_name_attribute: or(self.full_name_attribute, "cn"),
            id_attribute: or(self.id_attribute, "entryUUID"),
            member_of_attribute: or(self.member_of_attribute, "memberOf"),
            groups: groups.map(|base| (base, group_filter)),
            roles: RoleMap::new(self.group_roles, self.default_role),
        };
        check(&ldap, self.plain_text)?;
        Ok(ldap)
    }
}

fn check(ldap: &Ldap, plain_text: bool) -> Result<()> {
    let is_tls = ldap.url.starts_with("ldaps://");
    if !is_tls && !ldap.url.starts_with("ldap://") {
        return Err(wrong(SECTION, "url: ldap://HOST or ldaps://HOST"));
    }
    if is_tls && ldap.starttls {
        return Err(wrong(SECTION, "starttls: only with ldap://"));
    }
    if ldap.is_readable_on_the_way() && !plain_text {
        return Err(wrong(
            SECTION,
            "url: passwords would cross the network readable; use ldaps:// or starttls = true, or say \
             plain_text = true",
        ));
    }
    if !ldap.user_filter.contains(LOGIN) {
        return Err(wrong(SECTION, "user_filter: lacks {login}"));
    }
    let is_about = |filter: &String| filter.contains(DN) || filter.contains(LOGIN);
    if !ldap.groups.as_ref().is_none_or(|(_, filter)| is_about(filter)) {
        return Err(wrong(SECTION, "group_filter: lacks {dn} and {login}"));
    }
    // An empty password would be no sign-in at all (RFC 4513, 5.1.2).
    if !ldap.bind_dn.is_empty() && ldap.bind_password.text().is_empty() {
        return Err(wrong(SECTION, "bind_password: missing for bind_dn"));
    }
    check_ca_file(SECTION, ldap.ca_file.as_deref())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(more: &str) -> Result<Ldap> {
        let text = format!("base_dn = \"dc=school,dc=example\"\n{more}");
        toml::from_str::<Written>(&text).expect("TOML").check()
    }

    #[test]
    fn passwords_do_not_cross_the_network_readable_by_accident() {
        for good in [
            "url = \"ldaps://dc1.school.example\"",
            "url = \"ldap://dc1.school.example\"\nstarttls = true",
            "url = \"ldap://127.0.0.1:389/\"",
            "url = \"ldap://[::1]:389\"",
            "url = \"ldap://dc1.school.example\"\nplain_text = true",
            "url = \"ldaps://x\"\ngroup_base_dn = \"ou=x\"\ngroup_filter = \"(memberUid={login})\"",
        ] {
            read(good).expect(good);
        }
        for bad in [
            "url = \"ldap://dc1.school.example\"",
            "url = \"ldap://127.0.0.1.school.example:389\"",
            "url = \"https://dc1.school.example\"",
            "url = \"ldaps://dc1.school.example\"\nstarttls = true",
            "url = \"ldaps://dc1.school.example\"\nuser_filter = \"(uid=lee)\"",
            "url = \"ldaps://x\"\ngroup_base_dn = \"ou=x\"\ngroup_filter = \"(cn=teachers)\"",
            "url = \"ldaps://dc1.school.example\"\nbind_dn = \"cn=carrel\"",
            "url = \"ldaps://dc1.school.example\"\nca_file = \"/nowhere\"",
        ] {
            assert_eq!(read(bad).expect_err(bad).key(), "settings-section-wrong", "{bad}");
        }
    }
}
