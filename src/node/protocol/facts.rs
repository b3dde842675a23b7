//! What a node tells about itself: hardware, figures, files, findings.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::LayerKind;
use crate::error::Fault;

/// What a node is. Sizes in bytes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NodeFacts {
    pub hostname: String,
    pub cpu_model: String,
    pub cpu_count: u32,
    pub memory: u64,
    pub gpu: Vec<String>,
    pub os: String,
    pub libvirt_version: String,
    pub qemu_version: String,
    /// `kvm`, `qemu` or, for libvirt's own simulator, `test`.
    pub virt_type: String,
    pub nics: Vec<NicFacts>,
    pub storages: Vec<StorageFacts>,
    /// Paths of storages whose disk is not mounted, and what is to be done about it.
    pub not_mounted: Vec<(String, Fault)>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NicFacts {
    pub name: String,
    pub mac: String,
    /// Mbit/s, 0 when unknown.
    pub speed: u32,
    pub up: bool,
    pub physical: bool,
    pub addresses: Vec<(Ipv4Addr, u8)>,
    pub gateway: Option<Ipv4Addr>,
    pub dns: Vec<Ipv4Addr>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StorageFacts {
    pub path: String,
    pub total: u64,
    pub used: u64,
}

impl StorageFacts {
    /// Bytes that uploads, conversions and copies leave free: running guests write into their disks, and the same file
    /// system often holds the database. 1 GiB, or 2 % of a file system beyond 50 GiB, but never more
    /// than 5 % of one: below 20 GiB that is less than 1 GiB.
    pub fn reserve(&self) -> u64 {
        (self.total / 50).max(1 << 30).min(self.total / 20)
    }

    /// Bytes that may still be taken: what is free without the reserve.
    pub fn room(&self) -> u64 {
        self.free().saturating_sub(self.reserve())
    }

    /// Whether the reserve is whole and stays so with `bytes` more.
    pub fn has_room(&self, bytes: u64) -> bool {
        self.reserve().saturating_add(bytes) <= self.free()
    }

    /// Bytes that are free, the reserve among them.
    pub fn free(&self) -> u64 {
        self.total.saturating_sub(self.used)
    }
}

/// Figures of one moment. Rates are per second since the previous sample.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Sample {
    /// Unix seconds.
    pub at: i64,
    /// 0 to 100.
    pub cpu_percent: f32,
    pub memory_total: u64,
    pub memory_used: u64,
    pub storages: Vec<StorageFacts>,
    pub nics: Vec<NicRate>,
    pub disk_read: u64,
    pub disk_written: u64,
    pub domains: Vec<DomainUse>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NicRate {
    pub name: String,
    pub received: u64,
    pub sent: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DomainUse {
    pub uuid: Uuid,
    /// 100 is one full CPU.
    pub cpu_percent: f32,
    /// Bytes that the node holds for it.
    pub memory: u64,
    /// As the guest tells it; `None` while it does not.
    #[serde(default)]
    pub guest: Option<GuestMemory>,
}

/// A guest's own memory, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuestMemory {
    /// That its system has.
    pub total: u64,
    /// That is not free, without what its caches would give back.
    pub used: u64,
}

/// A file in a storage that Carrel's layout knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredFile {
    pub storage: String,
    pub kind: FileKind,
    /// Of the layer, domain, template or upload.
    pub uuid: Uuid,
    /// Path below the storage.
    pub path: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum FileKind {
    Layer(LayerKind),
    /// A disk of a domain; `uuid` is the domain's.
    Overlay,
    /// The pointer written by [`Request::PublishTemplate`].
    Published,
    Upload,
}

/// One finding of `carrel doctor`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Check {
    /// Message key of what was looked at; `<key>-repair` says what mends it.
    pub key: String,
    pub args: Vec<(String, String)>,
    pub verdict: Verdict,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    Good,
    /// Works, but not as it should.
    Poor,
    Bad,
}

/// A file that arrived whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Received {
    /// Bytes.
    pub size: u64,
    /// Hexadecimal.
    pub md5: String,
    pub sha256: String,
    /// It is a qcow2 that becomes a layer as it is: its hash is the layer's.
    pub stays: bool,
}
