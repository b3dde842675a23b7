//! Every request of the controller, in one table: what it carries, how long its answer may take, what it costs the
//! node, and which reply answers it.
//!
//! A request is one row here, one arm of the agent's dispatch and one method of the client; what a row leaves out and a
//! match without its arm do not compile. Names and order of the rows, and of a row's fields, are what crosses the link.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    AuthorizedKey, DhcpHost, DomainSpec, FrozenDisk, GuestTask, LayerRef, NetworkSpec, PowerAction,
    Reply, ScreenProtocol, StoredFile, TemplateLayers,
};

/// Seconds that a short request may take on a busy node before it counts as failed.
pub const SHORT_PATIENCE: u64 = 60;

/// How long an answer may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// [`SHORT_PATIENCE`]
    Short,
    /// Work that takes as long as it takes; the heartbeat of the link finds a node that hangs.
    Long,
}

impl Patience {
    /// `None` for as long as it takes.
    pub fn limit(self) -> Option<Duration> {
        match self {
            Self::Short => Some(Duration::from_secs(SHORT_PATIENCE)),
            Self::Long => None,
        }
    }
}

/// What a call costs the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    Light,
    /// Reads or writes whole disk images.
    Heavy,
    /// Carries a whole disk image over the link, at the pace of whoever is at the other end.
    Transfer,
    /// Mostly waits, for hours perhaps, and needs no thread.
    Waiting,
}

