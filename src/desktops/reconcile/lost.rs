//! Keeps what was made after a backup that was restored.

use std::collections::HashMap;

use uuid::Uuid;

use super::Report;
use super::plan::Plan;
use crate::desktops::Desktops;
use crate::desktops::store::restored;
use crate::error::Result;
use crate::node::cancel::CancelFlag;
use crate::node::client::{NodeClient, Watch};
use crate::node::protocol::{DomainState, PowerAction};
use crate::operations::{Actor, audit};
use crate::store::NodeId;

const DOMAIN: &str = "log-lost-domain";
const FILE: &str = "log-lost-file";
const MODULE: &str = "node";

impl Desktops {
    /// Has what no row knows moved aside, notes each of it in the audit log, and that the node was compared: all
    /// that appears from now on is of this database. After a failure or a kill the next look does the rest.
    pub(super) fn set_aside(
        &self,
        node: NodeId,
        at: i64,
        client: &NodeClient,
        plan: &Plan,
        domains: &[DomainState],
    ) -> Result<Report> {
        let names: HashMap<Uuid, &str> =
            domains.iter().map(|domain| (domain.uuid, domain.owner.name.as_str())).collect();
        if !plan.remove.is_empty() || !plan.files.is_empty() {
            tracing::warn!(node.id = node.number(), domains = ?plan.remove, files = plan.files.len(),
                "setting aside what was made after the restored backup");
            let flag = CancelFlag::new();
            let mut watch = Watch { progress: &mut |_| (), cancel: &flag };
            // Guests get to end what they do; one that cannot be asked to is switched off.
            let end = (PowerAction::End, self.patience);
            client.power(end, plan.remove.clone(), &mut watch)?;
            client.set_aside(at, plan.remove.clone(), plan.files.clone(), &mut watch)?;
        }
        let mut lines: Vec<(&str, String)> = Vec::new();
        for uuid in &plan.remove {
            let name = names.get(uuid).copied().unwrap_or_default();
            lines.push((DOMAIN, format!("{name} (lost/{at}/desktops/{uuid})")));
        }
        let files = plan.files.iter();
        lines.extend(files.map(|file| (FILE, format!("{}/{}", file.storage, file.path))));
        self.store.write(|tx| {
            for (action, subject) in &lines {
                let entry = audit::Entry { action, subject, module: MODULE, fault: None };
                audit::write_in_tx(tx, &Actor::system(), &entry)?;
            }
            restored::forget(tx, node)
        })?;
        Ok(Report { set_aside: lines.len(), ..Report::default() })
    }
}
