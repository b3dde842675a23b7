//! Lanes: what is slow does not hold up what is quick, and a node that hangs holds up its own work only.

use std::collections::HashMap;

use crate::store::NodeId;
use uuid::Uuid;

/// What a kind of operation spends its time on. Work of one lane runs beside that of the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lane {
    /// Somebody waits for it and it is done in moments: starting, cutting off, telling the nodes of a network.
    Quick,
    /// Waits for guests to end by themselves, as long as they get for it.
    Guests,
    /// Makes, changes and removes many domains and small files.
    Build,
    /// Reads and writes whole images.
    Copy,
    /// What nobody asked for: mending what differs.
    Quiet,
}

impl Lane {
    /// How many operations run at once, in all and of each node. An operation mostly waits for its nodes, so the
    /// widths bound threads and disks, not processors.
    const fn width(self) -> (usize, usize) {
        match self {
            Self::Quick => (32, 16),
            Self::Guests => (64, 32),
            Self::Build => (16, 4),
            Self::Copy => (8, 2),
            Self::Quiet => (4, 2),
        }
    }
}

/// Where running operations are.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    running: HashMap<Uuid, (Lane, Vec<NodeId>)>,
    in_all: HashMap<Lane, usize>,
    of_node: HashMap<(Lane, NodeId), usize>,
}

impl Lanes {
    /// Takes a place, if there is one in the lane and on each of the nodes.
    pub fn enter(&mut self, uuid: Uuid, lane: Lane, nodes: &[NodeId]) -> bool {
        let (in_all, of_node) = lane.width();
        let on = |node: &NodeId| self.of_node.get(&(lane, *node)).copied().unwrap_or(0);
        if self.in_all.get(&lane).copied().unwrap_or(0) >= in_all
            || nodes.iter().any(|node| on(node) >= of_node)
        {
            return false;
        }
        *self.in_all.entry(lane).or_default() += 1;
        for node in nodes {
            *self.of_node.entry((lane, *node)).or_default() += 1;
        }
        self.running.insert(uuid, (lane, nodes.to_vec()));
        true
    }

    pub fn leave(&mut self, uuid: Uuid) {
        let Some((lane, nodes)) = self.running.remove(&uuid) else { return };
        if let Some(count) = self.in_all.get_mut(&lane) {
            *count -= 1;
        }
        for node in nodes {
            if let Some(count) = self.of_node.get_mut(&(lane, node)) {
                *count -= 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(lanes: &mut Lanes, lane: Lane, nodes: &[NodeId]) -> Vec<Uuid> {
        let mut entered = Vec::new();
        loop {
            let uuid = Uuid::new_v4();
            if !lanes.enter(uuid, lane, nodes) {
                return entered;
            }
            entered.push(uuid);
        }
    }

    #[test]
    fn a_full_lane_does_not_hold_up_another() {
        let mut lanes = Lanes::default();
        assert_eq!(fill(&mut lanes, Lane::Guests, &[]).len(), 64);
        assert_eq!(fill(&mut lanes, Lane::Copy, &[]).len(), 8);
        assert!(lanes.enter(Uuid::new_v4(), Lane::Quick, &[NodeId::new(1)]));
    }

    #[test]
    fn a_full_node_does_not_hold_up_another() {
        let mut lanes = Lanes::default();
        let on_both = fill(&mut lanes, Lane::Build, &[NodeId::new(1), NodeId::new(2)]);
        assert_eq!(on_both.len(), 4);
        assert!(!lanes.enter(Uuid::new_v4(), Lane::Build, &[NodeId::new(2), NodeId::new(3)]));
        assert!(lanes.enter(Uuid::new_v4(), Lane::Build, &[NodeId::new(3)]));
        lanes.leave(on_both[0]);
        assert!(
            lanes.enter(Uuid::new_v4(), Lane::Build, &[NodeId::new(2), NodeId::new(3)]),
            "the place is given back"
        );
        lanes.leave(Uuid::new_v4());
    }
}
