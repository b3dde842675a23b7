//! Sign-in by a directory (LDAP, Active Directory): who somebody is and whether the password is theirs.
//!
//! The person is looked up with the filter of the settings, then a bind as what was found tells whether
//! the password is right. A directory that does not answer costs a few seconds once and is then left alone
//! for a moment; accounts of Carrel itself do not depend on it.
//!
//! Known here, unknown anywhere, or known with another password takes the same questions, so that the time
//! tells little about which names exist.

mod dn;
mod link;

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

use super::gate::{Gate, Pass};
use super::lockout;
use super::outsiders::{Outsider, mapped};
use super::store::policy;
use super::{Attempt, Identity, Password, Source, Subject, User};
use crate::error::{Error, Kind, Result};
use crate::settings::Ldap;
use crate::store::now;
use link::{Entry, Link, Trouble};

/// All questions about one sign-in together take at most so long.
const LIMIT: Duration = Duration::from_secs(5);
/// A directory that did not answer is not asked again for so long.
const SILENCE: Duration = Duration::from_secs(5);
/// Sign-ins that ask at the same time, and that wait for it.
const AT_ONCE: usize = 4;
const WAITING: usize = 40;
/// Longest name that is asked for, in bytes.
const LOGIN_LIMIT: usize = 320;

/// The directory of the settings.
pub struct Directory {
    settings: Ldap,
    link: Link,
    gate: Gate,
    silent_until: Mutex<Option<Instant>>,
}

impl Directory {
    pub fn new(settings: Ldap) -> Self {
        Self {
            link: Link::new(settings.clone()),
            settings,
            gate: Gate::new(AT_ONCE, WAITING),
            silent_until: Mutex::default(),
        }
    }

    fn turn(&self) -> Result<Pass> {
        self.gate.pass()
    }

    /// Who this is, when the password is theirs. Within the runtime, on a thread that may block.
    ///
    /// # Errors
    /// `directory-unreachable`, `directory-refuses`
    fn check(&self, login: &str, password: &Password) -> Result<Option<Outsider>> {
        // A bind without a password succeeds for anybody (RFC 4513, 5.1.2).
        if login.is_empty() || login.len() > LOGIN_LIMIT || password.text().is_empty() {
            return Ok(None);
        }
        let found = self.ask(self.link.check(login, password.text()))?;
        Ok(found.map(|entry| self.outsider(entry)))
    }

    /// Asks as much as for somebody who is not there, for a name whose password is checked here.
    fn pretend(&self, login: &str) -> Result<()> {
        match login.is_empty() || login.len() > LOGIN_LIMIT {
            true => Ok(()),
            false => self.ask(self.link.pretend(login)),
        }
    }

    /// Whether the directory answers and can be searched.
    ///
    /// # Errors
    /// `directory-unreachable`, `directory-refuses`
    pub async fn probe(&self) -> Result<()> {
        self.limited(self.link.probe()).await
    }

    fn ask<T>(&self, question: impl Future<Output = Result<T, Trouble>>) -> Result<T> {
        if self.silent_until().is_some_and(|until| Instant::now() < until) {
            return Err(unreachable());
        }
        let runtime = Handle::try_current();
        let runtime = runtime.map_err(|cause| Error::internal("ask a directory").because(cause))?;
        runtime.block_on(self.limited(question))
    }

    async fn limited<T>(&self, question: impl Future<Output = Result<T, Trouble>>) -> Result<T> {
        let trouble = match tokio::time::timeout(LIMIT, question).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(trouble)) => trouble,
            Err(_) => Trouble::Unreachable(format!("no answer within {} s", LIMIT.as_secs())),
        };
        let url = &self.settings.url;
        match trouble {
            Trouble::Unreachable(cause) => {
                tracing::warn!(url, cause, "the directory does not answer");
                let until = Instant::now() + SILENCE;
                *self.silent_until.lock().unwrap_or_else(PoisonError::into_inner) = Some(until);
                Err(unreachable().because(cause))
            }
            Trouble::Refused(cause) => {
                tracing::error!(url, cause, "the directory refuses what the settings ask");
                Err(Error::unreachable("directory-refuses").because(cause))
            }
            Trouble::Here(error) => Err(error),
        }
    }

    fn silent_until(&self) -> Option<Instant> {
        *self.silent_until.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn outsider(&self, entry: Entry) -> Outsider {
        let roles = mapped(&self.settings.roles, &entry.groups, dn::form);
        tracing::debug!(dn = entry.dn, groups = ?entry.groups, ?roles, "found in the directory");
        Outsider {
            source: Source::Ldap,
            external_id: entry.id,
            name: entry.name,
            email: entry.email,
            full_name: entry.full_name,
            roles,
        }
    }
}

