//! How much of a node's disks and network one machine may use.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

/// Limits of one machine, all its disks together and each of its cards; 0 is none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Megabytes (10⁶ bytes) a second, read and written.
    pub disk_mb: u32,
    /// Reads and writes a second.
    pub disk_iops: u32,
    /// Mbit/s to the machine.
    pub receive_mbit: u32,
    /// Mbit/s from the machine.
    pub send_mbit: u32,
}

impl Limits {
    pub const NONE: Self = Self { disk_mb: 0, disk_iops: 0, receive_mbit: 0, send_mbit: 0 };
    /// With less a guest's own timeouts end its requests.
    pub const DISK_MB: RangeInclusive<u32> = 5..=100_000;
    pub const DISK_IOPS: RangeInclusive<u32> = 50..=10_000_000;
    /// More than the kernel counts.
    pub const MBIT: RangeInclusive<u32> = 1..=25_000;

    pub fn of_disks(self) -> Option<DiskLimits> {
        let Self { disk_mb, disk_iops, .. } = self;
        let bytes = u64::from(disk_mb) * 1_000_000;
        (disk_mb != 0 || disk_iops != 0).then(|| DiskLimits { bytes, operations: disk_iops.into() })
    }

    pub fn of_cards(self) -> Option<CardLimits> {
        let Self { receive_mbit, send_mbit, .. } = self;
        (receive_mbit != 0 || send_mbit != 0)
            .then(|| CardLimits { receive: receive_mbit * 125, send: send_mbit * 125 })
    }
}

/// Of all disks of a machine together, a second; 0 is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct DiskLimits {
    pub bytes: u64,
    pub operations: u64,
}

/// Of a card, in kilobytes a second, as libvirt counts; 0 is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct CardLimits {
    pub receive: u32,
    pub send: u32,
}
