//! Who may fetch which file that was made for a download.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use uuid::Uuid;

use crate::error::Result;
use crate::identity::Tickets;

/// The right to one download.
#[derive(Clone)]
pub struct Ticket {
    pub export: Uuid,
    /// Makes the file.
    pub operation: Uuid,
    /// Of the template.
    pub name: String,
}

/// Downloads that are to come or go on. They end with the server.
#[derive(Default)]
pub struct Downloads(Mutex<Issued>);

#[derive(Default)]
struct Issued {
    /// Files whose ticket is about to be issued, and those of downloads that go on: how many each.
    wanted: HashMap<Uuid, usize>,
    tickets: Tickets<Ticket>,
}

impl Downloads {
    fn lock(&self) -> MutexGuard<'_, Issued> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A ticket for this file is about to be issued.
    pub fn announce(&self, export: Uuid) {
        *self.lock().wanted.entry(export).or_default() += 1;
    }

    /// A download of it ended, or its ticket was issued.
    pub fn forget(&self, export: Uuid) {
        let mut issued = self.lock();
        if let Some(count) = issued.wanted.get_mut(&export) {
            *count -= 1;
            if *count == 0 {
                issued.wanted.remove(&export);
            }
        }
    }

    pub fn issue(&self, ticket: Ticket, life: Duration) -> Result<String> {
        self.lock().tickets.give(ticket, life)
    }

    /// A download begins: the file stays wanted until [`Downloads::forget`]. The ticket stays good, as the download
    /// may break.
    pub fn begin(&self, word: &str) -> Option<Ticket> {
        let mut issued = self.lock();
        let ticket = issued.tickets.look(word)?.clone();
        *issued.wanted.entry(ticket.export).or_default() += 1;
        Some(ticket)
    }

    /// The whole file has been fetched: the ticket is good for nothing more.
    pub fn spend(&self, word: &str) {
        self.lock().tickets.take(word);
    }

    /// Whether somebody may still fetch this file.
    pub fn knows(&self, export: Uuid) -> bool {
        let mut issued = self.lock();
        issued.wanted.contains_key(&export)
            || issued.tickets.waiting().any(|ticket| ticket.export == export)
    }
}
