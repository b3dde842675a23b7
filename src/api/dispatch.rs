//! From a Rocket request to a row of the endpoint table and back.
//!
//! ```text
//!   dispatch.rs   which row             admission.rs  who calls, and what they may
//!   body.rs       the JSON body         work.rs       the handler, its audit line, its waiting
//!   reply.rs      answers and refusals in a dialect
//! ```

use std::collections::HashMap;
use std::sync::Arc;

use rocket::data::Data;
use rocket::http::{Header, Method};
use rocket::route::{Handler, Outcome, Route};
use rocket::{Request, Response};
use serde_json::Value;
use uuid::Uuid;

use super::admission::{credential_of, permit, same_origin, told_apart};
use super::body::{drain, read_body};
use super::call::{Call, not_signed_in};
use super::dialect::{ActionInput, DialectSpec};
use super::endpoint::{Mounted, Run};
use super::language::Language;
use super::note::Note;
use super::origin::arrival;
use super::reply::Reply;
use super::work::{Outgoing, blocking, run_blocking, run_streaming};
use super::{App, DEVICES_COOKIE, RESET_COOKIE, input, peers};
use crate::error::{Error, Result};
use crate::identity::{Caller, Credential, Devices};
use crate::operations::Actor;
use crate::store::visible::Visible;

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

/// What may be asked of a path, as the header `Allow` lists it; empty for one that no row has.
pub fn methods_of(table: &[Mounted], path: &str) -> Vec<&'static str> {
    let given: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let is_there = |row: &&Mounted| {
        let parts: Vec<&str> = row.path.split('/').filter(|part| !part.is_empty()).collect();
        let fits = |(part, given): (&&str, &&str)| part.starts_with('{') || part == given;
        parts.len() == given.len() && parts.iter().zip(&given).all(fits)
    };
    let mut methods: Vec<&str> =
        table.iter().filter(is_there).map(|row| row.method.as_str()).collect();
    if methods.contains(&Method::Get.as_str()) {
        methods.push(Method::Head.as_str());
    }
    methods.sort_unstable();
    methods.dedup();
    methods
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
        if let Some(refusal) = peers::refusal(request) {
            return refusal;
        }
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
        call.body = read_body(request, data, call.caller.is_some()).await?;
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
        let is_asked = |row: &&&'static Mounted| {
            row.action == asked || (asked.is_some() && row.action_too == asked)
        };
        let row = self.rows.iter().find(is_asked);
        if let Some(row) = row {
            call.in_param = row.action.is_some() && row.dialect.action_input == ActionInput::Param;
            return Ok(row);
        }
        let known: Vec<&str> = self.rows.iter().filter_map(|row| row.action).collect();
        let error = Error::bad_input("action-unknown").arg("field", "action");
        Err(error.arg("action", asked.unwrap_or_default()).arg("known", known.join(", ")))
    }
}

fn call_of(app: &App, request: &Request<'_>, dialect: &DialectSpec) -> Call {
    let headers = request.headers();
    let (origin, address) = arrival(&app.settings, request);
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
        devices: request
            .cookies()
            .get(DEVICES_COOKIE)
            .map(|cookie| Devices::read(cookie.value()))
            .unwrap_or_default(),
        origin,
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
