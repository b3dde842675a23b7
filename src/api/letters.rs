//! Letters that the server writes: their text, in the reader's language.

use std::sync::mpsc::{Receiver, channel};

use super::App;
use super::assets::CONFIRM_PATH;
use super::language::Language;
use crate::error::{Error, Result};
use crate::identity::{Confirmation, Letter};
use crate::store::UserId;

/// Sends the mail that a registered account waits for. The receiver is told whether it was sent; when
/// not, the account waits for an administrator.
pub fn confirm(app: &App, user_id: UserId) -> Result<Receiver<bool>> {
    let (told, outcome) = channel();
    let identity = app.identity.clone();
    let done = move |sent: Result<()>| {
        if let Err(error) = &sent {
            tracing::warn!(
                user.id = user_id.number(),
                error = error.detail(),
                "a mail was not sent"
            );
        }
        if let Err(error) = identity.end_confirmation(user_id, sent.is_ok()) {
            tracing::error!(
                user.id = user_id.number(),
                error = error.detail(),
                "note how a mail went"
            );
        }
        // Whoever asked may have gone.
        let _ = told.send(sent.is_ok());
    };
    let Some(confirmation) = app.identity.begin_confirmation(user_id)? else {
        done(Err(Error::internal("no mail is to be sent to this account")));
        return Ok(outcome);
    };
    match (&app.mail, app.base.get()) {
        (Some(mail), Some(base)) => {
            let letter = confirmation_letter(app, base, &confirmation);
            let refused = done.clone();
            if let Err(error) = mail.send(letter, done) {
                refused(Err(error));
            }
        }
        _ => done(Err(Error::internal("there is no mail server any more"))),
    }
    Ok(outcome)
}

/// Sends what a process that ended left unsent.
pub fn send_pending(app: &App) -> Result<()> {
    for user_id in app.identity.pending_confirmations()? {
        confirm(app, user_id)?;
    }
    Ok(())
}

fn confirmation_letter(app: &App, base: &str, confirmation: &Confirmation) -> Letter {
    let Confirmation { token, name, email, language } = confirmation;
    let language = Language::by_tag(language);
    let link = format!("{base}/{CONFIRM_PATH}?token={}", token.text());
    let args = [("name", name.as_str()), ("link", link.as_str()), ("base", base)];
    let text = |key| app.language.text(language, key, &args);
    Letter {
        to: email.clone(),
        subject: text("mail-confirm-subject"),
        body: text("mail-confirm-body"),
    }
}
