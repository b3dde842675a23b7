//! What a subnet may be: pure checks, in itself and against its neighbours.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use super::{Subnet, SwitchKind};
use crate::error::{Error, Result};

/// Larger than /8 there is no private network; smaller than /30 there is no guest beside the gateway.
const PREFIXES: std::ops::RangeInclusive<u8> = 8..=30;

/// Networks in which no guest can be: "this host", loopback, link-local, multicast, reserved (RFC 6890).
const SPECIAL: [(Ipv4Addr, u8); 5] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    (Ipv4Addr::new(240, 0, 0, 0), 4),
];

/// A subnet as it is asked for, its texts read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    pub name: String,
    pub start: Ipv4Addr,
    pub end: Ipv4Addr,
    pub prefix: u8,
    pub gateway: Ipv4Addr,
    pub dns1: Ipv4Addr,
    pub dns2: Option<Ipv4Addr>,
}

impl From<&Subnet> for Plan {
    fn from(subnet: &Subnet) -> Self {
        Self {
            name: subnet.name.clone(),
            start: subnet.start,
            end: subnet.end,
            prefix: subnet.prefix,
            gateway: subnet.gateway,
            dns1: subnet.dns1,
            dns2: subnet.dns2,
        }
    }
}

/// Reads an address.
pub fn address_of(field: &'static str, text: &str) -> Result<Ipv4Addr> {
    text.trim().parse().map_err(|cause: std::net::AddrParseError| {
        Error::bad_input("address-malformed").arg("field", field).arg("value", text).because(cause)
    })
}

/// Reads a netmask like 255.255.255.0 into the length of its prefix.
pub fn prefix_of(text: &str) -> Result<u8> {
    let wrong = || Error::bad_input("netmask-wrong").arg("field", "netmask").arg("value", text);
    let mask: Ipv4Addr = text.trim().parse().map_err(|_| wrong())?;
    let prefix = ipnet::ipv4_mask_to_prefix(mask).map_err(|cause| wrong().because(cause))?;
    if PREFIXES.contains(&prefix) { Ok(prefix) } else { Err(wrong()) }
}

/// The netmask of a prefix.
pub fn netmask_of(prefix: u8) -> Ipv4Addr {
    cidr(Ipv4Addr::UNSPECIFIED, prefix).netmask()
}

/// The network that an address with this prefix is in.
pub fn cidr(address: Ipv4Addr, prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(address, prefix.min(32)).trunc()
}

impl Plan {
    pub fn cidr(&self) -> Ipv4Net {
        cidr(self.start, self.prefix)
    }

    /// Checks the subnet in itself.
    pub fn check(&self) -> Result<()> {
        let net = self.cidr();
        self.check_special(net)?;
        if self.start > self.end {
            let error = Error::bad_input("subnet-range-backwards").arg("field", "end_ip");
            return Err(error.arg("start", self.start).arg("end", self.end));
        }
        let usable = |address: Ipv4Addr| {
            net.contains(&address) && address != net.network() && address != net.broadcast()
        };
        for (field, address) in [("start_ip", self.start), ("end_ip", self.end)] {
            if !usable(address) {
                let error = Error::bad_input("subnet-range-outside").arg("field", field);
                return Err(error.arg("address", address).arg("cidr", net));
            }
        }
        if !usable(self.gateway) {
            let error = Error::bad_input("subnet-gateway-outside").arg("field", "gateway");
            return Err(error.arg("address", self.gateway).arg("cidr", net));
        }
        if self.start == self.end && self.start == self.gateway {
            let error = Error::bad_input("subnet-only-gateway").arg("field", "end_ip");
            return Err(error.arg("address", self.gateway));
        }
        Ok(())
    }

    fn check_special(&self, net: Ipv4Net) -> Result<()> {
        let special = |net: Ipv4Net| {
            SPECIAL.iter().map(|(a, p)| cidr(*a, *p)).find(|special| overlap(*special, net))
        };
        if let Some(reserved) = special(net) {
            let error = Error::bad_input("subnet-special").arg("field", "start_ip");
            return Err(error.arg("cidr", net).arg("reserved", reserved));
        }
        let servers = [("dns1", Some(self.dns1)), ("dns2", self.dns2)];
        for (field, server) in servers.into_iter().filter_map(|(f, s)| Some((f, s?))) {
            // A name server of the guest's own is at its loopback address.
            if !server.is_loopback() && special(cidr(server, 32)).is_some() {
                let error = Error::bad_input("subnet-dns-special").arg("field", field);
                return Err(error.arg("address", server));
            }
        }
        Ok(())
    }

