//! Uploads that come in parts: a cut network, a closed page or a killed server costs only the bytes that were on their
//! way.
//!
//! A row says what an upload is to become and whose it is; the length of its file on the node says how much of it has
//! arrived. When the last byte is there it goes the way of every upload ([`Images::add`]). Who does not go on for
//! [`KEPT`] loses it, with its room.

mod expiry;
pub(super) mod store;

use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::under_way::{UnderWay, Writer};
use super::upload::{Arrived, Way};
use super::{Images, NewImage, NewKind};
use crate::error::{Error, Kind, Result};
use crate::inventory::{FIRST_CONNECTION, StorageRole};
use crate::node::client::NodeClient;
use crate::node::units::human;
use crate::operations::{Actor, SubmittedOperation};
use crate::store::{NodeId, UserId, now};

/// Seconds that an upload waits for its next byte.
pub const KEPT: i64 = 24 * 3600;
/// Unfinished uploads of one person: each holds its room.
pub const AT_ONCE: usize = 16;
/// A writer of whom nothing came for so long has lost its network: who comes to go on takes its place.
const SILENCE: Duration = Duration::from_secs(5);
/// What a writer gets to leave.
const LEAVE: Duration = Duration::from_secs(5);

/// An upload to be.
#[derive(Debug, Clone)]
pub struct NewUpload {
    pub image: NewImage,
    /// As the client sent it, and gets it back.
    pub metadata: String,
    /// Bytes.
    pub size: u64,
}

/// An upload that comes in parts.
#[derive(Debug, Clone)]
pub struct Unfinished {
    pub uuid: Uuid,
    /// `None`: who began it is gone.
    pub owner: Option<UserId>,
    pub new: NewUpload,
    /// As far as was noted; [`Images::upload_offset`] looks.
    pub received: u64,
    pub node_id: NodeId,
    pub storage: String,
    /// Whole, and taken over.
    pub is_added: bool,
    pub created_at: i64,
    pub expires_at: i64,
}

impl Unfinished {
    pub const fn is_iso(&self) -> bool {
        matches!(self.new.image.kind, NewKind::Iso(_))
    }
}

/// A part of an upload on its way. When it is dropped what has arrived stays.
pub struct Appending {
    images: Images,
    upload: Unfinished,
    way: Way,
}

/// How far an upload is.
pub enum Progressed {
    /// So many bytes are durable, and it is waited for the rest until then.
    Part { offset: u64, expires_at: i64 },
    /// Every byte is there.
    Whole(Box<Arrived>),
}

impl Images {
    /// Begins an upload that may be continued by who begins it, and takes room for all of it.
    ///
    /// # Errors
    /// Those of [`Images::check_upload`], `uploads-too-many`, `storage-full`.
    pub fn begin_upload(&self, owner: UserId, new: NewUpload) -> Result<Unfinished> {
        let NewImage { kind, name, .. } = &new.image;
        self.check_upload(*kind, Some(name), Some(new.size))?;
        let node = self.inventory.local_node()?;
        let storage = self.inventory.storage_for(node.id, StorageRole::TemplateSystem)?;
        let client = self.inventory.client_within(node.id, FIRST_CONNECTION)?;
        let created_at = now();
        let upload = Unfinished {
            uuid: Uuid::new_v4(),
            owner: Some(owner),
            new,
            received: 0,
            node_id: node.id,
            storage,
            is_added: false,
            created_at,
            expires_at: created_at + KEPT,
        };
        // Its row comes first: a file without one is a left one.
        self.store.write(|tx| {
            if store::of_user(tx, owner)?.len() >= AT_ONCE {
                return Err(Error::new(Kind::TooMany, "uploads-too-many").arg("limit", AT_ONCE));
            }
            store::insert(tx, &upload)
        })?;
        let begun = client.begin_upload(upload.uuid, upload.storage.clone(), upload.new.size);
        if begun.is_err() {
            self.store.write(|tx| store::remove(tx, upload.uuid))?;
        }
        begun.map(|()| upload)
    }

