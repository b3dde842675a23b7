//! The second factor: codes of an authenticator app (TOTP, RFC 6238) beside the password, and recovery
//! codes for when the phone is lost. For people; API keys have none.
//!
//! ```text
//!   off ── begin ──> pending ── confirm, with a code ──> on ── end, with password and code ──> off
//! ```

use rusqlite::Connection;
use totp_rs::{Builder, Totp};
use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

use super::lockout::{self, Subject};
use super::store::{failures, policy, second_factors, sessions, users};
use super::token;
use super::users::{not_oneself, touchable, unknown};
use super::{Authority, Caller, Identity, Password, Source, User, Visitor};
use crate::error::{Error, Result};
use crate::store::{Tx, UserId, now};

/// Shown by the app above the code.
const ISSUER: &str = "Carrel";
/// Bytes of a secret (RFC 4226, 4, R6).
const SECRET_BYTES: usize = 20;
/// Digits of a code; anything else is a recovery code.
const DIGITS: usize = 6;
/// Recovery codes that are made at a time.
const RECOVERY_CODES: usize = 10;
/// Letters of one: these 80 bits are not guessed, not even from its hash.
const RECOVERY_LENGTH: usize = 16;
/// Letters and digits that are not mistaken for each other (Crockford's base 32), in lower case.
const RECOVERY_LETTERS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// What one's own second factor is like.
#[derive(Debug, Clone, Copy)]
pub struct SecondFactor {
    pub enabled: bool,
    /// Begun and not confirmed.
    pub pending: bool,
    /// Recovery codes that are not used yet.
    pub recovery_left: u32,
}

/// What the app has to know; shown while it is set up and never again.
pub struct Enrolment {
    /// Base 32, to be typed.
    pub secret: Zeroizing<String>,
    /// `otpauth://…`, for a QR code.
    pub uri: Zeroizing<String>,
}

/// Shown once; the store keeps hashes.
pub type RecoveryCodes = Vec<String>;

impl Identity {
    pub fn second_factor(&self, caller: &Caller) -> Result<SecondFactor> {
        self.store.read(|conn| {
            let row = second_factors::find(conn, caller.user_id)?;
            Ok(SecondFactor {
                enabled: row.as_ref().is_some_and(|row| row.confirmed_at.is_some()),
                pending: row.as_ref().is_some_and(|row| row.confirmed_at.is_none()),
                recovery_left: second_factors::count_recovery(conn, caller.user_id)?,
            })
        })
    }

    /// Makes a secret for the app. Nothing changes at sign-in before it is confirmed.
    ///
    /// # Errors
    /// `second-factor-on`; `second-factor-elsewhere` for who signs in at a provider
    pub fn begin_second_factor(&self, caller: &Caller) -> Result<Enrolment> {
        let user = self.user_of(caller)?;
        if user.source == Source::Oidc {
            return Err(Error::conflict("second-factor-elsewhere").arg("name", user.name));
        }
        let secret = Zeroizing::new(token::random_bytes()?);
        let secret = &secret[..SECRET_BYTES];
        let sealed = self.vault.seal(&purpose(&user), secret)?;
        self.store.write(|tx| {
            is_off(tx, &user)?;
            second_factors::begin(tx, user.id, &sealed)
        })?;
        let totp = totp(secret, &user)?;
        let uri = totp.to_url().map_err(|cause| Error::internal("write a URI").because(cause))?;
        let secret = Zeroizing::new(totp.secret().to_base32());
        Ok(Enrolment { secret, uri: Zeroizing::new(uri) })
    }

    /// Switches it on, with the first code that the app shows.
    ///
    /// # Errors
    /// `second-factor-not-begun`, `second-factor-on`, `second-factor-wrong`, `sign-in-locked`
    pub fn confirm_second_factor(
        &self,
        caller: &Caller,
        code: &str,
        visitor: &Visitor,
    ) -> Result<RecoveryCodes> {
        let user = self.user_of(caller)?;
        let subjects = self.code_subjects(&user, visitor)?;
        self.store.read(|conn| is_off(conn, &user))?;
        let (codes, hashes) = recovery_codes()?;
        self.spend(&user, code, &subjects, |tx| {
            is_off(tx, &user)?;
            second_factors::confirm(tx, user.id, now())?;
            second_factors::set_recovery(tx, user.id, &hashes)
        })?;
        Ok(codes)
    }

