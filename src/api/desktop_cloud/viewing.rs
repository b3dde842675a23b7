//! Viewers beside the browser, which come in without HTTP: whether one that brings a ticket may look, and how long.

use std::net::IpAddr;
use std::sync::Arc;

use super::consoles::{MODULE, may_look};
use crate::api::App;
use crate::api::presence::Presence;
use crate::api::work::blocking;
use crate::desktops::{Connection, ViewerPlace};
use crate::error::{Error, Fault, Result};
use crate::identity::Permission;
use crate::node::client::OpenCall;
use crate::operations::audit;

const OPENED: &str = "log-viewer-open";

/// A viewer's connection that was let in.
pub struct Viewing {
    place: ViewerPlace,
    /// Of a connection that the others of its viewer go on with.
    presence: Option<Presence>,
}

/// Lets a connection in that brings a ticket: the screen, and how long it may be looked at.
///
/// # Errors
/// `console-ticket-unknown`, also for somebody who may not look any more, and those of
/// [`open_viewer`](crate::desktops::Desktops::open_viewer)
pub async fn let_in(
    app: &Arc<App>,
    connection: Connection,
    word: String,
    from: IpAddr,
) -> Result<(OpenCall, Viewing)> {
    let here = Arc::clone(app);
    let (screen, place) = blocking(move || {
        let place = here.desktops.enter_viewer(connection, &word, from)?;
        let opened = open(&here, &place);
        if place.is_new {
            note(&here, &place, from, opened.as_ref().err())?;
        }
        Ok((opened?, place))
    })
    .await?;
    let watched = connection != Connection::SpiceFurther;
    let presence = watched.then(|| Presence::of(app, place.ticket.holder.caller.clone()));
    Ok((screen, Viewing { place, presence }))
}

fn open(app: &App, place: &ViewerPlace) -> Result<OpenCall> {
    let ticket = &place.ticket;
    let caller = app.identity.look_again(&ticket.holder.caller)?;
    let caller = caller.filter(|caller| may_look(caller, ticket));
    let visible = caller.and_then(|caller| caller.visible(Permission::DesktopsConsole));
    let visible = visible.ok_or_else(|| Error::not_found("console-ticket-unknown"))?;
    app.desktops.open_viewer(&visible, place)
}

/// The person who was given the ticket is the one who looks.
fn note(app: &App, place: &ViewerPlace, from: IpAddr, error: Option<&Error>) -> Result<()> {
    let ticket = &place.ticket;
    let mut actor = ticket.holder.actor.clone();
    actor.address = Some(from);
    let fault = error.map(Fault::from);
    let entry = audit::Entry {
        action: OPENED,
        subject: &ticket.name,
        module: MODULE,
        fault: fault.as_ref(),
    };
    audit::write(&app.store, &actor, &entry)
}

impl Viewing {
    /// Waits until it may not be looked at any more.
    pub async fn over(&mut self) {
        let Self { place, presence } = self;
        let ticket = place.ticket.clone();
        let lost = async {
            match presence {
                Some(presence) => presence.lost(|caller| may_look(caller, &ticket)).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = lost => {}
            () = place.over() => {}
        }
    }
}
