//! What a node said of itself becomes rows; uuids of what was there before stay.

use std::sync::Arc;

use std::net::Ipv4Addr;

use super::{Inventory, store};
use crate::error::Result;
use crate::node::client::NodeClient;
use crate::node::protocol::NicFacts;
use crate::store::NodeId;

impl Inventory {
    /// Asks the node what it is and writes it down. Work is refused while one of its storages cannot be used.
    pub(super) fn take_facts(&self, node: NodeId, client: &NodeClient) -> Result<()> {
        let facts = client.describe()?;
        let sample = client.sample()?;
        let absent: Vec<String> = facts.not_mounted.iter().map(|(path, _)| path.clone()).collect();
        // Where nothing was kept yet nothing is missing: the others serve.
        let known = self.known_storages(node)?;
        self.inner.store.write(|tx| {
            store::facts::save_node(tx, node, &facts, main_address(&facts.nics))?;
            store::facts::save_nics(tx, node, &kept_nics(&facts.nics))?;
            store::facts::save_storages(tx, node, &facts.storages, &absent)
        })?;
        let mut unusable = facts.not_mounted.into_iter();
        let why_unusable = unusable.find(|(path, _)| known.contains(path)).map(|(_, fault)| fault);
        self.inner.links.set_storage(node, why_unusable);
        self.inner.links.set_sample(node, Arc::new(sample));
        Ok(())
    }

    /// Writes down which network cards the node has now.
    pub(super) fn take_nics(&self, node: NodeId, nics: &[NicFacts]) -> Result<()> {
        self.inner.store.write(|tx| {
            if let Some(address) = main_address(nics) {
                store::facts::save_address(tx, node, address)?;
            }
            store::facts::save_nics(tx, node, &kept_nics(nics))
        })
    }
}

/// Cards that an administrator knows: hardware, and whatever else has an address. The taps of guests
/// come and go.
fn kept_nics(nics: &[NicFacts]) -> Vec<&NicFacts> {
    let nics = nics.iter();
    nics.filter(|nic| nic.name != "lo" && (nic.physical || !nic.addresses.is_empty())).collect()
}

/// The address by which other machines reach this one: of the card that leads out, else of the first
/// hardware that is up, else of anything.
pub(super) fn main_address(nics: &[NicFacts]) -> Option<Ipv4Addr> {
    let usable = || nics.iter().filter(|nic| nic.name != "lo" && !nic.addresses.is_empty());
    let leads_out = usable().find(|nic| nic.gateway.is_some());
    let hardware = || usable().find(|nic| nic.physical && nic.up);
    let nic = leads_out.or_else(hardware).or_else(|| usable().next())?;
    nic.addresses.first().map(|(address, _)| *address)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nic(name: &str, physical: bool, address: [u8; 4], gateway: bool) -> NicFacts {
        NicFacts {
            name: name.into(),
            mac: "52:54:00:00:00:01".into(),
            speed: 0,
            up: true,
            physical,
            addresses: vec![(address.into(), 24)],
            gateway: gateway.then_some(Ipv4Addr::new(10, 0, 0, 1)),
            dns: Vec::new(),
        }
    }

    #[test]
    fn the_card_that_leads_out_gives_the_address() {
        let nics = [
            nic("lo", false, [127, 0, 0, 1], false),
            nic("virbr0", false, [192, 168, 122, 1], false),
            nic("eth1", true, [10, 1, 0, 5], false),
            nic("eth0", true, [10, 0, 0, 5], true),
        ];
        assert_eq!(main_address(&nics), Some(Ipv4Addr::new(10, 0, 0, 5)));
        assert_eq!(main_address(&nics[..3]), Some(Ipv4Addr::new(10, 1, 0, 5)));
        assert_eq!(main_address(&nics[..2]), Some(Ipv4Addr::new(192, 168, 122, 1)));
        assert_eq!(main_address(&nics[..1]), None);
    }
}
