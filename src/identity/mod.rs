//! People and what they may do.
//!
//! ```text
//!   sign_in.rs   sessions and their lifetimes    password.rs  rules and hashes     lockout.rs  after failures
//!   setup.rs     the first administrator         users.rs     accounts             token.rs    random secrets
//!   permission.rs  roles and rights              cli.rs       `carrel admin`
//! ```

pub mod cli;
mod lockout;
mod password;
mod permission;
mod setup;
mod sign_in;
mod store;
mod token;
mod users;

use std::collections::BTreeSet;

pub use password::Password;
pub use permission::{Permission, Role};
pub use sign_in::{Attempt, Lifetime, NewSession};
pub use users::{NewUser, User};

use crate::store::Store;

/// Somebody who is signed in.
#[derive(Debug, Clone)]
pub struct Caller {
    pub user_id: i64,
    pub uuid: String,
    pub name: String,
    pub full_name: String,
    pub roles: Vec<Role>,
    pub permissions: BTreeSet<Permission>,
    /// Row of the session that the request came with.
    pub session_id: i64,
}

impl Caller {
    pub fn may(&self, permission: Permission) -> bool {
        self.permissions.contains(&permission)
    }
}

/// The people of this installation. Cheap to clone.
#[derive(Clone)]
pub struct Identity {
    store: Store,
    hashing: password::Hashing,
}

impl Identity {
    pub fn new(store: Store) -> Self {
        Self { store, hashing: password::Hashing::default() }
    }
}
