//! Adds and takes away reservations.
//!
//! libvirt's own update of a running network takes half a second for each, in which it takes away all
//! firewall rules of the network and puts them back. So the stored definition gets all of a request
//! at once, and the running dnsmasq is told directly (`dnsmasq.rs`).

use uuid::Uuid;
use virt::network::Network;

use super::plan;
use super::{Told, dnsmasq, lease};
use crate::error::{Error, Result};
use crate::node::agent::libvirt::errors::Libvirt;
use crate::node::agent::libvirt::xml::{self, NetworkView};
use crate::node::agent::libvirt::{Hypervisor, Inner};
use crate::node::protocol::{DhcpHost, NetworkSpec};

impl Hypervisor {
    /// Adds reservations, replacing those of the same MAC or address. One of an address that another guest has which
    /// runs is left out.
    ///
    /// # Errors
    /// `network-missing`.
    pub fn reserve(&self, network: Uuid, hosts: &[DhcpHost]) -> Result<()> {
        self.change(network, |inner, known| {
            let replaced = |it: &&DhcpHost| {
                hosts.iter().any(|host| host.mac == it.mac || host.address == it.address)
            };
            let stay = known.iter().filter(|it| !replaced(it));
            let wanted = stay.chain(hosts).cloned().collect();
            inner.with_running(network, known, wanted)
        })
    }

    /// Takes reservations away, and with them what their guests had leased. An address that has another owner by now
    /// stays with that one.
    ///
    /// # Errors
    /// `network-missing`.
    pub fn release(&self, network: Uuid, hosts: &[DhcpHost]) -> Result<()> {
        let gone = |it: &DhcpHost| {
            hosts.iter().any(|host| host.mac == it.mac && host.address == it.address)
        };
        self.change(network, |_, known| Ok(known.iter().filter(|it| !gone(it)).cloned().collect()))
    }

    fn change(
        &self,
        uuid: Uuid,
        change: impl FnOnce(&Inner, &[DhcpHost]) -> Result<Vec<DhcpHost>>,
    ) -> Result<()> {
        let inner = &self.inner;
        let mut told = inner.network_order();
        let (network, stored) = inner
            .find_network(uuid)?
            .ok_or_else(|| Error::not_found("network-missing").arg("object", uuid))?;
        let hosts = change(inner, &stored.spec.hosts)?;
        let spec = NetworkSpec { hosts, ..stored.spec.clone() };
        if spec.hosts == stored.spec.hosts {
            return Ok(());
        }
        let view = plan::view(&spec, inner.config.installation)?;
        inner.define_network(&xml::network(&view)?, &spec.name)?;
        if network.is_active().libvirt("look at network", &spec.name)? {
            inner.serve_reservations(&network, &spec, &view, &stored.spec.hosts, &mut told)?;
        }
        Ok(())
    }
}

impl Inner {
    /// Gives the running network the reservations of `spec`, and back the leases of those in `before` that are no more.
    pub(super) fn serve_reservations(
        &self,
        network: &Network,
        spec: &NetworkSpec,
        view: &NetworkView,
        before: &[DhcpHost],
        told: &mut Told,
    ) -> Result<()> {
        let Some(nat) = &view.nat else { return Ok(()) };
        if self.link.is_simulator() {
            return dnsmasq::update_by_libvirt(network, spec.uuid, &spec.hosts);
        }
        dnsmasq::serve(network, &view.name, nat, spec, told)?;
        let is_kept = |host: &DhcpHost| {
            spec.hosts.iter().any(|kept| kept.mac == host.mac && kept.address == host.address)
        };
        for host in before.iter().filter(|host| !is_kept(host)) {
            let gateway = nat.gateways.iter().find(|gateway| gateway.contains(host.address));
            if let Some(gateway) = gateway {
                lease::give_back(&view.bridge, gateway.address, host)?;
            }
        }
        Ok(())
    }
}
