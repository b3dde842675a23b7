//! Addresses of templates and desktops: reserved in the transaction that makes the owner, freed in
//! the one that removes it.

use std::collections::HashSet;
use std::net::Ipv4Addr;

use rusqlite::Connection;

use uuid::Uuid;

use super::reach::lock;
use super::{Networks, Subnet, store};
use crate::error::{Error, Result};
use crate::store::{NodeId, SubnetId, Tx};

pub use super::store::addresses::Lease;

/// Tries for a MAC that nobody has, out of four thousand million.
const MAC_TRIES: usize = 16;

impl Networks {
    /// Reserves an address for `owner`: the wanted one, or the lowest that is free.
    ///
    /// # Errors
    /// `address-outside-subnet`, `address-taken`, `subnet-full`
    pub fn reserve(
        &self,
        tx: &Tx<'_>,
        subnet_id: SubnetId,
        owner: Uuid,
        wanted: Option<Ipv4Addr>,
    ) -> Result<Lease> {
        let subnet = store::subnets::by_id(tx, subnet_id)?;
        let address = match wanted {
            Some(address) => {
                check_wanted(tx, &subnet, address, &self.of_strangers(subnet.network_uuid))?;
                address
            }
            None => first(&self.free(tx, &subnet, 1)?)?,
        };
        enter(tx, &subnet, owner, address)
    }

    /// Reserves an address for each owner, or none at all.
    ///
    /// # Errors
    /// `subnet-full`, with how many are free.
    pub fn reserve_many(
        &self,
        tx: &Tx<'_>,
        subnet_id: SubnetId,
        owners: &[Uuid],
    ) -> Result<Vec<Lease>> {
        let subnet = store::subnets::by_id(tx, subnet_id)?;
        let addresses = self.free(tx, &subnet, owners.len())?;
        let pairs = owners.iter().zip(addresses);
        pairs.map(|(owner, address)| enter(tx, &subnet, *owner, address)).collect()
    }

    /// What these owners have nodes are no longer to know, until it is freed; or, with `false`, to know again: ask for
    /// [`Duty::Networks`](crate::inventory::Duty) then.
    pub fn set_withdrawn(&self, tx: &Tx<'_>, owners: &[Uuid], withdrawn: bool) -> Result<()> {
        store::addresses::set_withdrawn(tx, owners, withdrawn)
    }

    /// Frees what these owners have, and returns it so that the nodes can be told.
    pub fn release(&self, tx: &Tx<'_>, owners: &[Uuid]) -> Result<Vec<Lease>> {
        let leases = store::addresses::of_owners(tx, owners)?;
        store::addresses::delete(tx, owners)?;
        Ok(leases)
    }

    /// How many addresses a subnet still has.
    pub fn free_addresses(&self, conn: &Connection, subnet_id: SubnetId) -> Result<u64> {
        let subnet = store::subnets::by_id(conn, subnet_id)?;
        let mut free = store::addresses::count_free(conn, &subnet)?;
        for address in self.of_strangers(subnet.network_uuid) {
            if check_wanted(conn, &subnet, address, &HashSet::new()).is_ok() {
                free = free.saturating_sub(1);
            }
        }
        Ok(free)
    }

    /// From now on these are the networks and addresses of guests that run on the node and that no row knows: nobody
    /// else gets them.
    pub fn note_strangers(&self, node: NodeId, have: HashSet<(Uuid, Ipv4Addr)>) {
        let mut strangers = lock(&self.inner.strangers);
        match have.is_empty() {
            true => drop(strangers.remove(&node)),
            false => drop(strangers.insert(node, have)),
        }
    }

    fn of_strangers(&self, network: Uuid) -> HashSet<Ipv4Addr> {
        let strangers = lock(&self.inner.strangers);
        let all = strangers.values().flatten();
        all.filter(|(of, _)| *of == network).map(|(_, address)| *address).collect()
    }

    /// The lowest free addresses, exactly as many as wanted.
    fn free(&self, tx: &Tx<'_>, subnet: &Subnet, wanted: usize) -> Result<Vec<Ipv4Addr>> {
        let taken = self.of_strangers(subnet.network_uuid);
        let gaps = store::addresses::gaps(tx, subnet, wanted + taken.len())?;
        let addresses = gaps.into_iter().flat_map(|(low, high)| low..=high).map(Ipv4Addr::from);
        let free = addresses.filter(|address| !taken.contains(address));
        let addresses: Vec<Ipv4Addr> = free.take(wanted).collect();
        if addresses.len() < wanted {
            return Err(Error::no_room("subnet-full")
                .arg("name", &subnet.name)
                .arg("wanted", wanted)
                .arg("free", addresses.len()));
        }
        Ok(addresses)
    }

