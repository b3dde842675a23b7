//! Screens of desktops and templates: tickets for a console, and pictures.
//!
//! A console is opened by a URL that carries a ticket, because a browser's WebSocket can send no credentials.

use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;
use uuid::Uuid;

use super::templates::Power;
use super::{Desktops, store, templates};
use crate::error::{Error, Result};
use crate::identity::Caller;
use crate::identity::Tickets;
use crate::node::client::OpenCall;
use crate::node::protocol::{Hardware, ScreenProtocol, Sound, Spice};
use crate::operations::Actor;
use crate::store::visible::Visible;
use crate::store::{EducationGroupId, NodeId};

/// How long a ticket waits to be used.
pub const TICKET_LIFE: Duration = Duration::from_secs(30);

/// Pictures taken of a node's screens at the same time.
pub(super) const PICTURES: usize = 6;

/// Whose screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Screen {
    Desktop(Uuid),
    Template(Uuid),
}

/// Who was given a ticket.
#[derive(Debug, Clone)]
pub struct Holder {
    /// For the audit log.
    pub actor: Actor,
    /// The console closes when they sign out.
    pub caller: Caller,
}

/// The right to open one console once.
#[derive(Debug, Clone)]
pub struct Ticket {
    pub screen: Screen,
    pub name: String,
    /// Row of the education group that the desktop belongs to.
    pub education_group: Option<EducationGroupId>,
    pub(super) node_id: NodeId,
    pub holder: Holder,
}

/// What a console carries beside the picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Beside {
    pub sound: bool,
    /// Where the system in the machine has an agent for it.
    pub clipboard: bool,
}

impl Beside {
    fn of(hardware: &Hardware, spice: Spice) -> Self {
        // The one port of a guest's agent is SPICE's where there is SPICE.
        let clipboard = hardware.clipboard && spice == Spice::Off;
        Self { sound: hardware.sound != Sound::None, clipboard }
    }
}

/// A screen of a machine that is on.
pub struct LitScreen {
    domain: Uuid,
    name: String,
    node_id: NodeId,
}

impl LitScreen {
    fn off(&self) -> Error {
        Error::not_found("screen-off").arg("name", &self.name)
    }
}

/// What is needed to reach a screen.
struct Where {
    name: String,
    education_group: Option<EducationGroupId>,
    node_id: NodeId,
    power: Power,
}

impl Desktops {
    /// A ticket for the console of what is running. `name`, when given, is the one that the caller saw.
    ///
    /// # Errors
    /// `screen-off`
    pub fn console_ticket(
        &self,
        visible: &Visible,
        holder: Holder,
        screen: Screen,
        name: Option<&str>,
    ) -> Result<String> {
        let ticket = self.ticket(visible, holder, screen, name)?;
        self.tickets().give(ticket, TICKET_LIFE)
    }

    /// What the console of a machine carries, by the hardware that it was made with.
    pub fn beside(&self, screen: Screen) -> Result<Beside> {
        self.store.read(|conn| match screen {
            Screen::Desktop(uuid) => {
                let (template, version) = store::seats::version(conn, uuid)?;
                let hardware = templates::store::version_hardware(conn, template, version)?;
                Ok(Beside::of(&hardware, store::seats::spice(conn, uuid)?))
            }
            Screen::Template(uuid) => {
                Ok(Beside::of(&templates::store::find(conn, uuid)?.hardware, Spice::Off))
            }
        })
    }

    /// The right to see what is running.
    ///
    /// # Errors
    /// `screen-off`
    pub(super) fn ticket(
        &self,
        visible: &Visible,
        holder: Holder,
        screen: Screen,
        name: Option<&str>,
    ) -> Result<Ticket> {
        let found = self.find_screen(visible, screen)?;
        if let Some(given) = name
            && given != found.name
        {
            let error = Error::conflict("desktop-renamed").arg("field", "name");
            return Err(error.arg("given", given).arg("name", found.name));
        }
        if let Some(fault) = self.inventory.why_down(found.node_id) {
            return Err(fault.into());
        }
        if !found.power.is_on() {
            return Err(Error::conflict("screen-off").arg("name", found.name));
        }
        Ok(Ticket {
            screen,
            name: found.name,
            education_group: found.education_group,
            node_id: found.node_id,
            holder,
        })
    }

    /// # Errors
    /// `console-ticket-unknown`: never given, used, or too old.
    pub fn take_ticket(&self, word: &str) -> Result<Ticket> {
        self.tickets().take(word).ok_or_else(|| Error::not_found("console-ticket-unknown"))
    }

    fn tickets(&self) -> MutexGuard<'_, Tickets<Ticket>> {
        self.tickets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens the console of a ticket. Within the runtime.
    pub fn open_console(&self, ticket: &Ticket) -> Result<OpenCall> {
        let (Screen::Desktop(domain) | Screen::Template(domain)) = ticket.screen;
        self.inventory.client_now(ticket.node_id)?.console(domain, ScreenProtocol::Vnc)
    }

    /// A screen of which a picture can be taken.
    ///
    /// # Errors
    /// `screen-off`, of a kind that says there is no picture.
    pub fn lit_screen(&self, visible: &Visible, screen: Screen) -> Result<LitScreen> {
        let Where { name, node_id, power, .. } = self.find_screen(visible, screen)?;
        let (Screen::Desktop(domain) | Screen::Template(domain)) = screen;
        let lit = LitScreen { domain, name, node_id };
        if power.is_on() { Ok(lit) } else { Err(lit.off()) }
    }

    /// Waits for a turn at the screen's node: a page of pictures must not take all threads, and a node that hangs
    /// not the turns of others.
    pub async fn picture_turn(&self, screen: &LitScreen) -> Result<OwnedSemaphorePermit> {
        self.picture_turns.take(screen.node_id).await
    }

    /// A PNG of the screen, at most `width` pixels wide.
    ///
    /// # Errors
    /// `screen-off`, of a kind that says there is no picture.
    pub fn picture(&self, screen: &LitScreen, width: u32) -> Result<Vec<u8>> {
        let picture = self.inventory.client_now(screen.node_id)?.screenshot(screen.domain, width);
        picture.map_err(|error| match error.key() {
            "domain-not-running" | "domain-missing" => screen.off().because(error),
            _ => error,
        })
    }

    fn find_screen(&self, visible: &Visible, screen: Screen) -> Result<Where> {
        self.store.read(|conn| match screen {
            Screen::Desktop(uuid) => {
                let seat = store::seats::seat(conn, visible, uuid)?;
                let (name, node_id, power) = (seat.name, seat.node_id, seat.power);
                Ok(Where { name, education_group: seat.education_group, node_id, power })
            }
            Screen::Template(uuid) => {
                let template = templates::store::find(conn, uuid)?;
                let (name, node_id, power) = (template.name, template.node_id, template.power);
                Ok(Where { name, education_group: None, node_id, power })
            }
        })
    }
}
