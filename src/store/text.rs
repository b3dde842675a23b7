//! The form in which names that look alike compare equal.

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
}
