//! Deleting templates with their domain, layers and address.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{TemplateState, Templates, flatten, save, store};
use crate::error::{Error, Fault, Result};
use crate::operations::{
    Action, Actor, Admitted, BatchSubmission, Execution, Item, Lane, NewOperation, Saga,
};
use crate::store::Tx;

const KIND: &str = "template-delete";

/// Users of a template that a refusal names.
const NAMED_USERS: usize = 5;

/// By node, that it answers or why not.
type Links = HashMap<i64, Result<(), Fault>>;

#[derive(Debug, Serialize, Deserialize)]
struct Args {
    templates: Vec<(Uuid, String)>,
    refused: Vec<Item>,
}

pub(super) fn register(templates: &Templates) {
    const STEPS: &[Action<Templates, Args>] = &[Action::new("remove", remove, give_up)];
    templates.operations.register(KIND, Saga::new(Lane::Build, templates.clone(), STEPS));
}

impl Templates {
    /// Deletes what nothing uses; what is used is refused by itself.
    ///
    /// # Errors
    /// Of single templates `template-unknown`, `template-in-use`, `template-in-the-works`,
    /// `template-being-downloaded`, `node-unreachable`.
    pub fn delete(&self, actor: &Actor, templates: &[Uuid]) -> Result<BatchSubmission> {
        let links = self.links_of(templates)?;
        self.operations.submit_batch(
            actor,
            templates,
            |tx, batch| batch.admit(|uuid| self.admit_deletion(tx, &links, uuid)),
            |_, admitted| {
                let Admitted { uuids, things: templates, title, refused } = admitted;
                let args = Args { templates, refused };
                Ok(NewOperation::new(KIND, &args, uuids[0], &title)?.locking_only(uuids))
            },
        )
    }

    /// Whether the nodes of these templates answer. Asked before the transaction: a node that is being connected is
    /// waited for, and meanwhile nobody else could write.
    fn links_of(&self, templates: &[Uuid]) -> Result<Links> {
        let nodes = self.store.read(|conn| store::nodes_of(conn, templates))?;
        let link = |node| (node, self.inventory.client(node).map(drop).map_err(Fault::from));
        Ok(nodes.into_iter().map(link).collect())
    }

    fn admit_deletion(&self, tx: &Tx<'_>, links: &Links, uuid: Uuid) -> Result<String> {
        let template = store::find(tx, uuid)?;
        let (users, count) = store::users(tx, template.id, NAMED_USERS)?;
        if count > 0 {
            let error = Error::conflict("template-in-use").arg("name", &template.name);
            return Err(error.arg("users", users.join(", ")).arg("count", count));
        }
        if store::is_exported(tx, template.id)? {
            return Err(Error::busy("template-being-downloaded").arg("name", &template.name));
        }
        // Refused before anything changes when its node cannot be asked.
        if let Some(Err(fault)) = links.get(&template.node_id) {
            return Err(fault.clone().into());
        }
        for kind in [save::KIND, flatten::KIND] {
            self.operations.unschedule(tx, kind, uuid)?;
        }
        store::set_state(tx, uuid, TemplateState::Deleting, None)?;
        Ok(template.name)
    }
}

fn remove(templates: &Templates, args: &Args, execution: &Execution) -> Result<()> {
    execution.note_refused(&args.refused);
    let total = args.templates.len() as u64;
    for (done, (uuid, name)) in (0..).zip(&args.templates) {
        execution.progress(done, total);
        execution.check_cancelled()?;
        let removed = remove_one(templates, *uuid);
        if let Err(error) = &removed {
            tracing::warn!(template.uuid = %uuid, error = error.detail(), "template not deleted");
            fail(templates, *uuid, error)?;
        }
        execution.item(*uuid, name, removed.map_err(Fault::from));
    }
    Ok(())
}

fn remove_one(templates: &Templates, uuid: Uuid) -> Result<()> {
    let Some(template) = templates.store.read(|conn| store::find_if_there(conn, uuid))? else {
        return Ok(());
    };
    templates.undefine(&template)?;
    templates.withdraw(&template)?;
    let layers = templates.store.read(|conn| store::placed_layers(conn, &template))?;
    let layers = layers.iter().map(store::PlacedLayer::layer_ref).collect();
    templates.remove_files(template.node_id, layers)?;
    templates.forget(uuid)
}

/// It can be deleted again, and nothing else.
fn fail(templates: &Templates, uuid: Uuid, error: &Error) -> Result<()> {
    let fault = Fault::from(error);
    templates.store.write(|tx| store::set_state(tx, uuid, TemplateState::Failed, Some(&fault)))
}

fn give_up(templates: &Templates, args: &Args, _: &Execution) -> Result<()> {
    for (uuid, name) in &args.templates {
        if templates.store.read(|conn| store::find_if_there(conn, *uuid))?.is_some() {
            fail(
                templates,
                *uuid,
                &Error::conflict("template-deletion-stopped").arg("name", name),
            )?;
        }
    }
    Ok(())
}
