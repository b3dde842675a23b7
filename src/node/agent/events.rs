//! Where the parts of an agent put what they have to tell.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc::UnboundedSender;

use crate::node::protocol::Event;

/// Clones are the same sink. It leads to the controller that is connected, and drops what is sent while none is:
/// a controller asks for the whole state when it connects.
#[derive(Clone, Default)]
pub struct EventSink(Arc<Mutex<Option<UnboundedSender<Event>>>>);

impl EventSink {
    /// Never blocks.
    pub fn send(&self, event: Event) {
        let mut listener = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = listener.as_ref()
            && sender.send(event).is_err()
        {
            *listener = None;
        }
    }

    /// Whether anyone listens, for events that cost something to make.
    pub fn is_heard(&self) -> bool {
        let listener = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        listener.as_ref().is_some_and(|sender| !sender.is_closed())
    }

    /// From now on events go to this listener, and no longer to an earlier one.
    pub fn listen(&self, sender: UnboundedSender<Event>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender);
    }
}
