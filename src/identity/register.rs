//! Registering by oneself. Nobody signs in to such an account before its address is confirmed by the
//! link that was sent there or, without mail, an administrator lets it in.
//!
//! ```text
//!   register ─┬─ with mail ──> awaits mail ──── link used ────────────> ready
//!             │                 │   │  └─ link expires: account deleted, name and address free
//!             │                 │   └─ mail not sent ─┐
//!             └─ without mail ──────────────────────> awaits administrator ─> ready
//! ```
//!
//! That a mail is to be sent is written with the account: a crash before it was sent loses nothing.
//! The link's token is made when the mail is, so that no row holds it.

use std::net::IpAddr;

use super::lockout::{self, Subject};
use super::password::Password;
use super::store::{confirmations, users};
use super::token::{self, Token};
use super::users::{Awaits, User, default_roles, email_address, insert, user_name};
use super::{Authority, Identity, NewAccount};
use crate::error::{Error, Kind, Result};
use crate::store::{UserId, now};

/// How long the link is good, in seconds.
const LINK_TIME: i64 = 24 * 60 * 60;

/// Somebody who wants an account.
#[derive(Debug)]
pub struct Registration<'a> {
    pub name: &'a str,
    pub email: &'a str,
    pub password: &'a Password,
    /// Of the mail, for instance `en`.
    pub language: &'a str,
    pub address: Option<IpAddr>,
}

/// A mail with a link that is to be sent.
#[derive(Debug)]
pub struct Confirmation {
    pub token: Token,
    pub name: String,
    pub email: String,
    pub language: String,
}

impl Identity {
    /// Makes an account that waits for `awaits`.
    ///
    /// # Errors
    /// `registration-closed`, `registration-slowed`, `user-exists`, `user-name-alike`, `email-taken`,
    /// and those of names, addresses and passwords
    pub fn register(&self, new: &Registration<'_>, awaits: Awaits) -> Result<User> {
        // Before anything is refused: each refusal is an entry of the audit log.
        self.slow_down(new.address)?;
        let policy = self.policy()?;
        if !policy.registration {
            return Err(Error::forbidden("registration-closed"));
        }
        let (name, email) = (user_name(new.name)?, email_address(new.email)?);
        new.password.accept(&policy, &[&name, &email])?;
        let hash = self.hashing.hash(new.password)?;
        let account = NewAccount {
            name,
            email: Some(email),
            awaits: Some(awaits),
            roles: default_roles(),
            ..NewAccount::default()
        };
        self.store.write(|tx| {
            confirmations::purge(tx, now())?;
            let user = insert(tx, Authority::System, account, Some(hash))?;
            if awaits == Awaits::Mail {
                confirmations::queue(tx, user.id, new.language)?;
            }
            Ok(user)
        })
    }

    /// Every attempt counts, also one for a name that is taken: answers tell which are.
    fn slow_down(&self, address: Option<IpAddr>) -> Result<()> {
        let Some(address) = address else { return Ok(()) };
        let (subjects, policy) = ([Subject::registration(address)], self.policy()?);
        self.store.write(|tx| match lockout::wait_left(tx, &subjects, &policy, now())? {
            0 => lockout::note(tx, &subjects, &policy, now()),
            left => Err(Error::new(Kind::TooMany, "registration-slowed").arg("seconds", left)),
        })
    }

    /// A new link for a user whose mail is to be sent; `None` when there is none to be sent.
    pub fn begin_confirmation(&self, user_id: UserId) -> Result<Option<Confirmation>> {
        let token = Token::random()?;
        self.store.write(|tx| {
            let language = confirmations::queued(tx, user_id)?;
            let user = users::by_id(tx, user_id)?.filter(|u| u.awaits == Some(Awaits::Mail));
            let (Some(language), Some(User { name, email: Some(email), .. })) = (language, user)
            else {
                confirmations::unqueue(tx, user_id)?;
                return Ok(None);
            };
            confirmations::insert(tx, &token.hash(), user_id, &email, now() + LINK_TIME)?;
            Ok(Some(Confirmation { token, name, email, language }))
        })
    }

    /// Users whose mail is not known to be sent.
    pub fn pending_confirmations(&self) -> Result<Vec<UserId>> {
        self.store.read(confirmations::all_queued)
    }

    /// Notes whether the mail was sent. Without it the account waits for an administrator.
    pub fn end_confirmation(&self, user_id: UserId, is_sent: bool) -> Result<()> {
        self.store.write(|tx| {
            confirmations::unqueue(tx, user_id)?;
            let user = users::by_id(tx, user_id)?;
            if let (false, Some(mut user)) = (is_sent, user)
                && user.awaits == Some(Awaits::Mail)
            {
                confirmations::forget(tx, user_id)?;
                user.awaits = Some(Awaits::Administrator);
                users::update(tx, &user, now())?;
            }
            Ok(())
        })
    }

    /// Confirms the address that the link was sent to. A link is good once.
    ///
    /// # Errors
    /// `confirm-link-wrong`
    pub fn confirm(&self, token: &str) -> Result<User> {
        let hash = token::hash(token);
        self.store.write(|tx| {
            let wrong = || Error::bad_input("confirm-link-wrong").arg("field", "token");
            let (id, email) = confirmations::find(tx, &hash, now())?.ok_or_else(wrong)?;
            let user = users::by_id(tx, id)?.ok_or_else(wrong)?;
            // An administrator may have let the account in, or changed its address, meanwhile.
            if user.awaits != Some(Awaits::Mail) || user.email.as_deref() != Some(email.as_str()) {
                return Err(wrong());
            }
            confirmations::forget(tx, id)?;
            confirmations::unqueue(tx, id)?;
            let user = User { awaits: None, ..user };
            users::update(tx, &user, now())?;
            Ok(user)
        })
    }
}
