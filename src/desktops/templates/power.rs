//! Starting, stopping and editing templates' own machines.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::machine::watched;
use super::{Template, Templates, ready, store};
use crate::error::{Error, Fault, Kind, Result};
use crate::node::protocol::{ItemResult, PowerAction};
use crate::operations::{
    Action, Actor, Admitted, BatchSubmission, Execution, Item, Lane, NewOperation, Saga, nothing,
};
use crate::store::Tx;

/// What people do to machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum TemplateAction {
    Start,
    Stop,
    HardStop,
    Reboot,
    HardReboot,
    Reset,
    /// Starts it in order to change it.
    Edit,
}

impl TemplateAction {
    const ALL: [Self; 7] = [
        Self::Start,
        Self::Stop,
        Self::HardStop,
        Self::Reboot,
        Self::HardReboot,
        Self::Reset,
        Self::Edit,
    ];

    /// Of the operation; also the message key of its title.
    const fn kind(self) -> &'static str {
        match self {
            Self::Start => "template-start",
            Self::Stop => "template-stop",
            Self::HardStop => "template-hard-stop",
            Self::Reboot => "template-reboot",
            Self::HardReboot => "template-hard-reboot",
            Self::Reset => "template-reset",
            Self::Edit => "template-edit",
        }
    }

    /// A guest that is asked to end by itself may take its time.
    const fn lane(self) -> Lane {
        match self {
            Self::Stop | Self::Reboot => Lane::Guests,
            _ => Lane::Quick,
        }
    }

    const fn power(self) -> PowerAction {
        match self {
            Self::Start | Self::Edit => PowerAction::Start,
            Self::Stop => PowerAction::Stop,
            Self::HardStop => PowerAction::HardStop,
            Self::Reboot => PowerAction::Reboot,
            Self::HardReboot => PowerAction::HardReboot,
            Self::Reset => PowerAction::Reset,
        }
    }

    /// Whether the guest runs afterwards, and may write.
    const fn starts(self) -> bool {
        !matches!(self, Self::Stop | Self::HardStop)
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Args {
    action: TemplateAction,
    templates: Vec<(Uuid, String)>,
    refused: Vec<Item>,
}

pub(super) fn register(templates: &Templates) {
    const STEPS: &[Action<Templates, Args>] = &[Action::new("power", switch, nothing)];
    for action in TemplateAction::ALL {
        let saga = Saga::new(action.lane(), templates.clone(), STEPS);
        templates.operations.register(action.kind(), saga);
    }
}

impl Templates {
    /// Does this to the templates' own machines. What is already so counts as done.
    ///
    /// # Errors
    /// Of single templates `template-unknown`, `template-in-the-works`, `template-broken`,
    /// `template-not-running`, `node-unreachable`, and what the node answers.
    pub fn power(
        &self,
        actor: &Actor,
        action: TemplateAction,
        templates: &[Uuid],
    ) -> Result<BatchSubmission> {
        self.operations.submit_batch(
            actor,
            templates,
            |tx, batch| batch.admit(|uuid| admit(tx, action, uuid)),
            |_, admitted| {
                let Admitted { uuids, things: templates, title, refused } = admitted;
                let args = Args { action, templates, refused };
                let new = NewOperation::new(action.kind(), &args, uuids[0], &title)?;
                Ok(new.locking_only(uuids))
            },
        )
    }
}

fn admit(tx: &Tx<'_>, action: TemplateAction, uuid: Uuid) -> Result<String> {
    let template = ready(tx, uuid)?;
    if action == TemplateAction::Reset && !template.power.is_on() {
        return Err(Error::conflict("template-not-running").arg("name", template.name));
    }
    if action.starts() {
        store::set_changed(tx, uuid, action == TemplateAction::Edit)?;
    }
    Ok(template.name)
}

fn switch(templates: &Templates, args: &Args, execution: &Execution) -> Result<()> {
    execution.note_refused(&args.refused);
    let mut by_node: BTreeMap<i64, Vec<Template>> = BTreeMap::new();
    for (uuid, name) in &args.templates {
        match templates.find(*uuid) {
            Ok(template) => by_node.entry(template.node_id).or_default().push(template),
            Err(error) => execution.item(*uuid, name, Err(error.into())),
        }
    }
    std::thread::scope(|scope| {
        let work = |(node, group): (i64, Vec<Template>)| {
            scope.spawn(move || on_node(templates, args.action, node, &group, execution))
        };
        let threads: Vec<_> = by_node.into_iter().map(work).collect();
        let join = |thread: std::thread::ScopedJoinHandle<'_, Result<()>>| {
            thread.join().unwrap_or_else(|_| Err(Error::internal("switching templates panicked")))
        };
        threads.into_iter().map(join).collect::<Vec<_>>().into_iter().collect()
    })
}

/// One batch for a node. What fails for the node fails for each of its templates.
fn on_node(
    templates: &Templates,
    action: TemplateAction,
    node: i64,
    group: &[Template],
    execution: &Execution,
) -> Result<()> {
    let results = switch_on(templates, action, node, group, execution);
    if let Err(error) = &results
        && error.kind() == Kind::Cancelled
    {
        return results.map(drop);
    }
    for template in group {
        let result = match &results {
            Ok(results) => results.get(&template.uuid).cloned().unwrap_or(Ok(())),
            Err(error) => Err(Fault::from(error)),
        };
        execution.item(template.uuid, &template.name, result);
    }
    Ok(())
}

type Results = BTreeMap<Uuid, Result<(), Fault>>;

fn switch_on(
    templates: &Templates,
    action: TemplateAction,
    node: i64,
    group: &[Template],
    execution: &Execution,
) -> Result<Results> {
    let client = templates.inventory.client(node)?;
    let mut results = Results::new();
    // One that somebody undefined is made again.
    if action != TemplateAction::Reset {
        let mut specs = Vec::new();
        for template in group {
            specs.push(templates.own_spec(template)?);
        }
        let networks: BTreeSet<Uuid> =
            specs.iter().flat_map(|spec| &spec.nics).map(|nic| nic.network).collect();
        for network in networks {
            templates.networks.ensure_on(node, network)?;
        }
        note(&mut results, watched(execution, |watch| client.define_domains(specs, watch))?);
    }
    let good = |template: &&Template| !matches!(results.get(&template.uuid), Some(Err(_)));
    let uuids: Vec<Uuid> = group.iter().filter(good).map(|template| template.uuid).collect();
    note(&mut results, watched(execution, |watch| client.power(action.power(), uuids, watch))?);
    Ok(results)
}

fn note(results: &mut Results, items: Vec<ItemResult>) {
    results.extend(items.into_iter().map(|item| (item.uuid, item.result)));
}
