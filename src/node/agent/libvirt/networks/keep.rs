//! Reservations of guests that run stay: a guest goes on with the address that it was given, whoever has forgotten it.

use std::collections::HashSet;

use uuid::Uuid;

use crate::error::Result;
use crate::node::agent::libvirt::Inner;
use crate::node::agent::libvirt::errors::Libvirt;
use crate::node::protocol::DhcpHost;

impl Inner {
    /// The `wanted` reservations and those of the `known` ones that guests use which run. An address that such a guest
    /// has is given to nobody else; who wants it gets it when it is asked for again after that guest is off.
    pub(super) fn with_running(
        &self,
        network: Uuid,
        known: &[DhcpHost],
        wanted: Vec<DhcpHost>,
    ) -> Result<Vec<DhcpHost>> {
        let is_wanted = |host: &&DhcpHost| wanted.iter().any(|it| it.mac == host.mac);
        let missing: Vec<&DhcpHost> = known.iter().filter(|host| !is_wanted(host)).collect();
        if missing.is_empty() {
            return Ok(wanted);
        }
        let kept: Vec<DhcpHost> = match self.macs_in_use(network)? {
            Some(used) => {
                missing.into_iter().filter(|host| used.contains(&host.mac)).cloned().collect()
            }
            None => missing.into_iter().cloned().collect(),
        };
        let is_taken = |host: &DhcpHost| kept.iter().any(|it| it.address == host.address);
        let (taken, mut hosts): (Vec<DhcpHost>, Vec<DhcpHost>) =
            wanted.into_iter().partition(is_taken);
        for host in taken {
            tracing::warn!(%network, mac = host.mac, address = %host.address,
                "another guest that runs has this address: it is not given out");
        }
        hosts.extend(kept);
        Ok(hosts)
    }

    /// MACs on this network of guests that run; `None` when what one of them uses cannot be read.
    fn macs_in_use(&self, network: Uuid) -> Result<Option<HashSet<String>>> {
        let domains =
            self.connect()?.list_all_domains(0).libvirt("list the domains of", "libvirt")?;
        let mut used = HashSet::new();
        for domain in &domains {
            match self.running_guest(domain)? {
                None => {}
                Some(Err(_)) => return Ok(None),
                Some(Ok(metadata)) => {
                    let nics = metadata.spec.nics.into_iter();
                    used.extend(nics.filter(|nic| nic.network == network).map(|nic| nic.mac));
                }
            }
        }
        Ok(Some(used))
    }
}
