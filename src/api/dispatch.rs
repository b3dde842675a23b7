//! From a Rocket request to a row of the endpoint table and back: credentials, language, permission,
//! input, handler on a blocking thread, audit entry, envelope.

use std::collections::HashMap;
use std::io::Cursor;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use rocket::data::{Data, ToByteUnit};
use rocket::http::{ContentType, Header, Method, Status};
use rocket::route::{Handler, Outcome, Route};
use rocket::{Request, Response};
use serde_json::Value;
use uuid::Uuid;

use super::answer::{Outcome as HandlerOutcome, Wait};
use super::call::{Call, not_signed_in};
use super::dialect::{ActionInput, DialectSpec};
use super::endpoint::{Access, Mounted, Run, Streamed};
use super::envelope::{self, Wrapped};
use super::language::Language;
use super::note::Note;
use super::origin::Origin;
use super::{App, RESET_COOKIE, SESSION_COOKIE, input, peers};
use crate::error::{Error, Fault, Kind, Result};
use crate::identity::{Caller, Credential, Permission};
use crate::operations::Actor;
use crate::store::visible::Visible;

/// Largest JSON body, in MiB: a batch of thousands of uuids fits. Uploads are streamed instead.
const BODY_LIMIT_MIB: u32 = 4;
/// What is read of a refused request at most.
const DRAIN_LIMIT_MIB: u32 = 64;
const DRAIN_TIME: Duration = Duration::from_secs(5);

/// The rows of one method and path, told apart by their action.
#[derive(Clone)]
pub struct Dispatch {
    app: Arc<App>,
    rows: Arc<[&'static Mounted]>,
}

/// Makes the Rocket routes of the table. Rocket matches a path with and without its trailing slash.
pub fn routes(app: &Arc<App>, table: &'static [Mounted]) -> Vec<Route> {
    let mut by_path: HashMap<(Method, String), Vec<&'static Mounted>> = HashMap::new();
    for endpoint in table {
        by_path.entry((endpoint.method, rocket_path(endpoint.path))).or_default().push(endpoint);
    }
    let mut routes = Vec::new();
    for ((method, path), rows) in by_path {
        let handler = Dispatch { app: Arc::clone(app), rows: rows.into() };
        routes.push(Route::new(method, &path, handler));
    }
    routes
}

/// `/a/{b}/` → `/a/<b>`
fn rocket_path(path: &str) -> String {
    path.trim_end_matches('/').replace('{', "<").replace('}', ">")
}

#[rocket::async_trait]
impl Handler for Dispatch {
    async fn handle<'r>(&self, request: &'r Request<'_>, data: Data<'r>) -> Outcome<'r> {
        Outcome::Success(self.answer(request, data).await)
    }
}

