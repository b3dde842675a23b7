//! Virtual switches, data networks, subnets, and the addresses of templates and desktops.
//!
//! ```text
//!   switches.rs  data_networks.rs  subnets.rs   what people change     rules.rs  what a subnet may be
//!   leases.rs    addresses of owners, reserved in their transaction
//!   reach.rs     what nodes are told                  changes.rs  operations that tell them, with undo
//!   checks.rs    what is looked at before something is written
//!   first_start.rs  the switch, network and subnet that a fresh installation has
//! ```
//!
//! The rows say what should be; a node is told whenever it arrives and whenever rows change.

mod changes;
mod checks;
mod data_networks;
mod first_start;
mod leases;
mod reach;
mod rules;
mod store;
mod subnets;
mod switches;

use std::collections::{HashMap, HashSet};
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use data_networks::{NetworkEdit, NewNetwork};
pub use leases::Lease;
pub use rules::{Plan, address_of, cidr, netmask_of, prefix_of};
pub use subnets::SubnetEdit;
pub use switches::{NewSwitch, SwitchEdit};

use crate::error::{Error, Fault, Result};
use crate::inventory::Inventory;
use crate::operations::Operations;
use crate::store::{NetworkId, NodeId, Store, SubnetId, SwitchId};

/// How a switch reaches the world; the word is document 002's `type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum SwitchKind {
    /// A network of its own on each node, addresses translated behind it. Document 002 does not know it.
    Nat,
    /// Bridged to a network card of each node.
    Flat,
    /// Bridged with a VLAN tag.
    Vlan,
}

impl SwitchKind {
    pub const ALL: [Self; 3] = [Self::Nat, Self::Flat, Self::Vlan];

    pub const fn word(self) -> &'static str {
        match self {
            Self::Nat => "nat",
            Self::Flat => "flat",
            Self::Vlan => "vlan",
        }
    }

    /// Reads the word in any case.
    pub fn parse(word: &str) -> Option<Self> {
        let word = word.trim().to_ascii_lowercase();
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }
}

/// A virtual switch.
#[derive(Debug, Clone)]
pub struct Switch {
    pub id: SwitchId,
    pub uuid: Uuid,
    pub name: String,
    pub kind: SwitchKind,
    pub desc: Option<String>,
    pub is_default: bool,
    pub network_count: u32,
    pub created_at: i64,
    pub updated_at: Option<i64>,
}

/// A data network.
#[derive(Debug, Clone)]
pub struct Network {
    pub id: NetworkId,
    pub uuid: Uuid,
    pub name: String,
    pub desc: Option<String>,
    pub switch_id: SwitchId,
    pub switch_uuid: Uuid,
    pub switch_name: String,
    pub kind: SwitchKind,
    pub vlan: Option<u16>,
    pub is_default: bool,
    pub subnet_count: u32,
    pub created_at: i64,
    pub updated_at: Option<i64>,
}

/// A range of addresses in a data network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subnet {
    pub id: SubnetId,
    pub uuid: Uuid,
    pub network_id: NetworkId,
    pub network_uuid: Uuid,
    pub name: String,
    pub start: Ipv4Addr,
    pub end: Ipv4Addr,
    pub prefix: u8,
    pub gateway: Ipv4Addr,
    pub dns1: Ipv4Addr,
    pub dns2: Option<Ipv4Addr>,
    pub created_at: i64,
    pub updated_at: Option<i64>,
    /// Addresses that are reserved.
    pub used_count: u32,
}

impl Subnet {
    /// Name servers, first the preferred one.
    pub fn dns(&self) -> Vec<Ipv4Addr> {
        std::iter::once(self.dns1).chain(self.dns2).collect()
    }
}

/// The networks of this installation. Cheap to clone.
#[derive(Clone)]
pub struct Networks {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    inventory: Inventory,
    operations: Operations,
    /// One at a time tells a node about its networks, so that no older list of reservations
    /// replaces a newer one.
    telling: Mutex<HashMap<NodeId, Arc<Mutex<()>>>>,
    /// What a node refused, by node and network.
    problems: Mutex<HashMap<(NodeId, Uuid), Fault>>,
    /// Networks and addresses of guests that run and that no row knows, by node.
    strangers: Mutex<HashMap<NodeId, HashSet<(Uuid, Ipv4Addr)>>>,
}

impl Networks {
    /// Makes the default switch where it is missing and registers the operations on networks.
    pub fn open(store: Store, inventory: Inventory, operations: Operations) -> Result<Self> {
        first_start::make_switch(&store)?;
        let inner = Inner {
            store,
            inventory,
            operations,
            telling: Mutex::default(),
            problems: Mutex::default(),
            strangers: Mutex::default(),
        };
        let networks = Self { inner: Arc::new(inner) };
        changes::register(&networks);
        Ok(networks)
    }

    /// # Errors
    /// `network-unknown`
    pub fn find(&self, uuid: Uuid) -> Result<Network> {
        self.inner.store.read(|conn| self.find_in(conn, uuid))
    }

    /// As [`Networks::find`], within a transaction.
    pub fn find_in(&self, conn: &Connection, uuid: Uuid) -> Result<Network> {
        store::networks::find(conn, uuid)
    }

    /// # Errors
    /// `subnet-unknown`
    pub fn subnet(&self, uuid: Uuid) -> Result<Subnet> {
        self.inner.store.read(|conn| self.subnet_in(conn, uuid))
    }

    /// As [`Networks::subnet`], within a transaction.
    pub fn subnet_in(&self, conn: &Connection, uuid: Uuid) -> Result<Subnet> {
        store::subnets::find(conn, uuid)
    }

    /// Checks that guests can be connected to the network now.
    ///
    /// # Errors
    /// `network-without-uplink`
    pub fn check_usable(&self, network: &Network) -> Result<()> {
        match network.kind {
            SwitchKind::Nat => Ok(()),
            SwitchKind::Flat | SwitchKind::Vlan => Err(without_uplink(&network.name)),
        }
    }

    /// Why guests cannot be connected to the network, or could not on some node.
    pub fn why_unusable(&self, network: &Network) -> Option<Fault> {
        if let Err(error) = self.check_usable(network) {
            return Some(error.into());
        }
        let problems = reach::lock(&self.inner.problems);
        problems.iter().find(|((_, uuid), _)| *uuid == network.uuid).map(|(_, fault)| fault.clone())
    }
}

fn without_uplink(name: &str) -> Error {
    Error::conflict("network-without-uplink").arg("name", name)
}
