//! Viewers beside the browser: tickets for them, and what they have open.
//!
//! ```text
//!   viewer_ticket ──► waits ── first connection ──► session ── further connections of the same viewer
//!                       │ 60 s                        │ SPICE: until its first connection ends
//!                       ▼                             │ RDP: until 2 minutes after its last one has ended
//!                      void ◄─────────────────────────┘
//! ```
//!
//! A viewer of SPICE opens a connection for each of screen, keyboard, sound and so on. Those of RDP come back by
//! themselves: after they have asked for a password, and when the network was away for a moment. Both bring the ticket
//! that they began with, which is good for nobody at another address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use tokio::sync::watch;
use uuid::Uuid;

use super::consoles::{Holder, Screen, Ticket};
use super::{Desktops, store};
use crate::error::{Error, Result};
use crate::identity::Tickets;
use crate::node::client::OpenCall;
use crate::node::protocol::{ScreenProtocol, Spice};
use crate::store::visible::Visible;

/// How long a ticket waits for its viewer, which a person starts.
const LIFE: Duration = Duration::from_secs(60);
/// How long a viewer of RDP may stay away.
const RETURN: Duration = Duration::from_secs(120);
/// Connections of one viewer at a time: each monitor and each USB device has one.
const CONNECTIONS: usize = 32;

type Key = [u8; 32];

/// A connection of a viewer, as it names itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connection {
    /// The one that SPICE begins with.
    SpiceFirst,
    /// Of a viewer that has its first one open.
    SpiceFurther,
    Rdp,
}

impl Connection {
    const fn protocol(self) -> ScreenProtocol {
        match self {
            Self::SpiceFirst | Self::SpiceFurther => ScreenProtocol::Spice,
            Self::Rdp => ScreenProtocol::Rdp,
        }
    }
}

/// Tickets, and who has come with one.
pub(super) struct Viewers<T = Ticket> {
    waiting: Tickets<(ScreenProtocol, T)>,
    sessions: HashMap<Key, Session<T>>,
}

impl<T> Default for Viewers<T> {
    fn default() -> Self {
        Self { waiting: Tickets::default(), sessions: HashMap::new() }
    }
}

/// A viewer that has come with its ticket.
struct Session<T> {
    protocol: ScreenProtocol,
    ticket: T,
    address: IpAddr,
    open: usize,
    /// When its last connection ended.
    left: Instant,
    is_over: watch::Sender<bool>,
}

impl<T> Session<T> {
    fn is_void(&self) -> bool {
        *self.is_over.borrow() || self.open == 0 && self.left.elapsed() >= RETURN
    }
}

/// A place at a screen, until it is dropped.
pub struct ViewerPlace {
    pub ticket: Ticket,
    /// Whether the viewer came just now, and did not have the place already.
    pub is_new: bool,
    connection: Connection,
    key: Key,
    is_over: watch::Receiver<bool>,
    viewers: Arc<Mutex<Viewers>>,
}

impl<T> Viewers<T> {
    /// `None` when the ticket is good for nothing here.
    fn enter(&mut self, connection: Connection, word: &str, from: IpAddr) -> Option<(Key, bool)> {
        self.sessions.retain(|_, session| !session.is_void());
        let key: Key = Sha256::digest(word.as_bytes()).into();
        let protocol = connection.protocol();
        if let Some(session) = self.sessions.get_mut(&key) {
            let is_its = session.protocol == protocol && session.address == from;
            let may = is_its && connection != Connection::SpiceFirst && session.open < CONNECTIONS;
            session.open += usize::from(may);
            return may.then_some((key, false));
        }
        let is_right = self.waiting.look(word).is_some_and(|(of, _)| *of == protocol);
        if !is_right || connection == Connection::SpiceFurther {
            return None;
        }
        let (_, ticket) = self.waiting.take(word)?;
        let (is_over, left) = (watch::Sender::new(false), Instant::now());
        let session = Session { protocol, ticket, address: from, open: 1, left, is_over };
        self.sessions.insert(key, session);
        Some((key, true))
    }

    fn leave(&mut self, connection: Connection, key: &Key) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        session.open -= 1;
        session.left = Instant::now();
        if connection == Connection::SpiceFirst {
            session.is_over.send_replace(true);
            self.sessions.remove(key);
        }
    }
}

impl ViewerPlace {
    /// Waits until the viewer's first connection has ended, where that ends the others.
    pub async fn over(&mut self) {
        // Its session is gone when nobody can say so any more.
        let _ = self.is_over.wait_for(|is_over| *is_over).await;
    }
}

impl Drop for ViewerPlace {
    fn drop(&mut self) {
        lock(&self.viewers).leave(self.connection, &self.key);
    }
}

