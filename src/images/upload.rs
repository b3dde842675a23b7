//! An upload on its way: bytes go from the client's connection to this machine's storage, nowhere else.

use tokio::io::AsyncWriteExt;
use uuid::Uuid;

use super::{Images, NewKind, require_free_name};
use crate::error::{Error, Result};
use crate::inventory::{FIRST_CONNECTION, StorageRole};
use crate::node::client::OpenCall;
use crate::node::iso;
use crate::node::units::human;
use crate::store::NodeId;

/// The first bytes of a qcow2 file.
const QCOW2: &[u8] = b"QFI\xfb";
/// So much of a disk image tells whether it is stored as it came.
const HEAD: usize = 80;

/// Keeps an upload from being taken for a left one.
struct UnderWay {
    images: Images,
    upload: Uuid,
}

impl UnderWay {
    fn new(images: &Images, upload: Uuid) -> Self {
        images.uploads_under_way().insert(upload);
        Self { images: images.clone(), upload }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.images.uploads_under_way().remove(&self.upload);
    }
}

/// An upload under way. When it is dropped, because the client broke off or sent something else, the
/// node throws away what has arrived.
pub struct Upload {
    /// The image to be.
    uuid: Uuid,
    is_iso: bool,
    under_way: UnderWay,
    node_id: NodeId,
    storage: String,
    stream: OpenCall,
    head: Vec<u8>,
}

/// An upload that is whole, but not yet looked at.
pub struct Arrived {
    pub uuid: Uuid,
    pub node_id: NodeId,
    pub storage: String,
    /// Bytes.
    pub size: u64,
    pub md5: String,
    pub sha256: String,
    /// It is stored as it came, so that its hash is the layer's.
    pub stays: bool,
    _under_way: UnderWay,
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
        let under_way = UnderWay::new(self, uuid);
        let _inside = self.runtime.enter();
        let stream = client.receive(uuid, storage.clone(), None)?;
        let head = Vec::new();
        Ok(Upload { uuid, is_iso, under_way, node_id: node.id, storage, stream, head })
    }
}

/// A qcow2 does, but for one whose reference counts the node makes anew.
fn stays_as_it_is(head: &[u8]) -> bool {
    let number = |from: usize| {
        head.get(from..from + 4).map(|it| it.iter().fold(0, |n, b| n << 8 | u32::from(*b)))
    };
    let has_features = number(4).is_some_and(|version| version >= 3);
    let is_dirty = has_features && number(76).is_some_and(|features| features & 1 != 0);
    head.starts_with(QCOW2) && !is_dirty
}

impl Upload {
    /// Passes bytes on; waits while the storage is slower than the client.
    ///
    /// # Errors
    /// Why the node takes no more, for instance `upload-stopped-for-room`; `not-an-iso` as soon as the bytes show it.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let head = if self.is_iso { iso::HEAD } else { HEAD };
        let missing = head.saturating_sub(self.head.len());
        self.head.extend(bytes.iter().take(missing));
        let is_known = missing > 0 && self.head.len() == head;
        if self.is_iso && is_known && !iso::is_iso(&self.head) {
            return Err(Error::bad_input("not-an-iso"));
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

    /// Says that these were all bytes.
    ///
    /// # Errors
    /// As [`Upload::write`].
    pub async fn finish(self) -> Result<Arrived> {
        let Self { uuid, is_iso, under_way, node_id, storage, stream, head } = self;
        let received = stream.received().await?;
        Ok(Arrived {
            uuid,
            node_id,
            storage,
            size: received.size,
            md5: received.md5,
            sha256: received.sha256,
            stays: is_iso || stays_as_it_is(&head),
            _under_way: under_way,
        })
    }
}
