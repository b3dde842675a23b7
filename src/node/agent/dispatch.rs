//! From a request to the function that carries it out.

use std::sync::Arc;

use super::Agent;
use super::call::Call;
use super::disks::Arrived;
use super::nics;
use crate::error::{Error, Result};
use crate::node::cancel::CancelFlag;
use crate::node::protocol::{Reply, Request};
use crate::node::stream::{BlockingStream, Incoming, Outgoing};

/// Both ends of the call's stream, for requests that have one.
pub struct Ends {
    pub incoming: BlockingStream<Incoming>,
    pub outgoing: BlockingStream<Outgoing>,
}

/// What a call costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    Light,
    /// Reads or writes whole disk images.
    Heavy,
    /// Mostly waits, for hours perhaps, and needs no thread.
    Waiting,
}

pub fn weight(request: &Request) -> Weight {
    match request {
        Request::Console { .. } => Weight::Waiting,
        Request::Receive { .. }
        | Request::AdoptImage { .. }
        | Request::Send { .. }
        | Request::Flatten { .. }
        | Request::FreezeDisks { .. }
        | Request::InspectLayers { hash: true, .. } => Weight::Heavy,
        _ => Weight::Light,
    }
}

/// Carries out a request that is [`Weight::Light`] or [`Weight::Heavy`], on a thread that may block.
pub fn carry_out(agent: &Agent, request: Request, call: &Call, ends: Ends) -> Result<Reply> {
    let disks = agent.disks();
    match request {
        Request::Describe => agent.describe().map(|facts| Reply::Node(Box::new(facts))),
        Request::Sample => agent.sample().map(|sample| Reply::Sample(Box::new(sample))),
        Request::UsedPrefixes => nics::used_prefixes().map(Reply::Prefixes),
        Request::Doctor => Ok(Reply::Checks(agent.doctor())),
        Request::Receive { upload, storage, size } => {
            let mut from = ends.incoming;
            let Arrived { size, md5, sha256 } =
                disks.receive(upload, &storage, size, &mut from, call)?;
            Ok(Reply::Received { size, md5, sha256 })
        }
        Request::Discard { upload, storage } => {
            disks.discard(upload, &storage).map(|()| Reply::Done)
        }
        Request::AdoptImage { upload, layer } => {
            disks.adopt(upload, &layer, call).map(Reply::Image)
        }
        Request::Send { layer } => {
            let mut to = ends.outgoing;
            disks.send(&layer, &mut to, call)?;
            to.finish().map_err(|cause| Error::internal("end a stream").because(cause))?;
            Ok(Reply::Done)
        }
        Request::CreateLayer { layer, below, size } => {
            disks.create_layer(&layer, below.as_ref(), size).map(|()| Reply::Done)
        }
        Request::Flatten { from, layer } => disks.flatten(&from, &layer, call).map(Reply::Image),
        Request::PublishTemplate { template, current } => {
            disks.publish(template, &current).map(|()| Reply::Done)
        }
        Request::InspectLayers { layers, hash } => {
            disks.inspect(&layers, hash, call).map(Reply::Images)
        }
        Request::RemoveLayers { layers } => disks.remove_layers(&layers).map(Reply::Items),
        Request::ListFiles => disks.list_files().map(Reply::Files),
        Request::RemoveFiles { files } => disks.remove_files(&files).map(|()| Reply::Done),
        request => Err(Error::internal(format!("not a request for a thread: {request:?}"))),
    }
}

/// Carries out a request that is [`Weight::Waiting`].
pub async fn carry_over(
    _agent: Arc<Agent>,
    request: Request,
    _cancel: &CancelFlag,
    _incoming: Incoming,
    _outgoing: Outgoing,
) -> Result<Reply> {
    Err(Error::internal(format!("not a request that waits: {request:?}")))
}