impl Dispatch {
    async fn answer<'r>(&self, request: &'r Request<'_>, data: Data<'r>) -> Response<'r> {
        let dialect = self.rows[0].dialect;
        let mut call = call_of(&self.app, request, dialect);
        let reply = Reply { app: Arc::clone(&self.app), dialect, language: call.language };
        let request_id = call.actor.request_id.clone();
        let outcome = match self.row(&mut call, request, data).await {
            Err(error) => Err(told_apart(error, dialect, request)),
            Ok((row, None)) => run_blocking(&self.app, row, call).await,
            Ok((row, Some(data))) => run_streaming(&self.app, row, call, request, data).await,
        };
        match outcome {
            Ok(Outgoing::Response(mut response)) => {
                response.set_header(Header::new("X-Request-Id", request_id));
                response
            }
            Ok(Outgoing::Answer(answer, cookies)) => reply.success(answer, cookies, request_id),
            Err(error) => reply.failure(&error, request_id),
        }
    }

    /// Finds the row and checks that the caller may use it; reads the body only where needed and
    /// only of those who may. What a streaming row is to read comes back unread.
    async fn row<'r>(
        &self,
        call: &mut Call,
        request: &'r Request<'_>,
        data: Data<'r>,
    ) -> Result<(&'static Mounted, Option<Data<'r>>)> {
        if let Err(error) = self.admit(call, request).await {
            drain(data).await;
            return Err(error);
        }
        if let [row] = *self.rows
            && matches!(row.run, Run::Streaming(_))
        {
            self.enter(row, call, request)?;
            return Ok((row, Some(data)));
        }
        call.body = read_body(request, data).await?;
        let row = self.by_action(call)?;
        self.enter(row, call, request)?;
        Ok((row, None))
    }

    /// Whether the caller may use at least one of the rows: all others learn nothing about bodies.
    async fn admit(&self, call: &mut Call, request: &Request<'_>) -> Result<()> {
        self.sign_in(call, request).await?;
        input::utf8(call.query.iter().map(|(name, value)| (name, value)))?;
        let refusals = self.rows.iter().map(|row| permit(row, call).err());
        match refusals.collect::<Option<Vec<_>>>() {
            None => Ok(()),
            Some(errors) => Err(errors.into_iter().next().unwrap_or_else(not_signed_in)),
        }
    }

    fn enter(&self, row: &'static Mounted, call: &mut Call, request: &Request<'_>) -> Result<()> {
        call.visible = permit(row, call)?;
        call.path = path_params(row, request);
        call.note.open(row.audit, &call.actor);
        Ok(())
    }

    async fn sign_in(&self, call: &mut Call, request: &Request<'_>) -> Result<()> {
        let found = credential_of(request);
        // Without a credential of its own a request acts for whoever's browser sent it; signing in
        // is such an act too, and so is a read that is in the audit log. A console or download has
        // its credential in the address and may be opened by a page of an integrator.
        let by_header = found.as_ref().is_some_and(|(_, from_cookie)| !from_cookie);
        let acts = |row: &&Mounted| row.audit.is_some() && matches!(row.run, Run::Blocking(_));
        if !by_header && (request.method() != Method::Get || self.rows.iter().any(acts)) {
            same_origin(&call.origin, request)?;
        }
        let Some((credential, _)) = found else { return Ok(()) };
        let (app, address) = (Arc::clone(&self.app), call.actor.address);
        let asked = credential.clone();
        let caller = blocking(move || app.identity.authenticate(&asked, address)).await?;
        if let Some(caller) = &caller {
            call.actor.user_id = Some(caller.user_id);
            call.actor.name.clone_from(&caller.name);
        }
        call.caller = caller;
        if let Credential::Token(token) = credential {
            call.token = Some(token);
        }
        Ok(())
    }

    fn by_action(&self, call: &mut Call) -> Result<&'static Mounted> {
        if let [row] = *self.rows
            && row.action.is_none()
        {
            return Ok(row);
        }
        let in_body = call.body.get("action").and_then(Value::as_str);
        let asked = in_body.or_else(|| call.query("action"));
        let row = self.rows.iter().find(|row| row.action == asked);
        if let Some(row) = row {
            call.in_param = row.action.is_some() && row.dialect.action_input == ActionInput::Param;
            return Ok(row);
        }
        let known: Vec<&str> = self.rows.iter().filter_map(|row| row.action).collect();
        let error = Error::bad_input("action-unknown").arg("field", "action");
        Err(error.arg("action", asked.unwrap_or_default()).arg("known", known.join(", ")))
    }
}

enum Outgoing<'r> {
    Answer(super::answer::Answer, Vec<rocket::http::Cookie<'static>>),
    Response(Response<'r>),
}

async fn run_blocking<'r>(
    app: &Arc<App>,
    row: &'static Mounted,
    mut call: Call,
) -> Result<Outgoing<'r>> {
    let here = Arc::clone(app);
    let handled = move || {
        let Run::Blocking(handler) = &row.run else {
            return Err(Error::internal("a streaming row among others"));
        };
        let note = call.note.clone();
        let result = note.accompany(|| handler(&here, &mut call));
        if call.caller.is_none() {
            // Who it was is known now.
            note.by(call.actor.clone());
        }
        match result {
            Ok(HandlerOutcome::Wait(wait)) => Ok(Handled::Wait(Box::new(call), wait)),
            Ok(HandlerOutcome::Answer(answer)) => answered(&here, call, Ok(answer)),
            Err(error) => answered(&here, call, Err(error)),
        }
    };
    let (call, wait) = match blocking(handled).await? {
        Handled::Answered(answer, cookies) => return Ok(Outgoing::Answer(answer, cookies)),
        Handled::Wait(call, wait) => (*call, wait),
    };
    let operation = app.operations.wait(wait.operation, wait.patience).await;
    let app = Arc::clone(app);
    let finished = move || {
        let result = operation.and_then(|operation| (wait.finish)(&app, &call, operation));
        answered(&app, call, result)
    };
    match blocking(finished).await? {
        Handled::Answered(answer, cookies) => Ok(Outgoing::Answer(answer, cookies)),
        Handled::Wait(..) => Err(Error::internal("an answer that waits twice")),
    }
}

