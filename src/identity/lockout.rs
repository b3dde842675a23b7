//! Slowing down whoever guesses passwords: each further failure makes the next attempt wait longer.
//! Kept in the store, so that a restart forgives nothing.
//!
//! Counted are an account from one address (strictly), at an address the accounts that were guessed at, and an account
//! over all addresses. The second stops guessing at many accounts from one place, where a person's slips are one account
//! and are taken back when they sign in: behind one address there may be a whole school. The third stops guessing from a
//! thousand places; it does not count for an address from which the account signed in before. What fails at a device
//! where the account signed in before, or in a session of it, is counted for that alone (`devices.rs`). So nobody locks
//! another person out.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};

use rusqlite::Connection;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use super::Policy;
use super::store::failures::{self, Failures};
use crate::error::{Error, Kind, Result};
use crate::store::Tx;

/// Failures are forgotten after a day without any, in seconds.
pub const MEMORY: i64 = 24 * 60 * 60;
/// A known address is forgotten after so long without a sign-in from it, in seconds.
pub const KNOWN_FOR: i64 = 90 * MEMORY;
/// Longest name that failures are counted for, in bytes; no account has a longer one.
const NAME_LIMIT: usize = 320;
/// Accounts that were guessed at from an address without a wait: many people may sit behind one.
const ADDRESS_PATIENCE: u32 = 20;
/// For each time that passes without a new one, in seconds, an address has one of them forgotten: who gave up does not
/// add up over the days.
const ADDRESS_FORGETS: i64 = 60 * 60;
/// Failures of an account from all unknown addresses together without a wait.
const ACCOUNT_PATIENCE: u32 = 50;
/// Wrong codes of a second factor without a wait, from all unknown addresses together: whoever guesses
/// them has the password already, and a code is short.
const CODE_PATIENCE: u32 = 10;
/// A failure that lies further ahead than this, in seconds, was noted before the clock was set back: nobody waits
/// because of it. Less than that is the difference between requests that wait for each other.
const AHEAD: i64 = 60;
/// Longest wait of an account for unknown addresses, in seconds: 1,440 guesses a day find no password.
const ACCOUNT_WAIT: i64 = 60;

/// Whose failures are counted: an account may also be one that does not exist, which must look the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    Account(String),
    /// Codes of an account's second factor.
    Codes(String),
    Pair(String, IpAddr),
    /// An account at a device that it signed in at before, or in a session of it.
    Device(String, String),
    Address(IpAddr),
    /// An address that registers accounts, whether they can be made or not.
    Registration(IpAddr),
}

impl Subject {
    pub fn account(name: &str) -> Self {
        Self::Account(account(name))
    }

    pub fn codes(name: &str) -> Self {
        Self::Codes(account(name))
    }

    pub fn address(address: IpAddr) -> Self {
        Self::Address(network(address))
    }

    pub fn registration(address: IpAddr) -> Self {
        Self::Registration(network(address))
    }

    pub fn device(name: &str, word: String) -> Self {
        Self::Device(account(name), word)
    }

    /// All that an attempt counts for which comes from no device that is known.
    pub fn of(name: &str, address: Option<IpAddr>, is_known: bool) -> Vec<Self> {
        let pair = address.map(|address| Self::Pair(account(name), network(address)));
        let everywhere = if is_known { None } else { Some(Self::account(name)) };
        pair.into_iter().chain(everywhere).chain(address.map(Self::address)).collect()
    }

    /// Keys of what belongs to an account begin with the account's and a space, which no account's has.
    pub fn key(&self) -> String {
        match self {
            Self::Account(name) => format!("user:{name}"),
            Self::Codes(name) => format!("user:{name} codes"),
            Self::Pair(name, address) => format!("user:{name} {address}"),
            Self::Device(name, word) => format!("user:{name} {word}"),
            Self::Address(address) => format!("address:{address}"),
            Self::Registration(address) => format!("address:{address} registers"),
        }
    }

