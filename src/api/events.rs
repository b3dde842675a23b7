//! Server-sent events: which lists changed, and how far operations are.
//!
//! Changes come from the store's committed transactions; they are gathered for a moment, because a batch of 100 desktops is one refresh and not 100.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rocket::futures::future::BoxFuture;
use rocket::futures::{Stream, StreamExt};
use rocket::http::{ContentType, Method};
use rocket::tokio::sync::broadcast::Receiver;
use rocket::tokio::sync::broadcast::error::RecvError;
use rocket::tokio::time::{Instant, sleep_until};
use rocket::{Data, Request, Response};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;
use tokio_util::io::StreamReader;
use uuid::Uuid;

use super::call::Call;
use super::dispatch::blocking;
use super::endpoint::{Endpoint, Scope, Streamed, streaming};
use super::language::Language;
use super::operations::OperationView;
use super::presence::{HEARTBEAT, Presence};
use super::{App, words};
use crate::error::Result;
use crate::identity::{Caller, Permission};
use crate::node::protocol::Event;
use crate::store::visible::Visible;
use crate::store::{Changed, NodeId, Topics};

/// Changes are gathered this long before they are sent.
const GATHER: Duration = Duration::from_millis(200);

pub fn endpoints() -> Vec<Endpoint> {
    vec![
        streaming(Method::Get, "carrel.events", "/api/v1.0/events", open)
            .signed_in()
            .sends("text/event-stream")
            .gives::<News>()
            .summary("Server-sent events; each property is an event of that name, with its data"),
    ]
}

/// Names of events and their data.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "documents the stream")]
struct News {
    changed: Option<TopicChanged>,
    operation: Option<OperationView>,
    sample: Option<NodeSampled>,
}

/// Lists about this topic are to be read anew.
#[derive(Debug, Serialize, JsonSchema)]
struct TopicChanged {
    #[schemars(with = "words::Topic")]
    topic: &'static str,
}

/// There are new figures of a node; whoever shows some asks for them.
#[derive(Debug, Serialize, JsonSchema)]
struct NodeSampled {
    node_id: NodeId,
}

fn open<'r>(
    app: Arc<App>,
    mut call: Call,
    request: &'r Request<'_>,
    _: Data<'r>,
) -> BoxFuture<'r, Result<Streamed<'r>>> {
    // A browser's event stream has no headers of its own.
    let wanted = request.query_value::<&str>("language").and_then(Result::ok);
    call.language = Language::negotiate(wanted, call.language);
    let shutdown = request.rocket().shutdown();
    Box::pin(async move {
        let events = Events::new(app, call)?;
        let stream = events.stream().take_until(shutdown);
        let mut response = Response::build();
        response.header(ContentType::EventStream);
        response.raw_header("Cache-Control", "no-store");
        response.raw_header("X-Accel-Buffering", "no");
        response.streamed_body(StreamReader::new(Box::pin(stream)));
        Ok(Streamed::Response(response.finalize()))
    })
}

/// One client's stream.
struct Events {
    app: Arc<App>,
    call: Arc<Call>,
    caller: Caller,
    presence: Presence,
    changes: Receiver<Changed>,
    updates: Receiver<Uuid>,
    nodes: Receiver<(NodeId, Event)>,
    topics: Topics,
    operations: BTreeSet<Uuid>,
    due: Option<Instant>,
}

impl Events {
    fn new(app: Arc<App>, call: Call) -> Result<Self> {
        let (changes, updates) = (app.store.changes(), app.operations.updates());
        let nodes = app.inventory.events();
        let caller = call.caller()?.clone();
        Ok(Self {
            presence: Presence::of(&app, caller.clone()),
            app,
            call: Arc::new(call),
            caller,
            changes,
            updates,
            nodes,
            topics: Topics::NONE,
            operations: BTreeSet::new(),
            due: None,
        })
    }

    fn stream(self) -> impl Stream<Item = io::Result<Bytes>> + Send {
        let hello = rocket::futures::stream::once(async {
            Ok(Bytes::from_static(b"retry: 2000\n: hello\n\n"))
        });
        hello.chain(rocket::futures::stream::unfold(self, |mut events| async move {
            let text = events.next().await?;
            Some((Ok(Bytes::from(text)), events))
        }))
    }

    /// Waits for something to tell; `None` ends the stream.
    async fn next(&mut self) -> Option<String> {
        // A comment at least this often keeps proxies from closing the stream and finds dead clients.
        let heartbeat = Instant::now() + HEARTBEAT;
        loop {
            let until = self.due.unwrap_or(heartbeat);
            rocket::tokio::select! {
                // A client that comes again is told why it is not let in.
                caller = self.presence.changed() => self.caller = caller?,
                changed = self.changes.recv() => match changed {
                    Ok(changed) => self.note(changed.topics),
                    Err(RecvError::Lagged(_)) => self.note(Topics::ALL),
                    Err(RecvError::Closed) => return None,
                },
                update = self.updates.recv() => match update {
                    Ok(uuid) => { self.operations.insert(uuid); self.gather(); }
                    Err(RecvError::Lagged(_)) => self.note(Topics::ALL),
                    Err(RecvError::Closed) => return None,
                },
                told = self.nodes.recv() => match told {
                    Ok((node_id, Event::Sample(_))) if self.may(Permission::NodesView) => {
                        return Some(event("sample", &NodeSampled { node_id }));
                    }
                    // The other events arrive as changed rows; a missed sample is followed by the next.
                    Ok(_) | Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return None,
                },
                () = sleep_until(until) => {
                    if self.due.take().is_none() {
                        return Some(": still here\n\n".into());
                    }
                    return Some(self.tell().await);
                }
            }
        }
    }

    fn may(&self, permission: Permission) -> bool {
        self.caller.may(permission)
    }

    fn gather(&mut self) {
        self.due.get_or_insert_with(|| Instant::now() + GATHER);
    }

    fn note(&mut self, topics: Topics) {
        self.topics = self.topics | topics;
        self.gather();
    }

    async fn tell(&mut self) -> String {
        let mut text = String::new();
        for topic in std::mem::take(&mut self.topics).iter() {
            text.push_str(&event("changed", &TopicChanged { topic: topic.word() }));
        }
        let uuids = std::mem::take(&mut self.operations);
        if let Some(visible) = Scope::Own.of(&self.caller, Permission::OperationsView)
            && !uuids.is_empty()
        {
            let (app, call) = (Arc::clone(&self.app), Arc::clone(&self.call));
            let told = blocking(move || Ok(tell_operations(&app, &call, &visible, &uuids))).await;
            text.push_str(&told.unwrap_or_default());
        }
        text
    }
}

fn event(name: &str, data: &impl Serialize) -> String {
    format!("event: {name}\ndata: {}\n\n", json!(data))
}

fn tell_operations(app: &App, call: &Call, visible: &Visible, uuids: &BTreeSet<Uuid>) -> String {
    let mut text = String::new();
    for uuid in uuids {
        // One that is gone since, or not the caller's to see, needs no news.
        let Ok(operation) = app.operations.find_seen(visible, *uuid) else { continue };
        let view = OperationView::of(app, call, operation);
        text.push_str(&event("operation", &view));
    }
    text
}
