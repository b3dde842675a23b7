//! Proxies whose word about who came to them counts.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::error::{Error, Result};

/// Addresses of proxies in front of this server.
#[derive(Debug, Clone, Default)]
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// Reads addresses (`192.0.2.7`) and networks (`10.0.0.0/8`).
    ///
    /// # Errors
    /// `settings-proxy-wrong`, naming the one that is neither.
    pub fn parse(written: &[String]) -> Result<Self> {
        let read = |text: &String| {
            let text = text.trim();
            let one = text.parse::<IpAddr>().ok().map(|one| IpNet::from(one.to_canonical()));
            one.or_else(|| text.parse().ok())
                .ok_or_else(|| Error::bad_input("settings-proxy-wrong").arg("value", text))
        };
        written.iter().map(read).collect::<Result<_>>().map(Self)
    }

    /// Whether it is the address of one of them.
    pub fn has(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_networks_are_told_apart_from_other_words() {
        let written = ["192.0.2.7", " 10.0.0.0/8", "2001:db8::/32", "::ffff:198.51.100.1"];
        let proxies = TrustedProxies::parse(&written.map(str::to_owned)).expect("proxies");
        for inside in ["192.0.2.7", "10.9.8.7", "2001:db8::5", "::ffff:10.0.0.1", "198.51.100.1"] {
            assert!(proxies.has(inside.parse().expect("an address")), "{inside}");
        }
        for outside in ["192.0.2.8", "11.0.0.1", "2001:db9::5"] {
            assert!(!proxies.has(outside.parse().expect("an address")), "{outside}");
        }
        for wrong in ["proxy.example", "10.0.0.0/40", ""] {
            let error = TrustedProxies::parse(&[wrong.to_owned()]).expect_err(wrong);
            assert_eq!(error.key(), "settings-proxy-wrong");
        }
    }
}