    /// New recovery codes in the place of all earlier ones.
    ///
    /// # Errors
    /// `second-factor-off`, `second-factor-wrong`, `sign-in-locked`
    pub fn renew_recovery_codes(
        &self,
        caller: &Caller,
        code: &str,
        visitor: &Visitor,
    ) -> Result<RecoveryCodes> {
        let user = has_one(self.user_of(caller)?)?;
        let subjects = self.code_subjects(&user, visitor)?;
        let (codes, hashes) = recovery_codes()?;
        self.spend(&user, code, &subjects, |tx| {
            second_factors::set_recovery(tx, user.id, &hashes)
        })?;
        Ok(codes)
    }

    /// Switches it off.
    ///
    /// # Errors
    /// `second-factor-demanded` where administrators must have one; `second-factor-off`, `password-wrong`, `second-factor-wrong`, `sign-in-locked`
    pub fn end_second_factor(
        &self,
        caller: &Caller,
        password: &Password,
        code: &str,
        visitor: &Visitor,
    ) -> Result<()> {
        let user = has_one(self.user_of(caller)?)?;
        if self.store.read(|conn| sessions::is_factor_demanded(conn, &caller.permissions))? {
            return Err(Error::conflict("second-factor-demanded"));
        }
        if !self.proves(&user, password, visitor)? {
            return Err(Error::bad_input("password-wrong").arg("field", "password"));
        }
        let subjects = self.code_subjects(&user, visitor)?;
        self.spend(&user, code, &subjects, |tx| second_factors::delete(tx, user.id).map(drop))
    }

    /// Takes it off somebody who lost the phone and the recovery codes.
    ///
    /// # Errors
    /// `user-unknown`, `user-has-more-rights`, `second-factor-off`; `own-account`: a session that was
    /// left open must not be enough to take one's own off
    pub fn remove_second_factor(&self, by: Authority<'_>, id: UserId) -> Result<User> {
        self.store.write(|tx| {
            let user = has_one(touchable(tx, by, id)?)?;
            not_oneself(by, &user)?;
            second_factors::delete(tx, id)?;
            users::by_id(tx, id)?.ok_or_else(|| unknown(id))
        })
    }

    /// At sign-in, after the right password: asks for a code where there is a second factor.
    ///
    /// # Errors
    /// `second-factor-needed` without a code, `second-factor-wrong`, `sign-in-locked`
    pub(super) fn show_code(
        &self,
        user: &User,
        code: Option<&str>,
        visitor: &Visitor,
    ) -> Result<()> {
        if !user.second_factor {
            return Ok(());
        }
        let code = code.map(str::trim).filter(|code| !code.is_empty());
        let needed = || Error::bad_input("second-factor-needed").arg("field", "code");
        let code = code.ok_or_else(needed)?;
        let subjects = self.code_subjects(user, visitor)?;
        self.spend(user, code, &subjects, |_| Ok(()))
    }

    fn code_subjects(&self, user: &User, visitor: &Visitor) -> Result<Vec<Subject>> {
        let mut subjects = self.subjects(&user.name, Some(user), visitor)?;
        // Not for an address that the user is known at, as with passwords.
        if subjects.contains(&Subject::account(&user.name)) {
            subjects.push(Subject::codes(&user.name));
        }
        Ok(subjects)
    }

