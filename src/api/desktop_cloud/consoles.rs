//! Screens: `get_console`, the WebSocket behind it, and pictures.

use std::io::Cursor;
use std::sync::Arc;

use rocket::futures::future::BoxFuture;
use rocket::futures::{SinkExt, StreamExt};
use rocket::http::{ContentType, Header, Method};
use rocket::request::{FromRequest, Outcome};
use rocket::response::Responder;
use rocket::tokio::io::{AsyncReadExt, AsyncWriteExt};
use rocket::{Data, Request, Response};
use rocket_ws::frame::{CloseCode, CloseFrame};
use rocket_ws::stream::DuplexStream;
use rocket_ws::{Message, WebSocket};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::edu_instances;
use crate::api::App;
use crate::api::answer;
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Scope, Streamed, post, streaming};
use crate::api::presence::Presence;
use crate::api::work::blocking;
use crate::desktops::{Beside, Holder, Screen, Ticket};
use crate::error::{Error, Result};
use crate::identity::{Caller, Permission};
use crate::node::client::OpenCall;

const CONSOLE: &str = "/api/v1.0/console/{ticket}";
const TEMPLATE: &str = "/api/v1.0/education/template/";
pub const MODULE: &str = "education";
const OPENED: &str = "log-console-open";
/// Bytes from the screen in one message.
const PIECE: usize = 64 << 10;
const WIDTH: u32 = 320;
const WIDEST: u32 = 3_840;

pub fn endpoints() -> Vec<Endpoint> {
    vec![
        post("vdi.edu-instances.get-console", edu_instances::PATH, desktop_console)
            .needs_in(Permission::DesktopsConsole, Scope::Group)
            .action("get_console")
            .summary(
                "A WebSocket URL of a running desktop's screen, good once and for 30 seconds; also of a \
                 template's, for who manages templates",
            ),
        post("carrel.templates.get-console", TEMPLATE, template_console)
            .needs(Permission::TemplatesManage)
            .action("get_console")
            .summary(
                "A WebSocket URL of a running template's screen, good once and for 30 seconds",
            ),
    ]
}

pub fn own_endpoints() -> Vec<Endpoint> {
    vec![
        streaming(Method::Get, "carrel.console", CONSOLE, open)
            .public()
            .audited(MODULE, OPENED)
            .summary("RFB in a WebSocket; the path carries the ticket of get_console"),
        streaming(
            Method::Get,
            "carrel.instances.screen",
            "/api/v1.0/education/instance/{uuid}/screen",
            desktop_screen,
        )
        .needs_in(Permission::DesktopsConsole, Scope::Group)
        .takes::<ScreenInput>()
        .sends("image/png")
        .summary("A PNG of a running desktop's screen"),
        streaming(
            Method::Get,
            "carrel.templates.screen",
            "/api/v1.0/education/template/{uuid}/screen",
            template_screen,
        )
        .needs(Permission::TemplatesView)
        .takes::<ScreenInput>()
        .sends("image/png")
        .summary("A PNG of a running template's screen"),
    ]
}

#[derive(Debug, Deserialize, JsonSchema)]
struct ConsoleInput {
    uuid: Uuid,
    name: String,
}

#[derive(Debug, Serialize, JsonSchema)]
struct ConsoleView {
    websockify_url: String,
    /// The machine has a sound card; what it plays comes by QEMU's extension of RFB.
    sound: bool,
    /// Texts are copied in and out, by the extended clipboard of RFB, where its system has spice-vdagent.
    clipboard: bool,
}

#[derive(Debug, JsonSchema)]
#[expect(dead_code, reason = "documents the parameter, which comes in the query")]
struct ScreenInput {
    /// At most so many pixels wide; 320 when left out.
    width: Option<u32>,
}

fn desktop_console(
    app: &App,
    call: &mut Call,
    input: ConsoleInput,
) -> Result<answer::Data<ConsoleView>> {
    let manages = call.caller()?.may(Permission::TemplatesManage);
    // Existing clients ask here for templates, too.
    let screen = match manages && app.templates.is_template(input.uuid)? {
        true => Screen::Template(input.uuid),
        false => Screen::Desktop(input.uuid),
    };
    ticket(app, call, screen, &input.name)
}

fn template_console(
    app: &App,
    call: &mut Call,
    input: ConsoleInput,
) -> Result<answer::Data<ConsoleView>> {
    ticket(app, call, Screen::Template(input.uuid), &input.name)
}

fn ticket(
    app: &App,
    call: &mut Call,
    screen: Screen,
    name: &str,
) -> Result<answer::Data<ConsoleView>> {
    call.about(name);
    let websockify_url = screen_url(app, call, screen, Some(name))?;
    let Beside { sound, clipboard } = app.desktops.beside(screen)?;
    Ok(answer::Data(ConsoleView { websockify_url, sound, clipboard }))
}

/// Opens the screen once. `name`, when given, is the one that the caller saw.
///
/// # Errors
/// `screen-off`
pub fn screen_url(app: &App, call: &Call, screen: Screen, name: Option<&str>) -> Result<String> {
    let holder = Holder { actor: call.actor.clone(), caller: call.caller()?.clone() };
    let word = app.desktops.console_ticket(&call.visible, holder, screen, name)?;
    Ok(call.origin.socket(&CONSOLE.replace("{ticket}", &word)))
}

