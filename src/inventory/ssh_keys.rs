//! Keeps on each node the ssh keys that the grants say.
//!
//! A pass compares grants and keys with what stands on the node, whenever one of them changed and whenever a node
//! arrives. A user who is switched off or deleted is so removed from every node, also from one that was away at the
//! time.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{MutexGuard, PoisonError};

use tokio::sync::broadcast::error::RecvError;

use super::store::ssh_grants;
use super::{Duty, FIRST_CONNECTION, Inventory, Node, side_by_side};
use crate::error::{Error, Fault, Kind, Result};
use crate::node::protocol::{AuthorizedKey, InstalledKey};
use crate::store::{NodeId, Topic};

/// Key of the error of a pass in which the node refused the keys of some system users.
const REFUSED: &str = "ssh-keys-refused";

/// Why the keys of system users are not on their nodes.
pub type SshProblems = HashMap<NodeId, BTreeMap<String, Fault>>;

/// A key that was found on a node.
#[derive(Debug, Clone)]
pub struct FoundKey {
    pub node_name: String,
    pub node_ip: String,
    pub system_user: String,
    /// Name of the Carrel user; `None` for a key that Carrel did not put there.
    pub user_name: Option<String>,
    /// Type and base64 body.
    pub key: String,
    pub comment: String,
}

/// What nodes answered.
#[derive(Debug, Default)]
pub struct FoundKeys {
    pub keys: Vec<FoundKey>,
    /// Names of nodes that did not answer, and why.
    pub silent: Vec<(String, Fault)>,
}

impl Inventory {
    /// Follows changes of grants, keys and users, and nodes that arrive, until the runtime ends. Within the runtime;
    /// returns at once.
    pub fn keep_ssh_access(&self) {
        let inventory = self.clone();
        self.attend(Duty::SshKeys, move |node| inventory.apply_ssh(node));
        let (inventory, mut changes) = (self.clone(), self.inner.store.changes());
        tokio::spawn(async move {
            loop {
                match changes.recv().await {
                    Ok(changed) if !changed.topics.contains(Topic::SshAccess) => {}
                    Ok(_) | Err(RecvError::Lagged(_)) => inventory.ask_all(Duty::SshKeys),
                    Err(RecvError::Closed) => return,
                }
            }
        });
    }

    /// Why the keys of a system user could not be put on a node.
    pub fn ssh_problem(&self, node_id: NodeId, system_user: &str) -> Option<Fault> {
        self.ssh_problems().get(&node_id)?.get(system_user).cloned()
    }

    /// Makes the keys of the system user what the grants say, and gives what the node has against it. `None` also when
    /// the node is away.
    pub(super) fn refusal(&self, node_id: NodeId, system_user: &str) -> Option<Error> {
        match self.inner.attendants.ask_and_wait(Duty::SshKeys, node_id)? {
            Ok(()) => None,
            Err(error) if error.kind() == Kind::NodeUnreachable => None,
            // Perhaps of other system users.
            Err(error) if error.key() == REFUSED => {
                self.ssh_problem(node_id, system_user).map(Error::from)
            }
            Err(error) => Some(error),
        }
    }

    fn ssh_problems(&self) -> MutexGuard<'_, SshProblems> {
        self.inner.ssh_problems.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the keys on a node what the rows say.
    fn apply_ssh(&self, node_id: NodeId) -> Result<()> {
        let wanted = self.inner.store.read(|conn| ssh_grants::wanted(conn, node_id))?;
        let client = self.client_now(node_id)?;
        let mut problems = BTreeMap::new();
        for (system_user, keys) in plan(&wanted, &client.list_ssh_keys()?) {
            match client.set_ssh_keys(&system_user, keys) {
                Ok(()) => {}
                Err(error) if error.kind() == Kind::NodeUnreachable => return Err(error),
                Err(error) => drop(problems.insert(system_user, error.into())),
            }
        }
        let names = problems.keys().cloned().collect::<Vec<_>>().join(", ");
        let refused = !problems.is_empty();
        self.ssh_problems().insert(node_id, problems);
        match refused {
            true => Err(Error::conflict(REFUSED).arg("names", names)),
            false => Ok(()),
        }
    }

    /// Keys that stand on nodes now, asked of all of them side by side; nodes that do not answer come
    /// with their reason.
    pub fn found_ssh_keys(&self, nodes: &[Node]) -> Result<FoundKeys> {
        let names = self.inner.store.read(ssh_grants::user_names)?;
        let work = nodes.iter().map(|node| (node.id, ()));
        let answers = side_by_side(work, |node, ()| {
            self.client_within(node, FIRST_CONNECTION)?.list_ssh_keys()
        });
        let FoundKeys { keys: mut found, mut silent } = FoundKeys::default();
        for (node, (_, answer)) in nodes.iter().zip(answers) {
            match answer {
                Ok(keys) => found.extend(keys.into_iter().map(|key| FoundKey {
                    node_name: node.name.clone(),
                    node_ip: node.ip.clone(),
                    user_name: key.owner.and_then(|owner| names.get(&owner).cloned()),
                    system_user: key.system_user,
                    key: key.key,
                    comment: key.comment,
                })),
                Err(error) => silent.push((node.name.clone(), error.into())),
            }
        }
        Ok(FoundKeys { keys: found, silent })
    }
}

/// Which system users' keys have to be written, and how.
fn plan(
    wanted: &[(String, AuthorizedKey)],
    found: &[InstalledKey],
) -> BTreeMap<String, Vec<AuthorizedKey>> {
    let mut should: BTreeMap<&str, BTreeSet<AuthorizedKey>> = BTreeMap::new();
    let mut is: BTreeMap<&str, BTreeSet<AuthorizedKey>> = BTreeMap::new();
    for (system_user, key) in wanted {
        should.entry(system_user).or_default().insert(key.clone());
    }
    for key in found {
        if let Some(owner) = key.owner {
            let key = (key.system_user.as_str(), AuthorizedKey { owner, key: key.key.clone() });
            is.entry(key.0).or_default().insert(key.1);
        }
    }
    let users: BTreeSet<&str> = should.keys().chain(is.keys()).copied().collect();
    let differs = |user: &&str| should.get(user) != is.get(user);
    let keys = |user: &str| should.get(user).into_iter().flatten().cloned().collect();
    users.into_iter().filter(differs).map(|user| (user.to_owned(), keys(user))).collect()
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn installed(system_user: &str, owner: Option<Uuid>, key: &str) -> InstalledKey {
        let (system_user, key) = (system_user.to_owned(), key.to_owned());
        InstalledKey { system_user, owner, key, comment: String::new() }
    }

    #[test]
    fn only_what_differs_is_written() {
        let (lee, kim) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let wanted = |user: &str, owner, key: &str| {
            (user.to_owned(), AuthorizedKey { owner, key: key.to_owned() })
        };
        let found = [
            installed("root", Some(lee), "a"),
            installed("root", None, "theirs"),
            installed("ops", Some(kim), "old"),
        ];
        let plan = plan(&[wanted("root", lee, "a"), wanted("web", lee, "a")], &found);
        let users: Vec<(&str, usize)> =
            plan.iter().map(|(user, keys)| (user.as_str(), keys.len())).collect();
        assert_eq!(users, [("ops", 0), ("web", 1)]);
    }
}
