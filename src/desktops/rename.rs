//! Gives a desktop another name: in its row, and in the title that other tools on its node show.
//!
//! The name is a word for people: address, MAC, disks and seat go by uuid and number, and libvirt's own name of the
//! domain stays, so that logs can be followed.

use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::change::Changed;
use super::group::Stage;
use super::power::not_ready;
use super::store::seats;
use super::{Desktops, nodes};
use crate::error::{Error, Result};
use crate::operations::{Action, Actor, Execution, Lane, NewOperation, Saga, Unit, nothing};
use crate::store::text::lookalike;
use crate::store::visible::Visible;

const KIND: &str = "desktop-rename";

#[derive(Debug, Serialize, Deserialize)]
struct Args {
    desktop: Uuid,
    /// The name before.
    old: String,
}

static STEPS: [Action<Desktops, Args>; 2] =
    [Action::new("row", nothing, take_back), Action::new("domain", tell_node, nothing)];

pub(super) fn register(desktops: &Desktops) {
    let saga = Saga::new(Lane::Build, desktops.clone(), &STEPS).counting(Unit::Items);
    desktops.operations.register(KIND, saga);
}

impl Desktops {
    /// Gives a desktop another name. A guest that runs goes on.
    ///
    /// # Errors
    /// `desktop-unknown`, `desktop-name-taken`, `desktop-creating`, `desktop-deleting`; nothing was changed then
    pub fn rename_desktop(
        &self,
        visible: &Visible,
        actor: &Actor,
        desktop: Uuid,
        name: &str,
    ) -> Result<Changed> {
        if self.store.read(|conn| seats::seat(conn, visible, desktop))?.name == name {
            return Ok(Changed::Done);
        }
        let submitted = self.operations.submit(actor, |tx| {
            let seat = seats::seat(tx, visible, desktop)?;
            if seat.stage != Stage::Ready {
                return Err(not_ready(seat.stage, &seat.name));
            }
            if let Some(other) = other_of_name(tx, &seat, name)? {
                let error = Error::conflict("desktop-name-taken").arg("field", "name");
                return Err(error.arg("name", other));
            }
            seats::rename(tx, desktop, name)?;
            let args = Args { desktop, old: seat.name };
            Ok(NewOperation::new(KIND, &args, desktop, name)?.on([(seat.node_id, 1)]))
        })?;
        Ok(Changed::Running(submitted))
    }
}

/// Another desktop of the group whose name people would take for this one.
fn other_of_name(conn: &Connection, seat: &seats::Seat, name: &str) -> Result<Option<String>> {
    let form = lookalike(name);
    let mut others = seats::of_group(conn, seat.group)?.into_iter();
    let other = others.find(|other| other.uuid != seat.uuid && lookalike(&other.name) == form);
    Ok(other.map(|other| other.name))
}

fn tell_node(desktops: &Desktops, args: &Args, execution: &Execution) -> Result<()> {
    nodes::all(desktops.define_domains(&[args.desktop], execution)?)?;
    let seat = desktops.store.read(|conn| seats::seat(conn, &Visible::All, args.desktop))?;
    execution.item(seat.uuid, &seat.name, Ok(()));
    Ok(())
}

/// The old name, unless another desktop got it meanwhile; then for the node, which may have been told the new one.
fn take_back(desktops: &Desktops, args: &Args, execution: &Execution) -> Result<()> {
    desktops.store.write(|tx| {
        let seat = seats::seat(tx, &Visible::All, args.desktop)?;
        match other_of_name(tx, &seat, &args.old)? {
            Some(_) => Ok(()),
            None => seats::rename(tx, args.desktop, &args.old),
        }
    })?;
    desktops.define_or_look(&[args.desktop], execution)
}
