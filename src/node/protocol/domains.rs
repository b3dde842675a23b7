//! Domains, their disks, layers and networks as the protocol names them.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Boots, DiskBus, FirmwareState, Hardware, Limits, Spice};
use crate::error::Fault;

/// What the domain is for; kept with its full [`DomainSpec`] in the domain's metadata.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// The installation: agents never touch domains of another one.
    pub installation: Uuid,
    pub kind: OwnerKind,
    /// Name of the desktop or template, for people who look with other tools.
    pub name: String,
    /// Desktop group, for a desktop.
    pub group: Option<Uuid>,
    pub template: Uuid,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum OwnerKind {
    Template,
    Desktop,
}

/// Everything that is needed to define a domain, and to restore it without asking the controller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DomainSpec {
    /// Uuid of the desktop or template and of the libvirt domain.
    pub uuid: Uuid,
    pub owner: Owner,
    pub vcpus: u32,
    pub memory_mib: u64,
    pub hardware: Hardware,
    pub disks: Vec<DiskSpec>,
    pub nics: Vec<NicSpec>,
    /// Its CD drives, empty ones too. At most two.
    pub cds: Vec<CdSpec>,
    /// On which bus a template's machine has a small empty disk that makes its system load the driver of that bus.
    pub driver_disk: Option<DiskBus>,
    /// What a desktop's guest is told of itself besides its name; `None` for a template's own machine.
    pub identity: Option<Identity>,
    pub spice: Spice,
    pub limits: Limits,
}

impl DomainSpec {
    /// Whether its system is made anew at every start.
    pub fn is_made_anew(&self) -> bool {
        self.disks.iter().any(|disk| disk.role == DiskRole::System && disk.restore)
    }

    /// Whether it has a CD that tells cloud-init who it is: a template's own machine is nobody yet.
    pub fn has_seed(&self) -> bool {
        self.hardware.seed && self.owner.kind == OwnerKind::Desktop
    }
}

/// Which desktop of which group it is. With its name that stands in the guest's SMBIOS, and on its CD for cloud-init.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Of its seat in the group.
    pub number: u32,
    /// Name of the desktop group.
    pub group: String,
    /// That the guest is to have, where its group asks for host names and this one can have it.
    pub host_name: Option<String>,
}

/// A disk of a domain: a writable overlay on a layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskSpec {
    /// The template's disk that this is an instance of; the same in all its desktops.
    pub uuid: Uuid,
    pub role: DiskRole,
    /// 0 is the system disk `vda`, 1 is `vdb`, and so on.
    pub index: u32,
    pub size: u64,
    /// Path of the storage that holds the overlay.
    pub storage: String,
    /// The layer that the overlay is made on; for a disk with `restore` the template's published
    /// layer ([`Request::PublishTemplate`]) takes its place at the next restore.
    pub below: LayerRef,
    /// Made anew at every start and every reboot, also one from inside the guest.
    pub restore: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum DiskRole {
    System,
    Data,
}

impl DiskRole {
    pub const fn word(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Data => "data",
        }
    }

    pub fn parse(word: &str) -> Option<Self> {
        [Self::System, Self::Data].into_iter().find(|role| role.word() == word)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NicSpec {
    pub mac: String,
    pub network: Uuid,
    pub address: Option<Ipv4Addr>,
}

/// A CD drive and what is in it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CdSpec {
    /// Of kind [`LayerKind::Iso`].
    pub iso: Option<LayerRef>,
}

/// A read-only disk file that others stand on.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct LayerRef {
    pub uuid: Uuid,
    pub kind: LayerKind,
    /// Path of the storage that holds it.
    pub storage: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum LayerKind {
    BaseImage,
    TemplateVersion,
    /// An image of a CD: nothing stands on it, machines have it in their drives.
    Iso,
}

