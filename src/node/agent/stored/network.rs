//! The spec in a network's metadata. Its reservations stand in libvirt's own words beside it.

use std::fmt::Display;
use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{form, newer, parse};
use crate::error::{Context, Result};
use crate::node::protocol::{Forward, NetworkSpec, SubnetSpec};

const FORM: u32 = 1;

#[derive(Serialize, Deserialize)]
struct StoredNetworkV1 {
    #[serde(default = "super::first")]
    form: u32,
    uuid: Uuid,
    name: String,
    forward: StoredForwardV1,
    subnets: Vec<StoredSubnetV1>,
}

#[derive(Serialize, Deserialize)]
enum StoredForwardV1 {
    Nat,
    Bridge { uplink: String, vlan: Option<u16> },
}

#[derive(Serialize, Deserialize)]
struct StoredSubnetV1 {
    gateway: Ipv4Addr,
    prefix: u8,
    start: Ipv4Addr,
    end: Ipv4Addr,
    dns: Vec<Ipv4Addr>,
}

/// Without reservations.
///
/// # Errors
/// `stored-damaged`, `stored-newer`.
pub fn read_network(content: &str, object: &impl Display) -> Result<NetworkSpec> {
    match form(content, object)? {
        FORM => parse::<StoredNetworkV1>(content, object).map(NetworkSpec::from),
        other => Err(newer(object, other, FORM)),
    }
}

/// Without reservations.
///
/// # Errors
/// A defect.
pub fn write_network(spec: &NetworkSpec) -> Result<String> {
    serde_json::to_string(&StoredNetworkV1::from(spec)).context("write a network's spec")
}

impl From<StoredNetworkV1> for NetworkSpec {
    fn from(stored: StoredNetworkV1) -> Self {
        let StoredNetworkV1 { form: _, uuid, name, forward, subnets } = stored;
        let forward = match forward {
            StoredForwardV1::Nat => Forward::Nat,
            StoredForwardV1::Bridge { uplink, vlan } => Forward::Bridge { uplink, vlan },
        };
        let subnets = subnets.into_iter().map(SubnetSpec::from).collect();
        Self { uuid, name, forward, subnets, hosts: Vec::new() }
    }
}

impl From<&NetworkSpec> for StoredNetworkV1 {
    fn from(NetworkSpec { uuid, name, forward, subnets, hosts: _ }: &NetworkSpec) -> Self {
        let forward = match forward {
            Forward::Nat => StoredForwardV1::Nat,
            Forward::Bridge { uplink, vlan } => {
                StoredForwardV1::Bridge { uplink: uplink.clone(), vlan: *vlan }
            }
        };
        let subnets = subnets.iter().map(StoredSubnetV1::from).collect();
        Self { form: FORM, uuid: *uuid, name: name.clone(), forward, subnets }
    }
}

impl From<StoredSubnetV1> for SubnetSpec {
    fn from(StoredSubnetV1 { gateway, prefix, start, end, dns }: StoredSubnetV1) -> Self {
        Self { gateway, prefix, start, end, dns }
    }
}

impl From<&SubnetSpec> for StoredSubnetV1 {
    fn from(SubnetSpec { gateway, prefix, start, end, dns }: &SubnetSpec) -> Self {
        Self { gateway: *gateway, prefix: *prefix, start: *start, end: *end, dns: dns.clone() }
    }
}
