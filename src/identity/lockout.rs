//! Slowing down whoever guesses passwords: each further failure of an account, and of an address,
//! makes the next attempt wait longer. Kept in the store, so that a restart forgives nothing.

use std::net::{IpAddr, Ipv6Addr};

use rusqlite::{Connection, Transaction};

use super::store::failures::{self, Failures};
use crate::error::{Error, Kind, Result};

/// Longest wait, in seconds.
const LONGEST_WAIT: i64 = 15 * 60;
/// Failures are forgotten after a day without any, in seconds.
pub const MEMORY: i64 = 24 * 60 * 60;
/// Longest name that failures are counted for, in bytes; no account has a longer one.
const NAME_LIMIT: usize = 320;

/// Who fails: an account (also one that does not exist, which must look the same) or an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    Account(String),
    Address(IpAddr),
}

impl Subject {
    pub fn account(name: &str) -> Self {
        let mut name = name.trim().to_lowercase();
        if name.len() > NAME_LIMIT {
            name = hex::encode(super::token::hash(&name));
        }
        Self::Account(name)
    }

    /// Whoever has one IPv6 address has its whole /64.
    pub fn address(address: IpAddr) -> Self {
        Self::Address(match address.to_canonical() {
            IpAddr::V6(address) if !address.is_loopback() => {
                IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)))
            }
            address => address,
        })
    }

    pub fn key(&self) -> String {
        match self {
            Self::Account(name) => format!("user:{name}"),
            Self::Address(address) => format!("address:{address}"),
        }
    }

    /// Failures without a wait. Many people may sit behind one address.
    const fn patience(&self) -> u32 {
        match self {
            Self::Account(_) => 2,
            Self::Address(_) => 20,
        }
    }

    /// Seconds to wait after the given number of failures: 1, 2, 4, 8 … beyond the patience.
    const fn wait(&self, failures: u32) -> i64 {
        match failures.checked_sub(self.patience() + 1) {
            None => 0,
            Some(over) if over < 10 => 1 << over,
            Some(_) => LONGEST_WAIT,
        }
    }
}

/// Refuses while any of the subjects has to wait.
///
/// # Errors
/// `sign-in-locked` with the seconds that are left.
pub fn check(conn: &Connection, subjects: &[Subject], now: i64) -> Result<()> {
    let mut until = now;
    for subject in subjects {
        if let Some(known) = failures::find(conn, &subject.key())? {
            until = until.max(known.locked_until);
        }
    }
    // A clock that was set back must not lock for longer than it could have.
    match (until - now).min(LONGEST_WAIT) {
        0 => Ok(()),
        left => Err(Error::new(Kind::TooMany, "sign-in-locked").arg("seconds", left)),
    }
}

/// Counts a failure of each subject.
pub fn note(tx: &Transaction<'_>, subjects: &[Subject], now: i64) -> Result<()> {
    for subject in subjects {
        let key = subject.key();
        let known = failures::find(tx, &key)?.filter(|known| now - known.last_at < MEMORY);
        let count = known.map_or(0, |known| known.failures).saturating_add(1);
        let locked_until = now + subject.wait(count);
        failures::put(tx, &key, &Failures { failures: count, last_at: now, locked_until })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_end() {
        let account = Subject::account("bob");
        let waits: Vec<i64> = (0..8).map(|failures| account.wait(failures)).collect();
        assert_eq!(waits, [0, 0, 0, 1, 2, 4, 8, 16]);
        assert_eq!(account.wait(12), 512);
        assert_eq!(account.wait(13), LONGEST_WAIT);
        assert_eq!(account.wait(u32::MAX), LONGEST_WAIT);
        let address = Subject::address(IpAddr::from([192, 0, 2, 7]));
        assert_eq!((address.wait(20), address.wait(21)), (0, 1));
    }

    #[test]
    fn names_and_addresses_are_counted_once_however_written() {
        assert_eq!(Subject::account(" Bob "), Subject::account("bob"));
        assert!(Subject::account(&"x".repeat(10_000)).key().len() < 100);
        let parse = |text: &str| Subject::address(text.parse().expect("address"));
        assert_eq!(parse("2001:db8:1:2::3"), parse("2001:db8:1:2:ffff::9"));
        assert_ne!(parse("2001:db8:1:2::3"), parse("2001:db8:1:3::3"));
        assert_eq!(parse("::ffff:192.0.2.7"), parse("192.0.2.7"));
    }
}
