//! People and what they may do.
//!
//! ```text
//!   permission.rs  rights, built-in roles     users/        accounts: make, change, delete, list
//!   roles.rs       roles of one's own         groups.rs     user groups
//!   sign_in.rs     sessions begin and end     sessions.rs   sessions as people see them
//!   password.rs    rules and hashes           policy.rs     what administrators set about signing in
//!   lockout.rs     after failures             devices.rs    where somebody signed in before
//!   visitor.rs     who asks and from where    keys.rs       API keys
//!   setup.rs       the first administrator    token.rs      random secrets
//!   ssh_keys.rs    public keys of users
//!   second_factor.rs  codes of a phone        vault.rs      secrets that have to be read again
//!   register.rs    accounts of one's own will mail.rs       letters to people
//!   directory/     LDAP, Active Directory     outsiders.rs  accounts of people known elsewhere
//!   oidc/          an identity provider       trust.rs      certificates of servers
//!   gate.rs        few at once               tickets.rs    one thing once, by a URL
//!   cli.rs         `carrel admin`
//! ```

pub mod cli;
mod devices;
mod directory;
mod gate;
mod groups;
mod import;
mod keys;
mod lockout;
mod mail;
mod oidc;
mod outsiders;
mod password;
mod permission;
mod policy;
mod register;
mod roles;
mod second_factor;
mod sessions;
mod setup;
mod sign_in;
mod ssh_keys;
mod store;
mod tickets;
mod token;
mod trust;
mod users;
mod vault;
mod visitor;

pub use devices::{Devices, KNOWN_FOR as DEVICES_KNOWN_FOR};
pub use directory::Directory;
pub use groups::{Group, GroupChange, GroupMembership};
pub use import::{
    Checked, Column as ImportColumn, HandedPassword, ImportOptions, register as register_import,
};
pub use keys::{ApiKey, NewApiKey};
pub use mail::{Letter, Mailer};
pub use oidc::{Door, PATIENCE, ProviderAnswer, mark};
pub use password::Password;
pub use permission::{BuiltinRole, Permission, Permissions};
pub use policy::Policy;
pub use register::{Confirmation, Registration};
pub use roles::{Role, RoleChange, ScopedRole, Within};
pub use sessions::SessionInfo;
pub use sign_in::{Attempt, Credential, Lifetime, NewSession, SignedIn};
pub use ssh_keys::SshKey;
pub use tickets::Tickets;
pub use token::Token;
pub use users::{
    AccountChange, Awaits, NewAccount, Preferences, Source, User, Workflow, default_roles,
};
pub use visitor::Visitor;

use lockout::Subject;

use std::sync::Arc;

use crate::settings::Settings;
use crate::store::visible::Visible;
use crate::store::{EducationGroupId, SessionId, Store, UserId};

/// What somebody showed to be let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Via {
    /// Row of the session.
    Session(SessionId),
    /// Id of the API key.
    Key(String),
}

/// Somebody who is signed in.
#[derive(Debug, Clone)]
pub struct Caller {
    pub user_id: UserId,
    pub uuid: String,
    pub name: String,
    pub full_name: String,
    /// Codes of roles.
    pub roles: Vec<String>,
    /// With an API key only those that both the key and its owner have. They hold for everything.
    pub permissions: Permissions,
    /// What they may do beside that within one education group, by its row.
    pub within: Within,
    pub via: Via,
    /// An administrator who has to set up a second factor first, and holds no permission before.
    pub lacks_factor: bool,
}

impl Caller {
    pub fn may(&self, permission: Permission) -> bool {
        self.permissions.contains(&permission)
    }

    /// What they may see and reach with this permission; `None` when they hold it nowhere.
    pub fn visible(&self, permission: Permission) -> Option<Visible> {
        if self.may(permission) {
            return Some(Visible::All);
        }
        let held = self.within.iter().filter(|(_, held)| held.contains(&permission));
        let groups: Vec<EducationGroupId> = held.map(|(group, _)| *group).collect();
        (!groups.is_empty()).then_some(Visible::Within { groups, owner: None })
    }

    /// What they may do somewhere, be it within one education group.
    pub fn anywhere(&self) -> Permissions {
        self.within.values().flatten().chain(&self.permissions).copied().collect()
    }

    /// The session that the request came with; `None` with an API key.
    pub fn session_id(&self) -> Option<SessionId> {
        match self.via {
            Via::Session(id) => Some(id),
            Via::Key(_) => None,
        }
    }
}

/// On whose authority people are changed.
#[derive(Debug, Clone, Copy)]
pub enum Authority<'a> {
    /// Whoever has the command line of the controller.
    System,
    Caller(&'a Caller),
}

impl Authority<'_> {
    /// The first of `permissions` that it does not have itself: nobody gives more than they have.
    fn lacks(&self, permissions: &Permissions) -> Option<Permission> {
        match self {
            Self::System => None,
            Self::Caller(caller) => permissions.difference(&caller.permissions).next().copied(),
        }
    }

    /// As [`Self::lacks`], within an education group.
    fn lacks_within(
        &self,
        group: EducationGroupId,
        permissions: &Permissions,
    ) -> Option<Permission> {
        let Self::Caller(caller) = self else { return None };
        let within = caller.within.get(&group);
        let has = |one: &Permission| {
            caller.may(*one) || within.is_some_and(|permissions| permissions.contains(one))
        };
        permissions.iter().copied().find(|one| !has(one))
    }

    fn is(&self, user_id: UserId) -> bool {
        matches!(self, Self::Caller(caller) if caller.user_id == user_id)
    }

    /// An API key of this user: it must not become more than it is by changing whose it is.
    fn is_key_of(&self, user_id: UserId) -> bool {
        matches!(self, Self::Caller(caller) if caller.user_id == user_id && caller.session_id().is_none())
    }
}

/// The people of this installation. Cheap to clone.
#[derive(Clone)]
pub struct Identity {
    store: Store,
    hashing: password::Hashing,
    vault: vault::Vault,
    directory: Option<Arc<Directory>>,
    door: Option<Arc<Door>>,
}

impl Identity {
    pub fn new(store: Store, settings: &Settings) -> Self {
        let vault = vault::Vault::new(&settings.data_dir);
        let directory = settings.ldap.clone().map(|ldap| Arc::new(Directory::new(ldap)));
        let door = settings.oidc.clone().map(|oidc| Arc::new(Door::new(oidc)));
        Self { store, hashing: password::Hashing::default(), vault, directory, door }
    }
}
