//! The network interfaces of the node, its routes and name servers.

use std::fs;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

use ipnet::Ipv4Net;
use sysinfo::Networks;

use crate::error::{Context, Error, Result};
use crate::node::protocol::NicFacts;

const CLASS: &str = "/sys/class/net";

/// `RTF_GATEWAY` of `linux/route.h`.
const HAS_GATEWAY: u32 = 2;

/// How the names of Carrel's own bridges begin.
pub const OWN_BRIDGE: &str = "crl";

/// Interfaces that an administrator thinks of: physical ones, bonds, and others with an address. Not Carrel's own
/// bridges, nor the ports of bridges that belong to guests.
pub fn nics() -> Result<Vec<NicFacts>> {
    let routes = routes()?;
    let mut nics = Vec::new();
    for (name, data) in &networks()? {
        // A name that is no text can be in none of our requests.
        let Some(name) = name.to_str() else { continue };
        if name == "lo" || name.starts_with(OWN_BRIDGE) {
            continue;
        }
        let link = Link::of(name);
        let addresses = addresses(data);
        let physical = link.is_physical()?;
        if !(physical || link.is_bond() || !addresses.is_empty()) {
            continue;
        }
        let gateway = gateway(&routes, name);
        nics.push(NicFacts {
            name: name.to_owned(),
            mac: data.mac_address().to_string(),
            speed: speed(data),
            up: link.is_up()?,
            physical,
            addresses,
            gateway,
            // The machine has one list of name servers; it is shown at the NIC that leads to them.
            dns: if gateway.is_some() { name_servers()? } else { Vec::new() },
        });
    }
    nics.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(nics)
}

/// IPv4 prefixes that a new network must not overlap: of all interfaces and all routes.
pub fn used_prefixes() -> Result<Vec<(Ipv4Addr, u8)>> {
    let mut used: Vec<Ipv4Net> = held()?.into_iter().map(|holder| holder.net).collect();
    used.sort();
    used.dedup();
    Ok(used.into_iter().map(|net| (net.addr(), net.prefix_len())).collect())
}

/// Whether there is an interface with this name.
pub fn exists(name: &str) -> bool {
    Path::new(CLASS).join(name).exists()
}

/// The machine's ends of guests' NICs, as libvirt names them, that are in no bridge.
pub fn taps_without_bridge() -> Result<Vec<String>> {
    let mut loose = Vec::new();
    for entry in fs::read_dir(CLASS).context("list interfaces")? {
        let entry = entry.context("list interfaces")?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with("vnet") && !entry.path().join("master").exists() {
            loose.push(name);
        }
    }
    Ok(loose)
}

/// Who on this machine has addresses, or the way to them.
#[derive(Debug, PartialEq, Eq)]
pub struct Holder {
    pub interface: String,
    pub net: Ipv4Net,
}

/// The interface or route of this machine that overlaps with `net`, but for those of the interface `own`.
pub fn holder_of(net: Ipv4Net, own: &str) -> Result<Option<Holder>> {
    Ok(overlapping(held()?, net, own))
}

fn held() -> Result<Vec<Holder>> {
    let mut held = Vec::new();
    for (name, data) in &networks()? {
        for (address, prefix) in addresses(data) {
            let net = Ipv4Net::new(address, prefix).context("read an interface's prefix")?.trunc();
            held.push(Holder { interface: name.to_string_lossy().into_owned(), net });
        }
    }
    let routes = routes()?.into_iter();
    // The default route is no use of addresses, nor are the two halves in which VPNs write it.
    let routes = routes.filter(|route| route.net.prefix_len() > 1);
    held.extend(routes.map(|Route { interface, net, .. }| Holder { interface, net }));
    Ok(held)
}

fn overlapping(held: Vec<Holder>, net: Ipv4Net, own: &str) -> Option<Holder> {
    held.into_iter().find(|holder| {
        holder.interface != own && (holder.net.contains(&net) || net.contains(&holder.net))
    })
}

fn networks() -> Result<Networks> {
    Networks::new_with_refreshed_list()
        .map_err(|cause| Error::internal(format!("list interfaces: {cause}")))
}

fn addresses(data: &sysinfo::NetworkData) -> Vec<(Ipv4Addr, u8)> {
    let mut found: Vec<_> = data
        .ip_networks()
        .iter()
        .filter_map(|net| match net.addr {
            IpAddr::V4(address) => Some((address, net.prefix)),
            IpAddr::V6(_) => None,
        })
        .collect();
    found.sort_unstable();
    found
}

/// Mbit/s, 0 when unknown, as for a NIC without a cable.
fn speed(data: &sysinfo::NetworkData) -> u32 {
    u32::try_from(data.receive_link_speed().unwrap_or(0) / 1_000_000).unwrap_or(u32::MAX)
}

/// What the kernel tells of an interface below `/sys/class/net`.
struct Link(PathBuf);

impl Link {
    fn of(name: &str) -> Self {
        Self(Path::new(CLASS).join(name))
    }

    /// A device of its own; or, where the node is itself a container, a cable that leads out of it.
    fn is_physical(&self) -> Result<bool> {
        if self.0.join("device").exists() {
            return Ok(true);
        }
        let (Some(own), Some(other_end)) = (self.number("ifindex")?, self.number("iflink")?) else {
            return Ok(false);
        };
        let virtual_device = other_end == own || other_end == 0;
        Ok(!virtual_device && !self.0.join("master").exists() && !here(other_end)?)
    }

    fn is_bond(&self) -> bool {
        self.0.join("bonding").exists()
    }

