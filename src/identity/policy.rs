//! What an administrator may set about signing in.

use serde::{Deserialize, Serialize};

use super::Identity;
use super::store::policy;
use crate::error::{Error, Result};
use crate::store::Topic;

/// The rules of signing in. A field that a stored policy lacks has its default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Policy {
    /// Characters, 8 to 64.
    pub password_min_length: u32,
    /// 0 (any) to 4 (hard to guess also off line), as zxcvbn rates it.
    pub password_strength: u8,
    /// A session that is not remembered ends so long after its last use, and after a day at most. 5 to 1,440.
    pub session_minutes: u32,
    /// A remembered one so long after the sign-in. 1 to 365.
    pub remembered_days: u32,
    /// Wrong passwords without a wait, per account and address. 1 to 20.
    pub free_failures: u32,
    /// The longest wait that further ones lead to. 1 to 1,440.
    pub longest_wait_minutes: u32,
    /// Whether people may register by themselves; each is confirmed by mail or by an administrator. Off until wanted.
    pub registration: bool,
    /// Whether administrators ([`is_administrative`](super::Permission::is_administrative)) can do nothing before they have a second factor. Who signs
    /// in at an identity provider has it there. Off until wanted: the first administrator may have no app at hand.
    pub admin_second_factor: bool,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            password_min_length: 8,
            password_strength: 1,
            session_minutes: 60,
            remembered_days: 30,
            free_failures: 2,
            longest_wait_minutes: 15,
            registration: false,
            admin_second_factor: false,
        }
    }
}

impl Policy {
    fn check(&self) -> Result<()> {
        let bounds = [
            ("password_min_length", self.password_min_length, 8, 64),
            ("password_strength", self.password_strength.into(), 0, 4),
            ("session_minutes", self.session_minutes, 5, 1_440),
            ("remembered_days", self.remembered_days, 1, 365),
            ("free_failures", self.free_failures, 1, 20),
            ("longest_wait_minutes", self.longest_wait_minutes, 1, 1_440),
        ];
        match bounds.iter().find(|(_, value, least, most)| value < least || value > most) {
            None => Ok(()),
            Some((field, _, least, most)) => Err(Error::bad_input("number-out-of-range")
                .arg("field", field)
                .arg("low", least)
                .arg("high", most)),
        }
    }
}

impl Identity {
    /// The rules in force.
    pub fn policy(&self) -> Result<Policy> {
        self.store.read(policy::get)
    }

    /// # Errors
    /// `number-out-of-range`
    pub fn set_policy(&self, new: &Policy) -> Result<()> {
        new.check()?;
        self.store.write(|tx| {
            // What outlives a request is looked at again.
            tx.changed(Topic::Rights);
            policy::put(tx, new)
        })
    }
}
