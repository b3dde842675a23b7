//! A method for each request, so that no caller takes replies apart.
//!
//! Requests may be repeated: what is already so counts as done. Errors are the agent's, besides those of
//! [`NodeClient::call`].

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use uuid::Uuid;

use super::{NodeClient, OpenCall, Watch};
use crate::error::{Error, Fault, Result};
use crate::node::protocol::{
    AuthorizedKey, Check, CpuModel, DhcpHost, DomainList, DomainSpec, FirmwareState, FrozenDisk,
    GuestFacts, GuestTask, GuestTold, ImageFacts, InstalledKey, ItemResult, LayerRef, NetworkSpec,
    NodeFacts, PowerAction, Received, Reply, Request, Sample, ScreenProtocol, StoredFile,
    TemplateLayers,
};

impl NodeClient {
    /// Hardware, versions, NICs and storages.
    pub fn describe(&self) -> Result<NodeFacts> {
        match self.call(Request::Describe)? {
            Reply::Node(facts) => Ok(*facts),
            other => Err(unexpected(&other)),
        }
    }

    /// Current figures. They also come by themselves as events.
    pub fn sample(&self) -> Result<Sample> {
        match self.call(Request::Sample)? {
            Reply::Sample(sample) => Ok(*sample),
            other => Err(unexpected(&other)),
        }
    }

    /// All domains of this installation.
    pub fn list_domains(&self) -> Result<DomainList> {
        match self.call(Request::ListDomains)? {
            Reply::Domains(domains) => Ok(domains),
            other => Err(unexpected(&other)),
        }
    }

    /// Makes or updates domains and their missing disks; of those that were `started`, what is kept must be there.
    pub fn define_domains(
        &self,
        domains: Vec<DomainSpec>,
        started: Vec<Uuid>,
        watch: &mut Watch<'_>,
    ) -> Result<Vec<ItemResult>> {
        items(self.call_watched(Request::DefineDomains { domains, started }, watch)?)
    }

    /// Destroys, undefines and deletes the disks.
    pub fn remove_domains(
        &self,
        domains: Vec<Uuid>,
        watch: &mut Watch<'_>,
    ) -> Result<Vec<ItemResult>> {
        items(self.call_watched(Request::RemoveDomains { domains }, watch)?)
    }

    /// Turns domains on, off or over. A guest that is asked to shut itself down gets `patience` for it.
    pub fn power(
        &self,
        (action, patience): (PowerAction, Duration),
        domains: Vec<Uuid>,
        watch: &mut Watch<'_>,
    ) -> Result<Vec<ItemResult>> {
        let patience = u32::try_from(patience.as_secs()).unwrap_or(u32::MAX);
        items(self.call_watched(Request::Power { action, domains, patience }, watch)?)
    }

    /// Puts into a domain's CD drives what the spec says. Whether a guest had a disc locked, which was taken all the same.
    pub fn set_drives(&self, domain: DomainSpec) -> Result<bool> {
        match self.call(Request::SetDrives { domain })? {
            Reply::Drives { was_locked } => Ok(was_locked),
            other => Err(unexpected(&other)),
        }
    }

    /// Gives a template's machine the small disk that the spec says, or takes it away.
    ///
    /// # Errors
    /// `domain-missing`, `driver-disk-not-plugged` when it runs and takes no more.
    pub fn set_driver_disk(&self, domain: DomainSpec) -> Result<()> {
        done(self.call(Request::SetDriverDisk { domain })?)
    }

    /// Domains and places of the drives that guests of templates opened with a disc in them.
    pub fn list_ejected(&self) -> Result<Vec<(Uuid, u32)>> {
        match self.call(Request::ListEjected)? {
            Reply::Ejected(drives) => Ok(drives),
            other => Err(unexpected(&other)),
        }
    }

    pub fn send_ctrl_alt_del(&self, domain: Uuid) -> Result<()> {
        done(self.call(Request::SendCtrlAltDel { domain })?)
    }

    /// A PNG of the screen, at most `width` pixels wide.
    pub fn screenshot(&self, domain: Uuid, width: u32) -> Result<Vec<u8>> {
        match self.call(Request::Screenshot { domain, width })? {
            Reply::Picture(png) => Ok(png),
            other => Err(unexpected(&other)),
        }
    }

