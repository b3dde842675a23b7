//! Whether somebody is still there: for what outlives a request, such as event streams and consoles.
//!
//! A request is checked when it comes. A stream that was opened then is looked at again at news of rights, and at
//! each heartbeat: another process, such as `carrel admin`, may have changed them.

use std::sync::Arc;
use std::time::Duration;

use rocket::tokio;
use rocket::tokio::sync::broadcast::Receiver;
use rocket::tokio::sync::broadcast::error::RecvError;
use rocket::tokio::sync::watch;
use rocket::tokio::time::{Instant, sleep_until};

use super::App;
use super::work::blocking;
use crate::error::Result;
use crate::identity::Caller;
use crate::store::{Changed, Topic};

/// Time between two looks at the most.
pub const HEARTBEAT: Duration = Duration::from_secs(15);
/// Changes are gathered this long: whoever ends 100 sessions causes one look and not 100.
const GATHER: Duration = Duration::from_millis(200);

/// Somebody whose stream is open.
pub struct Presence(watch::Receiver<Option<Caller>>);

impl Presence {
    pub fn of(app: &Arc<App>, caller: Caller) -> Self {
        let (tell, told) = watch::channel(Some(caller.clone()));
        tokio::spawn(watch_over(Arc::clone(app), caller, tell));
        Self(told)
    }

    /// Waits until they are looked at again: who they are now, with what they may do; `None` when they
    /// signed out or were switched off.
    pub async fn changed(&mut self) -> Option<Caller> {
        // An end of the watch without a word is the end too.
        self.0.changed().await.ok()?;
        self.0.borrow_and_update().clone()
    }

    /// Waits until they may not do this any more.
    pub async fn lost(&mut self, may: impl Fn(&Caller) -> bool) {
        while self.changed().await.is_some_and(|caller| may(&caller)) {}
    }
}

async fn watch_over(app: Arc<App>, caller: Caller, tell: watch::Sender<Option<Caller>>) {
    let mut changes = app.store.changes();
    let mut caller = caller;
    loop {
        tokio::select! {
            () = tell.closed() => return,
            () = occasion(&mut changes) => {}
        }
        match look(&app, &caller).await {
            Ok(Some(found)) => {
                caller = found.clone();
                // Nobody listening ends the loop above.
                let _ = tell.send(Some(found));
            }
            Ok(None) => {
                let _ = tell.send(None);
                return;
            }
            // The database is busy: nothing is known, the next look tells.
            Err(error) => tracing::warn!(error = error.detail(), "who is signed in is not known"),
        }
    }
}

async fn look(app: &Arc<App>, caller: &Caller) -> Result<Option<Caller>> {
    let (app, caller) = (Arc::clone(app), caller.clone());
    blocking(move || app.identity.look_again(&caller)).await
}

/// Waits for a reason to look.
async fn occasion(changes: &mut Receiver<Changed>) {
    let mut until = Instant::now() + HEARTBEAT;
    loop {
        tokio::select! {
            () = sleep_until(until) => return,
            changed = changes.recv() => match changed {
                Ok(changed) if !changed.topics.contains(Topic::Rights) => {}
                Ok(_) | Err(RecvError::Lagged(_)) => until = until.min(Instant::now() + GATHER),
                // The store goes: the heartbeat is left.
                Err(RecvError::Closed) => return sleep_until(until).await,
            },
        }
    }
}
