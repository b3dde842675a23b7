//! Sessions as people see them: where somebody is signed in, and ending it from elsewhere.

use super::store::{sessions, users};
use super::users::may_reach;
use super::users::unknown;
use super::{Authority, Caller, Identity};
use crate::error::{Error, Result};
use crate::store::list::{ListQuery, Page};
use crate::store::{UserId, now};

pub use super::store::sessions::SessionInfo;

impl Identity {
    /// Sessions of a user that go on, the latest used first.
    pub fn sessions_of(&self, user_id: UserId) -> Result<Vec<SessionInfo>> {
        self.store.read(|conn| sessions::of_user(conn, user_id, now()))
    }

    /// Sessions of everybody.
    pub fn sessions_page(&self, query: &ListQuery) -> Result<Page<SessionInfo>> {
        self.store.write(|tx| sessions::purge(tx, now()))?;
        sessions::page(&self.store, query)
    }

    /// Ends a session of a user.
    ///
    /// # Errors
    /// `session-unknown`, `grant-beyond-own` for that of somebody who may do more
    pub fn end_session(&self, by: Authority<'_>, uuid: &str) -> Result<SessionInfo> {
        self.store.write(|tx| {
            let session = sessions::by_uuid(tx, uuid)?;
            let owner = users::by_id(tx, session.user_id)?;
            may_reach(by, &owner.ok_or_else(|| unknown(&session.user_name))?)?;
            sessions::end_by_id(tx, session.id)?;
            Ok(session)
        })
    }

    /// Ends a session of the caller.
    ///
    /// # Errors
    /// `session-unknown`, also for that of somebody else
    pub fn end_own_session(&self, caller: &Caller, uuid: &str) -> Result<()> {
        self.store.write(|tx| {
            let session = sessions::by_uuid(tx, uuid)?;
            match session.user_id == caller.user_id {
                true => sessions::end_by_id(tx, session.id),
                false => Err(Error::not_found("session-unknown")),
            }
        })
    }

    /// Ends all sessions of the caller but the present one; says how many.
    pub fn end_other_sessions(&self, caller: &Caller) -> Result<usize> {
        self.store.write(|tx| sessions::end_all(tx, caller.user_id, caller.session_id()))
    }
}
