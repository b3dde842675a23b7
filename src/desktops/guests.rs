//! What guests say of themselves, asked when somebody wants to know: most desktops are never looked at.

use tokio::sync::OwnedSemaphorePermit;
use uuid::Uuid;

use super::{Desktops, store};
use crate::error::Result;
use crate::node::protocol::{AGENT_ABSENT, AGENT_SILENT, GuestFacts};
use crate::store::NodeId;
use crate::store::visible::Visible;

/// Guests of a node that are asked at the same time: one that does not answer holds a thread for seconds.
pub(super) const QUESTIONS: usize = 4;

/// How far one sees into a guest.
#[derive(Debug)]
pub enum GuestSight {
    Off,
    /// No agent listens: none is installed, or the guest still boots.
    Absent,
    /// An agent listens and does not answer in time.
    Silent,
    Answers(Box<GuestFacts>),
}

/// A desktop whose guest can be asked.
pub struct AskedGuest {
    domain: Uuid,
    node_id: NodeId,
}

impl Desktops {
    /// `None` for a desktop that is off.
    ///
    /// # Errors
    /// `desktop-unknown`
    pub fn guest_to_ask(&self, visible: &Visible, desktop: Uuid) -> Result<Option<AskedGuest>> {
        let seat = self.store.read(|conn| store::seats::seat(conn, visible, desktop))?;
        let asked = AskedGuest { domain: desktop, node_id: seat.node_id };
        Ok(seat.power.is_on().then_some(asked))
    }

    /// Waits for a turn at the guest's node, so that guests that are silent do not hold up the node.
    pub async fn question_turn(&self, guest: &AskedGuest) -> Result<OwnedSemaphorePermit> {
        self.question_turns.take(guest.node_id).await
    }

    /// Blocks for as long as the guest thinks, some seconds at most.
    ///
    /// # Errors
    /// When the node cannot be reached.
    pub fn ask_guest(&self, guest: &AskedGuest) -> Result<GuestSight> {
        match self.inventory.client_now(guest.node_id)?.ask_guest(guest.domain) {
            Ok(facts) => Ok(GuestSight::Answers(Box::new(facts))),
            Err(error) => match error.key() {
                "domain-not-running" | "domain-missing" => Ok(GuestSight::Off),
                AGENT_ABSENT => Ok(GuestSight::Absent),
                AGENT_SILENT => Ok(GuestSight::Silent),
                _ => Err(error),
            },
        }
    }
}