/// Where a request is when its handler is done.
enum Handled {
    Answered(super::answer::Answer, Vec<rocket::http::Cookie<'static>>),
    /// Boxed: most requests do not wait.
    Wait(Box<Call>, Wait),
}

fn answered(app: &App, mut call: Call, result: Result<super::answer::Answer>) -> Result<Handled> {
    if let Err(error) = call.note.close(app, result.as_ref().err()) {
        // What was done is done: the client is told so.
        let (id, error) = (&call.actor.request_id, error.detail());
        tracing::error!(request.id = id, error, "an audit line");
    }
    result.map(|answer| Handled::Answered(answer, std::mem::take(&mut call.cookies)))
}

async fn run_streaming<'r>(
    app: &Arc<App>,
    row: &'static Mounted,
    call: Call,
    request: &'r Request<'_>,
    data: Data<'r>,
) -> Result<Outgoing<'r>> {
    let Run::Streaming(handler) = row.run else {
        return Err(Error::internal("not a streaming row"));
    };
    let (note, request_id) = (call.note.clone(), call.actor.request_id.clone());
    let result = handler(Arc::clone(app), call, request, data).await;
    let fault = result.as_ref().err().map(Fault::from);
    let app = Arc::clone(app);
    let noted = blocking(move || note.close(&app, fault.map(Error::from).as_ref())).await;
    if let Err(error) = noted {
        tracing::error!(request.id = request_id, error = error.detail(), "an audit line");
        // Nothing was sent yet: who reads or looks without a line reads nothing.
        if let Ok(Streamed::Response(_)) = result {
            return Err(error);
        }
    }
    match result? {
        Streamed::Answer(answer) => Ok(Outgoing::Answer(answer, Vec::new())),
        Streamed::Response(response) => Ok(Outgoing::Response(response)),
    }
}

/// Runs blocking work off the async threads.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    match rocket::tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(panic) => Err(Error::internal("a handler panicked").because(panic)),
    }
}

/// What the caller may see and reach by this row.
fn permit(row: &Mounted, call: &Call) -> Result<Visible> {
    match (row.access, &call.caller) {
        (Access::Public, _) | (Access::SignedIn, Some(_)) => Ok(Visible::NOTHING),
        (_, None) => Err(not_signed_in()),
        (Access::InPerson, Some(caller)) => match caller.session_id() {
            Some(_) => Ok(Visible::NOTHING),
            None => Err(Error::forbidden("session-needed")),
        },
        (Access::Needs(permission), Some(caller)) => match caller.may(permission) {
            true => Ok(Visible::All),
            false => Err(lacking(row, permission)),
        },
        (Access::NeedsIn(permission, scope), Some(caller)) => {
            scope.of(caller, permission).ok_or_else(|| lacking(row, permission))
        }
    }
}

fn lacking(row: &Mounted, permission: Permission) -> Error {
    Error::forbidden(row.refusal).arg("permission", permission.word())
}

/// `Authorization`: `Basic` with user name and API key, else a token with or without `Bearer`; else
/// the session cookie (`true`).
fn credential_of(request: &Request<'_>) -> Option<(Credential, bool)> {
    if let Some(header) = request.headers().get_one("Authorization") {
        let header = header.trim();
        let (scheme, rest) = header.split_once(' ').unwrap_or(("", header));
        let credential = match scheme.to_ascii_lowercase().as_str() {
            "basic" => basic(rest.trim()),
            "bearer" => Credential::Token(rest.trim().to_owned()),
            _ => Credential::Token(header.to_owned()),
        };
        return Some((credential, false));
    }
    let cookie = request.cookies().get(SESSION_COOKIE)?;
    Some((Credential::Token(cookie.value().to_owned()), true))
}

/// A document may have words of its own for a header that signs nobody in.
fn told_apart(error: Error, dialect: &DialectSpec, request: &Request<'_>) -> Error {
    match credential_of(request) {
        Some((credential, false)) if error.kind() == Kind::NotSignedIn => {
            (dialect.not_signed_in)(error, &credential)
        }
        _ => error,
    }
}

/// What cannot be read belongs to nobody.
fn basic(encoded: &str) -> Credential {
    let bytes = base64::engine::general_purpose::STANDARD.decode(encoded).unwrap_or_default();
    let text = String::from_utf8(bytes).unwrap_or_default();
    let (name, key) = text.split_once(':').unwrap_or_default();
    Credential::Basic { name: name.to_owned(), key: key.to_owned() }
}

/// A page of another site must not act with the visitor's cookie.
fn same_origin(own: &Origin, request: &Request<'_>) -> Result<()> {
    let headers = request.headers();
    let foreign = || Error::forbidden("request-from-another-site");
    if let Some(site) = headers.get_one("Sec-Fetch-Site") {
        return if matches!(site, "same-origin" | "none") { Ok(()) } else { Err(foreign()) };
    }
    match headers.get_one("Origin") {
        Some(page) if !own.is_own(page) => Err(foreign()),
        _ => Ok(()),
    }
}

