//! Who may fetch which file that was made for a download.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use uuid::Uuid;

use crate::desktops::tickets::Tickets;
use crate::error::Result;

/// The right to one download.
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
    /// Files whose ticket is about to be issued, or was taken for a download that goes on.
    wanted: HashSet<Uuid>,
    tickets: Tickets<Ticket>,
}

impl Downloads {
    fn lock(&self) -> MutexGuard<'_, Issued> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A ticket for this file is about to be issued.
    pub fn announce(&self, export: Uuid) {
        self.lock().wanted.insert(export);
    }

    /// Its download ended, or its ticket was issued.
    pub fn forget(&self, export: Uuid) {
        self.lock().wanted.remove(&export);
    }

    pub fn issue(&self, ticket: Ticket, life: Duration) -> Result<String> {
        self.lock().tickets.give(ticket, life)
    }

    /// The file stays wanted until [`Downloads::forget`].
    pub fn take(&self, word: &str) -> Option<Ticket> {
        let mut issued = self.lock();
        let ticket = issued.tickets.take(word)?;
        issued.wanted.insert(ticket.export);
        Some(ticket)
    }

    /// Whether somebody may still fetch this file.
    pub fn knows(&self, export: Uuid) -> bool {
        let mut issued = self.lock();
        issued.wanted.contains(&export)
            || issued.tickets.waiting().any(|ticket| ticket.export == export)
    }
}
