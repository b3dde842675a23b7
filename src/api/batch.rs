//! How batches and operations went, as answers.

use std::borrow::Cow;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;
use uuid::Uuid;

use super::answer::{Answer, IntoAnswer, Outcome, Wait, to_value};
use super::call::{Call, several};
use super::{App, words};
use crate::error::{Error, Fault, Result};
use crate::operations::{BatchSubmission, Item, Operation, State, SubmittedOperation, Unit};
use crate::settings::DEFAULT_SHUTDOWN_SECONDS;

/// How long a request waits for its operation unless it prefers not to: clients of the document
/// then see the outcome itself. Longer work answers that it goes on.
const PATIENCE: Duration = Duration::from_secs(10);

/// As [`PATIENCE`], where the document promises how many succeeded and failed: longer than a guest gets to shut itself
/// down and than a node that hangs is waited for, and below the minute after which proxies give up.
const COUNTS_PATIENCE: Duration = Duration::from_secs(DEFAULT_SHUTDOWN_SECONDS as u64 + 10);
const _: () = assert!(COUNTS_PATIENCE.as_secs() < 60);

/// How a batch went that was done within the request.
#[derive(Debug, Default)]
pub struct Batch {
    pub items: Vec<Item>,
}

impl From<Vec<(Uuid, Result<String>)>> for Batch {
    /// Each with its name, or why it failed.
    fn from(results: Vec<(Uuid, Result<String>)>) -> Self {
        let item = |(uuid, result): (Uuid, Result<String>)| match result {
            Ok(name) => Item { uuid, name, fault: None },
            Err(error) => Item { uuid, name: uuid.to_string(), fault: Some(error.into()) },
        };
        Self { items: results.into_iter().map(item).collect() }
    }
}

impl Batch {
    /// Does `each` for every name and notes how it went.
    pub fn of<T>(
        things: impl IntoIterator<Item = (Uuid, T)>,
        mut each: impl FnMut(Uuid, &T) -> Result<String>,
    ) -> Self {
        let results = things.into_iter().map(|(uuid, thing)| (uuid, each(uuid, &thing)));
        Self::from(results.collect::<Vec<_>>())
    }
}

impl IntoAnswer for Batch {
    fn into_answer(self, app: &App, call: &Call) -> Result<Outcome> {
        let failed = self.items.iter().filter(|item| item.fault.is_some());
        let failed: Vec<&str> = failed.map(|item| item.name.as_str()).collect();
        if !failed.is_empty() {
            // The line of the log is of all of them: it must not say that these were done.
            let names = several(&failed, failed.len());
            call.note.failed(&Error::conflict("batch-partly").arg("names", names));
        }
        counted(app, call, self.items, BatchOutcome::default()).map(Outcome::from)
    }

    fn schema(generator: &mut SchemaGenerator) -> Option<Schema> {
        Some(outcome_schema(generator))
    }
}

/// An operation that goes on: waits a little for its end.
impl IntoAnswer for SubmittedOperation {
    fn into_answer(self, app: &App, call: &Call) -> Result<Outcome> {
        awaited(app, call, self, PATIENCE)
    }

    fn schema(generator: &mut SchemaGenerator) -> Option<Schema> {
        Some(outcome_schema(generator))
    }
}

/// Its end, unless the caller does not wait for it.
fn awaited(
    app: &App,
    call: &Call,
    SubmittedOperation(uuid): SubmittedOperation,
    patience: Duration,
) -> Result<Outcome> {
    let operation = app.operations.find(uuid)?;
    if call.respond_async || operation.state.is_over() || operation.state == State::Scheduled {
        return told(app, call, operation).map(Outcome::from);
    }
    Ok(Outcome::Wait(Wait { operation: uuid, patience, finish: Box::new(waited_for) }))
}

/// Something new, of which no more is known yet.
#[derive(Debug, Serialize, JsonSchema)]
pub struct New {
    pub uuid: Uuid,
}

/// What was written, and the operation that carries it out; the answer has the fields of both.
#[derive(Debug)]
pub struct Made<T>(pub SubmittedOperation, pub T);

