//! What text may hold, and the form in which names that look alike compare equal.

use rusqlite::Connection;
use rusqlite::functions::FunctionFlags;
use unicode_normalization::UnicodeNormalization;
use unicode_security::confusable_detection::skeleton;

use crate::error::Result;

/// Of a name: without case and width, and with look-alike characters (UTS 39: Latin a and Cyrillic а)
/// folded into one. Only for comparing, never shown.
pub fn lookalike(name: &str) -> String {
    let folded: String = name.nfkc().collect::<String>().to_lowercase();
    // Case first and once more: the skeleton of a letter may be a capital.
    skeleton(&folded).collect::<String>().to_lowercase()
}

/// Makes it known to SQL, for migrations.
pub(super) fn register_lookalike(conn: &Connection) -> Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    conn.create_scalar_function("lookalike", 1, flags, |context| {
        Ok(lookalike(&context.get::<String>(0)?))
    })?;
    Ok(())
}

/// Whether a character cannot stand in a name: nobody sees it, it turns what stands around it, or it is none and the
/// layers below (XML among them) do not carry it.
pub fn is_hidden(c: char) -> bool {
    let is_format = matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}'
        | '\u{fff9}'..='\u{fffd}' | '\u{e0000}'..='\u{e007f}');
    c.is_control() || is_format || is_no_character(c)
}

/// Whether a character cannot stand in longer text, which has lines.
pub fn is_unwritable(c: char) -> bool {
    (c.is_control() && !matches!(c, '\n' | '\r' | '\t')) || is_no_character(c)
}

/// Unicode keeps these free for programs' own use (23.7).
fn is_no_character(c: char) -> bool {
    matches!(c, '\u{fdd0}'..='\u{fdef}') || u32::from(c) & 0xfffe == 0xfffe
}

/// A character for a message; one that cannot be seen by its number: `U+FFFE`.
pub fn shown(c: char) -> String {
    match is_hidden(c) {
        true => format!("U+{:04X}", u32::from(c)),
        false => c.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_look_alike_are_one() {
        for (one, other) in [("Bob", "bob"), ("paypal", "pаypаl"), ("ａｄｍｉｎ", "admin")] {
            assert_eq!(lookalike(one), lookalike(other), "{one} {other}");
        }
        for (one, other) in [("bob", "rob"), ("王老师", "王老帅"), ("desk1", "desk2")] {
            assert_ne!(lookalike(one), lookalike(other), "{one} {other}");
        }
    }

    #[test]
    fn names_hold_what_can_be_seen() {
        for c in [
            '\0',
            '\u{1b}',
            '\u{7f}',
            '\u{85}',
            '\u{200b}',
            '\u{202e}',
            '\u{2028}',
            '\u{feff}',
            '\u{fffe}',
            '\u{ffff}',
            '\u{fffd}',
            '\u{fdd0}',
            '\u{1fffe}',
            '\u{10ffff}',
            '\u{e0041}',
            '\u{ad}',
        ] {
            assert!(is_hidden(c), "{c:?}");
        }
        for c in ['a', '王', 'é', ' ', '\u{301}', 'ß', '🙂', '\u{3000}', 'ا'] {
            assert!(!is_hidden(c) && !is_unwritable(c), "{c:?}");
        }
        assert!(!is_unwritable('\n') && is_unwritable('\0') && is_unwritable('\u{ffff}'));
    }
}
