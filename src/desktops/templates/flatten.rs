//! Keeps chains of layers short. `tidy` removes the layers on which nothing stands any more.
//!
//! ```text
//!   before:  base ◄─ 1 ◄─ … ◄─ 8 (version 8)        ◄─ desktops, the template's working disk
//!   after:   base ◄─ 1 ◄─ … ◄─ 8                    ◄─ desktops until their next restore
//!            copy (version 8)                       ◄─ desktops after it, the template's working disk
//! ```

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::layers::new_copy;
use super::machine::watched;
use super::store::{self, Layer, PlacedLayer};
use super::{Template, TemplateState, Templates};
use crate::error::{Error, Result};
use crate::images;
use crate::operations::{Action, Actor, Execution, Lane, NewOperation, Saga, Unit};
use crate::store::now;

pub(super) const KIND: &str = "template-flatten";

/// Layers of a template in a chain. Every one costs QEMU a file and each guest's first read of a block
/// a look into it.
const CHAIN_LIMIT: usize = 8;
/// Seconds until a long chain is copied: the save that made it must have ended, and who goes on with the template at once
/// must not meet the copying.
const PAUSE: i64 = 5;

#[derive(Debug, Serialize, Deserialize)]
struct Args {
    template: Uuid,
    /// The version that is copied.
    version: u32,
    copies: Vec<Replaced<Uuid>>,
}

/// A layer, and the copy that takes its place. Rows may hold it as a pair, too.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Replaced<T> {
    from: T,
    to: T,
}

pub(super) fn register(templates: &Templates) {
    const STEPS: &[Action<Templates, Args>] = &[
        Action::new("begin", begin, forget_copies),
        Action::new("copy", copy, remove_copies),
        Action::new("switch", switch, switch_back),
        Action::new("ready", finish, crate::operations::nothing),
    ];
    templates
        .operations
        .register(KIND, Saga::new(Lane::Quiet, templates.clone(), STEPS).counting(Unit::Bytes));
}

impl Templates {
    /// Has the newest version copied when a chain of it is long.
    pub(super) fn keep_chains_short(&self, actor: &Actor, uuid: Uuid) -> Result<()> {
        let (template, layers) = self.store.read(|conn| {
            let template = store::find(conn, uuid)?;
            let layers = store::placed_layers(conn, &template)?;
            Ok((template, layers))
        })?;
        let copies: Vec<Replaced<Uuid>> = tops(&layers, template.version)
            .filter(|top| store::chain(&layers, top.layer.uuid).len() > CHAIN_LIMIT)
            .map(|top| Replaced { from: top.layer.uuid, to: Uuid::new_v4() })
            .collect();
        if copies.is_empty() {
            return Ok(());
        }
        let args = Args { template: uuid, version: template.version, copies };
        self.operations.submit(actor, |tx| {
            self.operations.unschedule(tx, KIND, uuid)?;
            Ok(NewOperation::new(KIND, &args, uuid, &template.name)?.at(now() + PAUSE))
        })?;
        Ok(())
    }
}

fn tops(layers: &[PlacedLayer], version: u32) -> impl Iterator<Item = &PlacedLayer> {
    layers.iter().filter(move |placed| placed.layer.version == Some(version))
}

fn begin(templates: &Templates, args: &Args, _: &Execution) -> Result<()> {
    templates.store.write(|tx| {
        let template = store::find(tx, args.template)?;
        // The working disks are made anew on the copy: only while they hold nothing. The next save
        // asks again; without rows the other steps have nothing to do.
        let idle = template.state == TemplateState::Ready
            && !template.changed
            && !template.power.is_on()
            && template.version == args.version;
        if !idle {
            return Ok(());
        }
        let layers = store::placed_layers(tx, &template)?;
        for Replaced { from, to } in &args.copies {
            let Some(old) = layers.iter().find(|placed| placed.layer.uuid == *from) else {
                return Err(Error::internal(format_args!("layer {from} has gone")));
            };
            let copy = Layer { uuid: *to, version: None, below: None, ..old.layer.clone() };
            store::insert_layer(tx, &copy)?;
            images::note_copy(tx, &new_copy(*to, template.node_id, &old.storage))?;
        }
        store::set_state(tx, template.uuid, TemplateState::Updating, None)
    })
}

