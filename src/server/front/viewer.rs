//! Viewers beside the browser, on the same port: from their first words to the end of what they look at.

use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rocket::Shutdown;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::select;

use super::spice::Answer;
use super::tunnel::{LAST_WORD, relay, within};
use super::{rdp, spice};
use crate::api::{App, Viewing, let_in};
use crate::desktops::Connection;
use crate::error::{Error, Kind};
use crate::node::client::OpenCall;

/// So long a viewer may take for its first words, and the desktop for its.
const FIRST_WORDS: Duration = Duration::from_secs(10);
/// That viewers come with wrong tickets is told about this often: an attack must not fill the log.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// What a viewer's connection needs.
#[derive(Clone)]
pub struct Guard {
    pub app: Arc<App>,
    pub refused: Arc<Refused>,
    pub patience: Duration,
    pub from: IpAddr,
}

/// Viewers that came with wrong tickets.
#[derive(Default)]
pub struct Refused(Mutex<(u64, Option<Instant>)>);

impl Refused {
    /// Counts one, and tells of all that came since it told last. Never with the ticket.
    fn note(&self, from: IpAddr, error: &Error) {
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counted.0 += 1;
        if counted.1.is_none_or(|told| told.elapsed() >= TELL_EVERY) {
            let error = error.detail();
            tracing::warn!(address = %from, count = counted.0, error, "a viewer was refused");
            *counted = (0, Some(Instant::now()));
        }
    }
}

impl Guard {
    /// Carries a connection of SPICE.
    pub async fn spice(
        self,
        mut viewer: impl AsyncRead + AsyncWrite + Unpin,
        stop: Shutdown,
    ) -> io::Result<()> {
        let limit = self.patience.min(FIRST_WORDS);
        let link = within(limit, spice::greet(&mut viewer)).await?;
        let connection = match link.is_first() {
            true => Connection::SpiceFirst,
            false => Connection::SpiceFurther,
        };
        let admitted = match self.enter(connection, link.ticket.clone()).await {
            Ok((mut screen, viewing)) => {
                let passed = within(FIRST_WORDS, spice::pass_on(&link, &mut screen)).await;
                passed.map(|()| (screen, viewing)).map_err(|cause| (Answer::Error, cause))
            }
            Err(error) if error.kind() == Kind::NotFound => {
                Err((Answer::Denied, io::Error::other(error.to_string())))
            }
            Err(error) => Err((Answer::Error, io::Error::other(error.detail()))),
        };
        let answer = admitted.as_ref().map_or_else(|(answer, _)| *answer, |_| Answer::Good);
        within(limit, spice::say(&mut viewer, answer)).await?;
        match admitted {
            Ok((screen, viewing)) => self.carry(viewer, screen, viewing, stop).await,
            Err((_, cause)) => {
                within(limit, viewer.shutdown()).await?;
                Err(cause)
            }
        }
    }

    /// Carries a connection of RDP. One that may not come is told nothing: there is no word for that.
    pub async fn rdp(
        self,
        mut viewer: impl AsyncRead + AsyncWrite + Unpin,
        stop: Shutdown,
    ) -> io::Result<()> {
        let limit = self.patience.min(FIRST_WORDS);
        let request = within(limit, rdp::read(&mut viewer)).await?;
        let (mut screen, viewing) = self
            .enter(Connection::Rdp, request.ticket)
            .await
            .map_err(|error| io::Error::other(error.detail()))?;
        screen.write_all(&request.onward).await?;
        screen.flush().await?;
        self.carry(viewer, screen, viewing, stop).await
    }

    async fn enter(
        &self,
        connection: Connection,
        word: String,
    ) -> crate::error::Result<(OpenCall, Viewing)> {
        let entered = let_in(&self.app, connection, word, self.from).await;
        if let Err(error) = &entered {
            self.refused.note(self.from, error);
        }
        entered
    }

    async fn carry(
        self,
        viewer: impl AsyncRead + AsyncWrite,
        screen: OpenCall,
        mut viewing: Viewing,
        stop: Shutdown,
    ) -> io::Result<()> {
        select! {
            ended = relay(viewer, screen, self.patience, LAST_WORD) => ended,
            () = viewing.over() => Ok(()),
            () = stop => Ok(()),
        }
    }
}