impl<T: JsonSchema> JsonSchema for Made<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("Made{}", T::schema_name()).into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let (made, outcome) = (generator.subschema_for::<T>(), outcome_schema(generator));
        schemars::json_schema!({"allOf": [made, outcome]})
    }
}

impl<T: Serialize + JsonSchema> IntoAnswer for Made<T> {
    fn into_answer(self, app: &App, call: &Call) -> Result<Outcome> {
        let Self(operation, made) = self;
        let fields = to_value(&made)?;
        Ok(operation.into_answer(app, call)?.map(|answer| answer.and(fields)))
    }

    fn schema(generator: &mut SchemaGenerator) -> Option<Schema> {
        Some(generator.subschema_for::<Self>())
    }
}

/// Many things: what an operation does with them, or why none was let in.
impl IntoAnswer for BatchSubmission {
    fn into_answer(self, app: &App, call: &Call) -> Result<Outcome> {
        match self {
            Self::Running(operation) => awaited(app, call, operation, COUNTS_PATIENCE),
            Self::Refused(items) => {
                counted(app, call, items, BatchOutcome::default()).map(Outcome::from)
            }
        }
    }

    fn schema(generator: &mut SchemaGenerator) -> Option<Schema> {
        Some(outcome_schema(generator))
    }
}

/// An operation at its end, or after all patience.
fn waited_for(app: &App, call: &Call, operation: Operation) -> Result<Answer> {
    match operation.state.is_over() || operation.unit != Unit::Items {
        true => told(app, call, operation),
        false => {
            call.note.goes_on();
            so_far(&operation)
        }
    }
}

/// What is done of an operation that goes on, in the form in which its end is told.
fn so_far(operation: &Operation) -> Result<Answer> {
    let failed = operation.items.iter().filter(|item| item.fault.is_some()).count();
    let succeeded = operation.items.len() - failed;
    let outcome = BatchOutcome {
        operation_uuid: Some(operation.uuid),
        operation_state: Some(operation.state.word()),
        success_num: Some(succeeded),
        failed_num: Some(failed),
        ..BatchOutcome::default()
    };
    let left = operation.total.saturating_sub(operation.items.len() as u64);
    let counts = [("succeeded", succeeded.to_string()), ("failed", failed.to_string())];
    let args = counts.into_iter().chain([("left", left.to_string())]).collect();
    let message = Some(("batch-goes-on", args));
    Ok(Answer { data: to_value(&outcome)?, message, ..Answer::default() })
}

/// An operation as it stands.
///
/// # Errors
/// What it failed of, when it failed as a whole.
pub fn told(app: &App, call: &Call, operation: Operation) -> Result<Answer> {
    if operation.state != State::Scheduled {
        call.note.goes_on();
    }
    let outcome = BatchOutcome {
        operation_uuid: Some(operation.uuid),
        operation_state: Some(operation.state.word()),
        ..BatchOutcome::default()
    };
    if let (true, Some(fault)) = (tells_why(&operation), operation.fault.clone()) {
        return Err(fault.into());
    }
    if operation.items.is_empty() || !operation.state.is_over() {
        let message = ongoing(&operation);
        return Ok(Answer { data: to_value(&outcome)?, message, ..Answer::default() });
    }
    if operation.state == State::Partly && operation.items.iter().all(|item| item.fault.is_some()) {
        // What it made is there, and none of its things went well after that.
        let failed = operation.items.iter().filter_map(|item| Some((item, item.fault.as_ref()?)));
        let failed = failed.map(|(item, fault)| failed_item(app, call, item, fault)).collect();
        let message = ongoing(&operation);
        let outcome = BatchOutcome { failed: Some(failed), ..outcome };
        return Ok(Answer { data: to_value(&outcome)?, message, ..Answer::default() });
    }
    counted(app, call, operation.items, outcome)
}

/// Whether its own fault is the answer: it failed as a whole, and not for each of its things.
fn tells_why(operation: &Operation) -> bool {
    let each = !operation.items.is_empty() && operation.items.iter().all(|i| i.fault.is_some());
    match operation.state {
        State::Cancelled => true,
        State::Failed => !each,
        _ => false,
    }
}

