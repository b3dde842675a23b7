//! Devices that somebody signed in at before. Whoever guesses at an account makes strangers wait, not its owner at such
//! a device: what fails there is counted for that device alone.
//!
//! A browser keeps what it was given in a cookie: for each of the accounts that signed in there last a number and a time,
//! sealed, which say nothing to anybody else and open no door. What a session that is there fails at is counted in the
//! same way, for the session.

use zeroize::Zeroizing;

use super::lockout;
use super::token;
use super::vault::Vault;
use crate::error::Result;

/// Accounts that one browser is known for; of more the latest.
const ACCOUNTS: usize = 4;
/// Bytes of the number.
const NUMBER: usize = 16;
/// A device is forgotten so long after the last sign-in there, in seconds.
pub const KNOWN_FOR: i64 = lockout::KNOWN_FOR;

/// What a browser showed of the accounts that signed in there.
#[derive(Debug, Clone, Default)]
pub struct Devices(Vec<String>);

/// A device of one account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Device([u8; NUMBER]);

impl Device {
    fn random() -> Result<Self> {
        let mut number = [0; NUMBER];
        number.copy_from_slice(&token::random_bytes()?[..NUMBER]);
        Ok(Self(number))
    }

    /// What its failures are counted under, beside the account.
    pub fn word(self) -> String {
        format!("device {}", hex::encode(self.0))
    }
}

impl Devices {
    /// Reads the cookie; whatever it holds.
    pub fn read(cookie: &str) -> Self {
        Self(
            cookie
                .split('.')
                .filter(|part| !part.is_empty())
                .take(ACCOUNTS)
                .map(str::to_owned)
                .collect(),
        )
    }

    /// The device, if this account signed in there. The same work for names that nobody has.
    pub fn of(&self, vault: &Vault, account: &str, now: i64) -> Option<Device> {
        self.0.iter().find_map(|sealed| open(vault, account, sealed, now))
    }

    /// The cookie after a sign-in of this account.
    ///
    /// # Errors
    /// When the key of what is sealed can neither be read nor made.
    pub fn after_sign_in(
        &self,
        vault: &Vault,
        account: &str,
        now: i64,
    ) -> Result<Zeroizing<String>> {
        let known = self.of(vault, account, now);
        let device = known.map_or_else(Device::random, Ok)?;
        let plain = [&device.0[..], &now.to_be_bytes()].concat();
        let fresh = hex::encode(vault.seal(&purpose(account), &plain)?);
        let others = self.0.iter().filter(|sealed| open(vault, account, sealed, now).is_none());
        let kept: Vec<&str> = std::iter::once(fresh.as_str())
            .chain(others.map(String::as_str))
            .take(ACCOUNTS)
            .collect();
        Ok(Zeroizing::new(kept.join(".")))
    }
}

/// What is sealed for one account is of no use for another.
fn purpose(account: &str) -> String {
    format!("device of {}", lockout::account(account))
}

fn open(vault: &Vault, account: &str, sealed: &str, now: i64) -> Option<Device> {
    let plain = vault.open(&purpose(account), &hex::decode(sealed).ok()?).ok()?;
    let (number, time) = plain.split_at_checked(NUMBER)?;
    let at = i64::from_be_bytes(time.try_into().ok()?);
    let is_fresh = (0..KNOWN_FOR).contains(&(now - at).max(0));
    is_fresh.then_some(Device(number.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_known_for_the_accounts_that_signed_in_there() {
        let dir = tempfile::tempdir().expect("temp dir");
        let vault = Vault::new(dir.path());
        let nothing = Devices::read("");
        assert_eq!(nothing.of(&vault, "bob", 5), None);
        let bobs = Devices::read(&nothing.after_sign_in(&vault, "bob", 5).expect("a cookie"));
        let device = bobs.of(&vault, " BOB", 6).expect("known");
        assert_eq!(bobs.of(&vault, "lee", 6), None);
        let both = Devices::read(&bobs.after_sign_in(&vault, "lee", 7).expect("a cookie"));
        assert_eq!(both.of(&vault, "bob", 8), Some(device));
        assert!(both.of(&vault, "lee", 8).is_some_and(|other| other != device));
        // The same one after another sign-in, from which on the time counts.
        let again = Devices::read(&both.after_sign_in(&vault, "bob", 9).expect("a cookie"));
        assert_eq!(again.of(&vault, "bob", 8 + KNOWN_FOR), Some(device));
        assert_eq!(again.of(&vault, "bob", 9 + KNOWN_FOR), None);
        assert_eq!(again.0.len(), 2);
        let crowd = (0..9).fold(again, |devices, number| {
            let name = format!("user{number}");
            Devices::read(&devices.after_sign_in(&vault, &name, 10).expect("a cookie"))
        });
        assert_eq!(crowd.0.len(), ACCOUNTS);
        assert_eq!(crowd.of(&vault, "bob", 11), None);
    }

    #[test]
    fn what_was_not_sealed_here_is_no_device() {
        let (here, there) =
            (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
        let (here, there) = (Vault::new(here.path()), Vault::new(there.path()));
        let elsewhere = Devices::default().after_sign_in(&there, "bob", 5).expect("a cookie");
        Devices::default().after_sign_in(&here, "bob", 5).expect("a cookie");
        for cookie in ["x", "..", "00", &"ab".repeat(64), &elsewhere] {
            assert_eq!(Devices::read(cookie).of(&here, "bob", 5), None, "{cookie}");
        }
    }
}