/// A row: `Name { fields } => patience, weight, reply`. The weight may look at the fields. `[bytes]` before the reply: the agent
/// answers with bytes first, which the reply must not overtake.
macro_rules! requests {
    ($(
        $(#[$doc:meta])*
        $name:ident $({ $($field:ident: $type:ty),* $(,)? })?
            => $patience:ident, $weight:expr, $([$bytes:ident])? $reply:ident;
    )*) => {
        #[derive(Debug, Clone, Serialize, Deserialize)]
        pub enum Request {
            $($(#[$doc])* $name $({ $($field: $type),* })?,)*
        }

        impl Request {
            pub fn patience(&self) -> Patience {
                match self {
                    $(Self::$name { .. } => Patience::$patience,)*
                }
            }

            pub fn weight(&self) -> Weight {
                use Weight::{Heavy, Light, Transfer, Waiting};
                match self {
                    $(Self::$name $({ $($field),* })? => {
                        $(let _ = ($($field,)*);)?
                        $weight
                    })*
                }
            }

            /// Whether the agent answers with bytes before its reply, which then must not overtake them.
            pub fn answers_with_bytes(&self) -> bool {
                match self {
                    $(Self::$name { .. } => requests!(@bytes $($bytes)?),)*
                }
            }

            /// Whether a reply has the form that answers this request.
            pub fn answer(&self) -> fn(&Reply) -> bool {
                match self {
                    $(Self::$name { .. } => |reply| matches!(reply, Reply::$reply { .. }),)*
                }
            }
        }
    };
    (@bytes) => { false };
    (@bytes bytes) => { true };
}

requests! {
    /// Hardware, versions, NICs and storages.
    Describe => Short, Light, Node;
    /// Current figures. Samples also come by themselves as events.
    Sample => Short, Light, Sample;

    /// All domains that belong to this installation.
    ListDomains => Short, Light, Domains;
    /// Makes or updates domains and their missing disks. A running domain gets new limits at once and keeps all else that
    /// it has until its next start.
    /// `started`: those of them that ran before; what their disks keep must be there.
    DefineDomains { domains: Vec<DomainSpec>, started: Vec<Uuid> } => Long, Light, Items;
    /// Puts into a domain's CD drives what the spec says, at once when it runs; all else stays as it is.
    SetDrives { domain: DomainSpec } => Long, Light, Drives;
    /// Gives a template's machine the small disk that the spec says, or takes it away, at once when it runs; all else stays as
    /// it is.
    SetDriverDisk { domain: DomainSpec } => Long, Light, Done;
    /// Drives of running templates' machines that their guests opened with a disc in them.
    ListEjected => Short, Light, Ejected;
    /// Destroys, undefines and deletes the disks. An absent one counts as removed; one that cannot be read goes too.
    RemoveDomains { domains: Vec<Uuid> } => Long, Light, Items;
    /// Turns domains on, off or over. `patience`: seconds that a guest gets to shut itself down.
    Power { action: PowerAction, domains: Vec<Uuid>, patience: u32 } => Long, Light, Items;
    /// Ctrl-Alt-Del.
    SendCtrlAltDel { domain: Uuid } => Short, Light, Done;
    /// A PNG of the screen, at most `width` pixels wide.
    Screenshot { domain: Uuid, width: u32 } => Short, Light, Picture;
    /// What the agent in the guest says of it.
    AskGuest { domain: Uuid } => Short, Light, Guest;
    /// What agents in guests are to do, each for itself; answered in the order asked for.
    GuestTasks { tasks: Vec<GuestTask> } => Long, Light, GuestTold;
    /// A stream both ways: the bytes of one of the domain's screens. The reply comes when it ends.
    Console { domain: Uuid, by: ScreenProtocol } => Long, Waiting, [bytes] Done;
    /// Whether a [`Request::Console`] would find what answers it.
    ProbeConsole { domain: Uuid, by: ScreenProtocol } => Short, Light, Done;

    /// Makes or updates a network with its DHCP reservations and starts it.
    EnsureNetwork { network: NetworkSpec } => Short, Light, Done;
    /// An absent one counts as removed.
    RemoveNetwork { network: Uuid } => Short, Light, Done;
    /// All networks that belong to this installation.
    ListNetworks => Short, Light, Networks;
    /// Adds reservations to a network, replacing those of the same MAC or address.
    Reserve { network: Uuid, hosts: Vec<DhcpHost> } => Short, Light, Done;
    /// Takes reservations away.
    Release { network: Uuid, hosts: Vec<DhcpHost> } => Short, Light, Done;
    /// IPv4 prefixes in use on this machine, for choosing a free one.
    UsedPrefixes => Short, Light, Prefixes;

    /// Takes a file from the call's stream into an unfinished upload.
    /// `size`: announced length, for an early answer to "does it fit". Nothing is visible as an image
    /// until [`Request::AdoptImage`].
    Receive { upload: Uuid, storage: String, size: Option<u64> } => Long, Transfer, Received;
    /// Begins an upload that may be continued, and takes room for all of it. One that is there stays as it is.
    BeginUpload { upload: Uuid, storage: String, size: u64 } => Short, Light, Done;
    /// Takes bytes from the call's stream into an upload that may be continued, from this byte on, which must be its
    /// next. What has arrived stays, whatever becomes of the call.
    Append { upload: Uuid, storage: String, from: u64, size: u64 } => Long, Transfer, Stored;
    /// How much of an upload is there, and durable.
    UploadLength { upload: Uuid, storage: String } => Short, Light, Stored;
    /// Reads a whole upload for its sums.
    SumUpload { upload: Uuid, storage: String } => Long, Heavy, Received;
    /// Throws an unfinished upload away.
    Discard { upload: Uuid, storage: String } => Short, Light, Done;
    /// Checks that an upload is a disk image without backing or external data file, turns it into
    /// qcow2 when it is something else, and gives it its final name. `disk`: of an OVA with several; `known`: what is in it was
    /// looked at on another node.
    AdoptImage { upload: Uuid, layer: LayerRef, disk: Option<u32>, known: bool } => Long, Heavy, Image;
    /// Sends a layer's file down the call's stream, from this byte on.
    Send { layer: LayerRef, from: u64 } => Long, Transfer, [bytes] Done;
    /// Makes a new layer on top of `below`, `size` bytes large.
    CreateLayer { layer: LayerRef, below: Option<LayerRef>, size: u64 } => Short, Light, Done;
    /// Copies a chain into one self-contained layer.
    Flatten { from: LayerRef, layer: LayerRef } => Long, Heavy, Image;
    /// Freezes the working disks of a stopped domain as layers; the domain gets new empty disks on top.
    FreezeDisks { domain: Uuid, layers: Vec<FrozenDisk> } => Long, Heavy, Images;
    /// What the firmware of a machine that is off keeps besides its disks.
    ReadFirmware { domain: Uuid } => Short, Light, Firmware;
    /// The processor that guests get when nothing is said of it, in libvirt's XML.
    HostCpu => Short, Light, HostCpu;
    /// The largest processor that is in all of these, each as `HostCpu` answered.
    BaselineCpu { cpus: Vec<String> } => Short, Light, Cpu;
    /// Which layers desktops of a template get at their next restore or creation. Without any layer the template is withdrawn.
    PublishTemplate { template: Uuid, current: TemplateLayers } => Short, Light, Done;
    /// What `PublishTemplate` published, by template; of what firmware keeps only the sums.
    ListPublished => Short, Light, Published;
    /// What layers are on this node, in the order asked for; hashes only if `hash` is set.
    InspectLayers { layers: Vec<LayerRef>, hash: bool } => Long, if *hash { Heavy } else { Light }, Images;
    /// Deletes layers on which nothing stands and which no template publishes; answered by the
    /// layers' uuid. Layers that stand on each other may come in one request, in any order.
    RemoveLayers { layers: Vec<LayerRef> } => Short, Light, Items;
    /// Every file in the storages, for finding what has no owner.
    ListFiles => Short, Light, Files;
    /// Undefines domains and moves their disks and these files into the storages' `lost` folders, in one named by
    /// `at` (Unix seconds). Layers on which something stands stay where they are.
    SetAside { at: i64, domains: Vec<Uuid>, files: Vec<StoredFile> } => Long, Light, Done;
    /// Deletes files found by `ListFiles` that are no layer, disk or upload of anyone.
    RemoveFiles { files: Vec<StoredFile> } => Short, Light, Done;

    /// Every ssh key of root and of people's accounts.
    ListSshKeys => Short, Light, SshKeys;
    /// Makes exactly these keys of this installation stand for a system user.
    SetSshKeys { system_user: String, keys: Vec<AuthorizedKey> } => Short, Light, Done;

    /// What a first hour trips over.
    Doctor => Short, Light, Checks;
}
