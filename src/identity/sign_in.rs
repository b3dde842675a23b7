//! Signing in and out, and the life of sessions.

use std::net::IpAddr;

use zeroize::Zeroizing;

use super::lockout::{self, Subject};
use super::password::Password;
use super::store::{failures, keys, resets, sessions, users};
use super::token::{self, Token};
use super::visitor::Visitor;
use super::{AccountChange, Caller, Identity, Policy, Source, User, Via};
use crate::error::{Error, Kind, Result};
use crate::store::{Tx, now};

/// Whether a session outlives the browser.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifetime {
    /// Ends some time after its last use, a day after its begin at most.
    Short,
    /// Ends a fixed time after the sign-in.
    Remembered,
}

const HOUR: i64 = 60 * 60;
const DAY: i64 = 24 * HOUR;
/// Uses closer together than this are not written down.
const SEEN_STEP: i64 = 60;
/// Sessions of one user; the oldest ends when there are more.
const SESSIONS_LIMIT: u32 = 200;
/// A forced change of the password has to be made within this time, in seconds.
const RESET_TIME: i64 = 600;
/// Longest name of a browser that is kept, in characters.
const AGENT_LIMIT: usize = 200;

impl Lifetime {
    /// Seconds to the first end.
    fn seconds(self, policy: &Policy) -> i64 {
        match self {
            Self::Short => i64::from(policy.session_minutes) * 60,
            Self::Remembered => i64::from(policy.remembered_days) * DAY,
        }
    }

    /// What each use adds; 0 for an end that stays.
    fn slide(self, policy: &Policy) -> i64 {
        match self {
            Self::Short => self.seconds(policy),
            Self::Remembered => 0,
        }
    }
}

/// What came with a request to tell who asks.
#[derive(Debug, Clone)]
pub enum Credential {
    /// Token of a session or of an API key.
    Token(String),
    /// HTTP Basic (RFC 7617): an API key and the name of its owner.
    Basic { name: String, key: String },
}

/// A session that begins. The token is known here and to the client alone.
#[derive(Debug)]
pub struct NewSession {
    pub token: Token,
    pub lifetime: Lifetime,
    /// To its first end.
    pub seconds: i64,
    pub user: User,
    /// What the browser is to keep, so that it is known the next time.
    pub devices: Option<Zeroizing<String>>,
}

/// How a sign-in with the right password went on.
#[derive(Debug)]
pub enum SignedIn {
    Session(NewSession),
    /// A new password has to be chosen first, with both of these.
    ResetNeeded {
        token: Token,
        code: Token,
        user: User,
    },
}

impl SignedIn {
    /// The session, where no other outcome can be answered.
    ///
    /// # Errors
    /// `password-reset-needed`
    pub fn session(self) -> Result<NewSession> {
        match self {
            Self::Session(session) => Ok(session),
            Self::ResetNeeded { user, .. } => {
                Err(Error::bad_input("password-reset-needed").arg("name", user.name))
            }
        }
    }
}

/// Somebody at the door.
#[derive(Debug)]
pub struct Attempt<'a> {
    /// User name or e-mail address.
    pub login: &'a str,
    pub password: &'a Password,
    /// Of the second factor, or a recovery code; for those who have one.
    pub code: Option<&'a str>,
    pub lifetime: Lifetime,
    pub visitor: Visitor,
}

impl Identity {
    /// Who shows this; `None` when it is unknown or expired, or its user switched off.
    pub fn authenticate(
        &self,
        credential: &Credential,
        address: Option<IpAddr>,
    ) -> Result<Option<Caller>> {
        match credential {
            Credential::Token(token) => match self.by_session(token)? {
                None => self.by_key(token, None, address),
                found => Ok(found),
            },
            Credential::Basic { name, key } => self.by_key(key, Some(name), address),
        }
    }

    /// Who a caller of before is now, with what they may do now; `None` when the session or key has ended
    /// or the user was switched off. No use of the session: it does not put off its end.
    pub fn look_again(&self, caller: &Caller) -> Result<Option<Caller>> {
        let now = now();
        let found = self.store.read(|conn| match &caller.via {
            Via::Session(id) => sessions::caller_of(conn, *id, now),
            Via::Key(id) => keys::caller_of(conn, id, now),
        })?;
        // Numbers and names are given again.
        Ok(found.filter(|found| found.user_id == caller.user_id))
    }

    fn by_session(&self, token: &str) -> Result<Option<Caller>> {
        let (hash, now) = (token::hash(token), now());
        let Some(found) = self.store.read(|conn| sessions::caller(conn, &hash, now))? else {
            return Ok(None);
        };
        if let (true, Via::Session(id)) = (now - found.last_seen_at >= SEEN_STEP, &found.caller.via)
        {
            self.store.write(|tx| sessions::seen(tx, *id, now, DAY))?;
        }
        Ok(Some(found.caller))
    }

