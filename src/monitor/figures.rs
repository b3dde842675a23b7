//! Averages over samples, and who has the highest: pure functions.

use std::sync::Arc;

use crate::inventory::{NodeDetail, StorageUse};
use crate::node::protocol::Sample;

/// Nodes in a chart.
const TOP: usize = 5;

/// What a node used, averaged over a period.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeFigures {
    pub name: String,
    /// 0 to 100.
    pub cpu: f64,
    /// 0 to 100.
    pub memory: f64,
    pub disk: DiskUse,
    pub nic: NicUse,
}

/// How full the storages of a node are together, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DiskUse {
    pub total: u64,
    pub used: u64,
}

/// Bytes per second, both directions together, of the card that serves management.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NicUse {
    pub average: u64,
    pub highest: u64,
}

/// The charts, each with its own order, highest first.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TopData {
    pub cpu: Vec<NodeFigures>,
    pub memory: Vec<NodeFigures>,
    pub disk: Vec<NodeFigures>,
    pub nic: Vec<NodeFigures>,
}

/// `None` without a sample.
pub fn of_node(detail: &NodeDetail, samples: &[Arc<Sample>]) -> Option<NodeFigures> {
    let cards = detail.nics.iter();
    let card = cards.clone().find(|nic| nic.addresses.iter().any(|a| a.is_manage));
    let card = card.map(|nic| nic.name.as_str());
    let rates: Vec<u64> = samples
        .iter()
        .flat_map(|sample| sample.nics.iter().find(|nic| Some(nic.name.as_str()) == card))
        .map(|nic| nic.received + nic.sent)
        .collect();
    Some(NodeFigures {
        name: detail.node.name.clone(),
        cpu: average(samples.iter().map(|sample| f64::from(sample.cpu_percent)))?,
        memory: average(samples.iter().map(|s| share(s.memory_used, s.memory_total)))?,
        disk: disk(&detail.storages),
        nic: NicUse {
            average: average(rates.iter().map(|rate| *rate as f64)).map_or(0, |a| a.round() as u64),
            highest: rates.iter().copied().max().unwrap_or(0),
        },
    })
}

fn disk(storages: &[StorageUse]) -> DiskUse {
    storages.iter().fold(DiskUse::default(), |sum, storage| DiskUse {
        total: sum.total + storage.total,
        used: sum.used + storage.used,
    })
}

impl DiskUse {
    /// 0 to 100.
    pub fn percent(self) -> f64 {
        share(self.used, self.total)
    }
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 * 100.0 / whole as f64 }
}

fn average(numbers: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = numbers.fold((0.0, 0_u32), |(sum, count), n| (sum + n, count + 1));
    (count > 0).then(|| sum / f64::from(count))
}

pub fn top(nodes: Vec<NodeFigures>) -> TopData {
    TopData {
        cpu: highest(&nodes, |node| node.cpu),
        memory: highest(&nodes, |node| node.memory),
        disk: highest(&nodes, |node| node.disk.percent()),
        nic: highest(&nodes, |node| node.nic.average as f64),
    }
}

fn highest(nodes: &[NodeFigures], figure: fn(&NodeFigures) -> f64) -> Vec<NodeFigures> {
    let mut nodes = nodes.to_vec();
    nodes.sort_by(|a, b| figure(b).total_cmp(&figure(a)).then_with(|| a.name.cmp(&b.name)));
    nodes.truncate(TOP);
    nodes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str, cpu: f64, memory: f64) -> NodeFigures {
        let (disk, nic) = (DiskUse { total: 10, used: 1 }, NicUse::default());
        NodeFigures { name: name.into(), cpu, memory, disk, nic }
    }

    fn names(nodes: &[NodeFigures]) -> Vec<&str> {
        nodes.iter().map(|node| node.name.as_str()).collect()
    }

    #[test]
    fn each_chart_has_the_five_highest_in_order() {
        let nodes: Vec<_> =
            (0..7).map(|i| node(&format!("n{i}"), f64::from(i), f64::from(10 - i))).collect();
        let top = top(nodes);
        assert_eq!(names(&top.cpu), ["n6", "n5", "n4", "n3", "n2"]);
        assert_eq!(names(&top.memory), ["n0", "n1", "n2", "n3", "n4"]);
        assert_eq!(names(&top.nic), ["n0", "n1", "n2", "n3", "n4"], "equal ones by name");
        assert!((top.disk[0].disk.percent() - 10.0).abs() < 1e-9);
    }

    #[test]
    fn no_samples_no_average() {
        assert_eq!(average(std::iter::empty()), None);
        assert_eq!(average([10.0, 20.0].into_iter()), Some(15.0));
        assert_eq!(share(1, 0), 0.0);
    }
}
