//! Brings back what somebody stopped: a network, the dnsmasq of one, the plugs of guests in its bridge.
//!
//! libvirt tells when a network stops, the kernel when a process ends. libvirt itself mends neither before it is
//! started again.

use std::sync::Arc;
use std::time::Duration;

use ipnet::Ipv4Net;
use serde::Deserialize;
use uuid::Uuid;
use virt::domain::Domain;
use virt::error::ErrorNumber;

use super::Told;
use crate::error::{Context, Error, Kind, Result};
use crate::node::agent::libvirt::errors::{Libvirt, optional};
use crate::node::agent::libvirt::xml::NetworkView;
use crate::node::agent::libvirt::{Inner, spawn};
use crate::node::agent::nics;
use crate::node::agent::program::Program;
use crate::node::protocol::Event;

/// For one change of one link.
const IP_DEADLINE: Duration = Duration::from_secs(10);

impl Inner {
    /// Mends on a thread of its own, since it may take long; returns at once.
    pub(in crate::node::agent::libvirt) fn mend_network_soon(self: &Arc<Self>, uuid: Uuid) {
        let inner = Arc::clone(self);
        spawn("network-mender", move || inner.mend_network(uuid));
    }

    /// What cannot be brought back the controller hears of, which tries again and shows why not.
    fn mend_network(&self, uuid: Uuid) {
        let mut told = self.network_order();
        match self.refresh_if_there(uuid, &mut told) {
            Ok(()) => {}
            // Everything is looked at when libvirt is back.
            Err(error) if error.kind() == Kind::NodeUnreachable => {}
            Err(error) => {
                tracing::error!(%uuid, error = error.detail(), "a network that was stopped stays down");
                self.events.send(Event::NetworkDown { uuid });
            }
        }
    }

    fn refresh_if_there(&self, uuid: Uuid, told: &mut Told) -> Result<()> {
        let found = self.connect()?.lookup_network_by_uuid(uuid);
        match optional(found, ErrorNumber::NoNetwork, "look for network", uuid)? {
            Some(network) => self.refresh_network(&network, told),
            None => Ok(()),
        }
    }

    /// # Errors
    /// `network-over-another` when this machine has, or reaches by a route, addresses of one of the network's subnets.
    pub(super) fn refuse_taken_addresses(&self, view: &NetworkView) -> Result<()> {
        // The simulator makes no bridges.
        if self.link.is_simulator() {
            return Ok(());
        }
        for gateway in view.nat.iter().flat_map(|nat| &nat.gateways) {
            let net = Ipv4Net::new(gateway.address, gateway.prefix).context("a prefix length")?;
            if let Some(holder) = nics::holder_of(net.trunc(), &view.bridge)? {
                return Err(Error::conflict("network-over-another")
                    .arg("field", "start_ip")
                    .arg("object", &view.title)
                    .arg("cidr", net.trunc())
                    .arg("interface", holder.interface)
                    .arg("taken", holder.net));
            }
        }
        Ok(())
    }

    /// Guests that ran while their network was down have lost its bridge.
    pub(super) fn plug_in_again(&self, view: &NetworkView) -> Result<()> {
        if self.link.is_simulator() || view.nat.is_none() {
            return Ok(());
        }
        let loose = nics::taps_without_bridge()?;
        if loose.is_empty() {
            return Ok(());
        }
        let domains =
            self.connect()?.list_all_domains(0).libvirt("list the domains of", "libvirt")?;
        let mut result = Ok(());
        for domain in &domains {
            let plugged = self.taps_of(domain, view).and_then(|taps| {
                let taps = taps.iter().filter(|tap| loose.contains(tap));
                taps.map(|tap| plug_in(tap, &view.bridge)).fold(Ok(()), Result::and)
            });
            // One that ended meanwhile needs no plug.
            if plugged.is_err() && domain.is_active().unwrap_or(false) {
                result = result.and(plugged);
            }
        }
        result
    }

    fn taps_of(&self, domain: &Domain, view: &NetworkView) -> Result<Vec<String>> {
        // One that cannot be read is left alone.
        let Some(Ok(metadata)) = self.running_guest(domain)? else { return Ok(Vec::new()) };
        if !metadata.spec.nics.iter().any(|nic| nic.network == view.uuid) {
            return Ok(Vec::new());
        }
        let live = domain.xml_desc(0).libvirt("read the definition of", "a domain")?;
        taps(&live, &view.name)
    }
}

fn plug_in(tap: &str, bridge: &str) -> Result<()> {
    let set = Program::new("ip", IP_DEADLINE)
        .args(["link", "set", "dev", tap, "master", bridge])
        .output();
    match set {
        Err(_) if !nics::exists(tap) => Ok(()),
        set => set.map(drop),
    }
}

#[derive(Deserialize)]
struct Live {
    devices: Devices,
}

#[derive(Deserialize)]
struct Devices {
    #[serde(default)]
    interface: Vec<Interface>,
}

#[derive(Deserialize)]
struct Interface {
    source: Option<Source>,
    target: Option<Target>,
}

#[derive(Deserialize)]
struct Source {
    #[serde(rename = "@network")]
    network: Option<String>,
}

#[derive(Deserialize)]
struct Target {
    #[serde(rename = "@dev")]
    dev: Option<String>,
}

/// The machine's ends of a running domain's NICs on a network, from libvirt's definition of it.
fn taps(live: &str, network: &str) -> Result<Vec<String>> {
    let live: Live = quick_xml::de::from_str(live).context("read a domain's definition")?;
    let interfaces = live.devices.interface.into_iter();
    let here = interfaces.filter(|it| {
        it.source.as_ref().is_some_and(|source| source.network.as_deref() == Some(network))
    });
    Ok(here.filter_map(|it| it.target?.dev).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_of_nics_on_one_network() {
        // libvirt writes devices of one kind together.
        let live = r#"<domain type="qemu"><name>a</name><devices><disk type="file"/>
            <interface type="network"><mac address="52:54:00:00:00:01"/>
              <source network="carrel-a" portid="x" bridge="crla"/><target dev="vnet3"/></interface>
            <interface type="network"><source network="carrel-b"/><target dev="vnet4"/></interface>
            <interface type="bridge"><source bridge="br0"/><target dev="vnet5"/></interface>
            </devices></domain>"#;
        assert_eq!(taps(live, "carrel-a").unwrap(), ["vnet3"]);
        assert_eq!(taps(live, "carrel-c").unwrap(), [""; 0]);
    }
}
