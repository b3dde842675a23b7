//! An upload on its way: bytes go from the client's connection to this machine's storage, nowhere else.

use tokio::io::AsyncWriteExt;
use uuid::Uuid;

use super::under_way::UnderWay;
use super::{Images, NewKind, require_free_name};
use crate::error::{Error, Result};
use crate::inventory::{FIRST_CONNECTION, StorageRole};
use crate::node::client::OpenCall;
use crate::node::iso;
use crate::node::protocol::Received;
use crate::node::units::human;
use crate::store::NodeId;

/// An upload under way. When it is dropped, because the client broke off or sent something else, the
/// node throws away what has arrived.
pub struct Upload {
    /// The image to be.
    uuid: Uuid,
    node_id: NodeId,
    storage: String,
    way: Way,
}

/// The way of an upload's bytes to the node.
pub(super) struct Way {
    pub under_way: UnderWay,
    pub stream: OpenCall,
    /// First bytes of what is to be an ISO, until they show whether it is one.
    head: Option<Vec<u8>>,
}

/// An upload that is whole, but not yet looked at.
pub struct Arrived {
    pub uuid: Uuid,
    pub node_id: NodeId,
    pub storage: String,
    /// Bytes.
    pub size: u64,
    /// `None` when a restart came between its parts: then it is read once more.
    pub received: Option<Received>,
    pub(super) _under_way: UnderWay,
}

impl Images {
    /// Refuses an upload before its first byte. `size`: what the client announced.
    ///
    /// # Errors
    /// `pool-unknown`, `image-name-taken`, `iso-name-taken`, `upload-no-room`, `node-unreachable`.
    pub fn check_upload(&self, kind: NewKind, name: Option<&str>, size: Option<u64>) -> Result<()> {
        let kind = self.kind(kind)?;
        if let Some(name) = name {
            self.store.read(|conn| require_free_name(conn, kind, name, None))?;
        }
        let node = self.inventory.local_node()?;
        let path = self.inventory.storage_for(node.id, StorageRole::TemplateSystem)?;
        let sample = self.inventory.sample(node.id);
        let known = sample.iter().flat_map(|sample| &sample.storages).find(|s| s.path == path);
        match (size, known) {
            (Some(size), Some(known)) if !known.has_room(size) => {
                Err(Error::no_room("upload-no-room")
                    .arg("path", path)
                    .arg("needed", human(size))
                    .arg("free", human(known.room()))
                    .arg("reserve", human(known.reserve())))
            }
            _ => Ok(()),
        }
    }

    /// Opens the way to the storage, for an ISO or a disk image. Within the runtime, on a thread that may block.
    ///
    /// # Errors
    /// `node-unreachable`
    pub fn open_upload(&self, is_iso: bool) -> Result<Upload> {
        let node = self.inventory.local_node()?;
        let storage = self.inventory.storage_for(node.id, StorageRole::TemplateSystem)?;
        let uuid = Uuid::new_v4();
        let client = self.inventory.client_within(node.id, FIRST_CONNECTION)?;
        let under_way = UnderWay::enter(self, uuid);
        let under_way = under_way.ok_or_else(|| Error::internal("a new uuid is under way"))?;
        let _inside = self.runtime.enter();
        let stream = client.receive(uuid, storage.clone(), None)?;
        Ok(Upload { uuid, node_id: node.id, storage, way: Way::new(under_way, stream, is_iso) })
    }
}

impl Way {
    /// `is_iso`: its first bytes are to show that.
    pub fn new(under_way: UnderWay, stream: OpenCall, is_iso: bool) -> Self {
        Self { under_way, stream, head: is_iso.then(Vec::new) }
    }

    /// # Errors
    /// As [`Upload::write`].
    pub async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.under_way.hear();
        if let Some(head) = &mut self.head {
            let missing = iso::HEAD.saturating_sub(head.len());
            head.extend(bytes.iter().take(missing));
            if head.len() == iso::HEAD {
                if !iso::is_iso(head) {
                    return Err(Error::bad_input("not-an-iso"));
                }
                self.head = None;
            }
        }
        if let Err(broken) = self.stream.write_all(bytes).await {
            // The node says by itself why it stopped reading.
            let answer = (&mut self.stream.reply).await;
            let why = answer.err().unwrap_or_else(|| Error::internal("an upload ended early"));
            tracing::debug!(cause = %broken, "upload stopped");
            return Err(why);
        }
        Ok(())
    }
}

impl Upload {
    /// Passes bytes on; waits while the storage is slower than the client.
    ///
    /// # Errors
    /// Why the node takes no more, for instance `upload-stopped-for-room`; `not-an-iso` as soon as the bytes show it.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.way.write(bytes).await
    }

    /// Says that these were all bytes.
    ///
    /// # Errors
    /// As [`Upload::write`].
    pub async fn finish(self) -> Result<Arrived> {
        let Self { uuid, node_id, storage, way } = self;
        let Way { under_way, stream, .. } = way;
        let received = stream.received().await?;
        let (size, received) = (received.size, Some(received));
        Ok(Arrived { uuid, node_id, storage, size, received, _under_way: under_way })
    }
}
