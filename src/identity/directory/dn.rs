//! Distinguished names as two of them are compared: they can be written in many ways (RFC 4514).

/// A form that is the same for two ways to write one name: without case, escapes, and spaces that do not count.
/// What is no distinguished name is compared as text.
pub fn form(dn: &str) -> String {
    parts(dn).map_or_else(|| dn.trim().to_lowercase(), |parts| parts.join("\n"))
}

/// Its parts; `None` when it is none.
fn parts(dn: &str) -> Option<Vec<String>> {
    let mut rest = dn.trim();
    let mut parts = Vec::new();
    // What belongs to the part that is being read: one with several attributes has no order.
    let mut attributes = Vec::new();
    loop {
        let (name, after) = rest.split_once('=')?;
        let name = name.trim().to_lowercase();
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || "-.".contains(c)) {
            return None;
        }
        let (value, after) = value(after.trim_start())?;
        attributes.push(format!("{name}={value}"));
        let mark = after.chars().next();
        if mark != Some('+') {
            attributes.sort_unstable();
            parts.push(std::mem::take(&mut attributes).join("+"));
        }
        match mark {
            Some(mark) => rest = &after[mark.len_utf8()..],
            None => return Some(parts),
        }
    }
}

/// The value at the beginning, and what stands after it, beginning with the mark.
fn value(text: &str) -> Option<(String, &str)> {
    let mut bytes = Vec::new();
    // Up to here spaces count: they were escaped or quoted.
    let mut kept = 0;
    let mut is_quoted = false;
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        match next {
            ',' | '+' if !is_quoted => break,
            '"' => {
                is_quoted = !is_quoted;
                kept = bytes.len();
                rest = &rest[1..];
            }
            '\\' => {
                rest = escaped(&rest[1..], &mut bytes)?;
                kept = bytes.len();
            }
            other => {
                rest = &rest[other.len_utf8()..];
                bytes.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes());
                if is_quoted || !other.is_whitespace() {
                    kept = bytes.len();
                }
            }
        }
    }
    bytes.truncate(kept);
    let text = String::from_utf8_lossy(&bytes).to_lowercase();
    // Directories take several spaces for one.
    let words: Vec<&str> = text.split_whitespace().collect();
    (!is_quoted).then(|| (words.join(" "), rest))
}

/// What an escape means: two hex digits are a byte, all else is itself.
fn escaped<'a>(rest: &'a str, bytes: &mut Vec<u8>) -> Option<&'a str> {
    if let Some(byte) = rest.get(..2).and_then(|digits| hex::decode(digits).ok()) {
        bytes.extend(byte);
        return Some(&rest[2..]);
    }
    let itself = rest.chars().next()?;
    bytes.extend_from_slice(itself.encode_utf8(&mut [0; 4]).as_bytes());
    Some(&rest[itself.len_utf8()..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_groups_are_compared_as_the_directory_does() {
        let teachers = form("cn=Teachers, OU = Groups,dc=school,dc=example");
        assert_eq!(teachers, form("CN=teachers,ou=groups,DC=School,dc=example"));
        assert_ne!(teachers, form("cn=teachers,ou=groups,dc=other,dc=example"));
    }

    #[test]
    fn what_is_escaped_may_be_written_in_several_ways() {
        for same in [
            ["cn=IT\\, central,dc=x", "CN=it\\2C central , DC=X"],
            ["cn=IT\\, central,dc=x", "cn=\"IT, central\",dc=x"],
            ["cn=\\#1 group,dc=x", "cn=\\231\\20group,dc=x"],
            ["cn=a\\=b\\+c\\\\d,dc=x", "cn=a\\3db\\2bc\\5cd,dc=x"],
            ["cn=\\E7\\8E\\8B\\E8\\80\\81\\E5\\B8\\88,dc=x", "cn=王老师,dc=x"],
            ["cn=a=b,dc=x", "cn=a\\=b,dc=x"],
            ["cn=two  words,dc=x", "cn=two words,dc=x"],
            ["cn=lee+uid=7,dc=x", "UID=7 + cn=Lee,dc=x"],
            ["cn=l\\\"x\\\",dc=x", "cn=l\\22x\\22,dc=x"],
        ] {
            assert_eq!(form(same[0]), form(same[1]), "{same:?}");
        }
        for other in [
            ["cn=IT\\, central,dc=x", "cn=IT,cn=central,dc=x"],
            ["cn=IT\\,dc=x", "cn=IT,dc=x"],
            ["cn=a\\+b=c,dc=x", "cn=a+b=c,dc=x"],
            ["cn=a,dc=x", "cn=a"],
        ] {
            assert_ne!(form(other[0]), form(other[1]), "{other:?}");
        }
        for none in ["", "teachers", "cn=a\\", "cn=\"a", "cn=a,,dc=x", "cn=a,"] {
            assert_eq!(form(none), none, "{none}");
        }
    }
}
