//! Which node gets how many desktops.

use std::collections::BTreeMap;

use crate::error::{Error, Result};
use crate::store::NodeId;

/// A node that desktops can be put on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Room {
    pub node_id: NodeId,
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

/// Takes the numbers that the caller gave for each node's address. They must name nodes of the pool and add up.
pub fn as_told(rooms: &[Room], told: &BTreeMap<String, u32>, count: u32) -> Result<Vec<Share>> {
    let mut shares = Vec::new();
    let mut sum: u64 = 0;
    for (ip, number) in told {
        let room = rooms.iter().find(|room| room.ip == *ip);
        let room = room.ok_or_else(|| {
            let known: Vec<&str> = rooms.iter().map(|room| room.ip.as_str()).collect();
            Error::bad_input("create-info-node-unknown")
                .arg("field", "create_info")
                .arg("ip", ip)
                .arg("known", known.join(", "))
        })?;
        sum += u64::from(*number);
        if *number > 0 {
            shares.push(Share { node_id: room.node_id, count: *number });
        }
    }
    if sum != u64::from(count) {
        return Err(Error::bad_input("create-info-sum")
            .arg("field", "create_info")
            .arg("sum", sum)
            .arg("count", count));
    }
    Ok(shares)
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
                ip: format!("10.0.0.{id}"),
                free_mib: *free,
            })
            .collect()
    }

    fn counts(shares: &[Share]) -> Vec<(i64, u32)> {
        shares.iter().map(|share| (share.node_id.number(), share.count)).collect()
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
        let told = |pairs: &[(&str, u32)]| {
            pairs.iter().map(|(ip, number)| ((*ip).to_owned(), *number)).collect::<BTreeMap<_, _>>()
        };
        let rooms = rooms(&[1, 1]);
        let shares = as_told(&rooms, &told(&[("10.0.0.1", 2), ("10.0.0.2", 1)]), 3).expect("fits");
        assert_eq!(counts(&shares), [(1, 2), (2, 1)]);
        let key = |told, count| as_told(&rooms, &told, count).expect_err("wrong").key().to_owned();
        assert_eq!(key(told(&[("10.0.0.1", 2)]), 3), "create-info-sum");
        assert_eq!(key(told(&[("10.9.9.9", 3)]), 3), "create-info-node-unknown");
    }
}
