//! Who signs in to which node by ssh: the rows say what should be, the nodes follow.
//!
//! A grant lets a user in as a system user of a node with each of their keys. A pass compares grants and
//! keys with what stands on the node, whenever one of them changed and whenever a node arrives. A user who
//! is switched off or deleted is so removed from every node, also from one that was away at the time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::PoisonError;
use std::time::Duration;

use tokio::sync::broadcast::error::RecvError;
use tokio::task::spawn_blocking;
use uuid::Uuid;

use super::store::ssh_grants;
use super::{Inventory, Node};
use crate::error::{Error, Fault, Result};
use crate::node::protocol::{AuthorizedKey, InstalledKey};
use crate::store::Topic;
use crate::store::list::{ListQuery, Page};

/// What a node refused, or could not be told, is tried again this often.
const RETRY: Duration = Duration::from_secs(30);
/// Longest name of a system user (useradd(8)).
const NAME_LIMIT: usize = 32;

/// A user's way into a node.
#[derive(Debug, Clone)]
pub struct SshGrant {
    pub uuid: Uuid,
    pub node_id: i64,
    pub node_uuid: Uuid,
    pub node_name: String,
    pub node_ip: String,
    pub system_user: String,
    pub user_name: String,
    pub user_uuid: String,
    /// Keys that the user has.
    pub keys: u32,
    pub created_at: i64,
}

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
    pub fn ssh_grants(&self, query: &ListQuery) -> Result<Page<SshGrant>> {
        ssh_grants::page(&self.inner.store, query)
    }

    /// Lets a user into a node, and waits until the node knows if it is there.
    ///
    /// # Errors
    /// `node-unknown`, `ssh-grant-exists`, `name-character` for what can be no system user. A node that
    /// refuses (`system-user-unknown`, …) keeps no grant; one that is away gets it when it is back.
    pub fn grant_ssh(&self, node: Uuid, system_user: &str, user_id: i64) -> Result<SshGrant> {
        let system_user = system_user_name(system_user)?;
        let node = self.node(node)?;
        let uuid = Uuid::new_v4();
        let store = &self.inner.store;
        store.write(|tx| ssh_grants::insert(tx, uuid, node.id, &system_user, user_id))?;
        let refusal = match self.apply_ssh(node.id) {
            Err(error) if error.kind() != crate::error::Kind::NodeUnreachable => Some(error),
            _ => self.ssh_problem(node.id, &system_user).map(Error::from),
        };
        if let Some(refusal) = refusal {
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
        if let Err(error) = self.apply_ssh(grant.node_id) {
            tracing::warn!(node.id = grant.node_id, error = error.detail(), "keys not removed yet");
        }
        Ok(grant)
    }

    /// Why the keys of a system user could not be put on a node.
    pub fn ssh_problem(&self, node_id: i64, system_user: &str) -> Option<Fault> {
        let problems = self.inner.ssh_problems.lock().unwrap_or_else(PoisonError::into_inner);
        problems.get(&(node_id, system_user.to_owned())).cloned()
    }

    /// Keys that stand on nodes now, asked of all of them side by side; nodes that do not answer come
    /// with their reason.
    pub fn found_ssh_keys(&self, nodes: &[Node]) -> Result<FoundKeys> {
        let names = self.inner.store.read(ssh_grants::user_names)?;
        let answers: Vec<(&Node, Result<Vec<InstalledKey>>)> = std::thread::scope(|scope| {
            let ask =
                |node: &'_ Node| self.client(node.id).and_then(|client| client.list_ssh_keys());
            let asked: Vec<_> =
                nodes.iter().map(|node| (node, scope.spawn(move || ask(node)))).collect();
            let panicked = |_| Err(Error::internal("asking a node for its keys panicked"));
            let joined = asked
                .into_iter()
                .map(|(node, asked)| (node, asked.join().unwrap_or_else(panicked)));
            joined.collect()
        });
        let FoundKeys { keys: mut found, mut silent } = FoundKeys::default();
        for (node, answer) in answers {
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

    /// Makes the keys on a node what the rows say.
    fn apply_ssh(&self, node_id: i64) -> Result<()> {
        // One pass at a time: two would overtake each other.
        let _turn = self.inner.ssh_turn.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = self.inner.store.read(|conn| ssh_grants::wanted(conn, node_id))?;
        let client = self.client(node_id)?;
        for (system_user, keys) in plan(&wanted, &client.list_ssh_keys()?) {
            let set = client.set_ssh_keys(&system_user, keys);
            let mut problems =
                self.inner.ssh_problems.lock().unwrap_or_else(PoisonError::into_inner);
            let at = (node_id, system_user);
            match set {
                Ok(()) => problems.remove(&at),
                Err(error) => {
                    tracing::warn!(
                        node.id = node_id,
                        user = at.1,
                        error = error.detail(),
                        "keys not set"
                    );
                    problems.insert(at, error.into())
                }
            };
        }
        Ok(())
    }

    /// Follows changes of grants, keys and users, and nodes that arrive, until the runtime ends.
    pub fn keep_ssh_access(&self) {
        let inventory = self.clone();
        let (mut arrivals, mut changes) = (self.arrivals(), self.inner.store.changes());
        tokio::spawn(async move {
            let mut retry = tokio::time::interval(RETRY);
            loop {
                let nodes = tokio::select! {
                    arrived = arrivals.recv() => match arrived {
                        Ok(node) => Some(vec![node]),
                        Err(RecvError::Lagged(_)) => None,
                        Err(RecvError::Closed) => return,
                    },
                    changed = changes.recv() => match changed {
                        Ok(changed) if changed.topics.contains(Topic::SshAccess) => None,
                        Ok(_) => continue,
                        Err(RecvError::Lagged(_)) => None,
                        Err(RecvError::Closed) => return,
                    },
                    _ = retry.tick() => match inventory.has_ssh_problems() {
                        true => None,
                        false => continue,
                    },
                };
                let inventory = inventory.clone();
                let applied = spawn_blocking(move || inventory.apply_ssh_on(nodes)).await;
                if let Err(panic) = applied {
                    tracing::error!(%panic, "a pass over ssh keys panicked");
                }
            }
        });
    }

    fn has_ssh_problems(&self) -> bool {
        !self.inner.ssh_problems.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// On these nodes, or on all that are up.
    fn apply_ssh_on(&self, nodes: Option<Vec<i64>>) {
        let all = || -> Result<Vec<i64>> { Ok(self.nodes()?.iter().map(|node| node.id).collect()) };
        let nodes = match nodes.map_or_else(all, Ok) {
            Ok(nodes) => nodes,
            Err(error) => return tracing::error!(error = error.detail(), "nodes not read"),
        };
        for node in nodes.into_iter().filter(|node| self.is_linked(*node)) {
            if let Err(error) = self.apply_ssh(node) {
                tracing::warn!(node.id = node, error = error.detail(), "ssh keys not compared");
            }
        }
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