    /// Checks it against the other subnets of its network. They may share a CIDR, then they share its
    /// gateway too, which is one address of one bridge.
    pub fn check_beside(&self, others: &[Subnet]) -> Result<()> {
        for other in others {
            if self.name == other.name {
                let error = Error::conflict("subnet-name-taken").arg("field", "name");
                return Err(error.arg("name", &other.name));
            }
            if self.start <= other.end && other.start <= self.end {
                let error = Error::conflict("subnet-ranges-overlap").arg("name", &other.name);
                let error = error.arg("field", "start_ip").arg("start", other.start);
                return Err(error.arg("end", other.end));
            }
            let theirs = cidr(other.start, other.prefix);
            if overlap(self.cidr(), theirs)
                && (self.cidr() != theirs || self.gateway != other.gateway)
            {
                let error = Error::conflict("subnet-shares-cidr").arg("name", &other.name);
                let error = error.arg("field", "gateway").arg("cidr", theirs);
                return Err(error.arg("gateway", other.gateway));
            }
        }
        Ok(())
    }

    /// Checks a NAT subnet against those of other NAT networks, which are on the same nodes.
    pub fn check_apart(&self, kind: SwitchKind, others: &[(String, Subnet)]) -> Result<()> {
        if kind != SwitchKind::Nat {
            return Ok(());
        }
        let clash = others.iter().find(|(_, o)| overlap(self.cidr(), cidr(o.start, o.prefix)));
        match clash {
            None => Ok(()),
            Some((network, other)) => Err(Error::conflict("subnet-cidr-taken")
                .arg("field", "start_ip")
                .arg("cidr", cidr(other.start, other.prefix))
                .arg("name", network)),
        }
    }

    /// Checks that addresses which are in use stay in the range and are not the gateway's.
    pub fn check_keeps(&self, used: &[Ipv4Addr]) -> Result<()> {
        let lost = used.iter().find(|a| **a < self.start || **a > self.end || **a == self.gateway);
        match lost {
            None => Ok(()),
            Some(address) => Err(Error::conflict("subnet-loses-address")
                .arg("field", "start_ip")
                .arg("address", address)
                .arg("count", used.len())),
        }
    }
}

