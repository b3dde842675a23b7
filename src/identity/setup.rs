//! The first administrator: made by a link that the server prints once, or on the command line.

use rusqlite::Connection;

use super::lockout::{self, Subject};
use super::password::{Password, StoredPassword};
use super::sign_in::{Lifetime, NewSession};
use super::store::{setup, users};
use super::token::{self, Token};
use super::visitor::Visitor;
use super::{Authority, BuiltinRole, Identity, NewAccount};
use crate::error::{Error, Result};
use crate::store::now;

impl Identity {
    /// Whether there is nobody yet who may do everything.
    pub fn needs_setup(&self) -> Result<bool> {
        self.store.read(|conn| Ok(users::administrators(conn)? == 0))
    }

    /// A new token for the set-up link in place of any older; `None` when there is an administrator.
    pub fn setup_token(&self) -> Result<Option<Token>> {
        let token = Token::random()?;
        let hash = token.hash();
        self.store.write(|tx| {
            setup::forget_all(tx)?;
            if users::administrators(tx)? > 0 {
                return Ok(None);
            }
            setup::insert(tx, &hash, now())?;
            Ok(Some(token))
        })
    }

    /// Makes the first administrator and signs in. Of two at the same time one wins.
    ///
    /// # Errors
    /// `setup-done` when there is an administrator, `setup-link-wrong` for any other token than
    /// that of the latest link.
    pub fn set_up(
        &self,
        token: &str,
        name: &str,
        password: &Password,
        visitor: &Visitor,
    ) -> Result<NewSession> {
        let hash = token::hash(token);
        let policy = self.policy()?;
        let guesser: Vec<Subject> = visitor.address.map(Subject::address).into_iter().collect();
        self.store.read(|conn| lockout::check(conn, &guesser, &policy, now()))?;
        if let Err(error) = self.store.read(|conn| check(conn, &hash)) {
            self.store.write(|tx| lockout::note(tx, &guesser, &policy, now()))?;
            return Err(error);
        }
        let roles = vec![BuiltinRole::Admin.code().to_owned()];
        let account = NewAccount { name: name.to_owned(), roles, ..NewAccount::default() };
        let password = self.hash_new(password, &[name])?;
        let user = self.store.write(|tx| {
            check(tx, &hash)?;
            setup::forget_all(tx)?;
            super::users::insert(tx, Authority::System, account, Some(password))
        })?;
        self.begin(user, Lifetime::Short, visitor)
    }

    /// Checks and hashes a password that is to be stored; `about` are words of its user.
    pub(super) fn hash_new(&self, password: &Password, about: &[&str]) -> Result<StoredPassword> {
        password.accept(&self.policy()?, about)?;
        self.hashing.hash(password)
    }
}

impl Identity {
    /// What is over does not stay in the store.
    pub fn purge(&self) -> Result<()> {
        let now = now();
        self.store.write(|tx| {
            super::store::sessions::purge(tx, now)?;
            super::store::confirmations::purge(tx, now)?;
            super::store::failures::purge(tx, now - lockout::MEMORY)
        })
    }
}

/// Whether a token may make the first administrator. Both words for a refused link are told apart for whoever holds
/// an old one.
fn check(conn: &Connection, hash: &[u8]) -> Result<()> {
    if users::administrators(conn)? > 0 {
        return Err(Error::conflict("setup-done"));
    }
    match setup::is_current(conn, hash)? {
        true => Ok(()),
        false => Err(Error::forbidden("setup-link-wrong")),
    }
}