    /// The unfinished uploads of a person.
    pub fn unfinished_uploads(&self, owner: UserId) -> Result<Vec<Unfinished>> {
        self.store.read(|conn| store::of_user(conn, owner))
    }

    /// An upload of this person.
    ///
    /// # Errors
    /// `upload-unknown`, `upload-of-another`
    pub fn unfinished_upload(&self, owner: UserId, uuid: Uuid) -> Result<Unfinished> {
        let found = self.store.read(|conn| store::find(conn, uuid))?;
        let upload = found.ok_or_else(|| unknown(uuid))?;
        match upload.owner == Some(owner) {
            true => Ok(upload),
            false => Err(Error::forbidden("upload-of-another").arg("uuid", uuid)),
        }
    }

    /// How many of its bytes are there, and stay. One that turns out to be whole, since its server was killed before it
    /// could go on with it, goes on now.
    ///
    /// # Errors
    /// `upload-unknown` when its file is gone, `node-unreachable`, and those of [`Images::add_upload`].
    pub fn upload_offset(&self, actor: &Actor, upload: &Unfinished) -> Result<u64> {
        if upload.is_added {
            return Ok(upload.new.size);
        }
        let client = self.client_of(upload)?;
        let length =
            self.unless_missing(upload, client.upload_length(upload.uuid, upload.storage.clone()))?;
        if length == upload.new.size
            && let Some(under_way) = UnderWay::enter(self, upload.uuid)
        {
            self.add_upload(actor, upload, whole(upload, under_way))?;
        }
        Ok(length)
    }

    /// Opens the way for the bytes from this one on. Within the runtime, on a thread that may block.
    ///
    /// # Errors
    /// `upload-unknown`, `upload-in-use`, `upload-offset-wrong`, `pool-unknown`, `node-unreachable`
    pub fn append_upload(&self, upload: Unfinished, from: u64) -> Result<Appending> {
        self.kind(upload.new.image.kind)?;
        let size = upload.new.size;
        let wrong = |length| {
            Error::conflict("upload-offset-wrong").arg("offset", from).arg("length", length)
        };
        if upload.is_added {
            return Err(wrong(size));
        }
        let under_way = self.enter(upload.uuid)?;
        let client = self.client_of(&upload)?;
        // The node would say the same, but only when bytes are on their way to it.
        let (uuid, storage) = (upload.uuid, upload.storage.clone());
        let length = self.unless_missing(&upload, client.upload_length(uuid, storage.clone()))?;
        if length != from {
            return Err(wrong(length));
        }
        let _inside = self.runtime.enter();
        let stream = client.append(uuid, storage, from, size)?;
        let way = Way::new(under_way, stream, upload.is_iso() && from == 0);
        Ok(Appending { images: self.clone(), upload, way })
    }

    /// Takes over an upload that is whole.
    ///
    /// # Errors
    /// Those of [`Images::add`]: the upload is thrown away.
    pub fn add_upload(
        &self,
        actor: &Actor,
        upload: &Unfinished,
        arrived: Arrived,
    ) -> Result<SubmittedOperation> {
        let added = self.add(actor, &upload.new.image, arrived);
        if added.is_err() {
            self.store.write(|tx| store::remove(tx, upload.uuid))?;
        }
        added
    }

    /// Throws an upload away, with what has arrived of it; who sends it is broken off.
    ///
    /// # Errors
    /// `upload-added`, `upload-in-use`, `node-unreachable`
    pub fn cancel_upload(&self, upload: &Unfinished) -> Result<()> {
        if upload.is_added {
            return Err(Error::conflict("upload-added").arg("name", &upload.new.image.name));
        }
        if let Some(writer) = self.writer(upload.uuid) {
            writer.stop.cancel();
        }
        let _under_way = self.wait_for(upload.uuid)?;
        self.drop_upload(upload)
    }

    /// Its file, then its row.
    fn drop_upload(&self, upload: &Unfinished) -> Result<()> {
        self.client_of(upload)?.discard(upload.uuid, upload.storage.clone())?;
        self.store.write(|tx| store::remove(tx, upload.uuid))
    }

