//! The host names of a group's desktops, by a pattern: text with `{name}` for the desktop's name, `{group}` for its group's,
//! `{number}` for its number in it; `{number:3}` has at least three digits.

use std::collections::HashMap;

use crate::error::{Error, Result};

/// What NetBIOS, and with it Windows, takes.
const LONGEST: usize = 15;

/// Characters of a pattern.
const PATTERN_LIMIT: usize = 100;

/// Digits that a pattern may ask for.
const DIGITS: usize = 9;

/// What names are made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Name,
    Group,
    Number { digits: usize },
}

/// A desktop that is to be named.
#[derive(Debug, Clone)]
pub struct Nameable {
    pub name: String,
    pub group: String,
    pub number: u32,
}

impl Pattern {
    /// # Errors
    /// `host-names-long`, `host-names-placeholder`
    pub fn parse(text: &str) -> Result<Self> {
        if text.chars().count() > PATTERN_LIMIT {
            let error = Error::bad_input("host-names-long").arg("field", "pattern");
            return Err(error.arg("limit", PATTERN_LIMIT));
        }
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            let (before, behind) = rest.split_at(at);
            if !before.is_empty() {
                parts.push(Part::Text(before.to_owned()));
            }
            let placeholder = behind.strip_prefix('{').and_then(|inner| inner.split_once('}'));
            let (word, after) = placeholder.ok_or_else(|| unknown(behind))?;
            parts.push(part(word).ok_or_else(|| unknown(&format!("{{{word}}}")))?);
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Ok(Self(parts))
    }

    /// # Errors
    /// See [`check`]
    pub fn name(&self, of: &Nameable) -> Result<String> {
        let mut name = String::new();
        for part in &self.0 {
            match part {
                Part::Text(text) => name.push_str(text),
                Part::Name => name.push_str(&of.name),
                Part::Group => name.push_str(&of.group),
                Part::Number { digits } => name.push_str(&format!("{:0digits$}", of.number)),
            }
        }
        check(&name, &of.name)?;
        Ok(name)
    }

    /// The name of each, or why it cannot have it.
    pub fn names(&self, of: &[Nameable]) -> Vec<Result<String>> {
        let mut taken: HashMap<String, &str> = HashMap::new();
        of.iter()
            .map(|desktop| {
                let name = self.name(desktop)?;
                match taken.insert(name.to_ascii_lowercase(), &desktop.name) {
                    Some(other) => {
                        Err(wrong("host-name-twice", &name, &desktop.name).arg("other", other))
                    }
                    None => Ok(name),
                }
            })
            .collect()
    }
}

impl Nameable {
    /// Its host name by its group's pattern; `None` without a pattern, and where it cannot have the name.
    pub fn host_name(&self, pattern: &str) -> Option<String> {
        if pattern.is_empty() {
            return None;
        }
        Pattern::parse(pattern).and_then(|pattern| pattern.name(self)).ok()
    }
}

fn unknown(placeholder: &str) -> Error {
    let shown: String = placeholder.chars().take(LONGEST).collect();
    Error::bad_input("host-names-placeholder").arg("field", "pattern").arg("placeholder", shown)
}

fn part(word: &str) -> Option<Part> {
    match word.split_once(':') {
        None if word == "name" => Some(Part::Name),
        None if word == "group" => Some(Part::Group),
        None if word == "number" => Some(Part::Number { digits: 1 }),
        Some(("number", digits)) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            let digits = digits.parse().ok().filter(|digits| (1..=DIGITS).contains(digits))?;
            Some(Part::Number { digits })
        }
        _ => None,
    }
}

