//! News of operations: what changed is read once, and worded once in each language in which somebody listens.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use rocket::tokio::sync::broadcast::error::{RecvError, TryRecvError};
use rocket::tokio::sync::broadcast::{self, Receiver, Sender};
use rocket::tokio::time::sleep;
use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

use super::App;
use super::language::{Catalogues, Language};
use super::operations::OperationView;
use super::work::blocking;
use crate::error::Result;
use crate::operations::{Audience, Operations};
use crate::store::visible::Visible;

/// Updates are gathered this long before they are told.
const GATHER: Duration = Duration::from_millis(200);
/// So many are kept for a client that is slow to take them.
const KEPT: usize = 64;

/// What all who listen in a language hear.
#[derive(Debug, Clone)]
pub enum Told {
    Operations(Arc<[ToldOperation]>),
    /// Some were missed: the list is to be read anew.
    Missed,
}

/// An operation as it is now.
#[derive(Debug)]
pub struct ToldOperation {
    audience: Audience,
    /// The event as it goes over the wire.
    event: String,
}

/// Those who listen.
pub struct OperationNews {
    languages: [(Language, Sender<Told>); Language::ALL.len()],
}

impl OperationNews {
    pub fn new() -> Self {
        Self { languages: Language::ALL.map(|language| (language, broadcast::channel(KEPT).0)) }
    }

    pub fn listen(&self, language: Language) -> Receiver<Told> {
        self.to(language).subscribe()
    }

    fn to(&self, language: Language) -> &Sender<Told> {
        let [first, second] = &self.languages;
        if first.0 == language { &first.1 } else { &second.1 }
    }

    fn listened(&self) -> impl Iterator<Item = &(Language, Sender<Told>)> {
        self.languages.iter().filter(|(_, sender)| sender.receiver_count() > 0)
    }

    fn tell(&self, operations: &Operations, words: &Catalogues, uuids: &[Uuid]) -> Result<()> {
        if self.listened().next().is_none() {
            return Ok(());
        }
        let found = operations.with_audience(uuids)?;
        for (language, sender) in self.listened() {
            let told = found.iter().map(|(operation, audience)| {
                tracing::trace!(operation.uuid = %operation.uuid, language = language.tag(), "worded");
                let view = OperationView::of(words, *language, operation.clone());
                ToldOperation { audience: audience.clone(), event: event("operation", &view) }
            });
            // The last one may have gone meanwhile.
            let _ = sender.send(Told::Operations(told.collect()));
        }
        Ok(())
    }

    fn tell_missed(&self) {
        for (_, sender) in self.listened() {
            let _ = sender.send(Told::Missed);
        }
    }
}

/// The events of those that somebody may see, one after the other.
pub fn seen_by(visible: &Visible, told: &[ToldOperation]) -> String {
    let seen = told.iter().filter(|one| one.audience.has(visible));
    seen.map(|one| one.event.as_str()).collect()
}

/// An event of the stream.
pub fn event(name: &str, data: &impl Serialize) -> String {
    format!("event: {name}\ndata: {}\n\n", json!(data))
}

/// Tells what changes of operations until the engine ends.
pub async fn tell_operations(app: Arc<App>) {
    let mut updates = app.operations.updates();
    loop {
        let first = match updates.recv().await {
            Ok(uuid) => Some(uuid),
            Err(RecvError::Lagged(_)) => None,
            Err(RecvError::Closed) => return,
        };
        sleep(GATHER).await;
        let Some(uuids) = gathered(first, &mut updates) else {
            app.operation_news.tell_missed();
            continue;
        };
        let teller = Arc::clone(&app);
        let told = blocking(move || {
            teller.operation_news.tell(&teller.operations, &teller.language, &uuids)
        });
        if let Err(error) = told.await {
            tracing::warn!(error = error.detail(), "news of operations are not told");
            app.operation_news.tell_missed();
        }
    }
}

/// What changed since the first; `None` when some of it was missed.
fn gathered(first: Option<Uuid>, updates: &mut Receiver<Uuid>) -> Option<Vec<Uuid>> {
    let (mut uuids, mut missed) = (BTreeSet::from_iter(first), first.is_none());
    loop {
        match updates.try_recv() {
            Ok(uuid) => drop(uuids.insert(uuid)),
            Err(TryRecvError::Lagged(_)) => missed = true,
            Err(TryRecvError::Empty | TryRecvError::Closed) => break,
        }
    }
    (!missed).then(|| uuids.into_iter().collect())
}
