//! What the operations of a switch do.

use std::time::Duration;

use super::state::{BusSwitch, Phase};
use super::{Args, By};
use crate::desktops::machines::Settling;
use crate::desktops::templates::machine::{all_done, watched};
use crate::desktops::templates::{Template, TemplateState, Templates, store};
use crate::error::{Error, Fault, Result};
use crate::node::protocol::{DiskBus, DomainSpec, PowerAction};
use crate::operations::{Action, Execution, Lane, Saga, audit, nothing};
use crate::store::{Topic, Tx, now};

pub(super) const BEGIN: &str = "template-bus-begin";
pub(super) const TRY: &str = "template-bus-try";
pub(super) const CONFIRM: &str = "template-bus-confirm";
pub(super) const UNDO: &str = "template-bus-undo";

pub(in crate::desktops::templates) fn register(templates: &Templates) {
    const INTO: &[Action<Templates, Args>] =
        &[Action::new("rows", nothing, take_back), Action::new("plug", plug, nothing)];
    const OVER: &[Action<Templates, Args>] = &[
        Action::new("shut down", shut_down, nothing),
        Action::new("switch", switch, switch_back),
        Action::new("start", start, pull_the_plug),
        Action::new("watch", watch, nothing),
    ];
    const STAY: &[Action<Templates, Args>] = &[Action::new("rows", confirm, nothing)];
    const BACK: &[Action<Templates, Args>] = &[
        Action::new("switch off", switch_off, nothing),
        Action::new("define", define_as_before, define),
        Action::new("rows", forget, nothing),
    ];
    let register = |kind, lane, actions| {
        templates.operations.register(kind, Saga::new(lane, templates.clone(), actions));
    };
    register(BEGIN, Lane::Quick, INTO);
    // A guest that is asked to end by itself may take its time.
    register(TRY, Lane::Guests, OVER);
    register(CONFIRM, Lane::Quick, STAY);
    register(UNDO, Lane::Guests, BACK);
}

/// As the row says.
fn plug(templates: &Templates, args: &Args, execution: &Execution) -> Result<()> {
    let template = templates.find(args.template)?;
    let spec = templates.own_spec(&template)?;
    set_driver_disk(templates, &template, spec, execution)?;
    templates.follow_bus_switch(&template);
    Ok(())
}

/// A machine that somebody undefined is made again.
fn set_driver_disk(
    templates: &Templates,
    template: &Template,
    spec: DomainSpec,
    execution: &Execution,
) -> Result<()> {
    match templates.client_of(template)?.set_driver_disk(spec.clone()) {
        Err(error) if error.key() == "domain-missing" => {
            templates.define_spec(template, spec, execution)
        }
        set => set,
    }
}

fn take_back(templates: &Templates, args: &Args, execution: &Execution) -> Result<()> {
    let template = templates.find(args.template)?;
    templates.store.write(|tx| store::delete_bus_switch(tx, template.id))?;
    set_driver_disk(templates, &template, templates.own_spec(&template)?, execution)
}

/// A guest that does not obey goes on: only what was shut down in order has its disks whole.
fn shut_down(templates: &Templates, args: &Args, execution: &Execution) -> Result<()> {
    let template = templates.find(args.template)?;
    templates.define(&template, execution)?;
    let patience = templates.live.now()?.shutdown_patience();
    power(templates, &template, (PowerAction::Stop, patience), execution)
}

/// Asks the node, and waits until the row shows it.
fn power(
    templates: &Templates,
    template: &Template,
    how: (PowerAction, Duration),
    execution: &Execution,
) -> Result<()> {
    let (machines, Templates { store: rows, runtime, .. }) = ([template.machine()], templates);
    let of = (how.0, machines.as_slice());
    let settling = Settling::of(rows, runtime, Topic::Templates, store::on_since, of)?;
    let client = templates.client_of(template)?;
    all_done(watched(execution, |watch| client.power(how, vec![template.uuid], watch))?)?;
    settling.wait(&[template.uuid])
}

fn switch(templates: &Templates, args: &Args, execution: &Execution) -> Result<()> {
    templates.store.write(|tx| {
        let template = store::find(tx, args.template)?;
        let deadline = now() + args.patience;
        store::set_bus_switch_phase(tx, template.id, Phase::Trying, deadline)?;
        set_bus(tx, &template, args.switch.to)?;
        // No version has it before a save.
        store::set_changed(tx, template.uuid, true)
    })?;
    templates.define(&templates.find(args.template)?, execution)
}

