//! From a request to the function that carries it out.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::oneshot;
use uuid::Uuid;

use super::Agent;
use super::call::Call;
use super::disks::Disks;
use super::libvirt::Opened;
use super::nics;
use crate::error::{Context, Error, Result};
use crate::node::cancel::{CancelFlag, cancelled};
use crate::node::protocol::{LayerRef, Reply, Request, ScreenProtocol};
use crate::node::stream::{BlockingStream, Incoming, Outgoing};

/// Both ends of the call's stream, for requests that have one.
pub struct Ends {
    pub incoming: BlockingStream<Incoming>,
    pub outgoing: BlockingStream<Outgoing>,
}

/// Carries out a request that does not only wait, on a thread that may block.
pub fn carry_out(agent: &Agent, request: Request, call: &Call, ends: Ends) -> Result<Reply> {
    let (hypervisor, disks) = (agent.hypervisor(), agent.disks());
    match request {
        Request::Describe => agent.describe().map(|facts| Reply::Node(Box::new(facts))),
        Request::Sample => agent.sample().map(|sample| Reply::Sample(Box::new(sample))),
        Request::UsedPrefixes => nics::used_prefixes().map(Reply::Prefixes),
        Request::Doctor => Ok(Reply::Checks(agent.doctor())),
        Request::ListDomains => hypervisor.list_domains().map(Reply::Domains),
        Request::DefineDomains { domains, started } => {
            Ok(Reply::Items(hypervisor.define_domains(&domains, &started, call)))
        }
        Request::SetDrives { domain } => {
            hypervisor.set_drives(&domain).map(|was_locked| Reply::Drives { was_locked })
        }
        Request::SetDriverDisk { domain } => hypervisor.set_driver_disk(&domain).map(done),
        Request::ListEjected => hypervisor.list_ejected().map(Reply::Ejected),
        Request::RemoveDomains { domains } => {
            Ok(Reply::Items(hypervisor.remove_domains(&domains, call)))
        }
        Request::Power { action, domains, patience } => {
            let patience = Duration::from_secs(patience.into());
            Ok(Reply::Items(hypervisor.power((action, patience), &domains, call)))
        }
        Request::SendCtrlAltDel { domain } => hypervisor.send_ctrl_alt_del(domain).map(done),
        Request::Screenshot { domain, width } => {
            hypervisor.screenshot(domain, width).map(Reply::Picture)
        }
        Request::AskGuest { domain } => {
            hypervisor.guest(domain).map(|facts| Reply::Guest(Box::new(facts)))
        }
        Request::GuestTasks { tasks } => Ok(Reply::GuestTold(hypervisor.guest_tasks(&tasks, call))),
        Request::FreezeDisks { domain, layers } => {
            hypervisor.freeze_disks(domain, &layers, call).map(Reply::Images)
        }
        Request::HostCpu => hypervisor.host_cpu().map(Reply::HostCpu),
        Request::BaselineCpu { cpus } => hypervisor.baseline_cpu(&cpus).map(Reply::Cpu),
        Request::ReadFirmware { domain } => hypervisor.read_firmware(domain).map(Reply::Firmware),
        Request::EnsureNetwork { network } => hypervisor.ensure_network(&network).map(done),
        Request::RemoveNetwork { network } => hypervisor.remove_network(network).map(done),
        Request::ListNetworks => hypervisor.list_networks().map(Reply::Networks),
        Request::Reserve { network, hosts } => hypervisor.reserve(network, &hosts).map(done),
        Request::Release { network, hosts } => hypervisor.release(network, &hosts).map(done),
        Request::ListSshKeys => agent.ssh_keys().list().map(Reply::SshKeys),
        Request::SetSshKeys { system_user, keys } => {
            agent.ssh_keys().set(&system_user, &keys).map(done)
        }
        Request::SetAside { at, domains, files } => {
            hypervisor.set_aside(at, &domains, call)?;
            disks.set_aside_files(at, &files).map(done)
        }
        Request::RemoveFiles { files } => agent.remove_files(&files).map(done),
        Request::Receive { upload, storage, size } => {
            let mut bytes = ends.incoming;
            disks.receive(upload, &storage, size, &mut bytes, call).map(Reply::Received)
        }
        Request::BeginUpload { upload, storage, size } => {
            disks.begin_upload(upload, &storage, size).map(done)
        }
        Request::Append { upload, storage, from, size } => {
            let mut bytes = ends.incoming;
            let (length, whole) =
                disks.append((upload, &storage), (from, size), &mut bytes, call)?;
            Ok(Reply::Stored { length, whole })
        }
        Request::UploadLength { upload, storage } => {
            let length = disks.upload_length(upload, &storage)?;
            Ok(Reply::Stored { length, whole: None })
        }
        Request::SumUpload { upload, storage } => {
            disks.sum_upload(upload, &storage, call).map(Reply::Received)
        }
        Request::Discard { upload, storage } => disks.discard(upload, &storage).map(done),
        Request::AdoptImage { upload, layer, known: true, .. } => {
            disks.adopt_copy(upload, &layer, call).map(Reply::Image)
        }
        Request::AdoptImage { upload, layer, disk, known: false } => {
            disks.adopt(upload, &layer, disk, call).map(Reply::Image)
        }
        Request::Send { layer, from } => send(disks, (&layer, from), call, ends).map(done),
        Request::CreateLayer { layer, below, size } => {
            disks.create_layer(&layer, below.as_ref(), size).map(done)
        }
        Request::Flatten { from, layer } => disks.flatten(&from, &layer, call).map(Reply::Image),
        Request::PublishTemplate { template, current } => {
            disks.publish(template, &current).map(done)
        }
        Request::InspectLayers { layers, hash } => {
            disks.inspect(&layers, hash, call).map(Reply::Images)
        }
        Request::RemoveLayers { layers } => disks.remove_layers(&layers).map(Reply::Items),
        Request::ListPublished => disks.list_published().map(Reply::Published),
        Request::ListFiles => disks.list_files().map(Reply::Files),
        Request::ProbeConsole { domain, by } => hypervisor.probe_console(domain, by).map(done),
        Request::Console { .. } => Err(Error::internal("a console needs no thread")),
    }
}

