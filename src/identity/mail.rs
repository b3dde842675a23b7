//! Mail to people, by the SMTP server of the settings. One thread sends one letter after another, so
//! that a slow server keeps neither requests nor memory.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use lettre::message::header::ContentType;
use lettre::message::{Mailbox, Message};
use lettre::transport::smtp::authentication::Credentials;
use lettre::{Address, SmtpTransport, Transport};

use crate::error::{Error, Kind, Result};
use crate::settings::{Smtp, SmtpTls};

/// A server that does not answer for so long is down.
const PATIENCE: Duration = Duration::from_secs(10);
/// Letters that may wait.
const WAITING: usize = 100;

/// A letter to one person, as plain text.
#[derive(Debug)]
pub struct Letter {
    pub to: String,
    pub subject: String,
    pub body: String,
}

type Done = Box<dyn FnOnce(Result<()>) + Send>;

/// Sends letters. Cheap to clone.
#[derive(Clone)]
pub struct Mailer {
    from: Mailbox,
    queue: SyncSender<(Message, Done)>,
}

impl Mailer {
    /// # Errors
    /// `smtp-unusable`
    pub fn new(smtp: &Smtp) -> Result<Self> {
        let from = smtp.from.parse().map_err(|cause: lettre::address::AddressError| {
            Error::bad_input("smtp-unusable").arg("cause", cause).because(cause)
        })?;
        let transport = transport(smtp)?;
        let (queue, letters) = sync_channel(WAITING);
        let thread = thread::Builder::new().name("mail".into());
        let started = thread.spawn(move || send_all(&transport, &letters));
        started.map_err(|cause| Error::internal("start the thread for mail").because(cause))?;
        Ok(Self { from, queue })
    }

    /// Sends a letter; `done` is told later how it went, on another thread.
    ///
    /// # Errors
    /// `mail-busy` when too many letters wait, `email-wrong`
    pub fn send(
        &self,
        letter: Letter,
        done: impl FnOnce(Result<()>) + Send + 'static,
    ) -> Result<()> {
        let to: Address = letter.to.parse().map_err(|cause: lettre::address::AddressError| {
            Error::bad_input("email-wrong").arg("field", "email").because(cause)
        })?;
        let message = Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject(letter.subject)
            .header(ContentType::TEXT_PLAIN)
            .body(letter.body)
            .map_err(|cause| Error::internal("write a letter").because(cause))?;
        let sent = self.queue.try_send((message, Box::new(done)));
        sent.map_err(|_| Error::new(Kind::TooMany, "mail-busy"))
    }
}

fn send_all(transport: &SmtpTransport, letters: &Receiver<(Message, Done)>) {
    for (message, done) in letters {
        let sent = transport.send(&message).map(drop);
        done(sent.map_err(|cause| Error::unreachable("mail-failed").because(cause)));
    }
}

fn transport(smtp: &Smtp) -> Result<SmtpTransport> {
    let builder = match smtp.tls {
        SmtpTls::None => Ok(SmtpTransport::builder_dangerous(&smtp.host)),
        SmtpTls::Starttls => SmtpTransport::starttls_relay(&smtp.host),
        SmtpTls::Tls => SmtpTransport::relay(&smtp.host),
    };
    let builder = builder
        .map_err(|cause| Error::bad_input("smtp-unusable").arg("cause", &cause).because(cause))?;
    let builder = builder.port(smtp.port).timeout(Some(PATIENCE));
    Ok(match &smtp.login {
        Some((user, password)) => {
            let credentials = Credentials::new(user.clone(), password.text().to_owned());
            builder.credentials(credentials).build()
        }
        None => builder.build(),
    })
}
