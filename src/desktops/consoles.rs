//! Screens of desktops and templates: tickets for a console, and pictures.
//!
//! A console is opened by a URL that carries a ticket: random, good once, and only for a moment, because a browser's
//! WebSocket can send no credentials and URLs end up in logs. Tickets live in memory, as hashes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rand::TryRngCore;
use rand::rngs::OsRng;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::templates::Power;
use super::{Desktops, store, templates};
use crate::error::{Context, Error, Result};
use crate::identity::Caller;
use crate::node::client::OpenCall;
use crate::operations::Actor;
use crate::store::visible::Visible;

/// How long a ticket waits to be used.
pub const TICKET_LIFE: Duration = Duration::from_secs(30);
/// Bytes of a ticket.
const TICKET_BYTES: usize = 32;
/// Tickets that may wait; beyond it the oldest goes. A page of thumbnails opens none.
const TICKETS: usize = 10_000;

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
    pub education_group: Option<i64>,
    node_id: i64,
    pub holder: Holder,
    expires: Instant,
}

#[derive(Clone, Default)]
pub(super) struct Tickets(Arc<Mutex<HashMap<[u8; 32], Ticket>>>);

impl Tickets {
    fn lock(&self) -> MutexGuard<'_, HashMap<[u8; 32], Ticket>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps the ticket and gives the word for it.
    fn give(&self, ticket: Ticket) -> Result<String> {
        let mut random = [0; TICKET_BYTES];
        OsRng.try_fill_bytes(&mut random).context("draw a console's ticket")?;
        let word = hex::encode(random);
        let mut tickets = self.lock();
        let now = Instant::now();
        tickets.retain(|_, waiting| waiting.expires > now);
        if tickets.len() >= TICKETS {
            let oldest = tickets.iter().min_by_key(|(_, waiting)| waiting.expires);
            if let Some(key) = oldest.map(|(key, _)| *key) {
                tickets.remove(&key);
            }
        }
        tickets.insert(key(&word), ticket);
        Ok(word)
    }

    /// Takes the ticket: it is good once.
    fn take(&self, word: &str) -> Option<Ticket> {
        let ticket = self.lock().remove(&key(word))?;
        (ticket.expires > Instant::now()).then_some(ticket)
    }
}

fn key(word: &str) -> [u8; 32] {
    Sha256::digest(word.as_bytes()).into()
}

/// What is needed to reach a screen.
struct Where {
    name: String,
    education_group: Option<i64>,
    node_id: i64,
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
        self.tickets.give(Ticket {
            screen,
            name: found.name,
            education_group: found.education_group,
            node_id: found.node_id,
            holder,
            expires: Instant::now() + TICKET_LIFE,
        })
    }

    /// # Errors
    /// `console-ticket-unknown`: never given, used, or too old.
    pub fn take_ticket(&self, word: &str) -> Result<Ticket> {
        self.tickets.take(word).ok_or_else(|| Error::not_found("console-ticket-unknown"))
    }

    /// Opens the console of a ticket. Within the runtime.
    pub fn open_console(&self, ticket: &Ticket) -> Result<OpenCall> {
        let (Screen::Desktop(domain) | Screen::Template(domain)) = ticket.screen;
        self.inventory.client(ticket.node_id)?.console(domain)
    }

    /// A PNG of the screen, at most `width` pixels wide.
    ///
    /// # Errors
    /// `screen-off`, of a kind that says there is no picture.
    pub fn picture(&self, visible: &Visible, screen: Screen, width: u32) -> Result<Vec<u8>> {
        let found = self.find_screen(visible, screen)?;
        let off = || Error::not_found("screen-off").arg("name", &found.name);
        if !found.power.is_on() {
            return Err(off());
        }
        let (Screen::Desktop(domain) | Screen::Template(domain)) = screen;
        let picture = self.inventory.client(found.node_id)?.screenshot(domain, width);
        picture.map_err(|error| match error.key() {
            "domain-not-running" | "domain-missing" => off().because(error),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{Permissions, Via, Within};

    fn ticket(life: Duration) -> Ticket {
        let caller = Caller {
            user_id: 1,
            uuid: String::new(),
            name: "lee".into(),
            full_name: String::new(),
            roles: Vec::new(),
            permissions: Permissions::new(),
            within: Within::new(),
            via: Via::Session(1),
        };
        Ticket {
            screen: Screen::Desktop(Uuid::new_v4()),
            name: "pc1".into(),
            education_group: None,
            node_id: 1,
            holder: Holder { actor: Actor::system(), caller },
            expires: Instant::now() + life,
        }
    }

    #[test]
    fn a_ticket_is_good_once() {
        let tickets = Tickets::default();
        let word = tickets.give(ticket(TICKET_LIFE)).expect("a ticket");
        assert_eq!(word.len(), 2 * TICKET_BYTES);
        assert!(tickets.take("somebody's guess").is_none());
        assert!(tickets.take(&word).is_some());
        assert!(tickets.take(&word).is_none());
    }

    #[test]
    fn an_old_ticket_is_good_for_nothing() {
        let tickets = Tickets::default();
        let word = tickets.give(ticket(Duration::ZERO)).expect("a ticket");
        assert!(tickets.take(&word).is_none());
    }

    #[test]
    fn only_a_hash_is_kept() {
        let tickets = Tickets::default();
        let word = tickets.give(ticket(TICKET_LIFE)).expect("a ticket");
        let kept = tickets.lock();
        assert!(!kept.keys().any(|key| hex::encode(key) == word));
    }
}
