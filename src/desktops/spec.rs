//! From rows to the [`DomainSpec`] that a node defines; the same for templates and desktops.

use uuid::Uuid;

use crate::node::protocol::{
    CdSpec, DiskBus, DiskRole, DiskSpec, DomainSpec, Hardware, Identity, LayerRef, Limits, NicSpec,
    Owner, OwnerKind, Spice,
};

/// CD drives of a template's machine.
pub const DRIVES: u32 = 2;

/// What a disk of a domain is made on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskLayer {
    /// The template's disk.
    pub disk: Uuid,
    pub role: DiskRole,
    /// 0 is the system disk.
    pub index: u32,
    /// Bytes that the guest sees.
    pub size: u64,
    pub layer: LayerRef,
}

/// Which disks are made anew at every start and reboot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Restore {
    pub system: bool,
    pub data: bool,
}

impl Restore {
    /// A template's own disks, and a personal desktop's, keep what is written.
    pub const NEVER: Self = Self { system: false, data: false };

    pub fn covers(self, role: DiskRole) -> bool {
        match role {
            DiskRole::System => self.system,
            DiskRole::Data => self.data,
        }
    }
}

/// The storages of a node that hold a domain's own disks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Storages {
    pub system: String,
    pub data: String,
}

impl Storages {
    pub fn of(&self, role: DiskRole) -> &str {
        match role {
            DiskRole::System => &self.system,
            DiskRole::Data => &self.data,
        }
    }
}

/// A domain to be: a template's own or a desktop's.
#[derive(Debug, Clone, Copy)]
pub struct Plan<'a> {
    pub installation: Uuid,
    /// Of the template or desktop, and of its domain.
    pub uuid: Uuid,
    pub kind: OwnerKind,
    pub name: &'a str,
    /// Desktop group, for a desktop.
    pub group: Option<Uuid>,
    pub template: Uuid,
    pub vcpus: u32,
    pub memory_mib: u64,
    pub hardware: &'a Hardware,
    pub disks: &'a [DiskLayer],
    /// Drives and what is in them.
    pub discs: &'a [(u32, LayerRef)],
    /// Of a template's machine that goes over to this bus.
    pub driver_disk: Option<DiskBus>,
    pub storages: &'a Storages,
    pub restore: Restore,
    pub nic: &'a NicSpec,
    /// For a desktop.
    pub identity: Option<&'a Identity>,
    pub spice: Spice,
    pub limits: Limits,
}

impl Plan<'_> {
    pub fn spec(&self) -> DomainSpec {
        DomainSpec {
            uuid: self.uuid,
            owner: Owner {
                installation: self.installation,
                kind: self.kind,
                name: self.name.to_owned(),
                group: self.group,
                template: self.template,
            },
            vcpus: self.vcpus,
            memory_mib: self.memory_mib,
            hardware: self.hardware.clone(),
            disks: self.disks.iter().map(|disk| self.disk(disk)).collect(),
            nics: vec![self.nic.clone()],
            cds: self.cds(),
            driver_disk: self.driver_disk,
            identity: self.identity.cloned(),
            spice: self.spice,
            limits: self.limits,
        }
    }

    /// Templates have two CD drives, for an installer and its drivers; machines from before there were any get them with
    /// their first disc.
    fn cds(&self) -> Vec<CdSpec> {
        let is_first = *self.hardware == Hardware::first() && self.discs.is_empty();
        if self.kind != OwnerKind::Template || is_first {
            return Vec::new();
        }
        let in_drive = |drive: u32| self.discs.iter().find(|(of, _)| *of == drive);
        (0..DRIVES)
            .map(|drive| CdSpec { iso: in_drive(drive).map(|(_, iso)| iso.clone()) })
            .collect()
    }

    fn disk(&self, disk: &DiskLayer) -> DiskSpec {
        DiskSpec {
            uuid: disk.disk,
            role: disk.role,
            index: disk.index,
            size: disk.size,
            storage: self.storages.of(disk.role).to_owned(),
            below: disk.layer.clone(),
            restore: self.restore.covers(disk.role),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::protocol::LayerKind;

    #[test]
    fn restore_and_storage_go_by_role() {
        let layer = |storage: &str| LayerRef {
            uuid: Uuid::new_v4(),
            kind: LayerKind::TemplateVersion,
            storage: storage.to_owned(),
        };
        let disk = |role, index| DiskLayer {
            disk: Uuid::new_v4(),
            role,
            index,
            size: 1 << 30,
            layer: layer("/layers"),
        };
        let disks = [disk(DiskRole::System, 0), disk(DiskRole::Data, 1)];
        let nic = NicSpec {
            mac: "52:54:00:00:00:01".into(),
            network: Uuid::new_v4(),
            address: "10.0.0.2".parse().ok(),
        };
        let storages = Storages { system: "/fast".into(), data: "/slow".into() };
        let spec = Plan {
            installation: Uuid::new_v4(),
            uuid: Uuid::new_v4(),
            kind: OwnerKind::Desktop,
            name: "pc1",
            group: None,
            template: Uuid::new_v4(),
            vcpus: 1,
            memory_mib: 512,
            hardware: &Hardware::first(),
            disks: &disks,
            discs: &[],
            driver_disk: None,
            storages: &storages,
            restore: Restore { system: true, data: false },
            nic: &nic,
            identity: None,
            spice: Spice::Off,
            limits: Limits::NONE,
        }
        .spec();
        let seen: Vec<_> = spec.disks.iter().map(|d| (d.storage.as_str(), d.restore)).collect();
        assert_eq!(seen, [("/fast", true), ("/slow", false)]);
        assert_eq!(spec.disks[1].below, disks[1].layer);
        assert_eq!(spec.nics, [nic]);
    }
}
