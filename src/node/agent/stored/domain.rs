//! The spec in a domain's metadata.

use std::fmt::Display;
use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::hardware::{StoredCdV2, StoredHardwareV2, StoredLimitsV2};
use super::layer::StoredLayerV1;
use super::{damaged, form, newer, parse};
use crate::error::{Context, Result};
use crate::node::protocol::{
    CdSpec, DiskBus, DiskRole, DiskSpec, DomainSpec, Hardware, Identity, Limits, NicSpec, Owner,
    OwnerKind, Spice,
};

/// The newest. Machines that are as all were in the first release are written as it wrote them, so that nothing
/// changes for them.
const FORM: u32 = 2;
const FIRST: u32 = 1;

#[derive(Serialize, Deserialize)]
struct StoredSpecV2 {
    hardware: StoredHardwareV2,
    cds: Vec<StoredCdV2>,
    /// Without: off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    spice: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    limits: Option<StoredLimitsV2>,
    /// While a template's machine goes over to another bus.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    driver_disk: Option<String>,
    #[serde(flatten)]
    first: StoredSpecV1,
}

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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    identity: Option<StoredIdentityV1>,
}

#[derive(Serialize, Deserialize)]
struct StoredIdentityV1 {
    number: u32,
    group: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    host_name: Option<String>,
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
        FIRST => parse::<StoredSpecV1>(content, object).map(DomainSpec::from),
        FORM => {
            let StoredSpecV2 { hardware, cds, spice, limits, driver_disk, first } =
                parse(content, object)?;
            let spice = spice.as_deref().map_or(Some(Spice::Off), Spice::parse);
            let bus = |word: String| DiskBus::parse(&word).ok_or_else(|| damaged(object));
            Ok(DomainSpec {
                spice: spice.ok_or_else(|| damaged(object))?,
                hardware: hardware.read(object)?,
                cds: cds.into_iter().map(CdSpec::from).collect(),
                limits: limits.unwrap_or_default().into(),
                driver_disk: driver_disk.map(bus).transpose()?,
                ..DomainSpec::from(first)
            })
        }
        other => Err(newer(object, other, FORM)),
    }
}

/// # Errors
/// A defect.
pub fn write_spec(spec: &DomainSpec) -> Result<String> {
    let first = StoredSpecV1::from(spec);
    let text = if first.form == FIRST {
        serde_json::to_string(&first)
    } else {
        let cds = spec.cds.iter().map(StoredCdV2::from).collect();
        let spice = (spec.spice != Spice::Off).then(|| spec.spice.word().to_owned());
        let limits = (spec.limits != Limits::NONE).then(|| spec.limits.into());
        let hardware = (&spec.hardware).into();
        let driver_disk = spec.driver_disk.map(|bus| bus.word().to_owned());
        serde_json::to_string(&StoredSpecV2 { hardware, cds, spice, limits, driver_disk, first })
    };
    text.context("write a domain's spec")
}

impl From<StoredSpecV1> for DomainSpec {
    fn from(stored: StoredSpecV1) -> Self {
        let StoredSpecV1 { form: _, uuid, owner, vcpus, memory_mib, disks, nics, identity } =
            stored;
        Self {
            uuid,
            owner: owner.into(),
            vcpus,
            memory_mib,
            hardware: Hardware::first(),
            disks: disks.into_iter().map(DiskSpec::from).collect(),
            nics: nics.into_iter().map(NicSpec::from).collect(),
            cds: Vec::new(),
            driver_disk: None,
            identity: identity.map(Identity::from),
            spice: Spice::Off,
            limits: Limits::NONE,
        }
    }
}

impl From<&DomainSpec> for StoredSpecV1 {
    fn from(spec: &DomainSpec) -> Self {
        let DomainSpec {
            uuid,
            owner,
            vcpus,
            memory_mib,
            hardware,
            disks,
            nics,
            cds,
            driver_disk,
            identity,
            spice,
            limits,
        } = spec;
        let is_first = *hardware == Hardware::first()
            && cds.is_empty()
            && driver_disk.is_none()
            && *spice == Spice::Off
            && *limits == Limits::NONE;
        Self {
            form: if is_first { FIRST } else { FORM },
            uuid: *uuid,
            owner: owner.into(),
            vcpus: *vcpus,
            memory_mib: *memory_mib,
            disks: disks.iter().map(StoredDiskV1::from).collect(),
            nics: nics.iter().map(StoredNicV1::from).collect(),
            identity: identity.as_ref().map(StoredIdentityV1::from),
        }
    }
}

impl From<StoredIdentityV1> for Identity {
    fn from(StoredIdentityV1 { number, group, host_name }: StoredIdentityV1) -> Self {
        Self { number, group, host_name }
    }
}

impl From<&Identity> for StoredIdentityV1 {
    fn from(Identity { number, group, host_name }: &Identity) -> Self {
        Self { number: *number, group: group.clone(), host_name: host_name.clone() }
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