impl LayerKind {
    pub const ALL: [Self; 3] = [Self::BaseImage, Self::TemplateVersion, Self::Iso];
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FrozenDisk {
    pub disk: Uuid,
    pub layer: LayerRef,
}

/// The layers of a template's newest version, by disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TemplateLayers {
    pub version: u32,
    pub disks: BTreeMap<Uuid, LayerRef>,
    /// The hardware that the version was saved on. Desktops whose disks are made anew run on it; the others on their own.
    pub hardware: Hardware,
    /// With what their firmware begins.
    pub state: FirmwareState,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ImageFacts {
    pub uuid: Uuid,
    pub path: String,
    /// Size that a guest sees, in bytes.
    pub virtual_size: u64,
    /// Bytes on disk.
    pub disk_size: u64,
    /// Bytes of the file, which may have holes.
    pub length: u64,
    /// Empty unless asked for.
    pub sha256: String,
    pub exists: bool,
    /// What its writer had left undone was done when it was made a layer, just now.
    pub mended: bool,
    /// Found out when it was made a layer, just now; `None` also for a disk that starts with none.
    pub boots: Option<Boots>,
    pub hints: ImageHints,
}

/// What an image says of the machine that it was made for, found out when it was made a layer, just now. Nobody has to
/// heed it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageHints {
    pub vcpu: Option<u32>,
    pub memory_mib: Option<u64>,
    /// Whether the Windows on it has a driver for virtio disks; `None` for other systems, and where nobody could look.
    pub virtio: Option<bool>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum PowerAction {
    Start,
    /// Asks the guest to shut down. One that does not obey goes on.
    Stop,
    /// Asks as [`PowerAction::Stop`] does, and pulls the plug of one that does not obey.
    End,
    /// Pulls the plug.
    HardStop,
    /// Shuts down as [`PowerAction::Stop`] does, restores, starts. One that does not obey goes on.
    Reboot,
    HardReboot,
    /// The reset button: the machine starts anew without having been off.
    Reset,
    Pause,
    Resume,
}

/// Key of the error of a guest that was asked to shut itself down and still runs.
pub const DISOBEYED: &str = "guest-does-not-obey";
/// Key of the error of a guest that cannot do as it is asked, since it stands still.
pub const DISABLED: &str = "guest-cannot-obey";

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum PowerState {
    Running,
    Paused,
    Off,
    /// QEMU died, or the disk is full.
    Crashed,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DomainState {
    pub uuid: Uuid,
    pub owner: Owner,
    pub power: PowerState,
    /// libvirt's word for how it came to that: `shutdown`, `destroyed`, `crashed`, `ioerror`, …
    pub reason: String,
    /// Unix seconds of the last start, when running.
    pub started_at: Option<i64>,
    /// The template version that the disks stand on now.
    pub version: Option<u32>,
    /// Addresses and MACs, so that an inventory can be rebuilt.
    pub nics: Vec<NicSpec>,
    /// The role of each disk, and whether it is restored from the next start on.
    pub restore: Vec<(DiskRole, bool)>,
    /// The template whose disks it gets from the next start on.
    pub template: Uuid,
    /// Its name from the next start on.
    pub name: String,
    /// As the guest is told from the next start on; `None` also for a desktop that an older release defined.
    pub identity: Option<Identity>,
    pub limits: Limits,
    /// Whether an agent in its guest listens.
    pub agent: bool,
    /// Unix seconds of the start with which its system disk began as its template's; `None` while that is not known.
    pub life: Option<i64>,
}

/// The domains of an installation on one node.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DomainList {
    pub states: Vec<DomainState>,
    /// Those that the agent cannot read, and why. It leaves them as they are, whatever it is asked for.
    pub unreadable: Vec<(Uuid, Fault)>,
}

impl DomainList {
    /// Whether a domain with this uuid is there, readable or not.
    pub fn has(&self, uuid: Uuid) -> bool {
        self.states.iter().any(|state| state.uuid == uuid)
            || self.unreadable.iter().any(|(unreadable, _)| *unreadable == uuid)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkSpec {
    pub uuid: Uuid,
    pub name: String,
    pub forward: Forward,
    /// Gateway address with its prefix and the ranges; only for NAT, where the node serves DHCP.
    pub subnets: Vec<SubnetSpec>,
    pub hosts: Vec<DhcpHost>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Forward {
    /// A bridge of libvirt's own, addresses translated behind the node.
    Nat,
    /// A bridge on an uplink NIC of the node, with a VLAN tag or none.
    Bridge { uplink: String, vlan: Option<u16> },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubnetSpec {
    pub gateway: Ipv4Addr,
    pub prefix: u8,
    pub start: Ipv4Addr,
    pub end: Ipv4Addr,
    pub dns: Vec<Ipv4Addr>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct DhcpHost {
    pub mac: String,
    pub address: Ipv4Addr,
    /// A host name that DNS accepts; empty for none.
    pub name: String,
}

#[cfg(test)]
impl Owner {
    fn sample() -> Self {
        let (installation, template) = (Uuid::nil(), Uuid::nil());
        Self { installation, kind: OwnerKind::Desktop, name: "pc".into(), group: None, template }
    }
}

#[cfg(test)]
impl DomainSpec {
    /// A desktop for tests.
    pub fn sample(disks: Vec<DiskSpec>) -> Self {
        Self {
            uuid: Uuid::nil(),
            owner: Owner::sample(),
            vcpus: 1,
            memory_mib: 64,
            hardware: Hardware::first(),
            disks,
            nics: Vec::new(),
            cds: Vec::new(),
            driver_disk: None,
            identity: None,
            spice: Spice::Off,
            limits: Limits::NONE,
        }
    }
}

#[cfg(test)]
impl DomainState {
    /// A desktop for tests, which is off.
    pub fn sample(uuid: Uuid) -> Self {
        Self {
            uuid,
            owner: Owner::sample(),
            power: PowerState::Off,
            reason: "off".into(),
            started_at: None,
            version: Some(1),
            nics: Vec::new(),
            restore: vec![(DiskRole::System, true), (DiskRole::Data, false)],
            template: Uuid::nil(),
            name: "pc".into(),
            identity: None,
            limits: Limits::NONE,
            agent: false,
            life: None,
        }
    }
}