fn lock(viewers: &Mutex<Viewers>) -> MutexGuard<'_, Viewers> {
    viewers.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Desktops {
    /// A ticket for a viewer of a desktop that runs, and the desktop's name. Asks the node whether something answers there.
    ///
    /// # Errors
    /// `screen-off`, `viewer-spice-off`, `spice-at-next-start`, `rdp-silent`, `rdp-without-address`, and why the node does not
    /// answer
    pub fn viewer_ticket(
        &self,
        visible: &Visible,
        holder: Holder,
        desktop: Uuid,
        by: ScreenProtocol,
    ) -> Result<(String, String)> {
        let ticket = self.ticket(visible, holder, Screen::Desktop(desktop), None)?;
        let spice = || self.store.read(|conn| store::seats::spice(conn, desktop));
        if by == ScreenProtocol::Spice && spice()? == Spice::Off {
            return Err(Error::conflict("viewer-spice-off").arg("name", ticket.name));
        }
        self.inventory.client_now(ticket.node_id)?.probe_console(desktop, by)?;
        let name = ticket.name.clone();
        Ok((name, lock(&self.viewers).waiting.give((by, ticket), LIFE)?))
    }

    /// Lets a viewer's connection in.
    ///
    /// # Errors
    /// `console-ticket-unknown`: never given, used, too old, or of somebody at another address
    pub fn enter_viewer(
        &self,
        connection: Connection,
        word: &str,
        from: IpAddr,
    ) -> Result<ViewerPlace> {
        let mut viewers = lock(&self.viewers);
        let unknown = || Error::not_found("console-ticket-unknown");
        let (key, is_new) = viewers.enter(connection, word, from).ok_or_else(unknown)?;
        let session = viewers.sessions.get(&key).ok_or_else(unknown)?;
        Ok(ViewerPlace {
            ticket: session.ticket.clone(),
            is_new,
            connection,
            key,
            is_over: session.is_over.subscribe(),
            viewers: Arc::clone(&self.viewers),
        })
    }

    /// Opens the screen of a place, where the desktop is now. Within the runtime.
    ///
    /// # Errors
    /// `desktop-unknown`, also for one that is not among those that are `visible`, `screen-off`
    pub fn open_viewer(&self, visible: &Visible, place: &ViewerPlace) -> Result<OpenCall> {
        let (holder, screen) = (place.ticket.holder.clone(), place.ticket.screen);
        let node = self.ticket(visible, holder, screen, None)?.node_id;
        let (Screen::Desktop(domain) | Screen::Template(domain)) = screen;
        self.inventory.client_now(node)?.console(domain, place.connection.protocol())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Connection::{Rdp, SpiceFirst, SpiceFurther};

    const HOME: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7));
    const AWAY: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 8));

    fn viewers(protocol: ScreenProtocol) -> (Viewers<&'static str>, String) {
        let mut viewers = Viewers::default();
        let word = viewers.waiting.give((protocol, "pc1"), LIFE).unwrap();
        (viewers, word)
    }

    #[test]
    fn a_viewer_of_spice_has_further_connections_while_its_first_is_open() {
        let (mut viewers, word) = viewers(ScreenProtocol::Spice);
        assert_eq!(viewers.enter(SpiceFurther, &word, HOME), None, "nothing is open yet");
        assert_eq!(viewers.enter(Rdp, &word, HOME), None, "of another kind");
        assert_eq!(viewers.enter(SpiceFirst, "a guess", HOME), None);
        let (key, is_new) = viewers.enter(SpiceFirst, &word, HOME).unwrap();
        assert!(is_new);
        assert_eq!(viewers.enter(SpiceFirst, &word, HOME), None, "it is good once");
        assert_eq!(viewers.enter(SpiceFurther, &word, AWAY), None, "of somebody else");
        assert_eq!(viewers.enter(SpiceFurther, &word, HOME), Some((key, false)));
        let over = viewers.sessions[&key].is_over.subscribe();
        viewers.leave(SpiceFurther, &key);
        assert!(!*over.borrow());
        viewers.leave(SpiceFirst, &key);
        assert!(*over.borrow(), "the others end with it");
        assert_eq!(viewers.enter(SpiceFurther, &word, HOME), None);
        assert_eq!(viewers.enter(SpiceFirst, &word, HOME), None);
    }

    #[test]
    fn a_viewer_has_no_end_of_connections() {
        let (mut viewers, word) = viewers(ScreenProtocol::Spice);
        viewers.enter(SpiceFirst, &word, HOME).unwrap();
        let further = (0..2 * CONNECTIONS).filter_map(|_| viewers.enter(SpiceFurther, &word, HOME));
        assert_eq!(further.count(), CONNECTIONS - 1);
    }

    #[test]
    fn a_viewer_of_rdp_may_come_back_from_where_it_was_for_a_while() {
        let (mut viewers, word) = viewers(ScreenProtocol::Rdp);
        let (key, is_new) = viewers.enter(Rdp, &word, HOME).unwrap();
        assert!(is_new);
        assert_eq!(viewers.enter(Rdp, &word, AWAY), None);
        viewers.leave(Rdp, &key);
        assert_eq!(viewers.enter(Rdp, &word, HOME), Some((key, false)));
        viewers.leave(Rdp, &key);
        viewers.sessions.get_mut(&key).unwrap().left = Instant::now().checked_sub(RETURN).unwrap();
        assert_eq!(viewers.enter(Rdp, &word, HOME), None, "too late");
        assert!(viewers.sessions.is_empty());
    }
}
