//! Operations for the console: list and cancel.

use rocket::serde::Deserialize;
use schemars::JsonSchema;
use serde::Serialize;
use uuid::Uuid;

use super::answer::Done;
use super::batch::FailedItem;
use super::call::Call;
use super::endpoint::{Endpoint, Scope, get, post};
use super::input::{Listed, Paged};
use super::language::{Catalogues, Language};
use super::listing::listed;
use super::{App, time, words};
use crate::error::{Error, Result};
use crate::identity::Permission;
use crate::operations::{Item, Operation};
use crate::store::NodeId;
use crate::store::list::Page;

const PATH: &str = "/api/v1.0/operations";

pub fn endpoints() -> Vec<Endpoint> {
    vec![
        get("carrel.operations.list", PATH, list)
            .needs_in(Permission::OperationsView, Scope::Own)
            .summary("Long work, newest first; `open=1` for what is not over"),
        post("carrel.operations.cancel", PATH, cancel)
            .needs_in(Permission::OperationsCancel, Scope::Own)
            .action("cancel")
            .audited("operations", "log-operation-cancel")
            .summary("Ask an operation to stop; what it did is undone, unless it is past the point of no return"),
        post("carrel.operations.abandon", PATH, abandon)
            .needs_in(Permission::OperationsCancel, Scope::Own)
            .action("abandon")
            .audited("operations", "log-operation-abandon")
            .summary("End an undo that is stuck; what it cannot reach is cleaned up when its node is back"),
    ]
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(crate = "rocket::serde")]
#[expect(dead_code, reason = "documents the parameters, which the list mechanism reads by itself")]
struct Filters {
    state: Option<Listed<String>>,
    /// Uuid of a thing that it works on, with `searchtype=contain`.
    things: Option<Listed<String>>,
    open: Option<Listed<u8>>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(crate = "rocket::serde")]
struct CancelInput {
    uuid: Uuid,
}

/// Long work as people see it.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Operation")]
pub struct OperationView {
    uuid: Uuid,
    kind: String,
    /// What it does, in the reader's language.
    title: String,
    subject: String,
    subject_name: String,
    #[schemars(with = "words::OperationState")]
    state: &'static str,
    done: u64,
    total: u64,
    /// What `done` and `total` count, also those of the parts.
    #[schemars(with = "words::OperationUnit")]
    unit: &'static str,
    percent: u32,
    /// Why it failed.
    error: Option<String>,
    /// Things of a batch that failed.
    failed: Vec<FailedItem>,
    /// Things of a batch that were neither done nor failed when somebody asked to stop.
    cancelled: Vec<CancelledItem>,
    /// What each node has to do, where nodes have parts of their own.
    parts: Vec<PartView>,
    /// Why its undo does not come to its end.
    stuck: Option<Stuck>,
    owner: String,
    run_at: Option<String>,
    created_at: String,
    finished_at: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct CancelledItem {
    uuid: Uuid,
    name: String,
}

/// The part of a node.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "OperationPart")]
struct PartView {
    node_id: NodeId,
    node_name: String,
    /// Queued, running, or how it ended.
    #[schemars(with = "words::OperationState")]
    state: &'static str,
    done: u64,
    total: u64,
    /// Why it failed.
    error: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "OperationStuck")]
struct Stuck {
    reason: String,
    since: Option<String>,
    /// Empty when it was abandoned.
    next_try: Option<String>,
    abandoned: bool,
}

impl OperationView {
    pub fn of(words: &Catalogues, language: Language, operation: Operation) -> Self {
        let title = words.text(language, &operation.kind, &[("name", &operation.subject_name)]);
        let percent = operation.percent();
        let reason = |fault| words.error(language, &Error::from(fault));
        let (cancelled, items): (Vec<Item>, Vec<Item>) =
            operation.items.into_iter().partition(Item::is_cancelled);
        let cancelled =
            cancelled.into_iter().map(|Item { uuid, name, .. }| CancelledItem { uuid, name });
        let failed = items.into_iter().filter_map(|item| {
            let reason = reason(item.fault?);
            Some(FailedItem { uuid: item.uuid, name: item.name, reason })
        });
        let parts = operation.parts.into_iter().map(|part| PartView {
            node_id: part.node_id,
            node_name: part.node_name,
            state: part.state.word(),
            done: part.done,
            total: part.total,
            error: part.fault.map(reason),
        });
        let (since, next_try) = (operation.stuck_since, operation.next_try);
        let stuck = operation.undo_fault.map(|fault| Stuck {
            reason: reason(fault),
            since: time::optional(since),
            next_try: time::optional(next_try),
            abandoned: operation.abandoned,
        });
        Self {
            uuid: operation.uuid,
            parts: parts.collect(),
            stuck,
            title,
            kind: operation.kind,
            subject: operation.subject,
            subject_name: operation.subject_name,
            state: operation.state.word(),
            done: operation.done,
            total: operation.total,
            unit: operation.unit.word(),
            percent,
            failed: failed.collect(),
            cancelled: cancelled.collect(),
            error: operation.fault.map(reason),
            owner: operation.owner_name,
            run_at: time::optional(operation.run_at),
            created_at: time::text(operation.created_at),
            finished_at: time::optional(operation.finished_at),
        }
    }
}

fn list(app: &App, call: &mut Call, _: Paged<Filters>) -> Result<Page<OperationView>> {
    listed(call.list_query()?, |query| {
        let page = app.operations.list(&call.visible, query)?;
        Ok(page.map(|operation| OperationView::of(&app.language, call.language, operation)))
    })
}

fn cancel(app: &App, call: &mut Call, input: CancelInput) -> Result<Done> {
    call.about(input.uuid.to_string());
    let operation = app.operations.find_seen(&call.visible, input.uuid)?;
    call.about(operation.subject_name);
    app.operations.cancel(input.uuid)?;
    Ok(Done)
}

fn abandon(app: &App, call: &mut Call, input: CancelInput) -> Result<Done> {
    call.about(input.uuid.to_string());
    let operation = app.operations.find_seen(&call.visible, input.uuid)?;
    call.about(operation.subject_name);
    app.operations.abandon(input.uuid)?;
    Ok(Done)
}
