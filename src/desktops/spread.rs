//! Which node gets how many desktops.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::error::{Error, Result};
use crate::store::NodeId;

/// A node that desktops can be put on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Room {
    pub node_id: NodeId,
    pub uuid: Uuid,
    pub name: String,
    pub ip: String,
    /// Memory that is free now, in MiB; `None` when the node has not said yet.
    pub free_mib: Option<u64>,
}

/// Desktops for a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    pub node_id: NodeId,
    pub count: u32,
}

/// Spreads desktops by free memory: each goes to the node that has most left. One that has not said how much it has
/// comes after all that have some.
pub fn by_memory(rooms: &[Room], count: u32, memory_mib: u64) -> Vec<Share> {
    let free = |room: &Room| i128::from(room.free_mib.unwrap_or(0));
    let mut left: Vec<i128> = rooms.iter().map(free).collect();
    let mut counts = vec![0; rooms.len()];
    for _ in 0..count {
        // Of equal ones the first.
        let best = (0..left.len()).rev().max_by_key(|index| left[*index]);
        let Some(best) = best else { break };
        left[best] -= i128::from(memory_mib.max(1));
        counts[best] += 1;
    }
    let shares =
        rooms.iter().zip(counts).map(|(room, count)| Share { node_id: room.node_id, count });
    shares.filter(|share| share.count > 0).collect()
}

/// Takes the numbers that the caller gave for each node, by its address, name or uuid. They must name nodes of the
/// pool and add up. `sees_nodes`: a refusal may tell which there are.
///
/// # Errors
/// `create-info-node-unknown`, `create-info-node-hidden`, `create-info-node-ambiguous`, `create-info-sum`
pub fn as_told(
    rooms: &[Room],
    told: &BTreeMap<String, u32>,
    count: u32,
    sees_nodes: bool,
) -> Result<Vec<Share>> {
    let mut shares: Vec<Share> = Vec::new();
    let mut sum: u64 = 0;
    for (node, number) in told {
        let node_id = named(rooms, node, sees_nodes)?.node_id;
        sum += u64::from(*number);
        match shares.iter_mut().find(|share| share.node_id == node_id) {
            Some(share) => share.count = share.count.saturating_add(*number),
            None if *number > 0 => shares.push(Share { node_id, count: *number }),
            None => {}
        }
    }
    // Whatever they were called by, seats go to nodes in their order.
    shares.sort_by_key(|share| rooms.iter().position(|room| room.node_id == share.node_id));
    if sum != u64::from(count) {
        return Err(Error::bad_input("create-info-sum")
            .arg("field", "create_info")
            .arg("sum", sum)
            .arg("count", count));
    }
    Ok(shares)
}

