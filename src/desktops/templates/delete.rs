//! Deleting templates with their domain, layers and address.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Template, TemplateState, Templates, flatten, save, store};
use crate::desktops::machines;
use crate::error::{Error, Fault, Result};
use crate::inventory::{Answering, FIRST_CONNECTION};
use crate::node::protocol::{ItemResult, Progress};
use crate::operations::{
    Action, Actor, Admitted, BatchSubmission, Execution, Item, Lane, NewOperation, Saga, Unit,
};
use crate::store::Tx;

const KIND: &str = "template-delete";

/// Users of a template that a refusal names.
const NAMED_USERS: usize = 5;

#[derive(Debug, Serialize, Deserialize)]
struct Args {
    templates: Vec<(Uuid, String)>,
    refused: Vec<Item>,
}

pub(super) fn register(templates: &Templates) {
    const STEPS: &[Action<Templates, Args>] = &[Action::new("remove", remove, give_up)];
    templates
        .operations
        .register(KIND, Saga::new(Lane::Build, templates.clone(), STEPS).counting(Unit::Items));
}

impl Templates {
    /// Deletes what nothing uses; what is used is refused by itself.
    ///
    /// # Errors
    /// Of single templates `template-unknown`, `template-in-use`, `template-in-the-works`,
    /// `template-being-downloaded`, `node-unreachable`.
    pub fn delete(&self, actor: &Actor, templates: &[Uuid]) -> Result<BatchSubmission> {
        let answering = self.answering(templates)?;
        self.operations.submit_batch(
            actor,
            templates,
            |tx, batch| batch.admit(|uuid| self.admit_deletion(tx, &answering, uuid)),
            |tx, admitted| {
                let Admitted { uuids, locks, things: templates, title, refused } = admitted;
                let (nodes, total) = (store::count_by_node(tx, &uuids)?, uuids.len() as u64);
                let args = Args { templates, refused };
                let new = NewOperation::new(KIND, &args, uuids[0], &title)?;
                Ok(new.locking_only(locks).counting_to(total).on(nodes))
            },
        )
    }

    /// Whether the nodes of these templates answer. Asked before the transaction: a node that is being connected is
    /// waited for, and meanwhile nobody else could write.
    fn answering(&self, templates: &[Uuid]) -> Result<Answering> {
        let nodes = self.store.read(|conn| store::nodes_of(conn, templates))?;
        Ok(self.inventory.answering_within(nodes, FIRST_CONNECTION))
    }

    fn admit_deletion(&self, tx: &Tx<'_>, answering: &Answering, uuid: Uuid) -> Result<String> {
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
        answering.of(template.node_id).unwrap_or(Ok(()))?;
        for kind in [save::KIND, flatten::KIND] {
            self.operations.unschedule(tx, kind, uuid)?;
        }
        store::set_state(tx, uuid, TemplateState::Deleting, None)?;
        Ok(template.name)
    }
}

fn remove(templates: &Templates, args: &Args, execution: &Execution) -> Result<()> {
    execution.note_refused(&args.refused);
    let uuids: Vec<Uuid> = args.templates.iter().map(|(uuid, _)| *uuid).collect();
    // Killed half way: those that are not found any more are gone.
    let found = templates.store.read(|conn| store::find_many(conn, &uuids))?;
    for (uuid, name) in &args.templates {
        if found.iter().all(|template| template.uuid != *uuid) {
            execution.item(*uuid, name, Ok(()));
        }
    }
    let outcomes = machines::carry_out(
        &templates.inventory,
        execution,
        &found.iter().map(Template::machine).collect::<Vec<_>>(),
        |_, _, part, watch| {
            let total = part.len() as u64;
            let one = |(done, uuid): (u64, Uuid)| {
                (watch.progress)(Progress { done, total });
                let result = watch.cancel.check().and_then(|()| remove_one(templates, uuid));
                ItemResult { uuid, result: result.map_err(Fault::from) }
            };
            Ok((0..).zip(part).map(one).collect())
        },
    );
    for (uuid, fault) in &outcomes.failed {
        tracing::warn!(template.uuid = %uuid, error = fault.detail, "template not deleted");
        fail(templates, *uuid, fault)?;
    }
    outcomes.require_all_begun()
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

impl Templates {
    /// Removes all rows, and tells the node that the address is free.
    pub(super) fn forget(&self, template: Uuid) -> Result<()> {
        let removed = self.store.write(|tx| {
            let Some(found) = store::find_if_there(tx, template)? else { return Ok(None) };
            let leases = self.networks.release(tx, &[template])?;
            store::delete(tx, found.id)?;
            Ok(Some((found.node_id, leases)))
        })?;
        let Some((node_id, leases)) = removed else { return Ok(()) };
        for lease in leases {
            let network = lease.network_uuid;
            if let Err(error) = self.networks.withdraw(node_id, network, &[lease]) {
                // The node learns of it when it is told its networks again.
                tracing::warn!(
                    node.id = node_id.number(),
                    error = error.detail(),
                    "address not withdrawn"
                );
            }
        }
        Ok(())
    }
}

/// It can be deleted again, and nothing else.
fn fail(templates: &Templates, uuid: Uuid, fault: &Fault) -> Result<()> {
    templates.store.write(|tx| store::set_state(tx, uuid, TemplateState::Failed, Some(fault)))
}

fn give_up(templates: &Templates, args: &Args, _: &Execution) -> Result<()> {
    for (uuid, name) in &args.templates {
        let found = templates.store.read(|conn| store::find_if_there(conn, *uuid))?;
        // What failed has its own reason.
        if found.is_some_and(|template| template.state == TemplateState::Deleting) {
            let stopped = Error::conflict("template-deletion-stopped").arg("name", name);
            fail(templates, *uuid, &Fault::from(stopped))?;
        }
    }
    Ok(())
}
