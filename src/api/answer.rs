//! What handlers give back, before a dialect wraps it.

use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::App;
use super::call::Call;
use crate::error::{Error, Kind, Message, Result};
use crate::operations::Operation;
use crate::store::list::{Page, SearchType};

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

impl Outcome {
    /// As [`Outcome::map`], for what is found out then.
    pub fn then(
        self,
        app: &App,
        call: &Call,
        change: impl FnOnce(&App, &Call, Answer) -> Result<Answer> + Send + 'static,
    ) -> Result<Self> {
        match self {
            Self::Answer(answer) => change(app, call, answer).map(Self::Answer),
            Self::Wait(wait) => Ok(Self::Wait(Wait {
                finish: Box::new(move |app, call, operation| {
                    let answer = (wait.finish)(app, call, operation)?;
                    change(app, call, answer)
                }),
                ..wait
            })),
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

/// A page in the documents' form, or for `searchtype=single` one object, null when none matches.
impl<T: Serialize + JsonSchema> IntoAnswer for Page<T> {
    fn into_answer(self, _: &App, call: &Call) -> Result<Outcome> {
        if self.search == SearchType::Single {
            let data = to_value(&self.results.first())?;
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
            "anyOf": [
                {
                    "type": "object",
                    "required": ["count", "next", "previous", "results"],
                    "properties": {
                        "count": {"type": "integer", "minimum": 0},
                        "next": {"type": ["string", "null"]},
                        "previous": {"type": ["string", "null"]},
                        "results": {"type": "array", "items": item}
                    }
                },
                {
                    "description": "With searchtype=single: the first that matches, null when none does",
                    "anyOf": [item, {"type": "null"}]
                }
            ]
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

/// As it goes over the wire.
pub fn to_value<T: Serialize>(value: &T) -> Result<Value> {
    serde_json::to_value(value)
        .map_err(|cause| Error::new(Kind::Internal, "internal").because(cause))
}
