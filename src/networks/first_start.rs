//! The switch, network and subnet that a fresh installation has, so that a first desktop needs no
//! network knowledge.

use std::net::Ipv4Addr;
use std::time::Duration;

use ipnet::Ipv4Net;
use tokio::sync::broadcast::error::RecvError;
use uuid::Uuid;

use super::rules::cidr;
use super::store::networks::Values;
use super::{Networks, Plan, SwitchKind, store};
use crate::error::{Error, Result};
use crate::inventory::DEFAULT_NAME;
use crate::store::Store;

/// The /24 of the default network is the first free one below this address: a corner of 10/8 that
/// neither container engines nor libvirt take by themselves.
const FROM: [u8; 2] = [10, 213];
const PREFIX: u8 = 24;
/// First and last address for guests; those before and after are left for what has fixed addresses.
const RANGE: (u8, u8) = (10, 250);

pub fn make_switch(store: &Store) -> Result<()> {
    store.write(|tx| match store::switches::default(tx)? {
        Some(_) => Ok(()),
        None => store::switches::insert(tx, DEFAULT_NAME, SwitchKind::Nat, None, true).map(drop),
    })
}

impl Networks {
    /// Whether the default network is still to be made: that needs this machine's agent, which knows
    /// which addresses are in use.
    pub(super) fn lacks_default(&self) -> Result<bool> {
        self.inner.store.read(|conn| Ok(store::networks::default(conn)?.is_none()))
    }

    /// Waits until the default network is there. Without libvirt it comes later, and nobody waits.
    pub async fn wait_for_default(&self, patience: Duration) -> Result<()> {
        // Before the first look: nothing is missed between it and the wait.
        let mut changes = self.inner.store.changes();
        let there = async {
            while self.lacks_default()? {
                match changes.recv().await {
                    Ok(_) | Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return Ok(()),
                }
            }
            Ok(())
        };
        tokio::time::timeout(patience, there).await.unwrap_or(Ok(()))
    }

    /// Makes the default network on a /24 that nothing on this machine uses.
    pub(super) fn make_default(&self) -> Result<()> {
        let node = self.inner.inventory.local_node()?;
        let used = self.inner.inventory.client_now(node.id)?.used_prefixes()?;
        self.inner.store.write(|tx| {
            if store::networks::default(tx)?.is_some() {
                return Ok(());
            }
            let switch = store::switches::default(tx)?;
            let switch = switch.ok_or_else(|| Error::internal("there is no default switch"))?;
            let own = store::subnets::of_other_nat(tx, None)?;
            let own = own.iter().map(|(_, subnet)| (subnet.start, subnet.prefix));
            let plan = plan(choose(used.iter().copied().chain(own))?);
            let values = Values { name: DEFAULT_NAME, desc: None, vlan: None };
            let id = store::networks::insert(tx, Uuid::new_v4(), switch.id, &values, true)?;
            store::subnets::insert(tx, id, Uuid::new_v4(), &plan).map(drop)
        })
    }
}

/// The first /24 that overlaps with nothing used.
fn choose(used: impl Iterator<Item = (Ipv4Addr, u8)>) -> Result<Ipv4Net> {
    // A default route is no use of addresses.
    let used: Vec<Ipv4Net> =
        used.filter(|(_, prefix)| *prefix > 0).map(|(a, p)| cidr(a, p)).collect();
    let [a, b] = FROM;
    let mut candidates = (0..=u8::MAX).map(|c| cidr(Ipv4Addr::new(a, b, c, 0), PREFIX));
    candidates
        .find(|net| !used.iter().any(|other| other.contains(net) || net.contains(other)))
        .ok_or_else(|| Error::no_room("network-no-free-prefix"))
}

fn plan(net: Ipv4Net) -> Plan {
    let [a, b, c, _] = net.network().octets();
    let host = |last| Ipv4Addr::new(a, b, c, last);
    Plan {
        name: DEFAULT_NAME.into(),
        start: host(RANGE.0),
        end: host(RANGE.1),
        prefix: PREFIX,
        gateway: host(1),
        dns1: host(1),
        dns2: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(used: &[([u8; 4], u8)]) -> Option<String> {
        let used = used.iter().map(|(address, prefix)| (Ipv4Addr::from(*address), *prefix));
        choose(used).ok().map(|net| net.to_string())
    }

    #[test]
    fn used_prefixes_are_passed_over() {
        assert_eq!(chosen(&[]).as_deref(), Some("10.213.0.0/24"));
        assert_eq!(chosen(&[([0, 0, 0, 0], 0)]).as_deref(), Some("10.213.0.0/24"));
        assert_eq!(chosen(&[([10, 213, 0, 7], 24)]).as_deref(), Some("10.213.1.0/24"));
        assert_eq!(chosen(&[([10, 213, 0, 0], 23)]).as_deref(), Some("10.213.2.0/24"));
        assert_eq!(chosen(&[([10, 0, 0, 0], 8)]), None);
    }

    #[test]
    fn the_default_subnet_keeps_the_rules() {
        let net = choose(std::iter::empty()).expect("a prefix");
        plan(net).check().expect("valid");
    }
}