/// Upgrades to a WebSocket that carries the bytes of a screen both ways.
fn open<'r>(
    app: Arc<App>,
    call: Call,
    request: &'r Request<'_>,
    _: Data<'r>,
) -> BoxFuture<'r, Result<Streamed<'r>>> {
    Box::pin(async move {
        let Outcome::Success(socket) = WebSocket::from_request(request).await else {
            return Err(Error::bad_input("console-needs-websocket"));
        };
        let ticket = app.desktops.take_ticket(call.param("ticket")?)?;
        note(&call, &ticket);
        let opened = {
            let (app, ticket) = (Arc::clone(&app), ticket.clone());
            // Whoever was given the ticket may have been sent away since.
            blocking(move || match app.identity.look_again(&ticket.holder.caller)? {
                Some(caller) if may_look(&caller, &ticket) => app.desktops.open_console(&ticket),
                _ => Err(Error::not_found("console-ticket-unknown")),
            })
            .await
        };
        let (screen, shutdown) = (opened?, request.rocket().shutdown());
        let mut presence = Presence::of(&app, ticket.holder.caller.clone());
        let holder = ticket.clone();
        let channel = socket.channel(move |socket| {
            Box::pin(async move {
                let end = async {
                    rocket::tokio::select! {
                        () = presence.lost(|caller| may_look(caller, &holder)) => CloseCode::Policy,
                        () = shutdown => CloseCode::Away,
                    }
                };
                carry(socket, screen, end).await;
                Ok(())
            })
        });
        let mut response = channel
            .respond_to(request)
            .map_err(|status| Error::internal(format_args!("WebSocket answered {status}")))?;
        if offers_binary(request) {
            response.set_header(Header::new("Sec-WebSocket-Protocol", "binary"));
        }
        Ok(Streamed::Response(response))
    })
}

/// What must hold of whoever looks at the screen as long as it is open.
pub fn may_look(caller: &Caller, ticket: &Ticket) -> bool {
    match ticket.screen {
        Screen::Desktop(_) => caller
            .visible(Permission::DesktopsConsole)
            .is_some_and(|visible| visible.has(ticket.education_group)),
        Screen::Template(_) => caller.may(Permission::TemplatesManage),
    }
}

fn offers_binary(request: &Request<'_>) -> bool {
    let offered = request.headers().get("Sec-WebSocket-Protocol");
    offered.flat_map(|line| line.split(',')).any(|protocol| protocol.trim() == "binary")
}

/// The person who was given the ticket is the one who opens the console.
fn note(call: &Call, ticket: &Ticket) {
    let mut actor = ticket.holder.actor.clone();
    actor.address = call.actor.address;
    actor.request_id.clone_from(&call.actor.request_id);
    call.note.by(actor);
    call.note.about(ticket.name.clone());
}

/// Carries bytes until either side ends, or `end` does. Each direction waits for its receiver: nothing
/// piles up here.
async fn carry(socket: DuplexStream, screen: OpenCall, end: impl Future<Output = CloseCode>) {
    let OpenCall { mut incoming, mut outgoing, reply } = screen;
    let (mut to_client, mut from_client) = socket.split();
    let downward = async {
        let mut piece = vec![0; PIECE];
        loop {
            match incoming.read(&mut piece).await {
                // The reply, which is never waited for, would tell no more than the end does.
                Ok(0) | Err(_) => return CloseCode::Normal,
                Ok(count) => {
                    let message = Message::Binary(piece[..count].to_vec());
                    if to_client.send(message).await.is_err() {
                        return CloseCode::Normal;
                    }
                }
            }
        }
    };
    let upward = async {
        while let Some(Ok(message)) = from_client.next().await {
            let sent = match message {
                Message::Binary(bytes) => outgoing.write_all(&bytes).await,
                Message::Close(_) => return CloseCode::Normal,
                // RFB is binary.
                Message::Text(_) => return CloseCode::Unsupported,
                // The library answers pings.
                Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => continue,
            };
            let flushed = match sent {
                Ok(()) => outgoing.flush().await,
                failed => failed,
            };
            if flushed.is_err() {
                return CloseCode::Normal;
            }
        }
        CloseCode::Normal
    };
    let code = rocket::tokio::select! {
        code = downward => code,
        code = upward => code,
        code = end => code,
    };
    let frame = CloseFrame { code, reason: "".into() };
    // A client that is gone needs no farewell.
    let _ = to_client.send(Message::Close(Some(frame))).await;
    let _ = to_client.close().await;
    // Dropped here, the call ends on the node.
    drop((outgoing, reply));
}

fn desktop_screen<'r>(
    app: Arc<App>,
    call: Call,
    _: &'r Request<'_>,
    _: Data<'r>,
) -> BoxFuture<'r, Result<Streamed<'r>>> {
    Box::pin(async move {
        let screen = Screen::Desktop(call.uuid("uuid")?);
        picture(app, &call, screen).await
    })
}

fn template_screen<'r>(
    app: Arc<App>,
    call: Call,
    _: &'r Request<'_>,
    _: Data<'r>,
) -> BoxFuture<'r, Result<Streamed<'r>>> {
    Box::pin(async move {
        let screen = Screen::Template(call.uuid("uuid")?);
        picture(app, &call, screen).await
    })
}

async fn picture<'r>(app: Arc<App>, call: &Call, screen: Screen) -> Result<Streamed<'r>> {
    let width = match call.query("width") {
        None => WIDTH,
        Some(text) => text
            .trim()
            .parse()
            .map_err(|_| Error::bad_input("field-not-a-number").arg("field", "width"))?,
    };
    let width = width.clamp(1, WIDEST);
    let visible = call.visible.clone();
    let desktops = app.desktops.clone();
    let lit = blocking(move || app.desktops.lit_screen(&visible, screen)).await?;
    let _turn = desktops.picture_turn(&lit).await?;
    let png = blocking(move || desktops.picture(&lit, width)).await?;
    let mut response = Response::build();
    response.header(ContentType::PNG).raw_header("Cache-Control", "no-store");
    response.sized_body(png.len(), Cursor::new(png));
    Ok(Streamed::Response(response.finalize()))
}
