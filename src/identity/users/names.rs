//! What names and addresses of users may be.

use std::str::FromStr;

use lettre::Address;
use unicode_normalization::UnicodeNormalization;

use crate::error::{Error, Result};

/// Longest user name, in characters.
const NAME_LIMIT: usize = 64;
/// Longest address, in bytes (RFC 5321, 4.5.3.1.3, without the brackets).
const EMAIL_LIMIT: usize = 254;

/// Letters of any script, digits and a few marks: a name is typed at sign-in and stands in lists,
/// logs and file names of reports.
pub fn user_name(text: &str) -> Result<String> {
    named(text, is_word)
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '@' | '+')
}

/// The name of somebody whom another source knows: it is theirs there and cannot be chosen for Carrel, so that
/// marks may stand in it that names of people and their accounts elsewhere have. Spaces are one each.
pub fn outsider_name(text: &str) -> Result<String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let name = words.join(" ");
    let is_within = |c: char| matches!(c, '#' | '\'' | '’' | '·' | ' ');
    match name.chars().next().filter(|first| is_within(*first)) {
        Some(first) => Err(character(first)),
        None => named(&name, |c| is_word(c) || is_within(c)),
    }
}

/// `DOMAIN\name`, as Windows writes it, is `name@DOMAIN`; all else stays.
pub fn without_backslash(name: &str) -> String {
    match name.trim().split_once('\\') {
        Some((domain, user)) if !domain.is_empty() && !user.is_empty() => {
            format!("{user}@{domain}")
        }
        _ => name.to_owned(),
    }
}

fn named(text: &str, allowed: impl Fn(char) -> bool) -> Result<String> {
    let name: String = text.trim().nfc().collect();
    if name.is_empty() {
        return Err(wrong("name-empty"));
    }
    if name.chars().count() > NAME_LIMIT {
        return Err(wrong("name-too-long"));
    }
    if name.starts_with(['.', '-']) {
        return Err(wrong("name-start"));
    }
    match name.chars().find(|c| !allowed(*c)) {
        Some(found) => Err(character(found)),
        None => Ok(name),
    }
}

fn character(found: char) -> Error {
    wrong("user-name-character").arg("found", found.escape_debug())
}

fn wrong(key: &'static str) -> Error {
    Error::bad_input(key).arg("field", "username").arg("limit", NAME_LIMIT)
}

/// An address that mail can be sent to.
///
/// # Errors
/// `email-wrong`
pub fn email_address(text: &str) -> Result<String> {
    let text = text.trim();
    let wrong = || Error::bad_input("email-wrong").arg("field", "email");
    match Address::from_str(text) {
        Ok(address) if text.len() <= EMAIL_LIMIT => Ok(address.to_string()),
        Ok(_) => Err(wrong()),
        Err(cause) => Err(wrong().because(cause)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_names_are_words() {
        for name in ["admin", "王老师", "a.b-c_d+e@school.example", " trimmed "] {
            assert_eq!(user_name(name).expect(name), name.trim());
        }
        for name in ["", "  ", "../etc", "a b", "<b>", "a\u{0}", "-x", &"n".repeat(300)] {
            assert!(user_name(name).is_err(), "{name:?}");
        }
        assert_eq!(user_name("Jose\u{301}").expect("composed"), "José");
    }

    #[test]
    fn names_from_elsewhere_may_be_names_of_people() {
        for (given, name) in [
            ("o'neil@school.example", "o'neil@school.example"),
            (" Mary\u{a0}  Jane ", "Mary Jane"),
            ("阿里木·买买提", "阿里木·买买提"),
        ] {
            assert_eq!(outsider_name(given).expect(given), name);
        }
        for name in
            ["", " ", "=cmd", "'or'", "#x", "a\\b", "a/b", "a\"b", "a;b", "a\u{200b}b", "a\0"]
        {
            assert!(outsider_name(name).is_err(), "{name:?}");
        }
        for (given, name) in
            [("SCHOOL\\jane", "jane@SCHOOL"), ("\\jane", "\\jane"), ("jane", "jane")]
        {
            assert_eq!(without_backslash(given), name);
        }
    }

    #[test]
    fn addresses_are_addresses() {
        assert_eq!(email_address(" lee@school.example ").expect("good"), "lee@school.example");
        for text in [
            "",
            "lee",
            "lee@",
            "a b@c.example",
            "a@b\r\nBcc: c@d.example",
            &format!("{}@x.example", "l".repeat(250)),
        ] {
            assert!(email_address(text).is_err(), "{text:?}");
        }
    }
}