    /// Seconds to wait after the given number of failures: 1, 2, 4, 8 … beyond the patience.
    fn wait(&self, failures: u32, policy: &Policy) -> i64 {
        let longest = i64::from(policy.longest_wait_minutes) * 60;
        let (patience, longest) = match self {
            Self::Account(_) => (ACCOUNT_PATIENCE, longest.min(ACCOUNT_WAIT)),
            Self::Codes(_) => (CODE_PATIENCE, longest),
            Self::Pair(..) | Self::Device(..) => (policy.free_failures, longest),
            Self::Address(_) => (ADDRESS_PATIENCE, longest),
            Self::Registration(_) => (ADDRESS_PATIENCE, longest.min(ACCOUNT_WAIT)),
        };
        match failures.checked_sub(patience + 1) {
            None => 0,
            Some(over) if over < 20 => longest.min(1 << over),
            Some(_) => longest,
        }
    }
}

/// However it is written: a directory takes `ｂｏｂ`, `Bób` and `bob` for the same, so that each would be another
/// few guesses. A name that no account can have (`bob 192.0.2.7`) must not be the key of something else.
pub(super) fn account(name: &str) -> String {
    let plain = name.trim().nfkd().filter(|c| !is_combining_mark(*c)).collect::<String>();
    // It takes several spaces for one, too.
    let plain = plain.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ");
    match plain.len() > NAME_LIMIT || plain.contains(char::is_whitespace) {
        true => hex::encode(super::token::hash(&plain)),
        false => plain,
    }
}

/// Whoever has one IPv6 address has its whole /64.
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) if !address.is_loopback() => {
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)))
        }
        address => address,
    }
}

/// Refuses while any of the subjects has to wait.
///
/// # Errors
/// `sign-in-locked` with the seconds that are left.
pub fn check(conn: &Connection, subjects: &[Subject], policy: &Policy, now: i64) -> Result<()> {
    match wait_left(conn, subjects, policy, now)? {
        0 => Ok(()),
        left => Err(Error::new(Kind::TooMany, "sign-in-locked").arg("seconds", left)),
    }
}

/// Seconds until none of the subjects has to wait any more.
pub fn wait_left(
    conn: &Connection,
    subjects: &[Subject],
    policy: &Policy,
    now: i64,
) -> Result<i64> {
    let longest = i64::from(policy.longest_wait_minutes) * 60;
    let mut until = now;
    for subject in subjects {
        if let Some(known) = failures::find(conn, &subject.key())?
            && known.last_at <= now + AHEAD
        {
            until = until.max(known.locked_until);
        }
    }
    // A clock that was set back a little must not lock for longer than it could have.
    Ok((until - now).min(longest))
}

/// Until when the accounts of these names are locked, for somebody at least; without those that are not.
pub fn locks(conn: &Connection, names: &[&str], now: i64) -> Result<HashMap<String, i64>> {
    let keys: Vec<String> = names.iter().map(|name| Subject::account(name).key()).collect();
    let found = failures::locks(conn, &keys, now, now + AHEAD)?;
    let named = names
        .iter()
        .zip(keys)
        .filter_map(|(name, key)| found.get(&key).map(|until| ((*name).to_owned(), *until)));
    Ok(named.collect())
}

/// Counts a failure of each subject; of an address only the first with the same account.
pub fn note(tx: &Tx<'_>, subjects: &[Subject], policy: &Policy, now: i64) -> Result<()> {
    let mut is_repeated = false;
    for subject in subjects {
        if matches!(subject, Subject::Address(_)) && is_repeated {
            continue;
        }
        let known = remembered(tx, subject, now)?;
        is_repeated |= matches!(subject, Subject::Pair(..)) && known.is_some();
        let count = known.map_or(0, |known| known.failures).saturating_add(1);
        let locked_until = now + subject.wait(count, policy);
        failures::put(
            tx,
            &subject.key(),
            &Failures { failures: count, last_at: now, locked_until },
        )?;
    }
    Ok(())
}