fn ongoing(operation: &Operation) -> Option<(&'static str, Vec<(&'static str, String)>)> {
    let key = match operation.state {
        State::Succeeded => return None,
        State::Partly => "operation-partly",
        State::Scheduled => "operation-scheduled",
        _ => "operation-goes-on",
    };
    Some((key, Vec::new()))
}

/// Document 002, 模板 4: more than one answers with counts, a single failure with its reason.
fn counted(app: &App, call: &Call, items: Vec<Item>, outcome: BatchOutcome) -> Result<Answer> {
    let failures: Vec<(&Item, &Fault)> =
        items.iter().filter_map(|item| item.fault.as_ref().map(|fault| (item, fault))).collect();
    let (total, failed) = (items.len(), failures.len());
    if failed == total
        && let Some((_, fault)) = failures.first()
    {
        let first = Error::from((*fault).clone());
        if total == 1 {
            return Err(first);
        }
        let error = Error::new(first.kind(), "batch-failed").arg("failed", failed);
        return Err(error.with_reason(&first).because(first));
    }
    let outcome = BatchOutcome {
        success_num: Some(total - failed),
        failed_num: Some(failed),
        failed: Some(
            failures.iter().map(|(item, fault)| failed_item(app, call, item, fault)).collect(),
        ),
        ..outcome
    };
    let args = vec![("succeeded", (total - failed).to_string()), ("failed", failed.to_string())];
    let message = (total > 1).then_some(("batch-counts", args));
    Ok(Answer { data: to_value(&outcome)?, message, ..Answer::default() })
}

fn failed_item(app: &App, call: &Call, item: &Item, fault: &Fault) -> FailedItem {
    let reason = app.language.error(call.language, &Error::from(fault.clone()));
    FailedItem { uuid: item.uuid, name: item.name.clone(), reason }
}

fn outcome_schema(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<BatchOutcome>()
}

/// How a batch or an operation went, as far as that is known: what [`told`] and [`counted`] answer.
#[derive(Debug, Default, Serialize, JsonSchema)]
struct BatchOutcome {
    /// The operation that does it, where one does.
    #[serde(skip_serializing_if = "Option::is_none")]
    operation_uuid: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<words::OperationState>")]
    operation_state: Option<&'static str>,
    /// Of an operation that still goes on: so far.
    #[serde(skip_serializing_if = "Option::is_none")]
    success_num: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failed_num: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failed: Option<Vec<FailedItem>>,
}

/// A thing of a batch for which it failed.
#[derive(Debug, Serialize, JsonSchema)]
pub struct FailedItem {
    pub uuid: Uuid,
    pub name: String,
    /// In the reader's language.
    pub reason: String,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn stopping(items: Vec<Item>) -> Operation {
        Operation {
            uuid: Uuid::from_u128(7),
            kind: "desktops-stop".into(),
            subject: String::new(),
            subject_name: String::new(),
            state: State::Running,
            done: items.len() as u64,
            total: 5,
            unit: Unit::Items,
            fault: None,
            items,
            owner_name: String::new(),
            run_at: None,
            created_at: 0,
            finished_at: None,
            parts: Vec::new(),
            undo_fault: None,
            stuck_since: None,
            next_try: None,
            abandoned: false,
        }
    }

    #[test]
    fn what_takes_longer_than_a_request_waits_is_told_with_counts() {
        let good = Item { uuid: Uuid::nil(), name: "pc1".into(), fault: None };
        let fault = Some(Error::busy("node-busy").into());
        let bad = Item { uuid: Uuid::nil(), name: "pc2".into(), fault };
        let Answer { data, message, .. } =
            so_far(&stopping(vec![good.clone(), good, bad])).expect("an answer");
        let wanted = json!({
            "operation_uuid": Uuid::from_u128(7), "operation_state": "running", "success_num": 2,
            "failed_num": 1,
        });
        assert_eq!(data, wanted);
        let (key, args) = message.expect("a sentence");
        let args: Vec<_> = args.iter().map(|(name, value)| (*name, value.as_str())).collect();
        assert_eq!(key, "batch-goes-on");
        assert_eq!(args, [("succeeded", "2"), ("failed", "1"), ("left", "2")]);
    }
}
