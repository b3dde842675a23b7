//! What handlers give back, before a dialect wraps it.

use std::borrow::Cow;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::call::{Call, several};
use super::{App, words};
use crate::error::{Error, Fault, Kind, Message, Result};
use crate::operations::{BatchSubmission, Item, Operation, State, SubmittedOperation};
use crate::settings::DEFAULT_SHUTDOWN_SECONDS;
use crate::store::list::{Page, SearchType};

/// How long a request waits for its operation unless it prefers not to: clients of the document
/// then see the outcome itself. Longer work answers that it goes on.
const PATIENCE: Duration = Duration::from_secs(10);

/// As [`PATIENCE`], where the document promises how many succeeded and failed: longer than a guest gets to shut itself
/// down and than a node that hangs is waited for, and below the minute after which proxies give up.
const COUNTS_PATIENCE: Duration = Duration::from_secs(DEFAULT_SHUTDOWN_SECONDS as u64 + 10);
const _: () = assert!(COUNTS_PATIENCE.as_secs() < 60);

/// A success in the making.
#[derive(Debug, Default)]
pub struct Answer {
    pub data: Value,
    /// Another sentence than the dialect's word for success: message key and arguments.
    pub message: Option<(&'static str, Vec<(&'static str, String)>)>,
    /// The answer to `searchtype=single`, for which document 002 spells `msg` differently.
    pub single: bool,
    /// HTTP status, where the dialect documents one other than 200.
    pub status: Option<u16>,
    /// Path of what was made, for the header `Location`.
    pub location: Option<String>,
}

impl Answer {
    /// With these fields beside those that it has.
    pub fn and(mut self, fields: Value) -> Self {
        if let (Value::Object(data), Value::Object(fields)) = (&mut self.data, fields) {
            data.extend(fields);
        }
        self
    }
}

/// What there is to answer when a handler is done.
pub enum Outcome {
    Answer(Answer),
    /// Known when an operation has ended; no thread waits for it.
    Wait(Wait),
}

type Finish = dyn FnOnce(&App, &Call, Operation) -> Result<Answer> + Send;

/// An answer that waits for the end of an operation.
pub struct Wait {
    pub operation: Uuid,
    /// After this time it is answered that the work goes on.
    pub patience: Duration,
    /// Makes the answer of the operation as it is then.
    pub finish: Box<Finish>,
}

impl Outcome {
    /// Changes the answer, now or when there is one.
    pub fn map(self, change: impl FnOnce(Answer) -> Answer + Send + 'static) -> Self {
        match self {
            Self::Answer(answer) => Self::Answer(change(answer)),
            Self::Wait(wait) => Self::Wait(Wait {
                finish: Box::new(move |app, call, operation| {
                    (wait.finish)(app, call, operation).map(change)
                }),
                ..wait
            }),
        }
    }
}

impl From<Answer> for Outcome {
    fn from(answer: Answer) -> Self {
        Self::Answer(answer)
    }
}

/// What a handler may return.
pub trait IntoAnswer {
    /// The statuses that a success may have.
    const STATUSES: &'static [u16] = &[200];

    fn into_answer(self, app: &App, call: &Call) -> Result<Outcome>;
    /// Shape of `data`; `None` is the empty object.
    fn schema(generator: &mut SchemaGenerator) -> Option<Schema>;
}

/// Success without data.
#[derive(Debug)]
pub struct Done;

impl IntoAnswer for Done {
    fn into_answer(self, _: &App, _: &Call) -> Result<Outcome> {
        Ok(Answer { data: json!({}), ..Answer::default() }.into())
    }

    fn schema(_: &mut SchemaGenerator) -> Option<Schema> {
        None
    }
}

/// An object or array.
#[derive(Debug)]
pub struct Data<T>(pub T);

impl<T: Serialize + JsonSchema> IntoAnswer for Data<T> {
    fn into_answer(self, _: &App, _: &Call) -> Result<Outcome> {
        Ok(Answer { data: to_value(&self.0)?, ..Answer::default() }.into())
    }

    fn schema(generator: &mut SchemaGenerator) -> Option<Schema> {
        Some(generator.subschema_for::<T>())
    }
}

/// As [`Data`]; 201 where something was made, else 200.
#[derive(Debug)]
pub struct WithStatus<T>(pub u16, pub T);

impl<T: Serialize + JsonSchema> IntoAnswer for WithStatus<T> {
    const STATUSES: &'static [u16] = &[200, 201];

    fn into_answer(self, _: &App, _: &Call) -> Result<Outcome> {
        let data = to_value(&self.1)?;
        Ok(Answer { data, status: Some(self.0), ..Answer::default() }.into())
    }