fn forget_copies(templates: &Templates, args: &Args, _: &Execution) -> Result<()> {
    let copies: Vec<Uuid> = args.copies.iter().map(|copy| copy.to).collect();
    templates.store.write(|tx| {
        store::delete_layers(tx, &copies)?;
        match store::find_if_there(tx, args.template)? {
            Some(template) if template.state == TemplateState::Updating => {
                store::set_state(tx, args.template, TemplateState::Ready, None)
            }
            _ => Ok(()),
        }
    })
}

/// Each old layer with its copy.
fn pairs(templates: &Templates, args: &Args) -> Result<(Template, Vec<Replaced<PlacedLayer>>)> {
    templates.store.read(|conn| {
        let template = store::find(conn, args.template)?;
        let layers = store::placed_layers(conn, &template)?;
        let find = |uuid: &Uuid| layers.iter().find(|placed| placed.layer.uuid == *uuid).cloned();
        let pairs = args.copies.iter().filter_map(|Replaced { from, to }| {
            Some(Replaced { from: find(from)?, to: find(to)? })
        });
        Ok((template, pairs.collect()))
    })
}

fn copy(templates: &Templates, args: &Args, execution: &Execution) -> Result<()> {
    let (template, pairs) = pairs(templates, args)?;
    let client = templates.client_of(&template)?;
    for Replaced { from, to } in &pairs {
        watched(execution, |watch| client.flatten(from.layer_ref(), to.layer_ref(), watch))?;
    }
    let copies: Vec<PlacedLayer> = pairs.into_iter().map(|pair| pair.to).collect();
    templates.note_made(template.node_id, &copies)
}

fn remove_copies(templates: &Templates, args: &Args, _: &Execution) -> Result<()> {
    let (template, pairs) = pairs(templates, args)?;
    let copies = pairs.iter().map(|pair| pair.to.layer_ref()).collect();
    templates.remove_files(template.node_id, copies)
}

fn switch(templates: &Templates, args: &Args, execution: &Execution) -> Result<()> {
    let (template, pairs) = pairs(templates, args)?;
    if pairs.is_empty() {
        return Ok(());
    }
    templates.store.write(|tx| {
        for Replaced { from, to } in &pairs {
            store::set_layer_version(tx, from.layer.uuid, None)?;
            store::set_layer_version(tx, to.layer.uuid, Some(args.version))?;
            store::set_disk_top(tx, to.layer.disk_id, to.layer.uuid)?;
        }
        Ok(())
    })?;
    renew(templates, &template, args.version, execution)
}

fn switch_back(templates: &Templates, args: &Args, execution: &Execution) -> Result<()> {
    let (template, pairs) = pairs(templates, args)?;
    if pairs.is_empty() {
        return Ok(());
    }
    templates.store.write(|tx| {
        for Replaced { from, to } in &pairs {
            store::set_layer_version(tx, to.layer.uuid, None)?;
            store::set_layer_version(tx, from.layer.uuid, Some(args.version))?;
            store::set_disk_top(tx, from.layer.disk_id, from.layer.uuid)?;
        }
        Ok(())
    })?;
    renew(templates, &template, args.version, execution)
}

/// Publishes what the rows say and makes the empty working disks anew on it.
fn renew(
    templates: &Templates,
    template: &Template,
    version: u32,
    execution: &Execution,
) -> Result<()> {
    templates.publish(template, version)?;
    templates.undefine(template)?;
    templates.define(template, execution)
}

fn finish(templates: &Templates, args: &Args, execution: &Execution) -> Result<()> {
    let (template, pairs) = pairs(templates, args)?;
    if pairs.is_empty() {
        return Ok(());
    }
    templates.measure(&template, execution)?;
    templates.store.write(|tx| store::set_state(tx, args.template, TemplateState::Ready, None))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_stored_as_pairs_is_read() {
        let (template, from, to) = (Uuid::new_v4(), Uuid::new_v4(), Uuid::new_v4());
        let stored =
            format!(r#"{{"template":"{template}","version":2,"copies":[["{from}","{to}"]]}}"#);
        let args: Args = serde_json::from_str(&stored).expect("pairs");
        assert_eq!((args.copies[0].from, args.copies[0].to), (from, to));
    }
}