    /// What the agent in the guest says of it.
    ///
    /// # Errors
    /// `domain-not-running`, `guest-agent-absent`, `guest-agent-silent`.
    pub fn ask_guest(&self, domain: Uuid) -> Result<GuestFacts> {
        match self.call(Request::AskGuest { domain })? {
            Reply::Guest(facts) => Ok(*facts),
            other => Err(unexpected(&other)),
        }
    }

    /// What agents in guests are to do, in the order asked for.
    pub fn guest_tasks(&self, tasks: Vec<GuestTask>) -> Result<Vec<Result<GuestTold, Fault>>> {
        match self.call(Request::GuestTasks { tasks })? {
            Reply::GuestTold(told) => Ok(told),
            other => Err(unexpected(&other)),
        }
    }

    /// The bytes of one of the domain's screens, both ways. Needs the runtime, as all calls with a stream.
    pub fn console(&self, domain: Uuid, by: ScreenProtocol) -> Result<OpenCall> {
        self.open(Request::Console { domain, by })
    }

    /// Whether [`Self::console`] would find what answers it.
    ///
    /// # Errors
    /// `domain-not-running`, `spice-at-next-start`, `rdp-silent`.
    pub fn probe_console(&self, domain: Uuid, by: ScreenProtocol) -> Result<()> {
        done(self.call(Request::ProbeConsole { domain, by })?)
    }

    pub fn ensure_network(&self, network: NetworkSpec) -> Result<()> {
        done(self.call(Request::EnsureNetwork { network })?)
    }

    pub fn remove_network(&self, network: Uuid) -> Result<()> {
        done(self.call(Request::RemoveNetwork { network })?)
    }

    /// All networks of this installation.
    pub fn list_networks(&self) -> Result<Vec<Uuid>> {
        match self.call(Request::ListNetworks)? {
            Reply::Networks(networks) => Ok(networks),
            other => Err(unexpected(&other)),
        }
    }

    /// Every ssh key of root and of people's accounts.
    pub fn list_ssh_keys(&self) -> Result<Vec<InstalledKey>> {
        match self.call(Request::ListSshKeys)? {
            Reply::SshKeys(keys) => Ok(keys),
            other => Err(unexpected(&other)),
        }
    }

    /// Makes exactly these keys of this installation stand for a system user.
    pub fn set_ssh_keys(&self, system_user: &str, keys: Vec<AuthorizedKey>) -> Result<()> {
        done(self.call(Request::SetSshKeys { system_user: system_user.to_owned(), keys })?)
    }

    /// Adds DHCP reservations, replacing those of the same MAC or address.
    pub fn reserve(&self, network: Uuid, hosts: Vec<DhcpHost>) -> Result<()> {
        done(self.call(Request::Reserve { network, hosts })?)
    }

    pub fn release(&self, network: Uuid, hosts: Vec<DhcpHost>) -> Result<()> {
        done(self.call(Request::Release { network, hosts })?)
    }

    /// IPv4 prefixes in use on the node.
    pub fn used_prefixes(&self) -> Result<Vec<(Ipv4Addr, u8)>> {
        match self.call(Request::UsedPrefixes)? {
            Reply::Prefixes(prefixes) => Ok(prefixes),
            other => Err(unexpected(&other)),
        }
    }

    /// Begins an upload: write the bytes into the call, then [`OpenCall::received`].
    pub fn receive(&self, upload: Uuid, storage: String, size: Option<u64>) -> Result<OpenCall> {
        self.open(Request::Receive { upload, storage, size })
    }

    /// Begins an upload that may be continued, with room for all of it.
    ///
    /// # Errors
    /// `storage-full`
    pub fn begin_upload(&self, upload: Uuid, storage: String, size: u64) -> Result<()> {
        done(self.call(Request::BeginUpload { upload, storage, size })?)
    }

    /// Continues an upload of this size: write the bytes from this one on, then [`OpenCall::stored`].
    pub fn append(&self, upload: Uuid, storage: String, from: u64, size: u64) -> Result<OpenCall> {
        self.open(Request::Append { upload, storage, from, size })
    }