    fn schema(generator: &mut SchemaGenerator) -> Option<Schema> {
        Some(generator.subschema_for::<T>())
    }
}

/// Success with status 204, which has no body.
#[derive(Debug)]
pub struct NoContent;

impl IntoAnswer for NoContent {
    const STATUSES: &'static [u16] = &[204];

    fn into_answer(self, _: &App, _: &Call) -> Result<Outcome> {
        Ok(Answer { status: Some(204), ..Answer::default() }.into())
    }

    fn schema(_: &mut SchemaGenerator) -> Option<Schema> {
        None
    }
}

/// Something that was made: status 201 and its path.
#[derive(Debug)]
pub struct Created<T>(pub String, pub T);

impl<T: Serialize + JsonSchema> IntoAnswer for Created<T> {
    const STATUSES: &'static [u16] = &[201];

    fn into_answer(self, app: &App, call: &Call) -> Result<Outcome> {
        let made = WithStatus(201, self.1).into_answer(app, call)?;
        Ok(made.map(|answer| Answer { location: Some(self.0), ..answer }))
    }

    fn schema(generator: &mut SchemaGenerator) -> Option<Schema> {
        Some(generator.subschema_for::<T>())
    }
}

/// Success that says no more than a sentence, in the reader's language.
#[derive(Debug)]
pub struct Sentence(pub Message);

impl IntoAnswer for Sentence {
    fn into_answer(self, app: &App, call: &Call) -> Result<Outcome> {
        let Message { key, args } = self.0;
        let args: Vec<(&str, &str)> = args.iter().map(|(n, v)| (*n, v.as_str())).collect();
        let text = app.language.text(call.language, key, &args);
        Ok(Answer { data: text.into(), ..Answer::default() }.into())
    }

    fn schema(_: &mut SchemaGenerator) -> Option<Schema> {
        Some(schemars::json_schema!({"type": "string"}))
    }
}

/// A page in the documents' form, or one object for `searchtype=single`.
impl<T: Serialize + JsonSchema> IntoAnswer for Page<T> {
    fn into_answer(self, _: &App, call: &Call) -> Result<Outcome> {
        if self.search == SearchType::Single {
            let first = self.results.first();
            let first = first.ok_or_else(|| Error::not_found("nothing-matches"))?;
            let data = to_value(first)?;
            return Ok(Answer { data, single: true, ..Answer::default() }.into());
        }
        let last = self.count.div_ceil(u64::from(self.page_size)).max(1);
        let next = (u64::from(self.page) < last).then(|| page_url(call, self.page + 1));
        let previous = (self.page > 1).then(|| page_url(call, self.page - 1));
        let results = to_value(&self.results)?;
        let data =
            json!({"count": self.count, "next": next, "previous": previous, "results": results});
        Ok(Answer { data, ..Answer::default() }.into())
    }

    fn schema(generator: &mut SchemaGenerator) -> Option<Schema> {
        let item = generator.subschema_for::<T>();
        Some(schemars::json_schema!({
            "type": "object",
            "required": ["count", "next", "previous", "results"],
            "properties": {
                "count": {"type": "integer", "minimum": 0},
                "next": {"type": ["string", "null"]},
                "previous": {"type": ["string", "null"]},
                "results": {"type": "array", "items": item}
            }
        }))
    }
}

/// The same URL as the client sees it, with another page.
fn page_url(call: &Call, page: u32) -> String {
    let path = call.uri.split('?').next().unwrap_or_default();
    let mut query = form_urlencoded::Serializer::new(String::new());
    let others = call.query.iter().filter(|(name, _)| name != "page" && !name.is_empty());
    query.append_pair("page", &page.to_string()).extend_pairs(others);
    call.origin.url(&format!("{path}?{}", query.finish()))
}

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
    Ok(Outcome::Wait(Wait { operation: uuid, patience, finish: Box::new(told) }))
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
    let told = |(item, fault): &(&Item, &Fault)| {
        let reason = app.language.error(call.language, &Error::from((*fault).clone()));
        FailedItem { uuid: item.uuid, name: item.name.clone(), reason }
    };
    let outcome = BatchOutcome {
        success_num: Some(total - failed),
        failed_num: Some(failed),
        failed: Some(failures.iter().map(told).collect()),
        ..outcome
    };
    let args = vec![("succeeded", (total - failed).to_string()), ("failed", failed.to_string())];
    let message = (total > 1).then_some(("batch-counts", args));
    Ok(Answer { data: to_value(&outcome)?, message, ..Answer::default() })
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
    /// Known once it is over.
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

fn to_value<T: Serialize>(value: &T) -> Result<Value> {
    serde_json::to_value(value)
        .map_err(|cause| Error::new(Kind::Internal, "internal").because(cause))
}
