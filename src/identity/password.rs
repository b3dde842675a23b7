//! Passwords: what is accepted, and argon2id.
//!
//! A hash needs 19 MiB and a core for a while, so few are computed at once.

use std::sync::OnceLock;

use argon2::{Argon2, PasswordHasher, PasswordVerifier};
use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

use super::Policy;
use super::gate::{Gate, Pass};
use crate::error::{Error, Result};

/// Longest password, in bytes.
pub const LONGEST: usize = 1024;
/// Characters that are rated, from the beginning.
const RATED: usize = 64;
/// Hashes computed at the same time.
const AT_ONCE: usize = 2;
/// Callers that may wait for their turn; more are sent away.
const WAITING: usize = 60;

/// A password as somebody typed it, wiped from memory after use and never printed.
#[derive(Clone)]
pub struct Password(Zeroizing<String>);

impl Password {
    pub fn new(text: String) -> Self {
        let text = Zeroizing::new(text);
        // Keyboards differ in how they compose é (RFC 8265, 4.2).
        Self(Zeroizing::new(text.nfc().collect()))
    }

    /// Whether a new password is good enough: long enough, not so long that it is a mistake, and not
    /// among the first that somebody would guess who knows the words of `about`.
    ///
    /// # Errors
    /// `password-empty`, `password-too-short`, `password-too-long`, `password-weak`
    pub fn accept(&self, policy: &Policy, about: &[&str]) -> Result<()> {
        let wrong = |key| Error::bad_input(key).arg("field", "password");
        let limit = policy.password_min_length;
        match self.0.chars().count() {
            0 => return Err(wrong("password-empty")),
            count if count < limit as usize => {
                return Err(wrong("password-too-short").arg("limit", limit));
            }
            _ if self.0.len() > LONGEST => {
                return Err(wrong("password-too-long").arg("limit", LONGEST));
            }
            _ => {}
        }
        // What is longer is strong, and rating it takes time.
        let start: String = self.0.chars().take(RATED).collect();
        let score = u8::from(zxcvbn::zxcvbn(&Zeroizing::new(start), about).score());
        match score < policy.password_strength {
            true => Err(wrong("password-weak")),
            false => Ok(()),
        }
    }

    /// Its text, for a server elsewhere that checks it.
    pub fn text(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password")
    }
}

/// The form in which a password is stored; never printed either.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredPassword(pub String);

impl std::fmt::Debug for StoredPassword {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StoredPassword")
    }
}

/// Computes hashes, a few at a time. Cheap to clone.
#[derive(Clone)]
pub struct Hashing {
    gate: Gate,
}

impl Default for Hashing {
    fn default() -> Self {
        Self { gate: Gate::new(AT_ONCE, WAITING) }
    }
}

impl Hashing {
    /// Waits for a turn; what is done while it is held is done by few at once.
    pub fn turn(&self) -> Result<Turn> {
        Ok(Turn { _pass: self.gate.pass()? })
    }

    pub fn hash(&self, password: &Password) -> Result<StoredPassword> {
        let _turn = self.turn()?;
        hash(password.0.as_bytes()).map(StoredPassword)
    }

    /// As [`Self::hash`], however many wait already.
    pub fn hash_patiently(&self, password: &Password) -> Result<StoredPassword> {
        let _pass = self.gate.pass_patiently();
        hash(password.0.as_bytes()).map(StoredPassword)
    }
}

/// The right to compute a hash; given back when dropped.
pub struct Turn {
    _pass: Pass,
}

impl Turn {
    /// Whether `password` belongs to `stored`. Without a stored hash it takes as long and is wrong,
    /// so that nobody learns by the clock which names exist.
    pub fn verify(&self, password: &Password, stored: Option<&StoredPassword>) -> Result<bool> {
        let against = match stored {
            Some(stored) => &stored.0,
            None => nobodys()?,
        };
        // What is longer than a password may be is wrong; hashing it would only cost.
        let bytes = password.0.as_bytes();
        let bytes = &bytes[..bytes.len().min(LONGEST + 1)];
        match Argon2::default().verify_password(bytes, against) {
            Ok(()) => Ok(stored.is_some()),
            Err(argon2::password_hash::Error::PasswordInvalid) => Ok(false),
            Err(cause) => Err(Error::internal(format_args!("a stored password hash: {cause}"))),
        }
    }
}

fn hash(password: &[u8]) -> Result<String> {
    let hash = Argon2::default().hash_password(password);
    let hash = hash.map_err(|cause| Error::internal(format_args!("hash a password: {cause}")))?;
    Ok(hash.to_string())
}

/// A hash that belongs to nobody, made as all others are.
fn nobodys() -> Result<&'static str> {
    static HASH: OnceLock<String> = OnceLock::new();
    match HASH.get() {
        Some(hash) => Ok(hash),
        None => {
            let made = hash(&super::token::random_bytes()?)?;
            Ok(HASH.get_or_init(|| made))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(text: &str) -> Password {
        Password::new(text.to_owned())
    }

    #[test]
    fn the_right_password_and_no_other_is_verified() {
        let hashing = Hashing::default();
        let stored = hashing.hash(&password("quiet desk 7")).expect("hash");
        assert!(stored.0.starts_with("$argon2id$"), "{}", stored.0);
        let turn = hashing.turn().expect("turn");
        assert!(turn.verify(&password("quiet desk 7"), Some(&stored)).expect("verify"));
        assert!(!turn.verify(&password("quiet desk 8"), Some(&stored)).expect("verify"));
        assert!(!turn.verify(&password("quiet desk 7"), None).expect("verify"));
        assert!(!turn.verify(&password(&"x".repeat(5_000)), Some(&stored)).expect("verify"));
    }

    #[test]
    fn passwords_have_rules() {
        let policy = Policy::default();
        let key = |text: &str| {
            let refused = password(text).accept(&policy, &["lee.miller", "lee@school.example"]);
            refused.expect_err("must be refused").key().to_owned()
        };
        assert_eq!(key(""), "password-empty");
        assert_eq!(key("1234567"), "password-too-short");
        assert_eq!(key(&"x".repeat(1_025)), "password-too-long");
        for weak in ["12345678", "password", "lee.miller", "aaaaaaaa"] {
            assert_eq!(key(weak), "password-weak", "{weak}");
        }
        for good in ["八个字的密码可以", "foo_bar_1", &format!("{}ü", "long pass ".repeat(100))]
        {
            password(good).accept(&policy, &[]).expect(good);
        }
    }

    #[test]
    fn composed_and_decomposed_letters_are_the_same_password() {
        let hashing = Hashing::default();
        let stored = hashing.hash(&password("caf\u{e9} au lait")).expect("hash");
        let turn = hashing.turn().expect("turn");
        assert!(turn.verify(&password("cafe\u{301} au lait"), Some(&stored)).expect("verify"));
    }

    #[test]
    fn all_of_a_long_password_counts() {
        let hashing = Hashing::default();
        let long = "0123456789".repeat(10);
        let stored = hashing.hash(&password(&long)).expect("hash");
        let turn = hashing.turn().expect("turn");
        assert!(!turn.verify(&password(&long[..72]), Some(&stored)).expect("verify"));
    }

    #[test]
    fn a_password_is_never_printed() {
        assert_eq!(format!("{:?}", password("secret-word")), "Password");
    }
}