    /// How much of an upload is durable.
    ///
    /// # Errors
    /// `upload-missing`
    pub fn upload_length(&self, upload: Uuid, storage: String) -> Result<u64> {
        match self.call(Request::UploadLength { upload, storage })? {
            Reply::Stored { length, .. } => Ok(length),
            other => Err(unexpected(&other)),
        }
    }

    /// Reads a whole upload for its sums.
    ///
    /// # Errors
    /// `upload-missing`
    pub fn sum_upload(
        &self,
        upload: Uuid,
        storage: String,
        watch: &mut Watch<'_>,
    ) -> Result<Received> {
        match self.call_watched(Request::SumUpload { upload, storage }, watch)? {
            Reply::Received(received) => Ok(received),
            other => Err(unexpected(&other)),
        }
    }

    /// Throws an unfinished upload away.
    pub fn discard(&self, upload: Uuid, storage: String) -> Result<()> {
        done(self.call(Request::Discard { upload, storage })?)
    }

    /// Checks an upload and makes it a layer; of an OVA this disk, or the one that it starts from.
    pub fn adopt_image(
        &self,
        upload: Uuid,
        layer: LayerRef,
        disk: Option<u32>,
        watch: &mut Watch<'_>,
    ) -> Result<ImageFacts> {
        let known = false;
        image(self.call_watched(Request::AdoptImage { upload, layer, disk, known }, watch)?)
    }

    /// As [`NodeClient::adopt_image`] for a copy of another node's layer: what is in it was looked at there.
    pub fn adopt_copy(
        &self,
        upload: Uuid,
        layer: LayerRef,
        watch: &mut Watch<'_>,
    ) -> Result<ImageFacts> {
        let (disk, known) = (None, true);
        image(self.call_watched(Request::AdoptImage { upload, layer, disk, known }, watch)?)
    }

    /// Begins reading a layer's file: read to the end, then [`OpenCall::reply`].
    pub fn send(&self, layer: LayerRef) -> Result<OpenCall> {
        self.send_from(layer, 0)
    }

    /// As [`NodeClient::send`], from this byte on; behind the end there is nothing.
    pub fn send_from(&self, layer: LayerRef, from: u64) -> Result<OpenCall> {
        self.open(Request::Send { layer, from })
    }

    /// Makes an empty layer, `size` bytes large.
    pub fn create_layer(&self, layer: LayerRef, below: Option<LayerRef>, size: u64) -> Result<()> {
        done(self.call(Request::CreateLayer { layer, below, size })?)
    }

    /// Copies a chain into one self-contained layer.
    pub fn flatten(
        &self,
        from: LayerRef,
        layer: LayerRef,
        watch: &mut Watch<'_>,
    ) -> Result<ImageFacts> {
        image(self.call_watched(Request::Flatten { from, layer }, watch)?)
    }

    /// Freezes the working disks of a stopped domain as layers.
    pub fn freeze_disks(
        &self,
        domain: Uuid,
        layers: Vec<FrozenDisk>,
        watch: &mut Watch<'_>,
    ) -> Result<Vec<ImageFacts>> {
        images(self.call_watched(Request::FreezeDisks { domain, layers }, watch)?)
    }

    /// What the firmware of a machine that is off keeps besides its disks.
    pub fn read_firmware(&self, domain: Uuid) -> Result<FirmwareState> {
        match self.call(Request::ReadFirmware { domain })? {
            Reply::Firmware(state) => Ok(state),
            other => Err(unexpected(&other)),
        }
    }

    /// The processor that guests get when nothing is said of it, in libvirt's XML.
    pub fn host_cpu(&self) -> Result<String> {
        match self.call(Request::HostCpu)? {
            Reply::HostCpu(cpu) => Ok(cpu),
            other => Err(unexpected(&other)),
        }
    }

    /// The largest processor that is in all of these, each as [`NodeClient::host_cpu`] gave it.
    pub fn baseline_cpu(&self, cpus: Vec<String>) -> Result<CpuModel> {
        match self.call(Request::BaselineCpu { cpus })? {
            Reply::Cpu(cpu) => Ok(cpu),
            other => Err(unexpected(&other)),
        }
    }

