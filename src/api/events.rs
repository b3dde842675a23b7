//! Server-sent events: which lists changed, and how far operations are.
//!
//! Changes come from the store's committed transactions; they are gathered for a moment, because a batch of 100 desktops is one refresh and not 100.

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
use tokio_util::io::StreamReader;

use super::call::Call;
use super::endpoint::{Endpoint, Scope, Streamed, streaming};
use super::language::Language;
use super::operation_news::{Told, event, seen_by};
use super::operations::OperationView;
use super::presence::{HEARTBEAT, Presence};
use super::{App, words};
use crate::error::Result;
use crate::identity::{Caller, Permission};
use crate::node::protocol::Event;
use crate::store::{Changed, NodeId, Topic, Topics};

/// Changes are gathered this long before they are sent.
const GATHER: Duration = Duration::from_millis(200);

pub fn endpoints() -> Vec<Endpoint> {
    vec![
        streaming(Method::Get, "carrel.events", "/api/v1.0/events", open)
            .signed_in()
            .before_factor()
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

/// Lists about this topic are to be read anew. Operations come as they are now, each as an event: their list is to
/// be read anew only when some may have been missed.
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
        let events = Events::new(&app, &call)?;
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
    caller: Caller,
    presence: Presence,
    changes: Receiver<Changed>,
    operations: Receiver<Told>,
    nodes: Receiver<(NodeId, Event)>,
    topics: Topics,
    due: Option<Instant>,
}

impl Events {
    fn new(app: &Arc<App>, call: &Call) -> Result<Self> {
        let caller = call.caller()?.clone();
        Ok(Self {
            changes: app.store.changes(),
            operations: app.operation_news.listen(call.language),
            nodes: app.inventory.events(),
            presence: Presence::of(app, caller.clone()),
            caller,
            topics: Topics::NONE,
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
                    Ok(changed) => self.note(told_as_such(changed.topics)),
                    Err(RecvError::Lagged(_)) => self.note(Topics::ALL),
                    Err(RecvError::Closed) => return None,
                },
                told = self.operations.recv() => match told {
                    Ok(Told::Operations(told)) => {
                        let visible = Scope::Own.of(&self.caller, Permission::OperationsView);
                        let text = visible.map(|visible| seen_by(&visible, &told));
                        if let Some(text) = text.filter(|text| !text.is_empty()) {
                            return Some(text);
                        }
                    }
                    Ok(Told::Missed) | Err(RecvError::Lagged(_)) => {
                        self.note(Topic::Operations.into());
                    }
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
                    return Some(self.tell());
                }
            }
        }
    }

    fn may(&self, permission: Permission) -> bool {
        self.caller.may(permission)
    }

    fn note(&mut self, topics: Topics) {
        self.topics = self.topics | topics;
        if !self.topics.is_empty() {
            self.due.get_or_insert_with(|| Instant::now() + GATHER);
        }
    }

    fn tell(&mut self) -> String {
        let topics = std::mem::take(&mut self.topics);
        topics.iter().map(|topic| event("changed", &TopicChanged { topic: topic.word() })).collect()
    }
}

/// What is told as a changed list. Operations come one by one, unless anything may have changed.
fn told_as_such(topics: Topics) -> Topics {
    if topics == Topics::ALL { topics } else { topics.without(Topic::Operations) }
}
