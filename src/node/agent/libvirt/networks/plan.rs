//! From a network's spec to what libvirt is given, and back.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use serde::Deserialize;
use uuid::Uuid;

use super::bridges;
use crate::error::{Context, Error, Result};
use crate::node::agent::libvirt::xml::{self, GatewayView, HostView, NatView, NetworkView};
use crate::node::agent::nics::OWN_BRIDGE;
use crate::node::agent::stored;
use crate::node::protocol::{DhcpHost, Forward, NetworkSpec, SubnetSpec};

/// What libvirt has of a network; its reservations are the entries in libvirt's own words.
pub struct Stored {
    pub installation: Uuid,
    pub bridge: String,
    /// dnsmasq's lines.
    pub options: Vec<String>,
    pub spec: NetworkSpec,
}

/// # Errors
/// `bridge-missing` when there is no bridge on the uplink; `subnet-missing` for NAT without one.
pub fn view(spec: &NetworkSpec, installation: Uuid) -> Result<NetworkView> {
    let (bridge, nat) = match &spec.forward {
        Forward::Nat => (bridge_name(spec.uuid), Some(nat(spec)?)),
        Forward::Bridge { uplink, vlan } => (bridges::on(uplink, *vlan)?, None),
    };
    let json = stored::write_network(spec)?;
    Ok(NetworkView {
        name: xml::network_name(installation, spec.uuid),
        uuid: spec.uuid,
        installation,
        title: spec.name.clone(),
        json,
        bridge,
        nat,
    })
}

/// An interface name has at most 15 characters.
fn bridge_name(network: Uuid) -> String {
    format!("{OWN_BRIDGE}{}", &network.simple().to_string()[..12])
}

fn nat(spec: &NetworkSpec) -> Result<NatView> {
    let mac = gateway_mac(spec.uuid);
    let mut gateways = gateways(&spec.subnets)?;
    let mut options = options(&spec.subnets);
    let first = gateways
        .first_mut()
        .ok_or_else(|| Error::bad_input("network-without-subnet").arg("object", &spec.name))?;
    // libvirt serves DHCP only where there is a reservation. The gateway's own is true, and needed by nobody.
    let own = HostView { mac: mac.clone(), address: first.address, name: String::new(), tag: None };
    first.hosts.push(own);
    // libvirt takes reservations at one address of the network only; dnsmasq serves those of other
    // subnets, too, as soon as it is told that they are its business.
    first.hosts.extend(
        spec.hosts
            .iter()
            .map(|host| HostView { tag: tag_of(&spec.subnets, host.address), ..host_view(host) }),
    );
    for other in &gateways[1..] {
        let network = Ipv4Net::new(other.address, other.prefix).context("a prefix length")?;
        options.push(format!("dhcp-range={},static,{}", other.address, network.netmask()));
    }
    Ok(NatView { mac, gateways, options })
}

/// Two ranges in one CIDR share their gateway.
fn gateways(subnets: &[SubnetSpec]) -> Result<Vec<GatewayView>> {
    let mut gateways: Vec<GatewayView> = Vec::new();
    for subnet in subnets {
        let same =
            |known: &GatewayView| known.address == subnet.gateway && known.prefix == subnet.prefix;
        if !gateways.iter().any(same) {
            let (address, prefix) = (subnet.gateway, subnet.prefix);
            gateways.push(GatewayView { address, prefix, hosts: Vec::new() });
        }
    }
    Ok(gateways)
}

fn options(subnets: &[SubnetSpec]) -> Vec<String> {
    // Otherwise each address is pinged for three seconds before it is given.
    let mut options = vec!["no-ping".to_owned()];
    // One without a tag counts where none with a tag fits.
    for (index, servers) in name_servers(subnets).into_iter().enumerate() {
        let tag = tag(index).map(|tag| format!("tag:{tag},")).unwrap_or_default();
        // Without a value dnsmasq would name itself.
        let servers: String = servers.iter().map(|server| format!(",{server}")).collect();
        options.push(format!("dhcp-option={tag}option:dns-server{servers}"));
    }
    options
}

/// The lists of name servers that subnets have, each once; first that of the first subnet.
fn name_servers(subnets: &[SubnetSpec]) -> Vec<&[Ipv4Addr]> {
    let mut lists: Vec<&[Ipv4Addr]> = Vec::new();
    for subnet in subnets {
        if !lists.contains(&subnet.dns.as_slice()) {
            lists.push(&subnet.dns);
        }
    }
    lists
}

/// dnsmasq's mark of guests that get the list with this number; the first needs none.
fn tag(index: usize) -> Option<String> {
    (index > 0).then(|| format!("dns{index}"))
}

fn tag_of(subnets: &[SubnetSpec], address: Ipv4Addr) -> Option<String> {
    let subnet = subnets.iter().find(|it| it.start <= address && address <= it.end)?;
    tag(name_servers(subnets).iter().position(|list| *list == subnet.dns)?)
}