    /// Uses up a code and does `then`; counts a wrong one. All in one transaction: a code is good once
    /// and guesses sent at the same time are counted one after the other.
    fn spend(
        &self,
        user: &User,
        code: &str,
        subjects: &[Subject],
        then: impl FnOnce(&Tx<'_>) -> Result<()>,
    ) -> Result<()> {
        let now = now();
        let is_right = self.store.write(|tx| {
            let policy = policy::get(tx)?;
            lockout::check(tx, subjects, &policy, now)?;
            if !self.take_code(tx, user, code, now)? {
                lockout::note(tx, subjects, &policy, now)?;
                return Ok(false);
            }
            failures::forget(tx, &Subject::codes(&user.name).key())?;
            then(tx).map(|()| true)
        })?;
        match is_right {
            true => Ok(()),
            false => Err(Error::bad_input("second-factor-wrong").arg("field", "code")),
        }
    }

    fn take_code(&self, tx: &Tx<'_>, user: &User, code: &str, now: i64) -> Result<bool> {
        let code = Zeroizing::new(plain(code));
        if code.len() != DIGITS || !code.bytes().all(|byte| byte.is_ascii_digit()) {
            return second_factors::take_recovery(tx, user.id, &token::hash(&code));
        }
        let row = second_factors::find(tx, user.id)?;
        let row = row.ok_or_else(|| Error::conflict("second-factor-not-begun"))?;
        let secret = self.vault.open(&purpose(user), &row.secret).map_err(|cause| {
            tracing::error!(error = cause.detail(), user = user.name, "a second factor is lost");
            Error::conflict("second-factor-unreadable").arg("name", &user.name).because(cause)
        })?;
        match totp(&secret, user)?.check(&code, now.unsigned_abs()) {
            None => Ok(false),
            Some(step) => second_factors::use_step(tx, user.id, step.cast_signed()),
        }
    }
}

/// What a secret is sealed for.
fn purpose(user: &User) -> String {
    format!("second factor of {}", user.uuid)
}

fn totp(secret: &[u8], user: &User) -> Result<Totp> {
    let builder = Builder::new().with_secret(secret).with_issuer(Some(ISSUER));
    let totp = builder.with_account_name(user.name.as_str()).build();
    totp.map_err(|cause| Error::internal("a second factor").because(cause))
}

fn is_off(conn: &Connection, user: &User) -> Result<()> {
    match second_factors::find(conn, user.id)?.and_then(|row| row.confirmed_at) {
        None => Ok(()),
        Some(_) => Err(Error::conflict("second-factor-on").arg("name", &user.name)),
    }
}

fn has_one(user: User) -> Result<User> {
    match user.second_factor {
        true => Ok(user),
        false => Err(Error::conflict("second-factor-off").arg("name", user.name)),
    }
}

/// A code as it is compared: however people group it and whatever keyboard they write it with.
fn plain(code: &str) -> String {
    // The long vowel mark stands where a Japanese keyboard has the hyphen.
    let kept = code.nfkc().filter(|c| c.is_alphanumeric() && *c != 'ー');
    kept.map(western_digit).flat_map(char::to_lowercase).collect()
}

/// Digits of other scripts than ours that keyboards write, by their zero; full-width ones are known to Unicode as ours.
const ZEROS: [char; 9] = ['٠', '۰', '०', '০', '๐', '໐', '༠', '၀', '០'];

fn western_digit(c: char) -> char {
    let digit = ZEROS.iter().find_map(|zero| {
        let over = u32::from(c).checked_sub(u32::from(*zero))?;
        char::from_digit(over, 10)
    });
    digit.unwrap_or(c)
}

fn recovery_codes() -> Result<(RecoveryCodes, Vec<Vec<u8>>)> {
    let codes = (0..RECOVERY_CODES).map(|_| recovery_code()).collect::<Result<Vec<_>>>()?;
    let hashes = codes.iter().map(|code| token::hash(&plain(code))).collect();
    Ok((codes, hashes))
}

/// Four groups of four letters and digits, each of five random bits.
fn recovery_code() -> Result<String> {
    let random = token::random_bytes()?;
    let letter = |byte: &u8| char::from(RECOVERY_LETTERS[usize::from(byte & 31)]);
    let letters: Vec<char> = random[..RECOVERY_LENGTH].iter().map(letter).collect();
    let groups = letters.chunks(4).map(|group| group.iter().collect::<String>());
    Ok(groups.collect::<Vec<_>>().join("-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recovery_codes_are_long_different_and_read_as_people_write_them() {
        let (codes, hashes) = recovery_codes().expect("codes");
        let different: std::collections::BTreeSet<_> = codes.iter().collect();
        assert_eq!((different.len(), hashes.len()), (RECOVERY_CODES, RECOVERY_CODES));
        for (code, hash) in codes.iter().zip(hashes) {
            assert_eq!(code.len(), RECOVERY_LENGTH + 3, "{code}");
            assert_eq!(token::hash(&plain(&code.to_uppercase().replace('-', " "))), hash);
        }
    }

    #[test]
    fn a_code_is_read_from_any_keyboard() {
        for code in [
            "123 456",
            "123-456",
            "１２３４５６",
            "１２３　４５６",
            "123\u{a0}456",
            "123–456",
            "１２３ー４５６",
            "١٢٣٤٥٦",
            "۱۲۳۴۵۶",
            "१२३४५६",
            "123\u{200b}456",
            "\u{feff}123456",
            "123.456",
            "①②③④⑤⑥",
        ] {
            assert_eq!(plain(code), "123456", "{code}");
        }
        assert_eq!(plain("ＡＢｃｄ－０１２３"), "abcd0123");
        for other in ["12345", "1234567", "12345a", "一二三四五六"] {
            assert_ne!(plain(other), "123456", "{other}");
        }
    }
}