    /// What an owner has.
    pub fn lease(&self, conn: &Connection, owner: Uuid) -> Result<Option<Lease>> {
        Ok(store::addresses::of_owners(conn, &[owner])?.into_iter().next())
    }

    /// What these owners have, in one query; the order is not theirs.
    pub fn leases(&self, conn: &Connection, owners: &[Uuid]) -> Result<Vec<Lease>> {
        store::addresses::of_owners(conn, owners)
    }
}

fn first(addresses: &[Ipv4Addr]) -> Result<Ipv4Addr> {
    addresses.first().copied().ok_or_else(|| Error::internal("no address where one was found"))
}

fn check_wanted(
    conn: &Connection,
    subnet: &Subnet,
    address: Ipv4Addr,
    of_strangers: &HashSet<Ipv4Addr>,
) -> Result<()> {
    if address < subnet.start || address > subnet.end || address == subnet.gateway {
        return Err(Error::bad_input("address-outside-subnet")
            .arg("address", address)
            .arg("name", &subnet.name)
            .arg("start", subnet.start)
            .arg("end", subnet.end));
    }
    if of_strangers.contains(&address)
        || store::addresses::is_taken(conn, subnet.network_id, address)?
    {
        return Err(Error::conflict("address-taken").arg("address", address));
    }
    Ok(())
}

fn enter(tx: &Tx<'_>, subnet: &Subnet, owner: Uuid, address: Ipv4Addr) -> Result<Lease> {
    for _ in 0..MAC_TRIES {
        let mac = random_mac();
        if store::addresses::insert(tx, subnet, owner, address, &mac)? {
            let (network_uuid, subnet_id) = (subnet.network_uuid, subnet.id);
            return Ok(Lease { owner, network_uuid, subnet_id, address, mac });
        }
    }
    Err(Error::internal("no MAC address is free"))
}