fn overlap(a: Ipv4Net, b: Ipv4Net) -> bool {
    a.contains(&b) || b.contains(&a)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{NetworkId, SubnetId};
    use uuid::Uuid;

    fn plan(start: &str, end: &str, gateway: &str) -> Plan {
        Plan {
            name: "new".into(),
            start: start.parse().expect("start"),
            end: end.parse().expect("end"),
            prefix: 24,
            gateway: gateway.parse().expect("gateway"),
            dns1: Ipv4Addr::new(8, 8, 8, 8),
            dns2: None,
        }
    }

    fn row(name: &str, start: &str, end: &str, gateway: &str) -> Subnet {
        let plan = plan(start, end, gateway);
        Subnet {
            id: SubnetId::new(1),
            uuid: Uuid::nil(),
            network_id: NetworkId::new(1),
            network_uuid: Uuid::nil(),
            name: name.into(),
            start: plan.start,
            end: plan.end,
            prefix: 24,
            gateway: plan.gateway,
            dns1: plan.dns1,
            dns2: None,
            created_at: 0,
            updated_at: None,
            used_count: 0,
        }
    }

    fn key(result: Result<()>) -> String {
        result.err().map(|error| error.key().to_owned()).unwrap_or_default()
    }

    #[test]
    fn a_range_lies_in_its_network_and_beside_its_ends() {
        let check = |start, end, gateway| key(plan(start, end, gateway).check());
        assert_eq!(check("10.0.0.10", "10.0.0.20", "10.0.0.1"), "");
        assert_eq!(check("10.0.0.20", "10.0.0.10", "10.0.0.1"), "subnet-range-backwards");
        assert_eq!(check("10.0.0.10", "10.0.1.20", "10.0.0.1"), "subnet-range-outside");
        assert_eq!(check("10.0.0.0", "10.0.0.20", "10.0.0.1"), "subnet-range-outside");
        assert_eq!(check("10.0.0.10", "10.0.0.255", "10.0.0.1"), "subnet-range-outside");
        assert_eq!(check("10.0.0.10", "10.0.0.20", "10.0.1.1"), "subnet-gateway-outside");
        assert_eq!(check("10.0.0.10", "10.0.0.20", "10.0.0.0"), "subnet-gateway-outside");
        assert_eq!(check("10.0.0.10", "10.0.0.20", "10.0.0.255"), "subnet-gateway-outside");
        assert_eq!(check("10.0.0.10", "10.0.0.10", "10.0.0.10"), "subnet-only-gateway");
    }

    #[test]
    fn no_guest_is_in_a_special_network_nor_asks_a_name_server_there() {
        let refused = |plan: Plan| plan.check().err().map(|error| error.key().to_owned());
        for net in ["127.0.0", "169.254.1", "224.0.0", "0.0.0", "250.1.1"] {
            let at = |last: u8| format!("{net}.{last}");
            let plan = plan(&at(10), &at(20), &at(1));
            assert_eq!(refused(plan).as_deref(), Some("subnet-special"), "{net}");
        }
        let good = plan("10.1.2.10", "10.1.2.20", "10.1.2.1");
        assert_eq!(refused(good.clone()), None);
        let nowhere = Plan { dns1: Ipv4Addr::UNSPECIFIED, ..good.clone() };
        assert_eq!(refused(nowhere).as_deref(), Some("subnet-dns-special"));
        let everyone = Plan { dns2: Some(Ipv4Addr::BROADCAST), ..good };
        assert_eq!(refused(everyone).as_deref(), Some("subnet-dns-special"));
    }

    #[test]
    fn netmasks_are_contiguous() {
        assert_eq!(prefix_of("255.255.255.0").expect("mask"), 24);
        assert_eq!(prefix_of("255.255.255.252").expect("mask"), 30);
        for wrong in ["255.0.255.0", "255.255.255.255", "0.0.0.0", "24", "", "255.255.255.256"] {
            assert!(prefix_of(wrong).is_err(), "{wrong}");
        }
        assert_eq!(netmask_of(24), Ipv4Addr::new(255, 255, 255, 0));
    }

    #[test]
    fn two_ranges_share_a_cidr_but_no_address() {
        let others = [row("a", "10.0.0.10", "10.0.0.50", "10.0.0.1")];
        let beside = |start, end, gateway| key(plan(start, end, gateway).check_beside(&others));
        assert_eq!(beside("10.0.0.51", "10.0.0.99", "10.0.0.1"), "");
        assert_eq!(beside("10.0.0.50", "10.0.0.99", "10.0.0.1"), "subnet-ranges-overlap");
        assert_eq!(beside("10.0.0.51", "10.0.0.99", "10.0.0.2"), "subnet-shares-cidr");
        assert_eq!(beside("10.0.1.51", "10.0.1.99", "10.0.1.2"), "");
        let same = [row("new", "10.9.0.10", "10.9.0.50", "10.9.0.1")];
        let named = plan("10.0.0.51", "10.0.0.99", "10.0.0.1").check_beside(&same);
        assert_eq!(key(named), "subnet-name-taken");
    }

    #[test]
    fn nat_networks_keep_apart() {
        let others = [("other".to_owned(), row("a", "10.0.0.10", "10.0.0.50", "10.0.0.1"))];
        let near = plan("10.0.0.60", "10.0.0.70", "10.0.0.1");
        assert_eq!(key(near.check_apart(SwitchKind::Nat, &others)), "subnet-cidr-taken");
        assert_eq!(key(near.check_apart(SwitchKind::Flat, &others)), "");
        let far = plan("10.0.1.60", "10.0.1.70", "10.0.1.1");
        assert_eq!(key(far.check_apart(SwitchKind::Nat, &others)), "");
    }

    #[test]
    fn used_addresses_stay_inside() {
        let plan = plan("10.0.0.10", "10.0.0.20", "10.0.0.15");
        let used = |last| plan.check_keeps(&[Ipv4Addr::new(10, 0, 0, last)]);
        assert_eq!(key(used(12)), "");
        assert_eq!(key(used(9)), "subnet-loses-address");
        assert_eq!(key(used(15)), "subnet-loses-address");
    }
}