    /// Which layers desktops of a template get from now on; none withdraws it.
    pub fn publish_template(&self, template: Uuid, current: TemplateLayers) -> Result<()> {
        done(self.call(Request::PublishTemplate { template, current })?)
    }

    /// Which layers desktops of each template get.
    pub fn list_published(&self) -> Result<BTreeMap<Uuid, TemplateLayers>> {
        match self.call(Request::ListPublished)? {
            Reply::Published(published) => Ok(published),
            other => Err(unexpected(&other)),
        }
    }

    /// What layers are on the node, in the order asked for.
    pub fn inspect_layers(
        &self,
        layers: Vec<LayerRef>,
        hash: bool,
        watch: &mut Watch<'_>,
    ) -> Result<Vec<ImageFacts>> {
        images(self.call_watched(Request::InspectLayers { layers, hash }, watch)?)
    }

    /// Deletes layers that nothing uses.
    pub fn remove_layers(&self, layers: Vec<LayerRef>) -> Result<Vec<ItemResult>> {
        items(self.call(Request::RemoveLayers { layers })?)
    }

    /// Every file in the storages that the layout knows.
    pub fn list_files(&self) -> Result<Vec<StoredFile>> {
        match self.call(Request::ListFiles)? {
            Reply::Files(files) => Ok(files),
            other => Err(unexpected(&other)),
        }
    }

    /// Undefines domains; their disks, their definitions and these files are kept in `lost` folders.
    pub fn set_aside(
        &self,
        at: i64,
        domains: Vec<Uuid>,
        files: Vec<StoredFile>,
        watch: &mut Watch<'_>,
    ) -> Result<()> {
        done(self.call_watched(Request::SetAside { at, domains, files }, watch)?)
    }

    /// Deletes files that have no owner.
    pub fn remove_files(&self, files: Vec<StoredFile>) -> Result<()> {
        done(self.call(Request::RemoveFiles { files })?)
    }

    /// What a first hour trips over.
    pub fn doctor(&self) -> Result<Vec<Check>> {
        match self.call(Request::Doctor)? {
            Reply::Checks(checks) => Ok(checks),
            other => Err(unexpected(&other)),
        }
    }
}

impl OpenCall {
    /// Ends an upload and says what arrived.
    ///
    /// # Errors
    /// Also the reason why writing failed before: the agent may refuse an upload at any point.
    pub async fn received(mut self) -> Result<Received> {
        // When this fails the reply says why.
        drop(self.outgoing.shutdown().await);
        match self.reply().await? {
            Reply::Received(received) => Ok(received),
            other => Err(unexpected(&other)),
        }
    }

    /// Ends a part of an upload that may be continued: how much of it is durable by now, and what it is when it is whole.
    ///
    /// # Errors
    /// As [`OpenCall::received`].
    pub async fn stored(mut self) -> Result<(u64, Option<Received>)> {
        drop(self.outgoing.shutdown().await);
        match self.reply().await? {
            Reply::Stored { length, whole } => Ok((length, whole)),
            other => Err(unexpected(&other)),
        }
    }
}

fn done(reply: Reply) -> Result<()> {
    match reply {
        Reply::Done => Ok(()),
        other => Err(unexpected(&other)),
    }
}

fn items(reply: Reply) -> Result<Vec<ItemResult>> {
    match reply {
        Reply::Items(items) => Ok(items),
        other => Err(unexpected(&other)),
    }
}

fn image(reply: Reply) -> Result<ImageFacts> {
    match reply {
        Reply::Image(facts) => Ok(facts),
        other => Err(unexpected(&other)),
    }
}

fn images(reply: Reply) -> Result<Vec<ImageFacts>> {
    match reply {
        Reply::Images(facts) => Ok(facts),
        other => Err(unexpected(&other)),
    }
}

/// A reply that does not answer what was asked.
pub(super) fn unexpected(reply: &Reply) -> Error {
    Error::internal(format!("an agent answered with {reply:?}"))
}
