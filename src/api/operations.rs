//! Operations for the console: list and cancel.

use rocket::serde::Deserialize;
use schemars::JsonSchema;
use serde::Serialize;
use uuid::Uuid;

use super::answer::Done;
use super::call::Call;
use super::endpoint::{Endpoint, Scope, get, post};
use super::input::{Listed, Paging};
use super::{App, time};
use crate::error::{Error, Result};
use crate::identity::Permission;
use crate::operations::Operation;
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
            .summary("Ask an operation to stop; what it did is undone"),
    ]
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(crate = "rocket::serde")]
#[expect(dead_code, reason = "documents the parameters, which the list mechanism reads by itself")]
struct ListInput {
    #[serde(flatten)]
    paging: Paging,
    state: Option<Listed<String>>,
    open: Option<Listed<u8>>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(crate = "rocket::serde")]
struct CancelInput {
    uuid: Uuid,
}

/// Long work as people see it.
#[derive(Debug, Serialize, JsonSchema)]
pub struct OperationView {
    uuid: Uuid,
    kind: String,
    /// What it does, in the reader's language.
    title: String,
    subject: String,
    subject_name: String,
    /// scheduled, queued, running, undoing, succeeded, failed or cancelled
    state: &'static str,
    done: u64,
    total: u64,
    percent: u32,
    /// Why it failed.
    error: Option<String>,
    /// Things of a batch that failed.
    failed: Vec<FailedItem>,
    owner: String,
    run_at: Option<String>,
    created_at: String,
    finished_at: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct FailedItem {
    uuid: Uuid,
    name: String,
    reason: String,
}

impl OperationView {
    pub fn of(app: &App, call: &Call, operation: Operation) -> Self {
        let language = call.language;
        let title =
            app.language.text(language, &operation.kind, &[("name", &operation.subject_name)]);
        let percent = operation.percent();
        let reason = |fault| app.language.error(language, &Error::from(fault));
        let failed = operation.items.into_iter().filter_map(|item| {
            let reason = reason(item.fault?);
            Some(FailedItem { uuid: item.uuid, name: item.name, reason })
        });
        Self {
            uuid: operation.uuid,
            title,
            kind: operation.kind,
            subject: operation.subject,
            subject_name: operation.subject_name,
            state: operation.state.word(),
            done: operation.done,
            total: operation.total,
            percent,
            failed: failed.collect(),
            error: operation.fault.map(reason),
            owner: operation.owner_name,
            run_at: time::optional(operation.run_at),
            created_at: time::text(operation.created_at),
            finished_at: time::optional(operation.finished_at),
        }
    }
}

fn list(app: &App, call: &mut Call, _: ListInput) -> Result<Page<OperationView>> {
    let page = app.operations.list(&call.visible, call.list_query()?)?;
    Ok(page.map(|operation| OperationView::of(app, call, operation)))
}

fn cancel(app: &App, call: &mut Call, input: CancelInput) -> Result<Done> {
    call.about(input.uuid.to_string());
    let operation = app.operations.find_seen(&call.visible, input.uuid)?;
    call.about(operation.subject_name);
    app.operations.cancel(input.uuid)?;
    Ok(Done)
}