    fn by_key(
        &self,
        key: &str,
        name: Option<&str>,
        address: Option<IpAddr>,
    ) -> Result<Option<Caller>> {
        let (hash, now) = (token::hash(key), now());
        let Some(found) = self.store.read(|conn| keys::caller(conn, &hash, name, now))? else {
            return Ok(None);
        };
        let is_due = found.last_used_at.is_none_or(|at| now - at >= SEEN_STEP);
        if let (true, Via::Key(id)) = (is_due, &found.caller.via) {
            let address = address.map(|address| address.to_canonical().to_string());
            self.store.write(|tx| keys::used(tx, id, now, address.as_deref()))?;
        }
        Ok(Some(found.caller))
    }

    /// Begins a session.
    ///
    /// # Errors
    /// `sign-in-failed` for a wrong name as for a wrong password; `account-disabled`,
    /// `account-awaits-mail`, `account-awaits-administrator`, `second-factor-needed` and
    /// `second-factor-wrong` only for who knows the password; `sign-in-locked` after too many failures.
    pub fn sign_in(&self, attempt: &Attempt<'_>) -> Result<SignedIn> {
        let user = self.store.read(|conn| users::by_login(conn, attempt.login.trim()))?;
        let name = user.as_ref().map_or(attempt.login, |user| &user.name);
        let subjects = self.subjects(name, user.as_ref(), &attempt.visitor)?;
        let user = self.recognise(attempt, user, &subjects)?;
        may_enter(&user)?;
        self.show_code(&user, attempt.code, &attempt.visitor)?;
        match user.force_reset {
            true => self.begin_reset(user, attempt.lifetime),
            false => self.begin(user, attempt.lifetime, &attempt.visitor).map(SignedIn::Session),
        }
    }

