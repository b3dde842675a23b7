//! Where somebody is signed in, and ending it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::MODULE;
use crate::api::answer::{Data, Done};
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, delete, get};
use crate::api::input::NoInput;
use crate::api::input::{Listed, Paged};
use crate::api::listing::listed;
use crate::api::{App, time};
use crate::error::Result;
use crate::identity::{Permission, SessionInfo};
use crate::store::list::Page;

const ALL: &str = "/api/v1.0/identity/session";
const OWN: &str = "/api/v1.0/identity/own/session";

pub fn endpoints() -> Vec<Endpoint> {
    vec![
        get("carrel.own-sessions.list", OWN, list_own)
            .in_person()
            .summary("Where one is signed in"),
        delete("carrel.own-sessions.end-others", OWN, end_others)
            .in_person()
            .audited(MODULE, "log-session-end-others")
            .summary("End one's own sessions but the present one"),
        delete("carrel.own-sessions.end", "/api/v1.0/identity/own/session/{session_uuid}", end_own)
            .in_person()
            .audited(MODULE, "log-session-end")
            .summary("End a session of one's own"),
        get("carrel.sessions.list", ALL, list)
            .needs(Permission::UsersView)
            .summary("Sessions of all users"),
        delete("carrel.sessions.end", "/api/v1.0/identity/session/{session_uuid}", end)
            .needs(Permission::UsersManage)
            .audited(MODULE, "log-session-end")
            .summary("End a session of a user"),
    ]
}

/// A session.
#[derive(Debug, Serialize, JsonSchema)]
struct SessionView {
    uuid: String,
    user_name: String,
    address: Option<String>,
    /// The browser or program, as it named itself.
    user_agent: String,
    /// The one that asks.
    current: bool,
    created_at: String,
    last_seen_at: String,
    expires_at: String,
}

fn view(call: &Call, session: SessionInfo) -> SessionView {
    let current = call.caller.as_ref().and_then(|caller| caller.session_id()) == Some(session.id);
    SessionView {
        uuid: session.uuid,
        user_name: session.user_name,
        address: session.address,
        user_agent: session.user_agent,
        current,
        created_at: time::text(session.created_at),
        last_seen_at: time::text(session.last_seen_at),
        expires_at: time::text(session.expires_at),
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
#[expect(dead_code, reason = "documents the parameters, which the list mechanism reads by itself")]
struct Filters {
    user_name: Option<Listed<String>>,
    address: Option<Listed<String>>,
}

fn list_own(app: &App, call: &mut Call, _: NoInput) -> Result<Data<Vec<SessionView>>> {
    let sessions = app.identity.sessions_of(call.caller()?.user_id)?;
    Ok(Data(sessions.into_iter().map(|session| view(call, session)).collect()))
}

fn end_others(app: &App, call: &mut Call, _: NoInput) -> Result<Done> {
    call.about(call.caller()?.name.clone());
    app.identity.end_other_sessions(call.caller()?)?;
    Ok(Done)
}

fn end_own(app: &App, call: &mut Call, _: NoInput) -> Result<Done> {
    let uuid = call.param("session_uuid")?.to_owned();
    call.about(call.caller()?.name.clone());
    app.identity.end_own_session(call.caller()?, &uuid)?;
    Ok(Done)
}

fn list(app: &App, call: &mut Call, _: Paged<Filters>) -> Result<Page<SessionView>> {
    listed(call.list_query()?, |query| {
        let page = app.identity.sessions_page(&query)?;
        Ok(page.map(|session| view(call, session)))
    })
}

fn end(app: &App, call: &mut Call, _: NoInput) -> Result<Done> {
    let uuid = call.param("session_uuid")?.to_owned();
    call.about(&uuid);
    let ended = app.identity.end_session(call.authority()?, &uuid)?;
    call.about(ended.user_name);
    Ok(Done)
}
