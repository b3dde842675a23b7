//! Looks at a node and carries out what the plan says.

use std::collections::HashSet;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::lost::{Look, running};
use super::plan::{Found, Known, Plan, Strange, plan};
use super::{Held, Report, layers};
use crate::desktops::Desktops;
use crate::desktops::actual::Snapshot;
use crate::desktops::domains::first_failure;
use crate::desktops::nodes;
use crate::desktops::power::ready_name;
use crate::desktops::store::{actual, restored, seats};
use crate::desktops::templates;
use crate::error::{Fault, Kind, Result};
use crate::images::{self, LayerCopy};
use crate::inventory::{Duty, FIRST_CONNECTION};
use crate::node::cancel::CancelFlag;
use crate::node::client::{NodeClient, Watch};
use crate::node::protocol::DomainState;
use crate::operations::{
    Action, Actor, Admitted, Execution, Lane, NewOperation, Saga, Unit, nothing,
};
use crate::store::{NodeId, Topic};

const REMAKE: &str = "desktops-remake";
const CORRECT: &str = "desktops-correct";
const PUBLISH: &str = "template-publish";

#[derive(Debug, Serialize, Deserialize)]
struct RemakeArgs {
    desktops: Vec<Uuid>,
}

static STEPS: [Action<Desktops, RemakeArgs>; 1] = [Action::new("domains", remake, nothing)];

#[derive(Debug, Serialize, Deserialize)]
struct PublishArgs {
    template: Uuid,
}

static PUBLISH_STEPS: [Action<Desktops, PublishArgs>; 1] =
    [Action::new("publish", publish, nothing)];

pub(in crate::desktops) fn register(desktops: &Desktops) {
    for kind in [REMAKE, CORRECT] {
        desktops
            .operations
            .register(kind, Saga::new(Lane::Quiet, desktops.clone(), &STEPS).counting(Unit::Items));
    }
    let saga = Saga::new(Lane::Quiet, desktops.clone(), &PUBLISH_STEPS);
    desktops.operations.register(PUBLISH, saga);
}

impl Desktops {
    /// One look at a node, and what it found that is not to be mended. What could not be mended is tried again at the
    /// next look, unless it can only fail again.
    pub(super) fn reconcile(&self, node: NodeId) -> Result<(Report, Option<Fault>)> {
        let client = self.inventory.client_now(node)?;
        // What an operation finishes between the two looks is not in the list of domains yet.
        let mut held = self.operations.locked()?;
        let (before, layers) = self
            .store
            .read(|conn| Ok((actual::known(conn, node, &[])?, actual::layers_on(conn, node)?)))?;
        let asked = Instant::now();
        let found = Found {
            domains: client.list_domains()?,
            files: client.list_files()?,
            published: client.list_published()?,
        };
        // Read after the node was asked; see the module's text.
        held.extend(self.operations.locked()?);
        let known = self.store.read(|conn| actual::known(conn, node, &found.owners()))?;
        let plan = plan(node, &found, &known, &held).settled(&before, &known);
        let restored_at = self.store.read(|conn| restored::restored_at(conn, node))?;
        let mut report = remove(node, &client, &plan)?;
        let look =
            Look { node, client: &client, domains: &found.domains.states, files: &found.files };
        report.set_aside = self.set_aside(&look, restored_at, &plan.strange)?;
        // After `carrel restore` they were shut down just now.
        let running = restored_at.is_none().then(|| running(&look, &plan.strange)).flatten();
        let have = running.as_ref().map(|_| addresses(look.domains, &plan.strange));
        self.networks.note_strangers(node, have.unwrap_or_default());
        if report.removed_domains + report.set_aside > 0 {
            // What a guest uses that runs is kept for it, whether a row knows it or not.
            self.inventory.ask_after(Duty::Networks, node, Duration::ZERO);
        }
        let lacking = lacking(&known, &found, &plan, &held);
        let Found { domains, files, .. } = found;
        self.snapshots.send(Snapshot { asked, domains });
        report.layers = self.note_layers(node, layers::differing(&layers, &files, &held))?;
        report.remade_domains = plan.remake.len();
        report.corrected_domains = plan.correct.len();
        report.published_templates = plan.publish.len();
        self.hopeless.keep_only(node, &lacking);
        for (kind, desktops) in [(REMAKE, plan.remake), (CORRECT, plan.correct)] {
            let desktops = self.hopeless.worth(node, desktops, &files);
            if !desktops.is_empty() {
                self.submit_remake(kind, desktops)?;
            }
        }
        plan.publish.into_iter().try_for_each(|template| self.submit_publish(template))?;
        Ok((report, running))
    }

    /// Writes how copies of layers are, unless their rows changed meanwhile.
    fn note_layers(&self, node: NodeId, differing: Vec<LayerCopy>) -> Result<usize> {
        if differing.is_empty() {
            return Ok(0);
        }
        self.store.write(|tx| {
            let now = actual::layers_on(tx, node)?;
            let is_same = |copy: &&LayerCopy| now.iter().any(|layer| layer.is_of_other_state(copy));
            let mut noted = 0;
            for copy in differing.iter().filter(is_same) {
                tracing::warn!(node.id = node.number(), layer.uuid = %copy.layer, state = ?copy.state,
                    "a layer's file is not as its row says");
                images::note_copy(tx, copy)?;
                noted += 1;
            }
            tx.changed(Topic::Templates);
            Ok(noted)
        })
    }