impl Identity {
    /// Signs in by the directory whoever is no user of Carrel itself. Wrong passwords are counted as all.
    ///
    /// # Errors
    /// `sign-in-failed`, also when the account cannot be made (the log says why); `sign-in-locked`,
    /// `outsider-without-role`, `outsider-name-unusable`, `directory-unreachable`, `directory-refuses`
    pub(super) fn ask_directory(
        &self,
        directory: &Directory,
        attempt: &Attempt<'_>,
        user: Option<&User>,
        subjects: &[Subject],
    ) -> Result<User> {
        let failed = || Error::bad_input("sign-in-failed");
        let found = match user {
            // Asked, so that the time does not tell that the name is known here.
            Some(user) if user.source != Source::Ldap => {
                self.counted(directory, subjects, || {
                    directory.pretend(attempt.login.trim()).map(|()| None)
                })?
            }
            _ => {
                let login = user.map_or(attempt.login.trim(), |user| &user.name);
                self.counted(directory, subjects, || directory.check(login, attempt.password))?
            }
        };
        let outsider: Outsider = found.ok_or_else(failed)?;
        self.admit(&outsider).map_err(|error| match error.key() {
            // The password was right: who it belongs to may know.
            "outsider-without-role" | "outsider-name-unusable" => error,
            _ if matches!(error.kind(), Kind::Conflict | Kind::BadInput) => {
                let name = &outsider.name;
                tracing::warn!(
                    name,
                    error = error.detail(),
                    "no account for who is in the directory"
                );
                failed().because(error)
            }
            _ => error,
        })
    }

    /// Whether the directory takes the password for this user's.
    pub(super) fn proves_in_directory(
        &self,
        user: &User,
        password: &Password,
        subjects: &[Subject],
    ) -> Result<bool> {
        let Some(directory) = &self.directory else { return Ok(false) };
        let found = self.counted(directory, subjects, || directory.check(&user.name, password))?;
        let Some(found) = found else { return Ok(false) };
        // The name may have been given to somebody else there.
        let owner = self.store.read(|conn| {
            super::store::users::by_external(conn, Source::Ldap, &found.external_id)
        })?;
        Ok(owner.is_some_and(|owner| owner.id == user.id))
    }

    /// Asks, unless there were too many failures, and counts one. Few at a time: guesses sent together do
    /// not slip through before the first is counted.
    fn counted<T>(
        &self,
        directory: &Directory,
        subjects: &[Subject],
        ask: impl FnOnce() -> Result<Option<T>>,
    ) -> Result<Option<T>> {
        let _turn = directory.turn()?;
        let policy = self.store.read(|conn| {
            let policy = policy::get(conn)?;
            lockout::check(conn, subjects, &policy, now()).map(|()| policy)
        })?;
        let found = ask();
        // A guess also while the directory is away: else passwords kept here could be guessed without end. It
        // may have been right, so that a whole address does not wait for it.
        let counted = |subject: &&Subject| match &found {
            Ok(Some(_)) => false,
            Ok(None) => true,
            Err(_) => !matches!(subject, Subject::Address(_)),
        };
        let counted: Vec<Subject> = subjects.iter().filter(counted).cloned().collect();
        if !counted.is_empty() {
            self.store.write(|tx| lockout::note(tx, &counted, &policy, now()))?;
        }
        found
    }
}

fn unreachable() -> Error {
    Error::unreachable("directory-unreachable")
}
