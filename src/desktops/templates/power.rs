//! Starting, stopping and editing templates' own machines.

use std::collections::{BTreeSet, HashMap, HashSet};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::template::Noted;
use super::{Power, Template, Templates, ready, store};
use crate::desktops::machines::{self, Machine, Settling};
use crate::error::{Error, Fault, Kind, Result};
use crate::node::client::{NodeClient, Watch};
use crate::node::protocol::{ItemResult, PowerAction, PowerState};
use crate::operations::{
    Action, Actor, Admitted, BatchSubmission, Execution, Item, Lane, NewOperation, Saga, Unit,
};
use crate::store::{NodeId, Topic, Tx};

/// What people do to machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum TemplatePowerAction {
    Start,
    Stop,
    HardStop,
    Reboot,
    HardReboot,
    Reset,
    /// Starts it in order to change it.
    Edit,
}

impl TemplatePowerAction {
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

    /// Whether nothing runs that this would begin anew. One meaning for desktops and templates: what is off is not
    /// rebooted. What crashed may be, by force.
    fn needs_a_running(self, power: Power) -> bool {
        match self {
            Self::Reset => !power.is_on(),
            Self::Reboot | Self::HardReboot => power.0 == PowerState::Off,
            _ => false,
        }
    }

    /// Whether the guest runs afterwards, and may write.
    const fn starts(self) -> bool {
        !matches!(self, Self::Stop | Self::HardStop)
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Args {
    action: TemplatePowerAction,
    templates: Vec<(Uuid, String)>,
    refused: Vec<Item>,
    /// What was noted of those that are to run, before it was noted that they do.
    #[serde(default)]
    before: Vec<Noted>,
}

pub(super) fn register(templates: &Templates) {
    const STEPS: &[Action<Templates, Args>] = &[Action::new("power", run, take_back)];
    for action in TemplatePowerAction::ALL {
        let saga = Saga::new(action.lane(), templates.clone(), STEPS).counting(Unit::Items);
        templates.operations.register(action.kind(), saga);
    }
}

impl Templates {
    /// Does this to the templates' own machines. What is already so counts as done; what is off is not rebooted.
    ///
    /// # Errors
    /// Of single templates `template-unknown`, `template-in-the-works`, `template-broken`,
    /// `template-not-running`, `node-unreachable`, and what the node answers.
    pub fn power(
        &self,
        actor: &Actor,
        action: TemplatePowerAction,
        templates: &[Uuid],
    ) -> Result<BatchSubmission> {
        self.operations.submit_batch(
            actor,
            templates,
            |tx, batch| batch.admit_noting(|uuid| admit(tx, action, uuid)),
            |tx, admitted| {
                let Admitted { uuids, locks, things, title, refused } = admitted;
                let (nodes, total) = (store::count_by_node(tx, &uuids)?, uuids.len() as u64);
                let (templates, before): (_, Vec<Option<Noted>>) = things.into_iter().unzip();
                let before = before.into_iter().flatten().collect();
                let args = Args { action, templates, refused, before };
                let new = NewOperation::new(action.kind(), &args, uuids[0], &title)?;
                Ok(new.locking_only(locks).counting_to(total).on(nodes))
            },
        )
    }
}

/// Name of a template, and what its row said when that is changed.
type Found = ((Uuid, String), Option<Noted>);

fn admit(tx: &Tx<'_>, action: TemplatePowerAction, uuid: Uuid) -> Result<(String, Found)> {
    let template = ready(tx, uuid)?;
    if action.needs_a_running(template.power) {
        return Err(Error::conflict("template-not-running").arg("name", template.name));
    }
    let mut before = None;
    if action.starts() {
        store::set_changed(tx, uuid, action == TemplatePowerAction::Edit)?;
        let Template { changed, editing, .. } = template;
        before = Some(Noted { template: uuid, changed, editing });
    }
    Ok((template.name.clone(), ((uuid, template.name), before)))
}

fn run(templates: &Templates, args: &Args, execution: &Execution) -> Result<()> {
    execution.note_refused(&args.refused);
    let uuids: Vec<Uuid> = args.templates.iter().map(|(uuid, _)| *uuid).collect();
    let found = templates.store.read(|conn| store::find_many(conn, &uuids))?;
    let machines: Vec<Machine> = found.iter().map(Template::machine).collect();
    let action = args.action.power();
    let Templates { store: rows, runtime, .. } = templates;
    let of = (action, machines.as_slice());
    let settling = Settling::of(rows, runtime, Topic::Templates, store::on_since, of)?;
    let found: HashMap<Uuid, Template> =
        found.into_iter().map(|template| (template.uuid, template)).collect();
    let power = |client: &NodeClient, node, part: Vec<Uuid>, watch: &mut Watch<'_>| {
        let part = part.iter().filter_map(|uuid| found.get(uuid));
        switch_on(templates, action, (client, node), &part.collect::<Vec<_>>(), watch)
    };
    let outcomes = machines::carry_out(&templates.inventory, execution, &machines, power);
    settling.wait(&outcomes.done)?;
    // One whose node fell silent may run.
    let is_off = |(_, fault): &&(Uuid, Fault)| fault.kind != Kind::NodeUnreachable;
    let failed = outcomes.failed.iter().filter(is_off).map(|(uuid, _)| *uuid);
    note_as_before(templates, args, failed.chain(outcomes.stopped.iter().copied()))?;
    outcomes.require_all_begun()
}

/// Those of which nothing is known were not begun.
fn take_back(templates: &Templates, args: &Args, execution: &Execution) -> Result<()> {
    let begun = execution.noted_items();
    let uuids = args.templates.iter().map(|(uuid, _)| *uuid);
    note_as_before(templates, args, uuids.filter(|uuid| !begun.contains(uuid)))
}

/// A start that failed changes nothing in the working disks of what is still off.
fn note_as_before(
    templates: &Templates,
    args: &Args,
    not_started: impl Iterator<Item = Uuid>,
) -> Result<()> {
    let not_started: HashSet<Uuid> = not_started.collect();
    let before = args.before.iter().filter(|noted| not_started.contains(&noted.template));
    templates
        .store
        .write(|tx| before.into_iter().try_for_each(|noted| store::note_again(tx, noted)))
}

/// One batch for a node.
fn switch_on(
    templates: &Templates,
    action: PowerAction,
    (client, node): (&NodeClient, NodeId),
    part: &[&Template],
    watch: &mut Watch<'_>,
) -> Result<Vec<ItemResult>> {
    let mut failed = Vec::new();
    // One that somebody undefined is made again.
    if action != PowerAction::Reset {
        failed = define(templates, (client, node), part, watch)?;
        failed.retain(|item| item.result.is_err());
    }
    let is_good = |uuid: &Uuid| failed.iter().all(|item| item.uuid != *uuid);
    let good = part.iter().map(|template| template.uuid).filter(is_good).collect();
    let mut items =
        client.power((action, templates.live.now()?.shutdown_patience()), good, watch)?;
    items.append(&mut failed);
    Ok(items)
}

fn define(
    templates: &Templates,
    (client, node): (&NodeClient, NodeId),
    part: &[&Template],
    watch: &mut Watch<'_>,
) -> Result<Vec<ItemResult>> {
    let (mut specs, mut items) = (Vec::new(), Vec::new());
    for template in part {
        match templates.own_spec(template) {
            Ok(spec) => specs.push(spec),
            Err(error) => {
                items.push(ItemResult { uuid: template.uuid, result: Err(error.into()) });
            }
        }
    }
    let networks: BTreeSet<Uuid> =
        specs.iter().flat_map(|spec| &spec.nics).map(|nic| nic.network).collect();
    for network in networks {
        templates.networks.ensure_on(node, network)?;
    }
    // Not what is counted.
    let mut quiet = Watch { progress: &mut |_| (), cancel: watch.cancel };
    items.extend(client.define_domains(specs, Vec::new(), &mut quiet)?);
    Ok(items)
}
