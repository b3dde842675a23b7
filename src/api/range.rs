//! Parts of a file (RFC 9110, 14): a broken download goes on where it broke.

/// What is asked for of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    Whole,
    /// From this byte, so many, of a file that has them.
    Some {
        from: u64,
        length: u64,
    },
    /// The file is shorter.
    Beyond,
}

/// Reads `Range`, and `If-Range`: of another file than the one that `tag` names the whole is wanted. What cannot be read, and
/// several parts at once, count as not asked for.
pub fn requested(range: Option<&str>, if_range: Option<&str>, tag: &str, size: u64) -> Part {
    if if_range.is_some_and(|known| known.trim() != tag) {
        return Part::Whole;
    }
    let set = range.and_then(|range| range.trim().strip_prefix("bytes="));
    let Some((first, last)) = set.and_then(|set| set.trim().split_once('-')) else {
        return Part::Whole;
    };
    let number = |text: &str| -> Option<Option<u64>> {
        let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
        // More than fits is beyond every end.
        is_number.then(|| (!text.is_empty()).then(|| text.parse().unwrap_or(u64::MAX)))
    };
    match (number(first.trim()), number(last.trim())) {
        (Some(Some(from)), Some(last)) => {
            let last = last.unwrap_or(u64::MAX);
            if last < from {
                return Part::Whole;
            }
            if from >= size {
                return Part::Beyond;
            }
            Part::Some { from, length: last.min(size - 1) - from + 1 }
        }
        (Some(None), Some(Some(0))) => Part::Beyond,
        (Some(None), Some(Some(_))) if size == 0 => Part::Beyond,
        (Some(None), Some(Some(count))) => {
            let length = count.min(size);
            Part::Some { from: size - length, length }
        }
        _ => Part::Whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_the_standard_says() {
        let tag = "\"a\"";
        let of = |range: &str| requested(Some(range), None, tag, 100);
        let some = |from, length| Part::Some { from, length };
        for (range, part) in [
            ("bytes=0-", some(0, 100)),
            ("bytes=10-19", some(10, 10)),
            ("bytes=99-", some(99, 1)),
            ("bytes=90-1000", some(90, 10)),
            ("bytes=90-99999999999999999999999", some(90, 10)),
            ("bytes=-10", some(90, 10)),
            ("bytes=-1000", some(0, 100)),
            (" bytes=10-10 ", some(10, 1)),
            ("bytes=100-", Part::Beyond),
            ("bytes=99999999999999999999999-", Part::Beyond),
            ("bytes=-0", Part::Beyond),
            ("bytes=20-10", Part::Whole),
            ("bytes=-", Part::Whole),
            ("bytes=a-b", Part::Whole),
            ("bytes=+1-2", Part::Whole),
            ("bytes=0-1,5-6", Part::Whole),
            ("lines=0-1", Part::Whole),
            ("", Part::Whole),
        ] {
            assert_eq!(of(range), part, "{range}");
        }
        assert_eq!(requested(None, None, tag, 100), Part::Whole);
        assert_eq!(requested(Some("bytes=5-"), Some(tag), tag, 100), some(5, 95));
        assert_eq!(requested(Some("bytes=5-"), Some("\"b\""), tag, 100), Part::Whole);
        assert_eq!(requested(Some("bytes=5-"), Some("W/\"a\""), tag, 100), Part::Whole);
        assert_eq!(requested(Some("bytes=0-"), None, tag, 0), Part::Beyond);
        assert_eq!(requested(Some("bytes=-5"), None, tag, 0), Part::Beyond);
    }
}
