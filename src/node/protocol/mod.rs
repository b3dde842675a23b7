//! What controller and node agent say to each other.
//!
//! One protocol, three links (in-process, UNIX socket, ssh channel). A link is a byte stream in both
//! directions; on it run a preface with the version, then length-prefixed MessagePack [`Frame`]s. The controller makes calls, the
//! agent answers each with progress, one reply, and on its own accord sends events. A call may carry
//! a stream of bytes in either direction (an image, a console), in pieces with credit so that a slow
//! reader never fills memory.
//!
//! ```text
//!   controller                               agent
//!      preface                    ◄────►     preface
//!      Hello { config }           ─────►
//!                                 ◄─────     Hello, or Refused
//!      Call { id, request }       ─────►
//!      Data / Credit / End        ◄────►     (calls with a stream)
//!                                 ◄─────     Progress { id, .. }*
//!                                 ◄─────     Reply { id, result }
//!      Cancel { id }              ─────►
//!                                 ◄─────     Event(..)*
//!      Ping                       ─────►
//!                                 ◄─────     Pong
//! ```
//!
//! A call is a batch: one request for 100 desktops on a node, with a result for each
//! ([`ItemResult`]), never a round trip for each. Every request may be repeated: what is already so
//! counts as done, so that an operation resumes after a crash by sending its step again.

mod domains;
mod facts;
mod ssh_keys;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use domains::*;
pub use facts::*;
pub use ssh_keys::*;

use crate::error::Fault;

/// Raised by every change that an older peer would misread. Peers of different versions refuse
/// each other with a clear error; the controller then copies its own binary to the node.
pub const VERSION: u16 = 2;

/// Largest frame, in bytes: a batch of 5,000 domains fits, a stray stream of bytes does not.
pub const FRAME_LIMIT: usize = 16 << 20;

/// Bytes of a stream that may be under way without having been consumed.
pub const STREAM_WINDOW: u32 = 4 << 20;

#[derive(Debug, Serialize, Deserialize)]
pub enum Frame {
    /// The controller's carries the agent's configuration, the agent's carries none.
    Hello {
        config: Option<AgentConfig>,
    },
    Call {
        id: u64,
        request: Request,
    },
    Progress {
        id: u64,
        progress: Progress,
    },
    Reply {
        id: u64,
        result: Result<Reply, Fault>,
    },
    Cancel {
        id: u64,
    },
    Data {
        id: u64,
        #[serde(with = "serde_bytes")]
        bytes: Vec<u8>,
    },
    /// The receiver has consumed this many bytes of the stream.
    Credit {
        id: u64,
        bytes: u32,
    },
    /// No more bytes follow in this direction.
    End {
        id: u64,
    },
    Event(Event),
    /// In the place of a Hello: why this peer will not talk. The link ends.
    Refused(Fault),
    /// Asks for a [`Frame::Pong`], to find out whether the link still carries.
    Ping,
    Pong,
}

/// Seconds without a byte from the agent after which the controller gives a link up.
pub const LINK_PATIENCE: u64 = 10;

/// Seconds that a short request may take on a busy node before it counts as failed.
pub const SHORT_PATIENCE: u64 = 60;

/// Seconds between the controller's [`Frame::Ping`]s.
pub const PING_PAUSE: u64 = 3;

/// What an agent needs to know; it keeps nothing of it when it ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentConfig {
    /// Agents touch only domains, networks and files of this installation.
    pub installation: Uuid,
    /// `qemu:///system` unless told otherwise.
    pub libvirt_uri: String,
    /// `auto`, `kvm` or `qemu`.
    pub virt_type: String,
    /// Absolute paths of the storages, made when missing.
    pub storages: Vec<String>,
}

#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct Progress {
    pub done: u64,
    pub total: u64,
}