/// What Windows and Linux both take as a host name.
fn check(name: &str, desktop: &str) -> Result<()> {
    let is_allowed = |character: char| character.is_ascii_alphanumeric() || character == '-';
    let key = if name.is_empty() {
        "host-name-empty"
    } else if !name.chars().all(is_allowed) {
        "host-name-letters"
    } else if name.starts_with('-') || name.ends_with('-') {
        "host-name-hyphen"
    } else if name.bytes().all(|byte| byte.is_ascii_digit()) {
        "host-name-digits"
    } else if name.len() > LONGEST {
        "host-name-long"
    } else {
        return Ok(());
    };
    Err(wrong(key, name, desktop))
}

fn wrong(key: &'static str, name: &str, desktop: &str) -> Error {
    let error = Error::bad_input(key).arg("field", "pattern");
    error.arg("name", name).arg("desktop", desktop).arg("limit", LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str, group: &str, number: u32) -> Nameable {
        Nameable { name: name.into(), group: group.into(), number }
    }

    fn named(pattern: &str, desktop: &Nameable) -> Result<String, String> {
        let pattern = Pattern::parse(pattern).map_err(|error| error.key().to_owned())?;
        pattern.name(desktop).map_err(|error| error.key().to_owned())
    }

    #[test]
    fn names_are_made_by_the_pattern() {
        let desktop = of("pc-07", "Room12", 7);
        for (pattern, name) in [
            ("{name}", "pc-07"),
            ("{group}-{number}", "Room12-7"),
            ("pc{number:3}", "pc007"),
            ("pc{number:03}", "pc007"),
            ("x{number:1}y", "x7y"),
            ("a{number:9}", "a000000007"),
        ] {
            assert_eq!(named(pattern, &desktop).as_deref(), Ok(name), "{pattern}");
        }
        assert_eq!(named("p{number:2}", &of("", "", 1234)).as_deref(), Ok("p1234"));
    }

    #[test]
    fn what_windows_refuses_is_refused() {
        for (pattern, key) in [
            ("abcdefghijklmno", ""),
            ("abcdefghijklmnop", "host-name-long"),
            ("abcdefghijklmn{number:2}", "host-name-long"),
            ("{number}", "host-name-digits"),
            ("123", "host-name-digits"),
            ("pc_{number}", "host-name-letters"),
            ("pc.{number}", "host-name-letters"),
            ("{group}", "host-name-letters"),
            ("机房{number}", "host-name-letters"),
            ("-pc", "host-name-hyphen"),
            ("pc-", "host-name-hyphen"),
            ("a;reboot", "host-name-letters"),
        ] {
            let told = named(pattern, &of("pc1", "计算机", 1)).err().unwrap_or_default();
            assert_eq!(told, key, "{pattern}");
        }
        assert_eq!(named("", &of("pc1", "g", 1)).err().as_deref(), Some("host-name-empty"));
    }

    #[test]
    fn what_is_no_placeholder_is_said() {
        for pattern in [
            "{nombre}",
            "{number:}",
            "{number:0}",
            "{number:10}",
            "{number:+3}",
            "{number:99999999999999999999}",
            "{name",
            "name}",
            "{}",
            "{{name}}",
            "{number:3",
            "{group:2}",
        ] {
            let error = Pattern::parse(pattern).expect_err(pattern);
            assert_eq!(error.key(), "host-names-placeholder", "{pattern}");
        }
        assert_eq!(Pattern::parse(&"x".repeat(101)).unwrap_err().key(), "host-names-long");
    }

    #[test]
    fn no_two_get_the_same() {
        let desktops = [of("a", "g", 1), of("A", "g", 2), of("b", "g", 3)];
        let keys = |pattern: &str| -> Vec<String> {
            let names = Pattern::parse(pattern).unwrap().names(&desktops);
            names.into_iter().map(|name| name.unwrap_or_else(|error| error.key().into())).collect()
        };
        assert_eq!(keys("{name}"), ["a", "host-name-twice", "b"]);
        assert_eq!(keys("pc{number}"), ["pc1", "pc2", "pc3"]);
        assert_eq!(keys("pc"), ["pc", "host-name-twice", "host-name-twice"]);
    }
}