fn named<'a>(rooms: &'a [Room], node: &str, sees_nodes: bool) -> Result<&'a Room> {
    let wrong = |key| Error::bad_input(key).arg("field", "create_info").arg("node", node);
    let is_it = |room: &&Room| room.name == node || room.uuid.to_string() == node;
    if let Some(room) = rooms.iter().find(is_it) {
        return Ok(room);
    }
    let mut of_address = rooms.iter().filter(|room| room.ip == node);
    match (of_address.next(), of_address.next()) {
        (Some(room), None) => Ok(room),
        (Some(_), Some(_)) => Err(wrong("create-info-node-ambiguous")),
        (None, _) if sees_nodes => {
            let known: Vec<&str> = rooms.iter().map(|room| room.ip.as_str()).collect();
            Err(wrong("create-info-node-unknown").arg("known", known.join(", ")))
        }
        (None, _) => Err(wrong("create-info-node-hidden")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rooms(free: &[u64]) -> Vec<Room> {
        let free: Vec<Option<u64>> = free.iter().copied().map(Some).collect();
        rooms_where(&free)
    }

    fn rooms_where(free: &[Option<u64>]) -> Vec<Room> {
        let rooms = free.iter().zip(1..);
        rooms
            .map(|(free, id)| Room {
                node_id: NodeId::new(id),
                uuid: Uuid::from_u128(u128::from(id.unsigned_abs())),
                name: format!("node{id}"),
                ip: format!("10.0.0.{id}"),
                free_mib: *free,
            })
            .collect()
    }

    fn counts(shares: &[Share]) -> Vec<(i64, u32)> {
        shares.iter().map(|share| (share.node_id.number(), share.count)).collect()
    }

    fn told(pairs: &[(&str, u32)]) -> BTreeMap<String, u32> {
        pairs.iter().map(|(node, number)| ((*node).to_owned(), *number)).collect()
    }

    #[test]
    fn the_emptier_node_gets_more() {
        let shares = by_memory(&rooms(&[8_000, 4_000]), 6, 1_000);
        assert_eq!(counts(&shares), [(1, 5), (2, 1)]);
        let shares = by_memory(&rooms(&[4_000, 4_000]), 3, 1_000);
        assert_eq!(counts(&shares), [(1, 2), (2, 1)]);
    }

    #[test]
    fn more_than_fits_is_still_spread_evenly() {
        let shares = by_memory(&rooms(&[1_000, 1_000]), 10, 1_000);
        assert_eq!(counts(&shares), [(1, 5), (2, 5)]);
        assert_eq!(by_memory(&[], 3, 1), []);
    }

    #[test]
    fn a_node_that_has_not_said_what_it_has_comes_last() {
        let shares = by_memory(&rooms_where(&[None, Some(4_000)]), 3, 1_000);
        assert_eq!(counts(&shares), [(2, 3)]);
        let shares = by_memory(&rooms_where(&[None, Some(1_000)]), 4, 1_000);
        assert_eq!(counts(&shares), [(1, 2), (2, 2)]);
        assert_eq!(counts(&by_memory(&rooms_where(&[None]), 2, 1_000)), [(1, 2)]);
    }

    #[test]
    fn told_numbers_must_name_known_nodes_and_add_up() {
        let rooms = rooms(&[1, 1]);
        let spread = |told: &[(&str, u32)], sees| as_told(&rooms, &self::told(told), 3, sees);
        let shares = spread(&[("10.0.0.1", 2), ("10.0.0.2", 1)], true).expect("fits");
        assert_eq!(counts(&shares), [(1, 2), (2, 1)]);
        let error = |told: &[(&str, u32)], sees| spread(told, sees).expect_err("wrong");
        assert_eq!(error(&[("10.0.0.1", 2)], true).key(), "create-info-sum");
        let unknown = error(&[("10.9.9.9", 3)], true);
        assert_eq!(unknown.key(), "create-info-node-unknown");
        assert!(unknown.to_string().contains("10.0.0.2"), "{unknown}");
        let hidden = error(&[("10.9.9.9", 3)], false);
        assert_eq!(hidden.key(), "create-info-node-hidden");
        assert!(!hidden.to_string().contains("10.0.0."), "{hidden}");
    }

    #[test]
    fn nodes_that_share_an_address_are_told_apart_by_name_or_uuid() {
        let mut rooms = rooms(&[1, 1]);
        rooms[1].ip = rooms[0].ip.clone();
        let spread = |told: &[(&str, u32)]| as_told(&rooms, &self::told(told), 3, true);
        let error = spread(&[("10.0.0.1", 3)]).expect_err("either");
        assert_eq!(error.key(), "create-info-node-ambiguous");
        let second = Uuid::from_u128(2).to_string();
        let shares = spread(&[("node1", 2), (&second, 1)]).expect("told apart");
        assert_eq!(counts(&shares), [(1, 2), (2, 1)]);
        // The same node under two names.
        assert_eq!(counts(&spread(&[("node2", 2), (&second, 1)]).expect("one")), [(2, 3)]);
    }
}