/// One thing of a batch: its identity and how it went.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ItemResult {
    pub uuid: Uuid,
    pub result: Result<(), Fault>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Request {
    /// Hardware, versions, NICs and storages → [`Reply::Node`].
    Describe,
    /// Current figures → [`Reply::Sample`]. Samples also come by themselves as events.
    Sample,

    /// All domains that belong to this installation → [`Reply::Domains`].
    ListDomains,
    /// Makes or updates domains and their missing disks → [`Reply::Items`]. A running domain keeps
    /// what it has until its next start.
    DefineDomains { domains: Vec<DomainSpec> },
    /// Destroys, undefines and deletes the disks → [`Reply::Items`]. An absent one counts as removed.
    RemoveDomains { domains: Vec<Uuid> },
    /// → [`Reply::Items`]
    Power { action: PowerAction, domains: Vec<Uuid> },
    /// Ctrl-Alt-Del → [`Reply::Done`]
    SendCtrlAltDel { domain: Uuid },
    /// A PNG of the screen, at most `width` pixels wide → [`Reply::Picture`]
    Screenshot { domain: Uuid, width: u32 },
    /// A stream both ways: the bytes of the domain's VNC server. [`Reply::Done`] when it ends.
    Console { domain: Uuid },

    /// Makes or updates a network with its DHCP reservations and starts it → [`Reply::Done`]
    EnsureNetwork { network: NetworkSpec },
    /// → [`Reply::Done`]; an absent one counts as removed.
    RemoveNetwork { network: Uuid },
    /// All networks that belong to this installation → [`Reply::Networks`]
    ListNetworks,
    /// Adds reservations to a network, replacing those of the same MAC or address → [`Reply::Done`]
    Reserve { network: Uuid, hosts: Vec<DhcpHost> },
    /// Takes reservations away → [`Reply::Done`]
    Release { network: Uuid, hosts: Vec<DhcpHost> },
    /// IPv4 prefixes in use on this machine, for choosing a free one → [`Reply::Prefixes`]
    UsedPrefixes,

    /// Takes a file from the call's stream into an unfinished upload → [`Reply::Received`].
    /// `size`: announced length, for an early answer to "does it fit". Nothing is visible as an image
    /// until [`Request::AdoptImage`].
    Receive { upload: Uuid, storage: String, size: Option<u64> },
    /// Throws an unfinished upload away → [`Reply::Done`]
    Discard { upload: Uuid, storage: String },
    /// Checks that an upload is a disk image without backing or external data file, turns it into
    /// qcow2 when it is something else, and gives it its final name → [`Reply::Image`]
    AdoptImage { upload: Uuid, layer: LayerRef },
    /// Sends a layer's file down the call's stream → [`Reply::Done`]
    Send { layer: LayerRef },
    /// Makes a new layer on top of `below`, `size` bytes large → [`Reply::Done`]
    CreateLayer { layer: LayerRef, below: Option<LayerRef>, size: u64 },
    /// Copies a chain into one self-contained layer → [`Reply::Image`]
    Flatten { from: LayerRef, layer: LayerRef },
    /// Freezes the working disks of a stopped domain as layers; the domain gets new empty disks
    /// on top → [`Reply::Images`]
    FreezeDisks { domain: Uuid, layers: Vec<FrozenDisk> },
    /// Which layers desktops of a template get at their next restore or creation → [`Reply::Done`].
    /// Without any layer the template is withdrawn.
    PublishTemplate { template: Uuid, current: TemplateLayers },
    /// What `PublishTemplate` published, by template → [`Reply::Published`]
    ListPublished,
    /// What a layer is on this node → [`Reply::Images`], in the order asked for; hashes only if
    /// `hash` is set.
    InspectLayers { layers: Vec<LayerRef>, hash: bool },
    /// Deletes layers on which nothing stands and which no template publishes → [`Reply::Items`], by
    /// the layers' uuid. Layers that stand on each other may come in one request, in any order.
    RemoveLayers { layers: Vec<LayerRef> },
    /// Every file in the storages, for finding what has no owner → [`Reply::Files`]
    ListFiles,
    /// Undefines domains and moves their disks and these files into the storages' `lost` folders, in one named by
    /// `at` (Unix seconds) → [`Reply::Done`]. Layers on which something stands stay where they are.
    SetAside { at: i64, domains: Vec<Uuid>, files: Vec<StoredFile> },
    /// Deletes files found by `ListFiles` that are no layer, disk or upload of anyone → [`Reply::Done`]
    RemoveFiles { files: Vec<StoredFile> },

    /// Every ssh key of root and of people's accounts → [`Reply::SshKeys`]
    ListSshKeys,
    /// Makes exactly these keys of this installation stand for a system user → [`Reply::Done`]
    SetSshKeys { system_user: String, keys: Vec<AuthorizedKey> },

    /// What a first hour trips over → [`Reply::Checks`]
    Doctor,
}

