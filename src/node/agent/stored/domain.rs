//! The spec in a domain's metadata.

use std::fmt::Display;
use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::layer::StoredLayerV1;
use super::{form, newer, parse};
use crate::error::{Context, Result};
use crate::node::protocol::{DiskRole, DiskSpec, DomainSpec, NicSpec, Owner, OwnerKind};

const FORM: u32 = 1;

#[derive(Serialize, Deserialize)]
struct StoredSpecV1 {
    #[serde(default = "super::first")]
    form: u32,
    uuid: Uuid,
    owner: StoredOwnerV1,
    vcpus: u32,
    memory_mib: u64,
    disks: Vec<StoredDiskV1>,
    nics: Vec<StoredNicV1>,
}

#[derive(Serialize, Deserialize)]
struct StoredOwnerV1 {
    installation: Uuid,
    kind: StoredOwnerKindV1,
    name: String,
    group: Option<Uuid>,
    template: Uuid,
}

#[derive(Serialize, Deserialize)]
enum StoredOwnerKindV1 {
    Template,
    Desktop,
}

#[derive(Serialize, Deserialize)]
struct StoredDiskV1 {
    uuid: Uuid,
    role: StoredDiskRoleV1,
    index: u32,
    size: u64,
    storage: String,
    below: StoredLayerV1,
    restore: bool,
}

#[derive(Serialize, Deserialize)]
enum StoredDiskRoleV1 {
    System,
    Data,
}

#[derive(Serialize, Deserialize)]
struct StoredNicV1 {
    mac: String,
    network: Uuid,
    address: Option<Ipv4Addr>,
}

/// # Errors
/// `stored-damaged`, `stored-newer`.
pub fn read_spec(content: &str, object: &impl Display) -> Result<DomainSpec> {
    match form(content, object)? {
        FORM => parse::<StoredSpecV1>(content, object).map(DomainSpec::from),
        other => Err(newer(object, other, FORM)),
    }
}

/// # Errors
/// A defect.
pub fn write_spec(spec: &DomainSpec) -> Result<String> {
    serde_json::to_string(&StoredSpecV1::from(spec)).context("write a domain's spec")
}

impl From<StoredSpecV1> for DomainSpec {
    fn from(stored: StoredSpecV1) -> Self {
        let StoredSpecV1 { form: _, uuid, owner, vcpus, memory_mib, disks, nics } = stored;
        Self {
            uuid,
            owner: owner.into(),
            vcpus,
            memory_mib,
            disks: disks.into_iter().map(DiskSpec::from).collect(),
            nics: nics.into_iter().map(NicSpec::from).collect(),
        }
    }
}

impl From<&DomainSpec> for StoredSpecV1 {
    fn from(DomainSpec { uuid, owner, vcpus, memory_mib, disks, nics }: &DomainSpec) -> Self {
        Self {
            form: FORM,
            uuid: *uuid,
            owner: owner.into(),
            vcpus: *vcpus,
            memory_mib: *memory_mib,
            disks: disks.iter().map(StoredDiskV1::from).collect(),
            nics: nics.iter().map(StoredNicV1::from).collect(),
        }
    }
}

impl From<StoredOwnerV1> for Owner {
    fn from(StoredOwnerV1 { installation, kind, name, group, template }: StoredOwnerV1) -> Self {
        let kind = match kind {
            StoredOwnerKindV1::Template => OwnerKind::Template,
            StoredOwnerKindV1::Desktop => OwnerKind::Desktop,
        };
        Self { installation, kind, name, group, template }
    }
}

impl From<&Owner> for StoredOwnerV1 {
    fn from(Owner { installation, kind, name, group, template }: &Owner) -> Self {
        let kind = match kind {
            OwnerKind::Template => StoredOwnerKindV1::Template,
            OwnerKind::Desktop => StoredOwnerKindV1::Desktop,
        };
        Self {
            installation: *installation,
            kind,
            name: name.clone(),
            group: *group,
            template: *template,
        }
    }
}

impl From<StoredDiskV1> for DiskSpec {
    fn from(stored: StoredDiskV1) -> Self {
        let StoredDiskV1 { uuid, role, index, size, storage, below, restore } = stored;
        let role = match role {
            StoredDiskRoleV1::System => DiskRole::System,
            StoredDiskRoleV1::Data => DiskRole::Data,
        };
        Self { uuid, role, index, size, storage, below: below.into(), restore }
    }
}

impl From<&DiskSpec> for StoredDiskV1 {
    fn from(disk: &DiskSpec) -> Self {
        let DiskSpec { uuid, role, index, size, storage, below, restore } = disk;
        let role = match role {
            DiskRole::System => StoredDiskRoleV1::System,
            DiskRole::Data => StoredDiskRoleV1::Data,
        };
        Self {
            uuid: *uuid,
            role,
            index: *index,
            size: *size,
            storage: storage.clone(),
            below: below.into(),
            restore: *restore,
        }
    }
}

impl From<StoredNicV1> for NicSpec {
    fn from(StoredNicV1 { mac, network, address }: StoredNicV1) -> Self {
        Self { mac, network, address }
    }
}

impl From<&NicSpec> for StoredNicV1 {
    fn from(NicSpec { mac, network, address }: &NicSpec) -> Self {
        Self { mac: mac.clone(), network: *network, address: *address }
    }
}