fn call_of(app: &App, request: &Request<'_>, dialect: &DialectSpec) -> Call {
    let headers = request.headers();
    let address = peers::client_ip(request);
    let actor = Actor {
        user_id: None,
        name: String::new(),
        address,
        request_id: Uuid::new_v4().simple().to_string(),
    };
    let query = request.uri().query().map(|query| query.as_str().to_owned()).unwrap_or_default();
    let pairs = form_urlencoded::parse(query.as_bytes()).into_owned();
    Call {
        caller: None::<Caller>,
        visible: Visible::NOTHING,
        actor,
        language: Language::negotiate(headers.get_one("Accept-Language"), dialect.language),
        path: HashMap::new(),
        query: pairs.filter(|(name, _)| !name.is_empty()).collect(),
        body: Value::Null,
        in_param: false,
        respond_async: headers.get("Prefer").any(|prefer| prefer.contains("respond-async")),
        user_agent: headers.get_one("User-Agent").unwrap_or_default().to_owned(),
        origin: Origin::of(&app.settings, request),
        uri: request.uri().to_string(),
        note: Note::default(),
        token: None,
        reset_token: request.cookies().get(RESET_COOKIE).map(|cookie| cookie.value().to_owned()),
        cookies: Vec::new(),
    }
}

fn path_params(row: &Mounted, request: &Request<'_>) -> HashMap<&'static str, String> {
    let given = request.uri().path();
    let given = given.segments();
    let names = row.path.split('/').filter(|part| !part.is_empty());
    let pairs = names.zip(given).filter_map(|(name, value)| {
        let name = name.strip_prefix('{')?.strip_suffix('}')?;
        Some((name, value.to_owned()))
    });
    pairs.collect()
}

/// Reads for a moment what a refused client still sends: most read the answer only after they have
/// sent everything, and would see a broken connection instead of the reason.
async fn drain(data: Data<'_>) {
    let rest = data.open(DRAIN_LIMIT_MIB.mebibytes()).stream_to(rocket::tokio::io::sink());
    // However it ends, the answer is sent.
    let _ = rocket::tokio::time::timeout(DRAIN_TIME, rest).await;
}

async fn read_body(request: &Request<'_>, data: Data<'_>) -> Result<Value> {
    let bytes = data.open(BODY_LIMIT_MIB.mebibytes()).into_bytes().await;
    let bytes = bytes.map_err(|cause| Error::bad_input("body-unreadable").because(cause))?;
    if !bytes.is_complete() {
        return Err(Error::bad_input("body-too-large").arg("limit", BODY_LIMIT_MIB));
    }
    let bytes = bytes.into_inner();
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(Value::Null);
    }
    if request.content_type().is_some_and(|kind| kind.is_form()) {
        let fields: Vec<_> = form_urlencoded::parse(&bytes).into_owned().collect();
        input::utf8(fields.iter().map(|(name, value)| (name, value)))?;
        let fields = fields.into_iter().map(|(name, value)| (name, Value::String(value)));
        return Ok(Value::Object(fields.collect()));
    }
    serde_json::from_slice(&bytes).map_err(|cause| {
        let error = Error::bad_input("body-not-json").arg("cause", &cause);
        error.because(cause)
    })
}

/// Turns results into responses of a dialect.
pub struct Reply {
    pub app: Arc<App>,
    pub dialect: &'static DialectSpec,
    pub language: Language,
}

impl Reply {
    fn success<'r>(
        &self,
        answer: super::answer::Answer,
        cookies: Vec<rocket::http::Cookie<'static>>,
        request_id: String,
    ) -> Response<'r> {
        let wrapped = envelope::success(self.dialect, &self.app.language, self.language, answer);
        let mut response = respond(wrapped, request_id);
        for cookie in cookies {
            response.adjoin_header(Header::new("Set-Cookie", cookie.to_string()));
        }
        response
    }

    pub fn failure<'r>(&self, error: &Error, request_id: String) -> Response<'r> {
        let detail = error.detail();
        match error.kind() {
            Kind::Internal => {
                tracing::error!(request.id = request_id, error = detail, "request failed")
            }
            _ => tracing::debug!(request.id = request_id, error = detail, "request refused"),
        }
        let (messages, language) = (&self.app.language, self.language);
        let wrapped = envelope::failure(self.dialect, messages, language, error, &request_id);
        let mut response = respond(wrapped, request_id);
        if let (Kind::TooMany, Some((_, seconds))) =
            (error.kind(), error.args().find(|(name, _)| *name == "seconds"))
        {
            response.set_raw_header("Retry-After", seconds.to_owned());
        }
        response
    }
}

fn respond<'r>(wrapped: Wrapped, request_id: String) -> Response<'r> {
    let mut response = Response::build();
    response.status(Status::new(wrapped.status));
    response.raw_header("X-Request-Id", request_id);
    response.raw_header("Cache-Control", "no-store");
    if let Some(location) = wrapped.location {
        response.raw_header("Location", location);
    }
    if let Some(body) = wrapped.body {
        let text = body.to_string();
        response.header(ContentType::JSON).sized_body(text.len(), Cursor::new(text));
    }
    response.finalize()
}