    fn is_up(&self) -> Result<bool> {
        Ok(self.number("carrier")? == Some(1))
    }

    /// `None` when the kernel has no answer: interfaces come and go, and one that is down has no carrier to read.
    fn number(&self, file: &str) -> Result<Option<i64>> {
        let path = self.0.join(file);
        match fs::read_to_string(&path) {
            Ok(text) => Ok(text.trim().parse().ok()),
            Err(cause) if matches!(cause.kind(), ErrorKind::NotFound | ErrorKind::InvalidInput) => {
                Ok(None)
            }
            Err(cause) => Err(cause).context(format_args!("read {}", path.display())),
        }
    }
}

/// Whether an interface with this number is visible from here.
fn here(index: i64) -> Result<bool> {
    for entry in fs::read_dir(CLASS).context("list interfaces")? {
        let entry = entry.context("list interfaces")?;
        if Link(entry.path()).number("ifindex")? == Some(index) {
            return Ok(true);
        }
    }
    Ok(false)
}

#[derive(Debug, PartialEq, Eq)]
struct Route {
    interface: String,
    net: Ipv4Net,
    gateway: Option<Ipv4Addr>,
    metric: u32,
}

fn routes() -> Result<Vec<Route>> {
    let table = fs::read_to_string("/proc/net/route").context("read the routes")?;
    Ok(table.lines().skip(1).filter_map(route).collect())
}

/// A line of `/proc/net/route`; addresses stand there in hexadecimal, in the machine's byte order.
fn route(line: &str) -> Option<Route> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let address = |index: usize| {
        u32::from_str_radix(words.get(index)?, 16)
            .ok()
            .map(|bits| Ipv4Addr::from(bits.to_ne_bytes()))
    };
    let flags = u32::from_str_radix(words.get(3)?, 16).ok()?;
    Some(Route {
        interface: (*words.first()?).to_owned(),
        net: Ipv4Net::with_netmask(address(1)?, address(7)?).ok()?,
        gateway: address(2).filter(|_| flags & HAS_GATEWAY != 0),
        metric: words.get(6)?.parse().ok()?,
    })
}

fn gateway(routes: &[Route], interface: &str) -> Option<Ipv4Addr> {
    let defaults =
        routes.iter().filter(|route| route.interface == interface && route.net.prefix_len() == 0);
    defaults.min_by_key(|route| route.metric)?.gateway
}

/// The name servers, behind systemd's own where that runs.
fn name_servers() -> Result<Vec<Ipv4Addr>> {
    for path in ["/run/systemd/resolve/resolv.conf", "/etc/resolv.conf"] {
        match fs::read_to_string(path) {
            Ok(text) => return Ok(listed(&text)),
            Err(cause) if cause.kind() == ErrorKind::NotFound => {}
            Err(cause) => return Err(cause).context(format_args!("read {path}")),
        }
    }
    Ok(Vec::new())
}

fn listed(resolv_conf: &str) -> Vec<Ipv4Addr> {
    let words = resolv_conf.lines().filter_map(|line| line.trim().strip_prefix("nameserver"));
    words.filter_map(|word| word.trim().parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_routing_table() {
        let line = "eth0\t00000000\t0102A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0";
        let route = route(line).unwrap();
        assert_eq!(route.gateway, Some(Ipv4Addr::new(192, 168, 2, 1)));
        assert_eq!((route.net.prefix_len(), route.metric), (0, 100));
        assert_eq!(super::route("Iface Destination"), None);
    }

    #[test]
    fn the_way_out_with_the_least_metric_counts() {
        let line = |gateway: &str, metric| {
            format!("eth0 00000000 {gateway} 0003 0 0 {metric} 00000000 0 0 0")
        };
        let routes: Vec<_> = [line("0102A8C0", 200), line("0202A8C0", 100)]
            .iter()
            .filter_map(|line| route(line))
            .collect();
        assert_eq!(gateway(&routes, "eth0"), Some(Ipv4Addr::new(192, 168, 2, 2)));
        assert_eq!(gateway(&routes, "eth1"), None);
    }

    #[test]
    fn name_servers_are_listed() {
        let text = "# made by dhcp\nsearch lan\nnameserver 10.1.2.3\nnameserver fe80::1\n nameserver\t10.1.2.4\n";
        assert_eq!(listed(text), [Ipv4Addr::new(10, 1, 2, 3), Ipv4Addr::new(10, 1, 2, 4)]);
    }

    #[test]
    fn a_net_is_taken_by_what_is_wider_narrower_or_a_route_and_not_by_its_own_bridge() {
        let net = |text: &str| text.parse::<Ipv4Net>().unwrap();
        let held = || {
            [("lo", "127.0.0.0/8"), ("eth0", "10.88.0.0/16")]
                .map(|(name, text)| Holder { interface: name.to_owned(), net: net(text) })
                .into()
        };
        let taken = |text: &str, own: &str| {
            overlapping(held(), net(text), own).map(|holder| holder.net.to_string())
        };
        assert_eq!(taken("10.88.231.0/28", "crl1").as_deref(), Some("10.88.0.0/16"));
        assert_eq!(taken("10.0.0.0/8", "crl1").as_deref(), Some("10.88.0.0/16"));
        assert_eq!(taken("10.88.0.0/16", "eth0"), None);
        assert_eq!(taken("10.89.0.0/16", "crl1"), None);
    }

    #[test]
    fn this_machine_can_be_asked() {
        nics().unwrap();
        let used = used_prefixes().unwrap();
        assert!(used.contains(&(Ipv4Addr::new(127, 0, 0, 0), 8)), "{used:?}");
    }
}
