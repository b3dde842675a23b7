//! Signing in and out, and the life of sessions.

use std::net::IpAddr;

use super::lockout::{self, Subject};
use super::password::{Password, StoredPassword};
use super::store::{failures, sessions, users};
use super::token::{self, Token};
use super::{Caller, Identity, User};
use crate::error::{Error, Kind, Result};
use crate::store::now;

/// How long a session lasts, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifetime {
    /// An hour after the last use, a day at most.
    Short,
    /// 30 days from the sign-in.
    Remembered,
}

const HOUR: i64 = 60 * 60;
const DAY: i64 = 24 * HOUR;
/// Uses closer together than this are not written down.
const SEEN_STEP: i64 = 60;
/// Sessions of one user; the oldest ends when there are more.
const SESSIONS_LIMIT: u32 = 200;

impl Lifetime {
    pub const fn seconds(self) -> i64 {
        match self {
            Self::Short => HOUR,
            Self::Remembered => 30 * DAY,
        }
    }

    /// What each use adds; 0 for an end that stays.
    const fn slide(self) -> i64 {
        match self {
            Self::Short => HOUR,
            Self::Remembered => 0,
        }
    }
}

/// A session that begins. The token is known here and to the client alone.
#[derive(Debug)]
pub struct NewSession {
    pub token: Token,
    pub lifetime: Lifetime,
    pub user: User,
}

/// Somebody at the door.
#[derive(Debug)]
pub struct Attempt<'a> {
    /// User name or e-mail address.
    pub login: &'a str,
    pub password: &'a Password,
    pub lifetime: Lifetime,
    pub address: Option<IpAddr>,
}

impl Identity {
    /// Whose session a token is; `None` when it is unknown, expired, or its user switched off.
    pub fn authenticate(&self, token: &str) -> Result<Option<Caller>> {
        let (hash, now) = (token::hash(token), now());
        let Some(found) = self.store.read(|conn| sessions::caller(conn, &hash, now))? else {
            return Ok(None);
        };
        if now - found.last_seen_at >= SEEN_STEP {
            let session = found.caller.session_id;
            self.store.write(|tx| sessions::seen(tx, session, now, DAY))?;
        }
        Ok(Some(found.caller))
    }

    /// Begins a session.
    ///
    /// # Errors
    /// `sign-in-failed` for a wrong name as for a wrong password, `account-disabled` only for who
    /// knows the password, `sign-in-locked` after too many failures.
    pub fn sign_in(&self, attempt: &Attempt<'_>) -> Result<NewSession> {
        let user = self.store.read(|conn| users::by_login(conn, attempt.login.trim()))?;
        let name = user.as_ref().map_or(attempt.login, |user| &user.name);
        let subjects = subjects(name, attempt.address);
        let stored = user.as_ref().and_then(|user| user.password_hash.as_ref());
        if !self.is_right(attempt.password, stored, &subjects)? {
            return Err(Error::bad_input("sign-in-failed"));
        }
        match user {
            Some(user) if user.enabled => self.begin(user, attempt.lifetime, attempt.address),
            Some(user) => Err(Error::bad_input("account-disabled").arg("name", &user.name)),
            None => Err(Error::internal("nobody's password was right")),
        }
    }

    /// Ends a session; one that has ended already is no error.
    pub fn sign_out(&self, token: &str) -> Result<()> {
        let hash = token::hash(token);
        self.store.write(|tx| sessions::end(tx, &hash))
    }

    /// Changes one's own password. Every other session of the user ends.
    ///
    /// # Errors
    /// `old-password-wrong`, and `sign-in-locked` after too many of them.
    pub fn change_password(
        &self,
        caller: &Caller,
        old: &Password,
        new: &Password,
        address: Option<IpAddr>,
    ) -> Result<()> {
        new.accept()?;
        let user = self.user_of(caller)?;
        let subjects = subjects(&user.name, address);
        if !self.is_right(old, user.password_hash.as_ref(), &subjects)? {
            return Err(Error::bad_input("old-password-wrong"));
        }
        let hash = self.hashing.hash(new)?;
        self.store.write(|tx| {
            users::set_password(tx, user.id, &hash, now())?;
            sessions::end_all(tx, user.id, Some(caller.session_id))
        })
    }

    /// Compares a password, unless there were too many failures, and counts one. All within one turn:
    /// guesses sent at the same time do not slip through before the first is counted.
    fn is_right(
        &self,
        password: &Password,
        stored: Option<&StoredPassword>,
        subjects: &[Subject],
    ) -> Result<bool> {
        let turn = self.hashing.turn()?;
        self.store.read(|conn| lockout::check(conn, subjects, now()))?;
        let right = turn.verify(password, stored)?;
        if !right {
            self.store.write(|tx| lockout::note(tx, subjects, now()))?;
        }
        Ok(right)
    }

    pub(super) fn begin(
        &self,
        user: User,
        lifetime: Lifetime,
        address: Option<IpAddr>,
    ) -> Result<NewSession> {
        let (token, now) = (Token::random()?, now());
        let row = sessions::NewRow {
            token_hash: token.hash(),
            user_id: user.id,
            address: address.map(|address| address.to_string()),
            created_at: now,
            expires_at: now + lifetime.seconds(),
            slide: lifetime.slide(),
        };
        let account = Subject::account(&user.name).key();
        self.store.write(|tx| {
            // Switched off, or its password changed, since the password was compared.
            let still = users::by_id(tx, user.id)?;
            if still.is_none_or(|still| !still.enabled || still.password_hash != user.password_hash)
            {
                return Err(Error::new(Kind::Conflict, "account-changed"));
            }
            sessions::purge(tx, now)?;
            failures::purge(tx, now - lockout::MEMORY)?;
            // The address is not forgiven: an own account would open the door to guess others.
            failures::forget(tx, &account)?;
            sessions::insert(tx, &row, SESSIONS_LIMIT)?;
            users::signed_in(tx, user.id, now)
        })?;
        Ok(NewSession { token, lifetime, user })
    }
}

fn subjects(name: &str, address: Option<IpAddr>) -> Vec<Subject> {
    let account = Subject::account(name);
    std::iter::once(account).chain(address.map(Subject::address)).collect()
}