/// Locally administered, with a start that guests' MACs do not have.
fn gateway_mac(network: Uuid) -> String {
    let bytes = network.as_bytes();
    format!("52:55:{:02x}:{:02x}:{:02x}:{:02x}", bytes[0], bytes[1], bytes[2], bytes[3])
}

pub fn host_view(host: &DhcpHost) -> HostView {
    HostView { mac: host.mac.clone(), address: host.address, name: host.name.clone(), tag: None }
}

/// Whether going from what is there to `other`, which is `view`, needs no more than other reservations and another name.
pub fn same_structure(stored: &Stored, other: &NetworkSpec, view: &NetworkView) -> bool {
    let one = &stored.spec;
    // An uplink may have become a port of another bridge.
    if one.forward != other.forward || stored.bridge != view.bridge {
        return false;
    }
    let shape = |spec: &NetworkSpec| -> (Vec<(Ipv4Addr, u8)>, Vec<String>) {
        let mut gateways: Vec<_> =
            spec.subnets.iter().map(|subnet| (subnet.gateway, subnet.prefix)).collect();
        gateways.dedup();
        (gateways, options(&spec.subnets))
    };
    one.forward != Forward::Nat || shape(one) == shape(other)
}

/// Whether libvirt's definition says already what `view` would. Lines for dnsmasq that an older agent wrote otherwise
/// count when the network starts next.
pub fn same_definition(stored: &Stored, spec: &NetworkSpec, view: &NetworkView) -> bool {
    let options = view.nat.as_ref().map(|nat| nat.options.as_slice()).unwrap_or_default();
    same_hosts(&stored.spec, spec) && stored.spec.name == spec.name && stored.options == options
}

fn same_hosts(one: &NetworkSpec, other: &NetworkSpec) -> bool {
    let sorted = |spec: &NetworkSpec| {
        let mut hosts = spec.hosts.clone();
        hosts.sort_by_key(|host| host.address);
        hosts
    };
    sorted(one) == sorted(other) && one.subnets == other.subnets
}

/// A definition of libvirt's, as far as it is read.
#[derive(Deserialize)]
struct Definition {
    metadata: Option<MetadataElement>,
    bridge: Option<BridgeElement>,
    #[serde(default)]
    ip: Vec<IpElement>,
    options: Option<OptionsElement>,
}

#[derive(Deserialize)]
struct OptionsElement {
    #[serde(default)]
    option: Vec<OptionElement>,
}

#[derive(Deserialize)]
struct OptionElement {
    #[serde(rename = "@value")]
    value: String,
}

#[derive(Deserialize)]
struct MetadataElement {
    network: Option<NetworkElement>,
}

#[derive(Deserialize)]
struct NetworkElement {
    #[serde(rename = "@installation")]
    installation: Uuid,
    #[serde(rename = "@name", default)]
    name: String,
    #[serde(rename = "$text")]
    spec: String,
}

#[derive(Deserialize)]
struct BridgeElement {
    #[serde(rename = "@name", default)]
    name: String,
}

#[derive(Deserialize)]
struct IpElement {
    dhcp: Option<DhcpElement>,
}

#[derive(Deserialize)]
struct DhcpElement {
    #[serde(default)]
    host: Vec<HostElement>,
}

#[derive(Deserialize)]
struct HostElement {
    #[serde(rename = "@mac")]
    mac: String,
    #[serde(rename = "@ip")]
    ip: Ipv4Addr,
    #[serde(rename = "@name", default)]
    name: String,
}

/// `None` for a network that is not Carrel's.
pub fn parse(xml: &str) -> Result<Option<Stored>> {
    // Other programs keep their own words in the metadata of their networks.
    if !xml.contains(xml::NETWORK_NAMESPACE) {
        return Ok(None);
    }
    let Definition { metadata, bridge, ip, options } = read(xml)?;
    let Some(element) = metadata.and_then(|metadata| metadata.network) else { return Ok(None) };
    let mut spec = stored::read_network(&element.spec, &element.name)?;
    spec.hosts = hosts(ip, spec.uuid);
    let bridge = bridge.map(|bridge| bridge.name).unwrap_or_default();
    let options = options.map(|options| options.option).unwrap_or_default();
    let options = options.into_iter().map(|option| option.value).collect();
    Ok(Some(Stored { installation: element.installation, bridge, options, spec }))
}

/// The reservations in a definition, without the gateway's own.
pub fn parse_hosts(xml: &str, network: Uuid) -> Result<Vec<DhcpHost>> {
    Ok(hosts(read(xml)?.ip, network))
}

fn read(xml: &str) -> Result<Definition> {
    quick_xml::de::from_str(xml).context("read a network's definition")
}

fn hosts(ip: Vec<IpElement>, network: Uuid) -> Vec<DhcpHost> {
    let of_gateway = gateway_mac(network);
    ip.into_iter()
        .filter_map(|ip| ip.dhcp)
        .flat_map(|dhcp| dhcp.host)
        .filter(|host| host.mac != of_gateway)
        .map(|HostElement { mac, ip, name }| DhcpHost { mac, address: ip, name })
        .collect()
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
