//! Who may sign in to which node by ssh.
//!
//! A grant lets a user in as a system user of a node with each of their keys. `ssh_keys` makes the nodes follow.

use uuid::Uuid;

use super::store::ssh_grants;
use super::{Duty, Inventory};
use crate::error::{Error, Result};
use crate::store::UserId;
use crate::store::list::{ListQuery, Page};

pub use super::store::ssh_grants::SshGrant;

/// Longest name of a system user (useradd(8)).
const NAME_LIMIT: usize = 32;

impl Inventory {
    pub fn ssh_grants(&self, query: &ListQuery) -> Result<Page<SshGrant>> {
        ssh_grants::page(&self.inner.store, query)
    }

    /// Lets a user into a node, and waits until the node knows if it is there.
    ///
    /// # Errors
    /// `node-unknown`, `ssh-grant-exists`, `name-character` for what can be no system user. A node that
    /// refuses (`system-user-unknown`, …) keeps no grant; one that is away gets it when it is back.
    pub fn grant_ssh(&self, node: Uuid, system_user: &str, user_id: UserId) -> Result<SshGrant> {
        let system_user = system_user_name(system_user)?;
        let node = self.node(node)?;
        let uuid = Uuid::new_v4();
        let store = &self.inner.store;
        store.write(|tx| ssh_grants::insert(tx, uuid, node.id, &system_user, user_id))?;
        if let Some(refusal) = self.refusal(node.id, &system_user) {
            store.write(|tx| ssh_grants::delete(tx, uuid))?;
            return Err(refusal);
        }
        store.read(|conn| ssh_grants::find(conn, uuid))
    }

    /// Takes a grant back. A node that is away removes the keys when it is back.
    ///
    /// # Errors
    /// `ssh-grant-unknown`
    pub fn revoke_ssh(&self, uuid: Uuid) -> Result<SshGrant> {
        let store = &self.inner.store;
        let grant = store.read(|conn| ssh_grants::find(conn, uuid))?;
        store.write(|tx| ssh_grants::delete(tx, uuid))?;
        // What fails is tried again until the keys are gone.
        let _ = self.inner.attendants.ask_and_wait(Duty::SshKeys, grant.node_id);
        Ok(grant)
    }
}

/// What useradd(8) accepts on every distribution; it never becomes a path, but an option must not be possible.
fn system_user_name(text: &str) -> Result<String> {
    let name = text.trim();
    let wrong = |key| Error::bad_input(key).arg("field", "system_user").arg("limit", NAME_LIMIT);
    if name.is_empty() {
        return Err(wrong("name-empty"));
    }
    if name.len() > NAME_LIMIT {
        return Err(wrong("name-too-long"));
    }
    if name.starts_with(['-', '.']) {
        return Err(wrong("name-start"));
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    match name.chars().find(|c| !allowed(*c)) {
        Some(found) => Err(wrong("name-character").arg("found", found.escape_debug())),
        None => Ok(name.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn system_users_are_plain_words() {
        for name in ["root", "www-data", "ops_1", "a.b"] {
            assert!(system_user_name(name).is_ok(), "{name}");
        }
        for name in ["", "-l", "../root", "a b", "ä", "a\nb", &"n".repeat(33)] {
            assert!(system_user_name(name).is_err(), "{name:?}");
        }
    }
}
