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
mod firmware_state;
mod guest;
mod hardware;
mod limits;
mod requests;
mod ssh_keys;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use domains::*;
pub use facts::*;
pub use firmware_state::*;
pub use guest::*;
pub use hardware::*;
pub use limits::*;
pub use requests::*;
pub use ssh_keys::*;

use crate::error::Fault;

/// Raised by every change that an older peer would misread. Peers of different versions refuse
/// each other with a clear error; the controller then copies its own binary to the node.
pub const VERSION: u16 = 5;

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
        request: Box<Request>,
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
    /// In the place of a Hello, or later by the agent: why this peer will not talk, or no longer. The link ends.
    Refused(Fault),
    /// Asks for a [`Frame::Pong`], to find out whether the link still carries.
    Ping,
    Pong,
}

/// Seconds without a byte from the agent after which the controller gives a link up.
pub const LINK_PATIENCE: u64 = 10;

/// Key of the error with which an agent lets a controller go for a newer one of the same installation.
pub const REPLACED: &str = "node-controller-replaced";

/// Seconds between the controller's [`Frame::Ping`]s.
pub const PING_PAUSE: u64 = 3;

/// What an agent needs to know. One that listens on a socket keeps it for its next start.
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
    /// Those of them that this installation has worked in. One that does not say so any more is not mounted: it is
    /// neither made nor used.
    pub known: Vec<String>,
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
pub enum Reply {
    Done,
    Node(Box<NodeFacts>),
    Sample(Box<Sample>),
    Domains(DomainList),
    Items(Vec<ItemResult>),
    Guest(Box<GuestFacts>),
    GuestTold(Vec<Result<GuestTold, Fault>>),
    Picture(#[serde(with = "serde_bytes")] Vec<u8>),
    Prefixes(Vec<(Ipv4Addr, u8)>),
    Networks(Vec<Uuid>),
    Received(Received),
    /// So much of an upload is durable; what it is once it is whole.
    Stored {
        length: u64,
        whole: Option<Received>,
    },
    Image(ImageFacts),
    Images(Vec<ImageFacts>),
    Firmware(FirmwareState),
    HostCpu(String),
    Cpu(CpuModel),
    Files(Vec<StoredFile>),
    Published(BTreeMap<Uuid, TemplateLayers>),
    Checks(Vec<Check>),
    SshKeys(Vec<InstalledKey>),
    /// Whether a guest had one of its discs locked, which was taken all the same.
    Drives {
        was_locked: bool,
    },
    /// Domains and places of drives.
    Ejected(Vec<(Uuid, u32)>),
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Event {
    /// A domain's state is now this. `uuid` is the domain's, which is the desktop's or template's.
    Domain(#[serde(with = "shared")] Arc<DomainState>),
    /// A domain of this installation is no longer defined.
    DomainGone { uuid: Uuid },
    /// A domain of this installation is there and cannot be read; see [`DomainList::unreadable`].
    DomainUnreadable { uuid: Uuid, fault: Box<Fault> },
    /// The tray of a CD drive of a domain was opened: by its guest, unless the disc is being changed.
    TrayOpened { uuid: Uuid },
    /// This node's QEMU has the type of a domain's machine no longer: it has the next newer one now.
    MachineTypeReplaced { uuid: Uuid, name: String, from: String, to: String },
    /// A network of this installation went down, or its DHCP server, and the agent could not bring it back.
    NetworkDown { uuid: Uuid },
    /// libvirt on the node went away or came back; after it came back a [`Event::Domain`] follows
    /// for every domain.
    Hypervisor { up: bool, reason: String },
    /// Network interfaces, their addresses or their ways out are others now: all of them.
    Nics(#[serde(with = "shared")] Arc<[NicFacts]>),
    /// Shared by all who listen.
    Sample(#[serde(with = "shared")] Arc<Sample>),
}

/// Crosses the link as what it holds.
mod shared {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<T: Serialize + ?Sized, S: Serializer>(
        value: &Arc<T>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        value.as_ref().serialize(serializer)
    }

    pub fn deserialize<'de, T: ?Sized, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Arc<T>, D::Error>
    where
        Box<T>: Deserialize<'de>,
    {
        Box::<T>::deserialize(deserializer).map(Arc::from)
    }
}
