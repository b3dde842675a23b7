//! Keeps what is on a node and in no row: of a newer database than the one that is there now, perhaps. Nothing of it is
//! deleted.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use super::plan::Strange;
use crate::desktops::Desktops;
use crate::desktops::store::setting_aside::Intent;
use crate::desktops::store::{gone, restored, setting_aside};
use crate::error::{Error, Fault, Result};
use crate::node::cancel::CancelFlag;
use crate::node::client::{NodeClient, Watch};
use crate::node::protocol::{DomainState, FileKind, PowerAction, StoredFile};
use crate::operations::{Actor, audit};
use crate::store::{NodeId, Tx, now};

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
    pub files: &'a [StoredFile],
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
        self.tell_of_before(look)?;
        let mut domains = strange.off.clone();
        let at = restored_at.unwrap_or_else(now);
        let node = look.node.number();
        let flag = CancelFlag::new();
        let mut watch = Watch { progress: &mut |_| (), cancel: &flag };
        if restored_at.is_some() && !strange.on.is_empty() {
            // Guests get to end what they do; one that cannot be asked to is switched off.
            let end = (PowerAction::End, self.live.now()?.shutdown_patience());
            look.client.power(end, strange.on.clone(), &mut watch)?;
            domains.extend(&strange.on);
        }
        let intents = intents(look, at, &domains, &strange.files);
        if !intents.is_empty() {
            tracing::warn!(
                node.id = node,
                ?domains,
                files = strange.files.len(),
                to = at,
                "setting aside what the database does not know"
            );
            self.store.write(|tx| setting_aside::begin(tx, look.node, &intents))?;
            look.client.set_aside(at, domains, strange.files.clone(), &mut watch)?;
        }
        if !intents.is_empty() || restored_at.is_some() {
            self.store.write(|tx| {
                tell(tx, look.node, &intents)?;
                restored::forget(tx, look.node)
            })?;
        }
        Ok(intents.len())
    }

    /// Tells what was set aside before a kill that came between that and its line. What is still there was not.
    fn tell_of_before(&self, look: &Look<'_>) -> Result<()> {
        let open = self.store.read(|conn| setting_aside::open(conn, look.node))?;
        if open.is_empty() {
            return Ok(());
        }
        let domains = look.domains.iter().map(|domain| domain.uuid.to_string());
        let there: HashSet<String> = domains.chain(look.files.iter().map(place)).collect();
        let done: Vec<Intent> =
            open.into_iter().filter(|intent| !there.contains(&intent.thing)).collect();
        self.store.write(|tx| tell(tx, look.node, &done))
    }
}

/// What is to be set aside, with its lines of the audit log.
fn intents(look: &Look<'_>, at: i64, domains: &[Uuid], files: &[StoredFile]) -> Vec<Intent> {
    let domain = |uuid: &Uuid| Intent {
        thing: uuid.to_string(),
        action: DOMAIN.to_owned(),
        subject: format!("{} (lost/{at}/desktops/{uuid})", look.name(*uuid)),
        layer: None,
    };
    let file = |file: &StoredFile| Intent {
        thing: place(file),
        action: FILE.to_owned(),
        subject: place(file),
        layer: matches!(file.kind, FileKind::Layer(_)).then_some(file.uuid),
    };
    domains.iter().map(domain).chain(files.iter().map(file)).collect()
}

fn place(file: &StoredFile) -> String {
    format!("{}/{}", file.storage, file.path)
}

fn tell(tx: &Tx<'_>, node: NodeId, done: &[Intent]) -> Result<()> {
    for Intent { action, subject, .. } in done {
        let entry = audit::Entry { action, subject, module: MODULE, fault: None };
        audit::write_in_tx(tx, &Actor::system(), &entry)?;
    }
    gone::note(tx, done.iter().filter_map(|intent| intent.layer))?;
    setting_aside::end(tx, node)
}

/// Guests that run and that no row knows: a problem of their node, `strangers-run`, until they are off.
pub(super) fn running(look: &Look<'_>, strange: &Strange) -> Option<Fault> {
    if strange.on.is_empty() {
        return None;
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
    Some(error.arg("names", names.join(", ")).into())
}