impl Request {
    /// How long an answer may take. `None` for work that takes as long as it takes.
    pub fn patience(&self) -> Option<Duration> {
        match self {
            Self::DefineDomains { .. }
            | Self::RemoveDomains { .. }
            | Self::SetAside { .. }
            | Self::Power { .. }
            | Self::Console { .. }
            | Self::Receive { .. }
            | Self::AdoptImage { .. }
            | Self::Send { .. }
            | Self::Flatten { .. }
            | Self::FreezeDisks { .. }
            | Self::InspectLayers { .. } => None,
            Self::Describe
            | Self::Sample
            | Self::ListDomains
            | Self::SendCtrlAltDel { .. }
            | Self::Screenshot { .. }
            | Self::EnsureNetwork { .. }
            | Self::RemoveNetwork { .. }
            | Self::ListNetworks
            | Self::Reserve { .. }
            | Self::Release { .. }
            | Self::UsedPrefixes
            | Self::Discard { .. }
            | Self::CreateLayer { .. }
            | Self::PublishTemplate { .. }
            | Self::ListPublished
            | Self::RemoveLayers { .. }
            | Self::ListFiles
            | Self::RemoveFiles { .. }
            | Self::ListSshKeys
            | Self::SetSshKeys { .. }
            | Self::Doctor => Some(Duration::from_secs(SHORT_PATIENCE)),
        }
    }

    /// Whether the agent answers with bytes before its reply, which then must not overtake them.
    pub fn answers_with_bytes(&self) -> bool {
        match self {
            Self::Send { .. } | Self::Console { .. } => true,
            Self::DefineDomains { .. }
            | Self::RemoveDomains { .. }
            | Self::Power { .. }
            | Self::Receive { .. }
            | Self::AdoptImage { .. }
            | Self::Flatten { .. }
            | Self::FreezeDisks { .. }
            | Self::InspectLayers { .. }
            | Self::SetAside { .. }
            | Self::Describe
            | Self::Sample
            | Self::ListDomains
            | Self::SendCtrlAltDel { .. }
            | Self::Screenshot { .. }
            | Self::EnsureNetwork { .. }
            | Self::RemoveNetwork { .. }
            | Self::ListNetworks
            | Self::Reserve { .. }
            | Self::Release { .. }
            | Self::UsedPrefixes
            | Self::Discard { .. }
            | Self::CreateLayer { .. }
            | Self::PublishTemplate { .. }
            | Self::ListPublished
            | Self::RemoveLayers { .. }
            | Self::ListFiles
            | Self::RemoveFiles { .. }
            | Self::ListSshKeys
            | Self::SetSshKeys { .. }
            | Self::Doctor => false,
        }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Reply {
    Done,
    Node(Box<NodeFacts>),
    Sample(Box<Sample>),
    Domains(DomainList),
    Items(Vec<ItemResult>),
    Picture(#[serde(with = "serde_bytes")] Vec<u8>),
    Prefixes(Vec<(Ipv4Addr, u8)>),
    Networks(Vec<Uuid>),
    Received { size: u64, md5: String, sha256: String },
    Image(ImageFacts),
    Images(Vec<ImageFacts>),
    Files(Vec<StoredFile>),
    Published(BTreeMap<Uuid, TemplateLayers>),
    Checks(Vec<Check>),
    SshKeys(Vec<InstalledKey>),
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Event {
    /// A domain's state is now this. `uuid` is the domain's, which is the desktop's or template's.
    Domain(#[serde(with = "shared")] Arc<DomainState>),
    /// A domain of this installation is no longer defined.
    DomainGone { uuid: Uuid },
    /// A domain of this installation is there and cannot be read; see [`DomainList::unreadable`].
    DomainUnreadable { uuid: Uuid, fault: Box<Fault> },
    /// libvirt on the node went away or came back; after it came back a [`Event::Domain`] follows
    /// for every domain.
    Hypervisor { up: bool, reason: String },
    /// Shared by all who listen.
    Sample(#[serde(with = "shared")] Arc<Sample>),
}

/// Crosses the link as what it holds.
mod shared {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<T: Serialize, S: Serializer>(
        value: &Arc<T>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        value.as_ref().serialize(serializer)
    }

    pub fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Arc<T>, D::Error> {
        T::deserialize(deserializer).map(Arc::new)
    }
}