fn switch_back(templates: &Templates, args: &Args, execution: &Execution) -> Result<()> {
    templates.store.write(|tx| {
        let template = store::find(tx, args.template)?;
        let BusSwitch { phase, from, deadline, .. } = args.switch;
        store::set_bus_switch_phase(tx, template.id, phase, deadline)?;
        set_bus(tx, &template, from)?;
        args.noted.iter().try_for_each(|noted| store::note_again(tx, noted))
    })?;
    templates.define(&templates.find(args.template)?, execution)
}

fn set_bus(tx: &Tx<'_>, template: &Template, bus: DiskBus) -> Result<()> {
    let mut hardware = template.hardware.clone();
    hardware.disk_bus = bus;
    store::set_hardware(tx, template.uuid, &hardware)
}

fn start(templates: &Templates, args: &Args, execution: &Execution) -> Result<()> {
    let template = templates.find(args.template)?;
    power(templates, &template, (PowerAction::Start, Duration::ZERO), execution)
}

fn pull_the_plug(templates: &Templates, args: &Args, execution: &Execution) -> Result<()> {
    let template = templates.find(args.template)?;
    power(templates, &template, (PowerAction::HardStop, Duration::ZERO), execution)
}

/// From its start on it has its time.
fn watch(templates: &Templates, args: &Args, _: &Execution) -> Result<()> {
    let template = templates.find(args.template)?;
    let deadline = now() + args.patience;
    templates
        .store
        .write(|tx| store::set_bus_switch_phase(tx, template.id, Phase::Trying, deadline))?;
    templates.follow_bus_switch(&template);
    Ok(())
}

/// The hardware says it already.
fn confirm(templates: &Templates, args: &Args, execution: &Execution) -> Result<()> {
    templates.store.write(|tx| {
        let template = store::find(tx, args.template)?;
        let is_first = store::delete_bus_switch(tx, template.id)?;
        match args.by {
            By::Guest if is_first => note(tx, execution, "log-bus-switch-up", &template),
            _ => Ok(()),
        }
    })
}

/// In the log, where people find what nobody asked for at that moment.
fn note(tx: &Tx<'_>, execution: &Execution, action: &str, template: &Template) -> Result<()> {
    let (subject, module) = (template.name.as_str(), "templates");
    let entry = audit::Entry { action, subject, module, fault: None };
    audit::write_in_tx(tx, &execution.actor, &entry).map(drop)
}

fn switch_off(templates: &Templates, args: &Args, execution: &Execution) -> Result<()> {
    if args.switch.phase == Phase::Preparing {
        return Ok(());
    }
    let template = templates.find(args.template)?;
    templates.define(&template, execution)?;
    let patience = templates.live.now()?.shutdown_patience();
    power(templates, &template, (PowerAction::End, patience), execution)
}

/// As the rows will say.
fn define_as_before(templates: &Templates, args: &Args, execution: &Execution) -> Result<()> {
    let mut template = templates.find(args.template)?;
    if args.switch.phase == Phase::Trying {
        template.hardware.disk_bus = args.switch.from;
    }
    let spec = DomainSpec { driver_disk: None, ..templates.own_spec(&template)? };
    match args.switch.phase {
        Phase::Trying => templates.define_spec(&template, spec, execution),
        Phase::Preparing => set_driver_disk(templates, &template, spec, execution),
    }
}

/// As the rows still say.
fn define(templates: &Templates, args: &Args, execution: &Execution) -> Result<()> {
    let template = templates.find(args.template)?;
    match args.switch.phase {
        Phase::Trying => templates.define(&template, execution),
        Phase::Preparing => plug(templates, args, execution),
    }
}

fn forget(templates: &Templates, args: &Args, execution: &Execution) -> Result<()> {
    templates.store.write(|tx| {
        let template = store::find(tx, args.template)?;
        if !store::delete_bus_switch(tx, template.id)? {
            // Killed behind this.
            return Ok(());
        }
        if args.switch.phase == Phase::Trying {
            set_bus(tx, &template, args.switch.from)?;
        }
        if args.by == By::Deadline {
            let key = match args.switch.phase {
                Phase::Preparing => "bus-switch-forgotten",
                Phase::Trying => "bus-switch-not-up",
            };
            let fault = Error::conflict(key).arg("name", &template.name);
            let fault = Fault::from(&fault.arg("bus", args.switch.to.word()));
            store::set_state(tx, template.uuid, TemplateState::Ready, Some(&fault))?;
            note(tx, execution, "log-bus-switch-late", &template)?;
        }
        Ok(())
    })
}
