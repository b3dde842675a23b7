//! What an account is.

use uuid::Uuid;

use crate::identity::groups::GroupMembership;
use crate::identity::password::StoredPassword;
use crate::identity::permission::{BuiltinRole, Permissions};
use crate::identity::roles::ScopedRole;
use crate::store::UserId;

/// Who checks a user's password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    Local,
    /// A directory (LDAP, Active Directory).
    Ldap,
    /// An OpenID provider.
    Oidc,
}

impl Source {
    pub const ALL: [Self; 3] = [Self::Local, Self::Ldap, Self::Oidc];

    pub const fn word(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Ldap => "ldap",
            Self::Oidc => "oidc",
        }
    }

    pub(in crate::identity) fn parse(word: &str) -> Self {
        match word {
            "ldap" => Self::Ldap,
            "oidc" => Self::Oidc,
            _ => Self::Local,
        }
    }
}

/// What a registered account waits for before anybody can sign in to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Awaits {
    /// The link sent to its address.
    Mail,
    Administrator,
}

impl Awaits {
    pub const ALL: [Self; 2] = [Self::Mail, Self::Administrator];

    pub const fn word(self) -> &'static str {
        match self {
            Self::Mail => "mail",
            Self::Administrator => "administrator",
        }
    }

    pub(in crate::identity) fn parse(word: &str) -> Self {
        if word == "mail" { Self::Mail } else { Self::Administrator }
    }
}

/// An account.
#[derive(Debug, Clone)]
pub struct User {
    pub id: UserId,
    pub uuid: String,
    pub name: String,
    pub email: Option<String>,
    pub full_name: String,
    pub phone: String,
    pub department: String,
    pub enabled: bool,
    /// `None` for one that is ready.
    pub awaits: Option<Awaits>,
    /// A new password has to be chosen at the next sign-in.
    pub force_reset: bool,
    pub source: Source,
    /// Codes.
    pub roles: Vec<String>,
    /// Roles that hold within one education group.
    pub scoped: Vec<ScopedRole>,
    /// Given to this user beside the roles.
    pub granted: Permissions,
    /// All that hold for everything: of roles, groups and the user.
    pub permissions: Permissions,
    /// Has a second factor at sign-in.
    pub second_factor: bool,
    pub password_changed_at: Option<i64>,
    pub last_login_at: Option<i64>,
    pub created_at: i64,
    pub(in crate::identity) password_hash: Option<StoredPassword>,
}

impl User {
    pub fn is_administrator(&self) -> bool {
        self.roles.iter().any(|code| code == BuiltinRole::Admin.code())
    }
}

/// An account to be made.
#[derive(Debug, Clone)]
pub struct NewAccount {
    pub name: String,
    pub email: Option<String>,
    pub full_name: String,
    pub phone: String,
    pub department: String,
    pub enabled: bool,
    pub awaits: Option<Awaits>,
    pub force_reset: bool,
    pub source: Source,
    /// DN or subject at the source.
    pub external_id: Option<String>,
    /// Codes.
    pub roles: Vec<String>,
    /// Beside the roles.
    pub granted: Permissions,
    pub groups: Vec<GroupMembership>,
    /// Code of a role, and the education group for which it holds.
    pub scoped: Vec<(String, Uuid)>,
}

impl Default for NewAccount {
    fn default() -> Self {
        Self {
            name: String::new(),
            email: None,
            full_name: String::new(),
            phone: String::new(),
            department: String::new(),
            enabled: true,
            awaits: None,
            force_reset: false,
            source: Source::Local,
            external_id: None,
            roles: Vec::new(),
            granted: Permissions::new(),
            groups: Vec::new(),
            scoped: Vec::new(),
        }
    }
}
