//! The table of everything that can be called: identity, method, path, action, permission, audit
//! entry, shapes and handler on a few lines each. Routing, permission checks, the audit log and the
//! OpenAPI document all come from it.
//!
//! A row is built by [`get`], [`post`], [`put`], [`patch`] or [`delete`], which give an [`Undeclared`]
//! endpoint; only [`Undeclared::needs`], [`Undeclared::needs_in`], [`Undeclared::signed_in`], [`Undeclared::in_person`] and
//! [`Undeclared::public`] turn it into an [`Endpoint`], so that a route without a declared permission does not compile.

use std::ops::Deref;
use std::sync::Arc;

use rocket::data::Data;
use rocket::futures::future::BoxFuture;
use rocket::http::Method;
use rocket::{Request, Response};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::DeserializeOwned;

use super::answer::{Answer, IntoAnswer, Outcome};
use super::call::Call;
use super::dialect::DialectSpec;
use super::{App, input};
use crate::error::Result;
use crate::identity::{Caller, Permission};
use crate::store::visible::Visible;

/// Who may call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Anybody, for instance to sign in.
    Public,
    /// Anybody who is signed in, also with an API key, for what concerns only oneself.
    SignedIn,
    /// Anybody with a session of their own: what an API key must not do, whatever its permissions.
    InPerson,
    Needs(Permission),
    /// Those who hold the permission for everything, or for a part: they reach that part only.
    NeedsIn(Permission, Scope),
}

/// The part of things for which a permission may be held. The handler gets it as
/// [`Call::visible`](super::call::Call::visible) and hands it on to the store. Parts of a tree of nodes
/// go here when there is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// What belongs to an education group.
    Group,
    /// As `Group`, and what one began oneself.
    Own,
}

impl Scope {
    /// What a caller may see and reach with this permission; `None` when they hold it nowhere.
    pub fn of(self, caller: &Caller, permission: Permission) -> Option<Visible> {
        match (self, caller.visible(permission)?) {
            (Self::Own, Visible::Within { groups, .. }) => {
                Some(Visible::Within { groups, owner: Some(caller.user_id) })
            }
            (_, visible) => Some(visible),
        }
    }
}

type Blocking = dyn Fn(&App, &mut Call) -> Result<Outcome> + Send + Sync;

/// A handler that reads the body or writes the answer itself: uploads, sockets, event streams.
pub type Streaming =
    for<'r> fn(Arc<App>, Call, &'r Request<'_>, Data<'r>) -> BoxFuture<'r, Result<Streamed<'r>>>;

/// What a streaming handler gives back.
pub enum Streamed<'r> {
    /// To be put into the dialect's envelope.
    Answer(Answer),
    /// Bytes as they are.
    Response(Response<'r>),
}

pub enum Run {
    /// On a blocking thread, with the JSON body read.
    Blocking(Box<Blocking>),
    Streaming(Streaming),
}

/// Schema of an input or output, given when the OpenAPI document is made.
pub type SchemaOf = fn(&mut SchemaGenerator) -> Option<Schema>;

/// A row of the table.
pub struct Endpoint {
    /// Also the operation id in OpenAPI.
    pub id: &'static str,
    pub method: Method,
    /// With `{name}` for parameters.
    pub path: &'static str,
    /// The `action` of the body (or, in document 000, of the query) that selects this row.
    pub action: Option<&'static str>,
    /// Further operations of the document that this row answers: some share method and path.
    pub also: &'static [&'static str],
    /// Another word that selects it, where a document has two.
    pub action_too: Option<&'static str>,
    pub access: Access,
    /// One English sentence for the OpenAPI document.
    pub summary: &'static str,
    /// Message key of the audit entry and the module that it belongs to.
    pub audit: Option<(&'static str, &'static str)>,
    /// Message key for who lacks the permission, where a document has words of its own.
    pub refusal: &'static str,
    pub input: SchemaOf,
    pub output: SchemaOf,
    /// Also for administrators who have to set up a second factor first.
    pub before_factor: bool,
    /// Of a success.
    pub statuses: &'static [u16],
    /// What kind of body a success has where it is no JSON in the dialect's envelope, such as `image/png`.
    pub media: Option<&'static str>,
    pub run: Run,
}

/// A row in the dialect of the document whose folder it stands in.
pub struct Mounted {
    pub dialect: &'static DialectSpec,
    pub endpoint: Endpoint,
}

impl Deref for Mounted {
    type Target = Endpoint;

    fn deref(&self) -> &Endpoint {
        &self.endpoint
    }
}

/// An endpoint whose permission is not yet declared.
pub struct Undeclared(Endpoint);

impl Undeclared {
    pub fn needs(self, permission: Permission) -> Endpoint {
        Endpoint { access: Access::Needs(permission), ..self.0 }
    }

    /// As [`Undeclared::needs`], also for those who hold the permission for a part.
    pub fn needs_in(self, permission: Permission, scope: Scope) -> Endpoint {
        Endpoint { access: Access::NeedsIn(permission, scope), ..self.0 }
    }

    pub fn signed_in(self) -> Endpoint {
        Endpoint { access: Access::SignedIn, ..self.0 }
    }