    /// Whose password this is: of a user of Carrel itself, else of somebody in the directory.
    fn recognise(
        &self,
        attempt: &Attempt<'_>,
        user: Option<User>,
        subjects: &[Subject],
    ) -> Result<User> {
        let last = self.directory.is_none();
        let right = self.is_right(attempt.password, user.as_ref(), subjects, last)?;
        match (user, &self.directory) {
            (Some(user), _) if right => Ok(user),
            (user, Some(directory)) => {
                self.ask_directory(directory, attempt, user.as_ref(), subjects)
            }
            _ => Err(Error::bad_input("sign-in-failed")),
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
    /// `old-password-wrong`, and `sign-in-locked` after too many of them; `password-elsewhere`
    pub fn change_password(
        &self,
        caller: &Caller,
        old: &Password,
        new: &Password,
        visitor: &Visitor,
    ) -> Result<()> {
        let change = AccountChange { password: Some(new.clone()), ..AccountChange::default() };
        self.change_own(caller, Some(old), change, visitor).map(drop)
    }

    /// Whether the password is the user's; wrong ones count as failed sign-ins.
    ///
    /// # Errors
    /// `old-password-wrong`, `sign-in-locked`
    pub fn prove(&self, user: &User, password: &Password, visitor: &Visitor) -> Result<()> {
        match self.proves(user, password, visitor)? {
            true => Ok(()),
            false => Err(Error::bad_input("old-password-wrong").arg("field", "old_password")),
        }
    }

    pub(super) fn proves(
        &self,
        user: &User,
        password: &Password,
        visitor: &Visitor,
    ) -> Result<bool> {
        let subjects = self.subjects(&user.name, Some(user), visitor)?;
        match user.source {
            Source::Ldap => self.proves_in_directory(user, password, &subjects),
            _ => self.is_right(password, Some(user), &subjects, true),
        }
    }

    fn begin_reset(&self, user: User, lifetime: Lifetime) -> Result<SignedIn> {
        let (token, code) = (Token::random()?, Token::random()?);
        let row = resets::Row {
            code_hash: code.hash(),
            user_id: user.id,
            remembered: lifetime == Lifetime::Remembered,
            expires_at: now() + RESET_TIME,
        };
        self.store.write(|tx| resets::insert(tx, &token.hash(), &row, now()))?;
        Ok(SignedIn::ResetNeeded { token, code, user })
    }

    /// Ends a forced reset with a new password, and signs in.
    ///
    /// # Errors
    /// Those of passwords, which leave the reset as it is; `reset-session-wrong`, also for a wrong
    /// code, after which it is over
    pub fn reset_password(
        &self,
        token: &str,
        code: &str,
        new: &Password,
        visitor: &Visitor,
    ) -> Result<NewSession> {
        let hash = token::hash(token);
        let wrong = || Error::bad_input("reset-session-wrong");
        // Before anything is hashed: strangers must not keep those waiting who sign in.
        let pending =
            self.store.read(|conn| resets::find(conn, &hash, now()))?.ok_or_else(wrong)?;
        let user = self.user(pending.user_id)?;
        may_enter(&user)?;
        new.accept(&self.policy()?, &[&user.name])?;
        if self.hashing.turn()?.verify(new, user.password_hash.as_ref())? {
            return Err(Error::bad_input("password-unchanged").arg("field", "password"));
        }
        let fresh = self.hashing.hash(new)?;
        let row = self.store.write(|tx| resets::take(tx, &hash, now()))?.ok_or_else(wrong)?;
        if row.code_hash != token::hash(code) {
            return Err(wrong());
        }
        self.store.write(|tx| {
            users::set_password(tx, row.user_id, &fresh, now())?;
            users::set_force_reset(tx, row.user_id, false)?;
            sessions::end_all(tx, row.user_id, None).map(drop)
        })?;
        let lifetime = if row.remembered { Lifetime::Remembered } else { Lifetime::Short };
        let user = self.user(row.user_id)?;
        may_enter(&user)?;
        self.begin(user, lifetime, visitor)
    }

    pub(super) fn subjects(
        &self,
        name: &str,
        user: Option<&User>,
        visitor: &Visitor,
    ) -> Result<Vec<Subject>> {
        let device = visitor.devices.of(&self.vault, name, now());
        let session =
            visitor.session.filter(|(owner, _)| user.is_some_and(|user| user.id == *owner));
        let word = match (session, device) {
            (Some((_, session)), _) => Some(format!("session {session}")),
            (None, Some(device)) => Some(device.word()),
            (None, None) => None,
        };
        if let Some(word) = word {
            return Ok(vec![Subject::device(name, word)]);
        }
        let address = visitor.address;
        let is_known = match (user, address) {
            (Some(user), Some(address)) => {
                let address = lockout::network(address).to_string();
                self.store.read(|conn| failures::is_known(conn, user.id, &address))?
            }
            _ => false,
        };
        Ok(Subject::of(name, address, is_known))
    }

    /// Compares a password with the one kept here, unless there were too many failures, and counts one
    /// when nobody else is asked. All within one turn: guesses sent at the same time do not slip through
    /// before the first is counted.
    fn is_right(
        &self,
        password: &Password,
        user: Option<&User>,
        subjects: &[Subject],
        last: bool,
    ) -> Result<bool> {
        let stored = user.filter(|user| user.source == Source::Local);
        let stored = stored.and_then(|user| user.password_hash.as_ref());
        let turn = self.hashing.turn()?;
        let policy = self.store.read(|conn| {
            let policy = super::store::policy::get(conn)?;
            lockout::check(conn, subjects, &policy, now()).map(|()| policy)
        })?;
        let right = turn.verify(password, stored)?;
        if !right && last {
            self.store.write(|tx| lockout::note(tx, subjects, &policy, now()))?;
        }
        Ok(right)
    }

    pub(super) fn begin(
        &self,
        user: User,
        lifetime: Lifetime,
        visitor: &Visitor,
    ) -> Result<NewSession> {
        let (token, now) = (Token::random()?, now());
        let policy = self.policy()?;
        let seconds = lifetime.seconds(&policy);
        let agent = visitor.user_agent.chars().filter(|c| !c.is_control()).take(AGENT_LIMIT);
        let row = sessions::NewRow {
            token_hash: token.hash(),
            user_id: user.id,
            address: visitor.address.map(|address| address.to_canonical().to_string()),
            user_agent: agent.collect(),
            created_at: now,
            expires_at: now + seconds,
            slide: lifetime.slide(&policy),
        };
        let subjects = self.subjects(&user.name, Some(&user), visitor)?;
        self.store.write(|tx| {
            unchanged(tx, &user)?;
            sessions::purge(tx, now)?;
            failures::purge(tx, now - lockout::MEMORY)?;
            lockout::forgive(tx, &subjects, now)?;
            know(tx, &user, visitor.address, now)?;
            sessions::insert(tx, &row, SESSIONS_LIMIT)?;
            users::signed_in(tx, user.id, now)
        })?;
        let devices = visitor.devices.after_sign_in(&self.vault, &user.name, now);
        // Without it they are let in as somebody new the next time.
        let devices = devices.inspect_err(|error| {
            tracing::warn!(error = error.detail(), "a device will not be known again");
        });
        Ok(NewSession { token, lifetime, seconds, user, devices: devices.ok() })
    }
}

/// Only for who proved to be the user.
pub(super) fn may_enter(user: &User) -> Result<()> {
    let refuse = |key| Err(Error::bad_input(key).arg("name", &user.name));
    match user.awaits {
        _ if !user.enabled => refuse("account-disabled"),
        Some(super::Awaits::Mail) => refuse("account-awaits-mail"),
        Some(super::Awaits::Administrator) => refuse("account-awaits-administrator"),
        None => Ok(()),
    }
}

/// Refuses when the account was switched off, or its password changed, since it was compared.
fn unchanged(tx: &Tx<'_>, user: &User) -> Result<()> {
    let still = users::by_id(tx, user.id)?;
    match still.is_some_and(|still| still.enabled && still.password_hash == user.password_hash) {
        true => Ok(()),
        false => Err(Error::new(Kind::Conflict, "account-changed")),
    }
}

/// Notes that the user signed in from this address.
fn know(tx: &Tx<'_>, user: &User, address: Option<IpAddr>, now: i64) -> Result<()> {
    let Some(address) = address else { return Ok(()) };
    let network = lockout::network(address).to_string();
    failures::know(tx, user.id, &network, now, now - lockout::KNOWN_FOR)
}
