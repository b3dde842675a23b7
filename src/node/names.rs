//! Under which names and addresses this machine can be reached.

use std::net::IpAddr;

use sysinfo::{Networks, System};

/// The names of this machine in its networks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LocalNames {
    /// Empty when it cannot be told.
    pub host: String,
    /// IPv4 first; without loopback, link-local ones, and those of bridges that only guests use.
    pub addresses: Vec<IpAddr>,
}

/// Bridges and taps that nobody outside this machine reaches it by.
const INWARD: [&str; 7] = ["crl", "virbr", "vnet", "docker", "br-", "veth", "cni"];

/// Asks the system.
pub fn local_names() -> LocalNames {
    let host = System::host_name().unwrap_or_else(|cause| {
        tracing::warn!(%cause, "the host name is not known");
        String::new()
    });
    let networks = match Networks::new_with_refreshed_list() {
        Ok(networks) => networks,
        Err(cause) => {
            tracing::warn!(%cause, "the addresses of this machine are not known");
            return LocalNames { host, addresses: Vec::new() };
        }
    };
    let mut addresses: Vec<IpAddr> = networks
        .iter()
        .filter(|(name, _)| !is_inward(&name.to_string_lossy()))
        .flat_map(|(_, data)| data.ip_networks())
        .map(|network| network.addr)
        .filter(|address| is_reachable(*address))
        .collect();
    // IPv4 first: it is what people type.
    addresses.sort_by_key(|address| (address.is_ipv6(), *address));
    addresses.dedup();
    LocalNames { host, addresses }
}

fn is_inward(interface: &str) -> bool {
    INWARD.iter().any(|inward| interface.starts_with(inward))
}

fn is_reachable(address: IpAddr) -> bool {
    let link_local = match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    };
    !(link_local || address.is_loopback() || address.is_unspecified() || address.is_multicast())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_and_link_local_addresses_are_no_names() {
        for text in ["127.0.0.1", "::1", "169.254.3.4", "fe80::1", "0.0.0.0"] {
            assert!(!is_reachable(text.parse().expect("address")), "{text}");
        }
        assert!(is_reachable(IpAddr::from([192, 0, 2, 7])));
        assert!(local_names().addresses.into_iter().all(is_reachable));
    }
}