    pub fn in_person(self) -> Endpoint {
        Endpoint { access: Access::InPerson, ..self.0 }
    }

    pub fn public(self) -> Endpoint {
        Endpoint { access: Access::Public, ..self.0 }
    }
}

impl Endpoint {
    /// Selects this row among those of the same method and path.
    pub fn action(self, action: &'static str) -> Self {
        Self { action: Some(action), ..self }
    }

    /// Answers these operations of the document, too.
    pub fn also(self, also: &'static [&'static str]) -> Self {
        Self { also, ..self }
    }

    /// Is also selected by this word.
    pub fn action_too(self, action: &'static str) -> Self {
        Self { action_too: Some(action), ..self }
    }

    /// Every call is written to the audit log under this message key: dispatch does it, of streaming rows too.
    pub fn audited(self, module: &'static str, key: &'static str) -> Self {
        Self { audit: Some((key, module)), ..self }
    }

    /// What who lacks the permission is told, where the document has words of its own.
    pub fn refused_as(self, key: &'static str) -> Self {
        Self { refusal: key, ..self }
    }

    /// Lets administrators in who have to set up a second factor first.
    pub fn before_factor(self) -> Self {
        Self { before_factor: true, ..self }
    }

    pub fn summary(self, summary: &'static str) -> Self {
        Self { summary, ..self }
    }

    /// Documents that a streaming endpoint succeeds without a body.
    pub fn without_body(self) -> Self {
        Self { statuses: &[204], ..self }
    }

    /// Documents the input of a streaming endpoint.
    pub fn takes<I: JsonSchema>(self) -> Self {
        Self { input: schema_of::<I>, ..self }
    }

    /// Documents the data that a streaming endpoint answers.
    pub fn gives<O: JsonSchema>(self) -> Self {
        Self { output: schema_of::<O>, ..self }
    }

    /// Documents that a streaming endpoint answers with a body of this kind, in no envelope.
    pub fn sends(self, media: &'static str) -> Self {
        Self { media: Some(media), ..self }
    }
}

/// What a row does. Rows that differ in an action take what makes their handler of it.
pub trait Handler<I, O>: Fn(&App, &mut Call, I) -> Result<O> + Send + Sync + 'static {}

impl<I, O, F: Fn(&App, &mut Call, I) -> Result<O> + Send + Sync + 'static> Handler<I, O> for F {}

pub fn get<I, O>(id: &'static str, path: &'static str, handler: impl Handler<I, O>) -> Undeclared
where
    I: DeserializeOwned + JsonSchema + 'static,
    O: IntoAnswer + 'static,
{
    blocking(Method::Get, id, path, handler)
}

pub fn post<I, O>(id: &'static str, path: &'static str, handler: impl Handler<I, O>) -> Undeclared
where
    I: DeserializeOwned + JsonSchema + 'static,
    O: IntoAnswer + 'static,
{
    blocking(Method::Post, id, path, handler)
}

pub fn put<I, O>(id: &'static str, path: &'static str, handler: impl Handler<I, O>) -> Undeclared
where
    I: DeserializeOwned + JsonSchema + 'static,
    O: IntoAnswer + 'static,
{
    blocking(Method::Put, id, path, handler)
}

pub fn patch<I, O>(id: &'static str, path: &'static str, handler: impl Handler<I, O>) -> Undeclared
where
    I: DeserializeOwned + JsonSchema + 'static,
    O: IntoAnswer + 'static,
{
    blocking(Method::Patch, id, path, handler)
}

pub fn delete<I, O>(id: &'static str, path: &'static str, handler: impl Handler<I, O>) -> Undeclared
where
    I: DeserializeOwned + JsonSchema + 'static,
    O: IntoAnswer + 'static,
{
    blocking(Method::Delete, id, path, handler)
}

/// An endpoint that reads the body or writes the answer itself.
pub fn streaming(
    method: Method,
    id: &'static str,
    path: &'static str,
    handler: Streaming,
) -> Undeclared {
    Undeclared(Endpoint {
        id,
        method,
        path,
        action: None,
        also: &[],
        action_too: None,
        access: Access::SignedIn,
        summary: "",
        audit: None,
        refusal: "permission-missing",
        before_factor: false,
        input: |_| None,
        output: |_| None,
        statuses: &[200],
        media: None,
        run: Run::Streaming(handler),
    })
}

fn blocking<I, O>(
    method: Method,
    id: &'static str,
    path: &'static str,
    handler: impl Handler<I, O>,
) -> Undeclared
where
    I: DeserializeOwned + JsonSchema + 'static,
    O: IntoAnswer + 'static,
{
    let run = move |app: &App, call: &mut Call| {
        let input: I = input::parse(call)?;
        handler(app, call, input)?.into_answer(app, call)
    };
    Undeclared(Endpoint {
        id,
        method,
        path,
        action: None,
        also: &[],
        action_too: None,
        access: Access::SignedIn,
        summary: "",
        audit: None,
        refusal: "permission-missing",
        before_factor: false,
        input: schema_of::<I>,
        output: O::schema,
        statuses: O::STATUSES,
        media: None,
        run: Run::Blocking(Box::new(run)),
    })
}

fn schema_of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Option<Schema> {
    Some(generator.subschema_for::<T>())
}