    /// As an operation: it holds the desktops, so that nobody deletes one while its domain is made anew.
    fn submit_remake(&self, kind: &'static str, missing: Vec<Uuid>) -> Result<()> {
        let submitted = self.operations.submit_batch(
            &Actor::system(),
            &missing,
            |tx, batch| {
                let seats = seats::by_uuid(tx, batch.uuids())?;
                batch.admit(|uuid| ready_name(&seats, uuid))
            },
            |_, Admitted { uuids, locks, title, .. }| {
                let (first, args) = (uuids[0], RemakeArgs { desktops: uuids });
                Ok(NewOperation::new(kind, &args, first, &title)?.locking_only(locks))
            },
        );
        unless_busy(submitted.map(drop))
    }

    /// As an operation: it holds the template, so that nobody saves it meanwhile.
    fn submit_publish(&self, template: Uuid) -> Result<()> {
        let submitted = self.operations.submit(&Actor::system(), |tx| {
            let found = templates::store::find(tx, template)?;
            NewOperation::new(PUBLISH, &PublishArgs { template }, template, &found.name)
        });
        unless_busy(submitted.map(drop))
    }
}

/// Somebody may have taken hold of a thing between the look and now.
fn unless_busy(submitted: Result<()>) -> Result<()> {
    match submitted {
        Err(error) if error.kind() == Kind::Busy => Ok(()),
        other => other,
    }
}

/// Desktops and templates that are not as they should be, for all that is known; what is held may be.
fn lacking(known: &Known, found: &Found, plan: &Plan, held: &Held) -> HashSet<Uuid> {
    let lacks = |uuid: &&Uuid| {
        held.contains(uuid) || plan.correct.contains(uuid) || !found.domains.has(**uuid)
    };
    known.domains.keys().filter(lacks).copied().collect()
}

/// Networks and addresses of the guests that run and that no row knows.
fn addresses(domains: &[DomainState], strange: &Strange) -> HashSet<(Uuid, Ipv4Addr)> {
    let on = domains.iter().filter(|domain| strange.on.contains(&domain.uuid));
    let nics = on.flat_map(|domain| &domain.nics);
    nics.filter_map(|nic| Some((nic.network, nic.address?))).collect()
}

/// Removes what is left of rows that were deleted.
fn remove(node: NodeId, client: &NodeClient, plan: &Plan) -> Result<Report> {
    let mut report = Report::default();
    if !plan.remove.is_empty() {
        tracing::warn!(node.id = node.number(), domains = ?plan.remove, "removing domains of rows that were deleted");
        let flag = CancelFlag::new();
        let mut watch = Watch { progress: &mut |_| (), cancel: &flag };
        first_failure(client.remove_domains(plan.remove.clone(), &mut watch)?)?;
        report.removed_domains = plan.remove.len();
    }
    if !plan.files.is_empty() {
        let paths: Vec<&str> = plan.files.iter().map(|file| file.path.as_str()).collect();
        match client.remove_files(plan.files.clone()) {
            Ok(()) => {
                tracing::warn!(
                    node.id = node.number(),
                    ?paths,
                    "removed files of rows that were deleted"
                );
                report.removed_files = plan.files.len();
            }
            // A disk stands on it that was set aside, or one made after a backup that was restored.
            Err(error) if error.key() == "layer-in-use" => {
                tracing::debug!(node.id = node.number(), ?paths, error = error.detail(), "in use");
            }
            Err(error) => return Err(error),
        }
    }
    Ok(report)
}

fn remake(desktops: &Desktops, args: &RemakeArgs, execution: &Execution) -> Result<()> {
    nodes::all(desktops.announce_addresses(&args.desktops, execution)?)?;
    let defined = nodes::all(desktops.define_each(&args.desktops, execution)?)?;
    let seats = desktops.store.read(|conn| seats::by_uuid(conn, &args.desktops))?;
    let mut refused: Vec<(Uuid, Option<Fault>)> = Vec::new();
    for item in defined.into_iter().flatten() {
        desktops.hopeless.note(item.uuid, &item.result);
        if let Some(seat) = seats.get(&item.uuid) {
            execution.item(item.uuid, &seat.name, item.result.clone());
        }
        if let Err(fault) = item.result {
            refused.push((item.uuid, Some(fault)));
        }
    }
    // Their list says why they cannot be started.
    desktops.store.write_in_parts(&refused, seats::note_starts)
}

fn publish(desktops: &Desktops, args: &PublishArgs, _: &Execution) -> Result<()> {
    let (node, mut wanted) = desktops.store.read(|conn| {
        let node = templates::store::find(conn, args.template)?.node_id;
        Ok((node, templates::store::published_on(conn, node)?))
    })?;
    match wanted.remove(&args.template) {
        Some(layers) => desktops
            .inventory
            .client_within(node, FIRST_CONNECTION)?
            .publish_template(args.template, layers),
        None => Ok(()),
    }
}