/// Random rather than counted: bridged networks may meet the guests of another installation.
/// `52` marks it as locally administered.
fn random_mac() -> String {
    let [a, b, c, d]: [u8; 4] = rand::random();
    format!("52:54:{a:02x}:{b:02x}:{c:02x}:{d:02x}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::Inventory;
    use crate::networks::store::networks::Values;
    use crate::networks::{Plan, SwitchKind};
    use crate::operations::Operations;
    use crate::store::Store;

    /// A network with one subnet of six addresses, one of which is the gateway's.
    fn fixture() -> (tempfile::TempDir, Store, Networks, SubnetId) {
        let dir = tempfile::tempdir().expect("temp dir");
        let store = Store::open(&dir.path().join("test.db")).expect("store");
        let inventory = Inventory::open(store.clone()).expect("inventory");
        let operations = Operations::new(store.clone());
        let networks = Networks::open(store.clone(), inventory, operations).expect("networks");
        let host = |last| Ipv4Addr::new(10, 0, 0, last);
        let plan = Plan {
            name: "s".into(),
            start: host(10),
            end: host(15),
            prefix: 24,
            gateway: host(12),
            dns1: host(12),
            dns2: None,
        };
        let subnet = store.write(|tx| {
            let switch = store::switches::insert(tx, "w", SwitchKind::Flat, None, false)?;
            let values = Values { name: "n", desc: None, vlan: None };
            let network = store::networks::insert(tx, Uuid::new_v4(), switch, &values, false)?;
            store::subnets::insert(tx, network, Uuid::new_v4(), &plan)
        });
        (dir, store, networks, subnet.expect("rows"))
    }

    fn last_octets(leases: &[Lease]) -> Vec<u8> {
        leases.iter().map(|lease| lease.address.octets()[3]).collect()
    }

    fn owners(count: usize) -> Vec<Uuid> {
        (0..count).map(|_| Uuid::new_v4()).collect()
    }

    #[test]
    fn the_lowest_free_addresses_are_given_out_and_freed() {
        let (_dir, store, networks, subnet) = fixture();
        let wanted = owners(4);
        let leases = store.write(|tx| networks.reserve_many(tx, subnet, &wanted)).expect("reserve");
        assert_eq!(last_octets(&leases), [10, 11, 13, 14]);
        let freed = store.write(|tx| networks.release(tx, &wanted[1..3])).expect("release");
        assert_eq!(last_octets(&freed), [11, 13]);
        let next = store.write(|tx| networks.reserve_many(tx, subnet, &owners(3)));
        assert_eq!(last_octets(&next.expect("reserve")), [11, 13, 15]);
        let known = store.read(|conn| networks.lease(conn, wanted[0])).expect("read");
        assert_eq!(known.as_ref(), leases.first());
    }

    #[test]
    fn what_is_withdrawn_is_told_to_no_node_and_given_to_nobody() {
        let (_dir, store, networks, subnet) = fixture();
        let wanted = owners(2);
        store.write(|tx| networks.reserve_many(tx, subnet, &wanted)).expect("reserve");
        let told = || {
            let told = store.read(|conn| {
                let network = store::subnets::by_id(conn, subnet)?.network_id;
                store::addresses::told_of_network(conn, network)
            });
            last_octets(&told.expect("read"))
        };
        store.write(|tx| networks.set_withdrawn(tx, &wanted[..1], true)).expect("withdraw");
        assert_eq!(told(), [11]);
        let next = store.write(|tx| networks.reserve_many(tx, subnet, &owners(1)));
        assert_eq!(last_octets(&next.expect("reserve")), [13]);
        store.write(|tx| networks.set_withdrawn(tx, &wanted[..1], false)).expect("take back");
        assert_eq!(told(), [10, 11, 13]);
    }

    #[test]
    fn too_many_owners_get_nothing_at_all() {
        let (_dir, store, networks, subnet) = fixture();
        let error = store.write(|tx| networks.reserve_many(tx, subnet, &owners(6)));
        let error = error.expect_err("full");
        assert_eq!(error.key(), "subnet-full");
        assert!(error.args().any(|arg| arg == ("free", "5")), "{error}");
        let all = store.write(|tx| networks.reserve_many(tx, subnet, &owners(5)));
        assert_eq!(all.expect("reserve").len(), 5, "nothing was taken");
    }

    #[test]
    fn a_wanted_address_must_be_free_and_inside() {
        let (_dir, store, networks, subnet) = fixture();
        let reserve = |last| {
            let wanted = Some(Ipv4Addr::new(10, 0, 0, last));
            store.write(|tx| networks.reserve(tx, subnet, Uuid::new_v4(), wanted))
        };
        assert_eq!(reserve(14).expect("free").address.octets()[3], 14);
        let key = |result: Result<Lease>| result.expect_err("refused").key().to_owned();
        assert_eq!(key(reserve(14)), "address-taken");
        assert_eq!(key(reserve(12)), "address-outside-subnet");
        assert_eq!(key(reserve(16)), "address-outside-subnet");
    }

    #[test]
    fn the_address_of_a_guest_that_no_row_knows_is_given_to_nobody() {
        let (_dir, store, networks, subnet) = fixture();
        let network = store.read(|conn| store::subnets::by_id(conn, subnet)).expect("subnet");
        let node = NodeId::new(1);
        let address = Ipv4Addr::new(10, 0, 0, 10);
        networks.note_strangers(node, HashSet::from([(network.network_uuid, address)]));
        let free = || store.read(|conn| networks.free_addresses(conn, subnet)).expect("count");
        assert_eq!(free(), 4);
        let wanted = store.write(|tx| networks.reserve(tx, subnet, Uuid::new_v4(), Some(address)));
        assert_eq!(wanted.expect_err("refused").key(), "address-taken");
        let leases = store.write(|tx| networks.reserve_many(tx, subnet, &owners(2)));
        assert_eq!(last_octets(&leases.expect("reserve")), [11, 13]);
        networks.note_strangers(node, HashSet::new());
        assert_eq!(free(), 3);
        let leases = store.write(|tx| networks.reserve_many(tx, subnet, &owners(1)));
        assert_eq!(last_octets(&leases.expect("reserve")), [10]);
    }

    #[test]
    fn macs_are_local_and_differ() {
        let macs: std::collections::HashSet<String> = (0..1000).map(|_| random_mac()).collect();
        assert!(macs.len() > 990);
        assert!(macs.iter().all(|mac| mac.starts_with("52:54:") && mac.len() == 17));
    }
}
