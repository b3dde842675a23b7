//! Times as the documents write them: `2026-02-26 18:58:22` in the server's time zone.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

use crate::error::{Error, Result};

const FORM: &str = "%Y-%m-%d %H:%M:%S";

/// Unix seconds as text.
pub fn text(seconds: i64) -> String {
    let time = Timestamp::from_second(seconds).unwrap_or(Timestamp::UNIX_EPOCH);
    time.to_zoned(TimeZone::system()).strftime(FORM).to_string()
}

/// As headers of HTTP have it.
pub fn http(seconds: i64) -> String {
    let time = Timestamp::from_second(seconds).unwrap_or(Timestamp::UNIX_EPOCH);
    time.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

pub fn optional(seconds: Option<i64>) -> Option<String> {
    seconds.map(text)
}

/// The zone that all these times are in: its name, or where the machine gives none how far it is from UTC now, such as
/// `+08:00`.
pub fn zone() -> String {
    let zone = TimeZone::system();
    match zone.iana_name().filter(|_| !zone.is_unknown()) {
        Some(name) => name.to_owned(),
        None => Zoned::now().with_time_zone(zone).strftime("%:z").to_string(),
    }
}

/// Reads text of that form, also with one-digit months and hours, into Unix seconds.
pub fn parse(field: &'static str, given: &str) -> Result<i64> {
    let wrong = || Error::bad_input("time-malformed").arg("field", field).arg("value", given);
    let time = DateTime::strptime(FORM, given.trim()).map_err(|cause| wrong().because(cause))?;
    let zoned = time.to_zoned(TimeZone::system()).map_err(|cause| wrong().because(cause))?;
    Ok(zoned.timestamp().as_second())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        assert_eq!(parse("run_date", &text(1_587_282_495)).expect("parse"), 1_587_282_495);
    }

    #[test]
    fn one_digit_months_are_read() {
        assert!(parse("run_date", "2020-4-19 15:48:15").is_ok());
        assert!(parse("run_date", "tomorrow").is_err());
    }
}
