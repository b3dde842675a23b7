//! Keeps what is on a node and in no row: of a newer database than the one that is there now, perhaps. Nothing of it is
//! deleted.

use std::collections::HashMap;

use uuid::Uuid;

use super::plan::Strange;
use crate::desktops::Desktops;
use crate::desktops::store::{gone, restored};
use crate::error::{Error, Result};
use crate::node::cancel::CancelFlag;
use crate::node::client::{NodeClient, Watch};
use crate::node::protocol::{DomainState, FileKind, PowerAction, StoredFile};
use crate::operations::{Actor, audit};
use crate::store::{NodeId, now};

const DOMAIN: &str = "log-lost-domain";
const FILE: &str = "log-lost-file";
const MODULE: &str = "node";
/// How many guests are told by name.
const TOLD: usize = 3;

/// Where a look at a node is.
pub(super) struct Look<'a> {
    pub node: NodeId,
    pub client: &'a NodeClient,
    pub domains: &'a [DomainState],
}

impl Look<'_> {
    fn name(&self, uuid: Uuid) -> &str {
        let domain = self.domains.iter().find(|domain| domain.uuid == uuid);
        domain.map_or("", |domain| domain.owner.name.as_str())
    }
}

impl Desktops {
    /// Has what no row knows moved aside and notes each of it in the audit log. Guests that run go on: they are nobody's
    /// to switch off. After `carrel restore`, which says so, they are shut down at the first look; `restored_at` is when it
    /// was. After a failure or a kill the next look does the rest. Gives how much was moved.
    pub(super) fn set_aside(
        &self,
        look: &Look<'_>,
        restored_at: Option<i64>,
        strange: &Strange,
    ) -> Result<usize> {
        let mut domains = strange.off.clone();
        let at = restored_at.unwrap_or_else(now);
        let node = look.node.number();
        let flag = CancelFlag::new();
        let mut watch = Watch { progress: &mut |_| (), cancel: &flag };
        if restored_at.is_some() && !strange.on.is_empty() {
            // Guests get to end what they do; one that cannot be asked to is switched off.
            let end = (PowerAction::End, self.patience);
            look.client.power(end, strange.on.clone(), &mut watch)?;
            domains.extend(&strange.on);
        }
        if !domains.is_empty() || !strange.files.is_empty() {
            tracing::warn!(
                node.id = node,
                ?domains,
                files = strange.files.len(),
                to = at,
                "setting aside what the database does not know"
            );
            look.client.set_aside(at, domains.clone(), strange.files.clone(), &mut watch)?;
        }
        let mut lines: Vec<(&str, String)> = Vec::new();
        for uuid in &domains {
            lines.push((DOMAIN, format!("{} (lost/{at}/desktops/{uuid})", look.name(*uuid))));
        }
        let files = strange.files.iter();
        lines.extend(files.map(|file| (FILE, format!("{}/{}", file.storage, file.path))));
        if !lines.is_empty() || restored_at.is_some() {
            self.store.write(|tx| {
                for (action, subject) in &lines {
                    let entry = audit::Entry { action, subject, module: MODULE, fault: None };
                    audit::write_in_tx(tx, &Actor::system(), &entry)?;
                }
                let is_layer = |file: &&StoredFile| matches!(file.kind, FileKind::Layer(_));
                gone::note(tx, strange.files.iter().filter(is_layer).map(|file| file.uuid))?;
                restored::forget(tx, look.node)
            })?;
        }
        Ok(lines.len())
    }
}

/// Tells of guests that run and that no row knows, as a problem of their node, until they are off.
///
/// # Errors
/// `strangers-run`
pub(super) fn tell_of_running(look: &Look<'_>, strange: &Strange) -> Result<()> {
    if strange.on.is_empty() {
        return Ok(());
    }
    let named: HashMap<Uuid, &str> =
        strange.on.iter().map(|uuid| (*uuid, look.name(*uuid))).collect();
    let mut names: Vec<String> =
        named.into_iter().map(|(uuid, name)| format!("{name} ({uuid})")).collect();
    names.sort();
    let error = Error::conflict("strangers-run").arg("count", names.len());
    if names.len() > TOLD {
        names.truncate(TOLD);
        names.push("…".to_owned());
    }
    Err(error.arg("names", names.join(", ")))
}
