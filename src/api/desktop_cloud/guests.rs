//! What the agent in a desktop's guest says of it.

use std::sync::Arc;

use rocket::futures::future::BoxFuture;
use rocket::http::Method;
use rocket::{Data, Request};
use schemars::JsonSchema;
use serde::Serialize;

use crate::api::App;
use crate::api::answer::Answer;
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Scope, Streamed, streaming};
use crate::api::time;
use crate::api::work::blocking;
use crate::desktops::GuestSight;
use crate::error::{Context, Result};
use crate::identity::Permission;
use crate::node::protocol::{GuestFacts, GuestFilesystem, GuestNic, GuestUser};

pub fn endpoint() -> Endpoint {
    streaming(
        Method::Get,
        "carrel.desktops.guest",
        "/api/v1.0/desktops/{desktop_uuid}/guest",
        guest,
    )
    .needs_in(Permission::DesktopsView, Scope::Group)
    .gives::<GuestView>()
    .summary("What the guest agent of a desktop says: system, name, addresses, users, file systems")
}

#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum AgentState {
    /// The desktop is off.
    Off,
    /// No agent listens in the guest: none is installed, or it still boots.
    Absent,
    /// An agent listens and does not answer in time.
    Silent,
    Answers,
}

/// Everything but `agent` is the guest's own word, asked now.
#[derive(Debug, Serialize, JsonSchema)]
struct GuestView {
    agent: AgentState,
    /// Version of the agent; empty where it does not answer or does not tell.
    agent_version: String,
    /// Empty where the guest does not tell, as the next two.
    host_name: String,
    /// Such as `Windows 10 Pro`.
    system: String,
    kernel: String,
    nics: Vec<NicView>,
    /// Who is signed in.
    users: Vec<UserView>,
    filesystems: Vec<FilesystemView>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct NicView {
    name: String,
    mac: String,
    /// With the length of the prefix, such as `192.0.2.7/24`.
    addresses: Vec<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct UserView {
    /// With Windows' domain before it, where there is one.
    name: String,
    /// By the guest's clock.
    since: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct FilesystemView {
    mountpoint: String,
    #[serde(rename = "type")]
    kind: String,
    /// Bytes.
    size: u64,
    /// Bytes.
    used: u64,
}

fn guest<'r>(
    app: Arc<App>,
    call: Call,
    _: &'r Request<'_>,
    _: Data<'r>,
) -> BoxFuture<'r, Result<Streamed<'r>>> {
    Box::pin(async move {
        let desktop = call.uuid("desktop_uuid")?;
        let (desktops, visible) = (app.desktops.clone(), call.visible.clone());
        let found = blocking(move || desktops.guest_to_ask(&visible, desktop)).await?;
        let sight = match found {
            None => GuestSight::Off,
            Some(guest) => {
                let _turn = app.desktops.question_turn(&guest).await?;
                let desktops = app.desktops.clone();
                blocking(move || desktops.ask_guest(&guest)).await?
            }
        };
        let data = serde_json::to_value(GuestView::from(sight)).context("write an answer")?;
        Ok(Streamed::Answer(Answer { data, ..Answer::default() }))
    })
}

impl From<GuestSight> for GuestView {
    fn from(sight: GuestSight) -> Self {
        let (agent, facts) = match sight {
            GuestSight::Off => (AgentState::Off, GuestFacts::default()),
            GuestSight::Absent => (AgentState::Absent, GuestFacts::default()),
            GuestSight::Silent => (AgentState::Silent, GuestFacts::default()),
            GuestSight::Answers(facts) => (AgentState::Answers, *facts),
        };
        Self {
            agent,
            agent_version: facts.agent,
            host_name: facts.host_name.unwrap_or_default(),
            system: facts.system.unwrap_or_default(),
            kernel: facts.kernel.unwrap_or_default(),
            nics: facts.nics.into_iter().map(NicView::from).collect(),
            users: facts.users.into_iter().map(UserView::from).collect(),
            filesystems: facts.filesystems.into_iter().map(FilesystemView::from).collect(),
        }
    }
}

impl From<GuestNic> for NicView {
    fn from(GuestNic { name, mac, addresses }: GuestNic) -> Self {
        Self { name, mac: mac.unwrap_or_default(), addresses }
    }
}

impl From<GuestUser> for UserView {
    fn from(GuestUser { name, domain, since }: GuestUser) -> Self {
        let name = match domain {
            Some(domain) => format!("{domain}\\{name}"),
            None => name,
        };
        Self { name, since: time::optional(since) }
    }
}

impl From<GuestFilesystem> for FilesystemView {
    fn from(GuestFilesystem { mountpoint, kind, size, used }: GuestFilesystem) -> Self {
        Self { mountpoint, kind, size, used }
    }
}