/// Forgets the failures of somebody who proved to be who they say, and that they were guessed at from this address. The
/// others that were are not forgiven: an account of one's own would open the door to guess at theirs.
pub fn forgive(tx: &Tx<'_>, subjects: &[Subject], now: i64) -> Result<()> {
    let mut was_guessed_at = false;
    for subject in subjects {
        match subject {
            Subject::Pair(..) | Subject::Device(..) => {
                was_guessed_at |= remembered(tx, subject, now)?.is_some();
                failures::forget(tx, &subject.key())?;
            }
            Subject::Address(_) if was_guessed_at => {
                if let Some(known) = remembered(tx, subject, now)? {
                    let failures = known.failures.saturating_sub(1);
                    failures::put(tx, &subject.key(), &Failures { failures, ..known })?;
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// What still counts of a subject's failures.
fn remembered(conn: &Connection, subject: &Subject, now: i64) -> Result<Option<Failures>> {
    let known = failures::find(conn, &subject.key())?;
    Ok(known.filter(|known| now - known.last_at < MEMORY).map(|known| match subject {
        Subject::Address(_) => {
            let hours = (now - known.last_at).max(0) / ADDRESS_FORGETS;
            let forgotten = u32::try_from(hours).unwrap_or(u32::MAX);
            let failures = known.failures.saturating_sub(forgotten);
            // What is forgotten once is not forgotten again.
            Failures { failures, last_at: known.last_at + hours * ADDRESS_FORGETS, ..known }
        }
        _ => known,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_end() {
        let (policy, home) = (Policy::default(), IpAddr::from([192, 0, 2, 7]));
        let pair = Subject::Pair("bob".into(), home);
        let waits: Vec<i64> = (0..8).map(|failures| pair.wait(failures, &policy)).collect();
        assert_eq!(waits, [0, 0, 0, 1, 2, 4, 8, 16]);
        assert_eq!((pair.wait(12, &policy), pair.wait(13, &policy)), (512, 900));
        assert_eq!(pair.wait(u32::MAX, &policy), 900);
        let address = Subject::address(home);
        assert_eq!((address.wait(20, &policy), address.wait(21, &policy)), (0, 1));
        let account = Subject::account("bob");
        assert_eq!((account.wait(50, &policy), account.wait(51, &policy)), (0, 1));
        assert_eq!(account.wait(1_000, &policy), 60);
        let codes = Subject::codes("bob");
        assert_eq!((codes.wait(10, &policy), codes.wait(11, &policy)), (0, 1));
        assert_eq!(codes.wait(1_000, &policy), 900);
        let registration = Subject::registration(home);
        assert_eq!((registration.wait(20, &policy), registration.wait(21, &policy)), (0, 1));
        assert_eq!(registration.wait(1_000, &policy), 60);
    }

    #[test]
    fn a_known_address_is_not_locked_by_others() {
        let home = IpAddr::from([192, 0, 2, 7]);
        let keys = |known| -> Vec<String> {
            Subject::of("Bob", Some(home), known).iter().map(Subject::key).collect()
        };
        assert_eq!(keys(false), ["user:bob 192.0.2.7", "user:bob", "address:192.0.2.7"]);
        assert_eq!(keys(true), ["user:bob 192.0.2.7", "address:192.0.2.7"]);
    }

    /// A store, and what fails and is forgiven from one address in it.
    struct Bench {
        _dir: tempfile::TempDir,
        store: crate::store::Store,
    }

    impl Bench {
        fn new() -> Self {
            let dir = tempfile::tempdir().expect("temp dir");
            let store = crate::store::Store::open(&dir.path().join("test.db")).expect("store");
            Self { _dir: dir, store }
        }

        fn subjects(name: &str) -> Vec<Subject> {
            Subject::of(name, Some(IpAddr::from([192, 0, 2, 7])), true)
        }

        fn fails(&self, name: &str, now: i64) {
            let note = |tx: &Tx<'_>| note(tx, &Self::subjects(name), &Policy::default(), now);
            self.store.write(note).expect("note");
        }

        fn enters(&self, name: &str, now: i64) {
            self.store.write(|tx| forgive(tx, &Self::subjects(name), now)).expect("forgive");
        }

        fn waits(&self, name: &str, now: i64) -> i64 {
            let left =
                |conn: &Connection| wait_left(conn, &Self::subjects(name), &Policy::default(), now);
            self.store.read(left).expect("read")
        }
    }

    #[test]
    fn who_fails_again_and_again_makes_nobody_else_wait() {
        let bench = Bench::new();
        (0..100).for_each(|second| bench.fails("bob", second));
        assert_eq!(bench.waits("bob", 100), 899);
        assert_eq!(bench.waits("lee", 100), 0);
    }

    #[test]
    fn guesses_at_many_accounts_make_everybody_there_wait() {
        let bench = Bench::new();
        (0..ADDRESS_PATIENCE).for_each(|number| bench.fails(&format!("user{number}"), 0));
        assert_eq!(bench.waits("lee", 0), 0);
        bench.fails("one more", 0);
        assert_eq!(bench.waits("lee", 0), 1);
        // Somebody with an account of their own gains nothing by it.
        for _ in 0..9 {
            bench.fails("mallory", 0);
            bench.enters("mallory", 0);
            bench.enters("mallory", 0);
        }
        bench.fails("and another", 0);
        assert_eq!(bench.waits("lee", 0), 2);
    }

    #[test]
    fn slips_of_those_who_come_in_do_not_add_up() {
        let bench = Bench::new();
        for number in 0..100 {
            let name = format!("user{number}");
            bench.fails(&name, 0);
            bench.fails(&name, 0);
            bench.enters(&name, 0);
        }
        bench.fails("lee", 0);
        assert_eq!(bench.waits("ann", 0), 0);
    }

    #[test]
    fn who_gave_up_is_forgotten_with_the_hours() {
        let bench = Bench::new();
        let mut now = 0;
        for number in 0..100 {
            bench.fails(&format!("user{number}"), now);
            assert_eq!(bench.waits("lee", now), 0, "after {number}");
            now += ADDRESS_FORGETS;
        }
        // But not those of a minute ago.
        (0..25).for_each(|number| bench.fails(&format!("guess{number}"), now + number * 60));
        assert!(bench.waits("lee", now + 24 * 60) > 0);
    }

    #[test]
    fn no_name_is_the_key_of_something_else() {
        let home = IpAddr::from([192, 0, 2, 7]);
        let session = Subject::device("bob", "session 7".into()).key();
        let bob = [Subject::Pair("bob".into(), home).key(), Subject::codes("bob").key(), session];
        let names = [
            "bob 192.0.2.7",
            "bob\u{a0}192.0.2.7",
            "bob codes",
            "Bob\u{2003}codes",
            "bob session 7",
        ];
        for name in names {
            assert!(!bob.contains(&Subject::account(name).key()), "{name}");
        }
    }

    #[test]
    fn names_and_addresses_are_counted_once_however_written() {
        for name in [" Bob ", "ｂｏｂ", "ⓑob", "B\u{f3}b"] {
            assert_eq!(Subject::account(name), Subject::account("bob"), "{name}");
        }
        assert_eq!(Subject::account("Mary \u{3000} Jane"), Subject::account("mary jane"));
        assert!(Subject::account(&"x".repeat(10_000)).key().len() < 100);
        let parse = |text: &str| Subject::address(text.parse().expect("address"));
        assert_eq!(parse("2001:db8:1:2::3"), parse("2001:db8:1:2:ffff::9"));
        assert_ne!(parse("2001:db8:1:2::3"), parse("2001:db8:1:3::3"));
        assert_eq!(parse("::ffff:192.0.2.7"), parse("192.0.2.7"));
    }
}