    fn client_of(&self, upload: &Unfinished) -> Result<NodeClient> {
        self.inventory.client_within(upload.node_id, FIRST_CONNECTION)
    }

    /// An upload whose file is gone is none.
    fn unless_missing<T>(&self, upload: &Unfinished, asked: Result<T>) -> Result<T> {
        match asked {
            Err(error) if error.key() == "upload-missing" => {
                self.store.write(|tx| store::remove(tx, upload.uuid))?;
                Err(unknown(upload.uuid).because(error))
            }
            other => other,
        }
    }

    fn writer(&self, upload: Uuid) -> Option<Arc<Writer>> {
        self.uploads_under_way().get(&upload).cloned()
    }

    /// The place of who writes; that of one who says nothing any more is taken.
    fn enter(&self, upload: Uuid) -> Result<UnderWay> {
        if let Some(under_way) = UnderWay::enter(self, upload) {
            return Ok(under_way);
        }
        match self.writer(upload) {
            Some(writer) if writer.silence() < SILENCE => Err(Error::busy("upload-in-use")),
            Some(writer) => {
                writer.stop.cancel();
                self.wait_for(upload)
            }
            None => self.wait_for(upload),
        }
    }

    /// Once its writer has left.
    fn wait_for(&self, upload: Uuid) -> Result<UnderWay> {
        let until = Instant::now() + LEAVE;
        loop {
            match UnderWay::enter(self, upload) {
                Some(under_way) => return Ok(under_way),
                None if Instant::now() >= until => return Err(Error::busy("upload-in-use")),
                None => sleep(Duration::from_millis(20)),
            }
        }
    }
}

impl Appending {
    /// Set when it shall end: somebody goes on with the upload, or has thrown it away.
    pub fn writer(&self) -> Arc<Writer> {
        Arc::clone(self.way.under_way.writer())
    }

    /// Passes bytes on; waits while the storage is slower than the client.
    ///
    /// # Errors
    /// Those of [`super::Upload::write`].
    pub async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.way.write(bytes).await
    }

    /// Says that no more bytes follow for now. It is done, also when nobody waits for it any more.
    ///
    /// # Errors
    /// As [`super::Upload::write`].
    pub async fn end(self) -> Result<Progressed> {
        let Self { images, upload, way } = self;
        let Way { under_way, stream, .. } = way;
        let (offset, received) = stream.stored().await?;
        let note = move || {
            let expires_at = now() + KEPT;
            images.store.write(|tx| store::note_received(tx, upload.uuid, offset, expires_at))?;
            if offset < upload.new.size {
                return Ok(Progressed::Part { offset, expires_at });
            }
            let arrived = Arrived { received, ..whole(&upload, under_way) };
            Ok(Progressed::Whole(Box::new(arrived)))
        };
        let noted = tokio::task::spawn_blocking(note).await;
        noted.map_err(|panic| Error::internal("note what arrived").because(panic))?
    }

    /// Throws it away: it is not what it was to be.
    pub async fn reject(self) -> Result<()> {
        let Self { images, upload, way } = self;
        // What the node is still to write must not come after its file is gone.
        drop(way.stream.stored().await);
        let _under_way = way.under_way;
        let rejected = tokio::task::spawn_blocking(move || images.drop_upload(&upload)).await;
        rejected.map_err(|panic| Error::internal("throw an upload away").because(panic))?
    }
}

/// Without sums.
fn whole(upload: &Unfinished, under_way: UnderWay) -> Arrived {
    Arrived {
        uuid: upload.uuid,
        node_id: upload.node_id,
        storage: upload.storage.clone(),
        size: upload.new.size,
        received: None,
        _under_way: under_way,
    }
}

/// # Errors
/// `upload-too-long`
pub fn require_within(from: u64, bytes: u64, size: u64) -> Result<()> {
    match from.checked_add(bytes) {
        Some(end) if end <= size => Ok(()),
        _ => Err(Error::bad_input("upload-too-long").arg("announced", human(size))),
    }
}

fn unknown(uuid: Uuid) -> Error {
    Error::not_found("upload-unknown").arg("uuid", uuid)
}
