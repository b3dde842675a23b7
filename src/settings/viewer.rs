//! Where viewers beside the browser reach this server.

use std::fmt::{self, Display};

use crate::error::{Error, Result};

/// A host and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ViewerAddress {
    /// A name, an IPv4 address, or an IPv6 address without brackets.
    pub host: String,
    pub port: u16,
}

impl ViewerAddress {
    /// `None` for what is no host, so that nothing else gets into a viewer's file.
    pub fn new(host: &str, port: u16) -> Option<Self> {
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let allowed = |letter: char| letter.is_ascii_alphanumeric() || "-._:".contains(letter);
        let is_host = !host.is_empty() && host.chars().all(allowed) && port > 0;
        is_host.then(|| Self { host: host.to_owned(), port })
    }

    /// Reads `host:port`.
    ///
    /// # Errors
    /// `settings-viewer-address-wrong`
    pub fn parse(text: &str) -> Result<Self> {
        let read = || {
            let (host, port) = text.trim().rsplit_once(':')?;
            let is_one = !host.contains(':') || host.starts_with('[') && host.ends_with(']');
            Self::new(host, port.parse().ok()?).filter(|_| is_one)
        };
        let wrong = || Error::bad_input("settings-viewer-address-wrong").arg("value", text);
        read().ok_or_else(wrong)
    }
}

impl Display for ViewerAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(formatter, "[{}]:{}", self.host, self.port),
            false => write!(formatter, "{}:{}", self.host, self.port),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_and_a_port_are_read_and_nothing_else() {
        for text in ["desks.example:443", "192.0.2.7:8443", "[2001:db8::7]:443"] {
            assert_eq!(ViewerAddress::parse(text).expect(text).to_string(), text);
        }
        for wrong in ["", "a", "a:", ":443", "a:0", "a:70000", "a b:443", "2001:db8::7", "a\n:1"] {
            let error = ViewerAddress::parse(wrong).expect_err(wrong);
            assert_eq!(error.key(), "settings-viewer-address-wrong");
        }
    }
}