fn send(disks: &Disks, part: (&LayerRef, u64), call: &Call, ends: Ends) -> Result<()> {
    let mut to = ends.outgoing;
    disks.send(part, &mut to, call)?;
    to.finish().context("end a stream")
}

fn done(_: ()) -> Reply {
    Reply::Done
}

/// Carries out a request that only waits.
pub async fn carry_over(
    agent: Arc<Agent>,
    request: Request,
    cancel: &CancelFlag,
    incoming: Incoming,
    outgoing: Outgoing,
) -> Result<Reply> {
    let Request::Console { domain, by } = request else {
        return Err(Error::internal(format!("not a request that waits: {request:?}")));
    };
    tokio::select! {
        outcome = console(agent, (domain, by), incoming, outgoing) => outcome.map(done),
        () = cancel.cancelled() => Err(cancelled()),
    }
}

/// Carries bytes between the call and the domain's screen until either side ends.
async fn console(
    agent: Arc<Agent>,
    (domain, by): (Uuid, ScreenProtocol),
    mut incoming: Incoming,
    mut outgoing: Outgoing,
) -> Result<()> {
    let opened = on_thread(move || agent.hypervisor().console(domain, by)).await?;
    opened.set_nonblocking().context("use a screen's connection")?;
    let ended = match opened {
        Opened::Local(socket) => {
            let screen = UnixStream::from_std(socket).context("use a screen's connection")?;
            carry(screen.into_split(), &mut incoming, &mut outgoing).await
        }
        Opened::Network(socket) => {
            let screen = TcpStream::from_std(socket).context("use a screen's connection")?;
            carry(screen.into_split(), &mut incoming, &mut outgoing).await
        }
    };
    // An end without a goodbye is how viewers and guests usually go.
    if let Err(cause) = ended {
        tracing::debug!(%domain, %cause, "console ended");
    }
    // A viewer that has gone does not hear it.
    drop(outgoing.shutdown().await);
    Ok(())
}

/// Carries bytes both ways until one ends.
async fn carry(
    (mut from_screen, mut to_screen): (impl AsyncRead + Unpin, impl AsyncWrite + Unpin),
    incoming: &mut Incoming,
    outgoing: &mut Outgoing,
) -> std::io::Result<u64> {
    tokio::select! {
        ended = tokio::io::copy(&mut from_screen, outgoing) => ended,
        ended = tokio::io::copy(incoming, &mut to_screen) => ended,
    }
}

/// Runs blocking work on a thread of its own.
pub async fn on_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let (sender, answer) = oneshot::channel();
    // Nobody waits for the answer of a call that was cancelled.
    let started = std::thread::Builder::new()
        .name("call".to_owned())
        .spawn(move || drop(sender.send(work())));
    if let Err(cause) = started {
        return Err(Error::busy("node-busy").because(cause));
    }
    answer.await.unwrap_or_else(|_| Err(Error::internal("a call on a node ended by a panic")))
}
