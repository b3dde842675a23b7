//! People and what they may do.

mod permission;
mod store;

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};

pub use permission::{Permission, Role};

use crate::error::Result;
use crate::store::{Store, now};

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
}

impl Identity {
    pub fn new(store: Store) -> Self {
        Self { store }
    }

    /// Whose session a token is; `None` when it is unknown, expired, or its user switched off.
    pub fn authenticate(&self, token: &str) -> Result<Option<Caller>> {
        let hash = hash_token(token);
        self.store.read(|conn| store::caller_by_token(conn, &hash, now()))
    }
}

/// Tokens are random and long: one round of SHA-256 keeps a copy of the database useless.
fn hash_token(token: &str) -> Vec<u8> {
    Sha256::digest(token.as_bytes()).to_vec()
}
