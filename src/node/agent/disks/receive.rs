//! Bytes from elsewhere into an upload, hashed on the way: a whole file at once, or a part of one ([`super::append`]).

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::path::Path;

use md5::Md5;
use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, fallocate};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::Disks;
use crate::error::{Error, Result};
use crate::node::agent::call::Call;
use crate::node::agent::storage::Storage;
use crate::node::agent::{files, qcow2};
use crate::node::protocol::Received;
use crate::node::units::human;

pub(super) const BUFFER: usize = 256 << 10;

impl Disks {
    /// Takes a file from `from`, in the place of an earlier upload of that uuid. `size`: its announced length. When it
    /// does not arrive whole nothing of it stays.
    ///
    /// # Errors
    /// `storage-full` before the first byte is taken, `upload-stopped-for-room`, `storage-ran-full`,
    /// `upload-truncated`, `upload-too-long`.
    pub fn receive(
        &self,
        upload: Uuid,
        storage: &str,
        size: Option<u64>,
        from: &mut dyn Read,
        call: &Call,
    ) -> Result<Received> {
        let storage = self.storages().get(storage)?;
        let path = storage.upload(upload);
        files::remove_if_there(&path)?;
        if let Some(size) = size {
            storage.require_room(size)?;
        }
        let arrived = store(&storage, &path, size, from, call);
        if arrived.is_err() {
            files::remove_if_there(&path)?;
        }
        arrived
    }

    /// Throws an upload away. None counts as thrown away.
    pub fn discard(&self, upload: Uuid, storage: &str) -> Result<()> {
        self.forget_sums(upload);
        files::remove_if_there(&self.storages().get(storage)?.upload(upload)).map(drop)
    }
}

fn store(
    storage: &Storage,
    path: &Path,
    size: Option<u64>,
    from: &mut dyn Read,
    call: &Call,
) -> Result<Received> {
    let file = files::create_new(path, 0o600)?;
    let has_room = match size.filter(|size| *size > 0) {
        Some(size) => reserve(storage, &file, size)?,
        None => false,
    };
    let sums = Some(Sums::new());
    let no_room = "upload-stopped-for-room";
    let mut intake = Intake { storage, path, file, has_room, size, arrived: 0, sums, no_room };
    intake.take(from, call).map_err(|error| match error.key() {
        BROKEN_OFF => truncated(intake.arrived, size).because(error),
        _ => error,
    })?;
    if size.is_some_and(|size| intake.arrived < size) {
        return Err(truncated(intake.arrived, size));
    }
    intake.sync()?;
    let sums = intake.sums.unwrap_or_else(Sums::new);
    Ok(sums.received(path))
}

/// Key of the error for a source that ended in the middle.
const BROKEN_OFF: &str = "upload-broken-off";

/// Bytes on their way into the file of an upload.
pub(super) struct Intake<'a> {
    pub storage: &'a Storage,
    pub path: &'a Path,
    /// Stands where the next byte goes.
    pub file: File,
    /// Room for all of it was taken before.
    pub has_room: bool,
    /// Announced, of the whole.
    pub size: Option<u64>,
    /// Of the whole.
    pub arrived: u64,
    /// `None`: what came before is not summed up.
    pub sums: Option<Sums>,
    /// What is said when there is no room for more.
    pub no_room: &'static str,
}

impl Intake<'_> {
    /// Takes what comes until the source ends. After an error what has arrived is in the file and in the sums.
    ///
    /// # Errors
    /// `upload-too-long`, `upload-stopped-for-room`, `storage-ran-full`, `upload-broken-off`, and of kind cancelled.
    pub fn take(&mut self, from: &mut dyn Read, call: &Call) -> Result<()> {
        let mut buffer = vec![0; BUFFER];
        loop {
            call.check()?;
            let count = match from.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(count) => count,
                Err(cause) if cause.kind() == ErrorKind::Interrupted => continue,
                Err(cause) => {
                    call.check()?;
                    return Err(Error::bad_input(BROKEN_OFF).because(cause));
                }
            };
            self.put(&buffer[..count])?;
            if let Some(size) = self.size {
                call.progress(self.arrived, size);
            }
        }
    }

    fn put(&mut self, piece: &[u8]) -> Result<()> {
        let arrived = self.arrived + piece.len() as u64;
        if let Some(size) = self.size.filter(|size| arrived > *size) {
            return Err(Error::bad_input("upload-too-long").arg("announced", human(size)));
        }
        if !self.has_room {
            keep_reserve(self.storage, arrived, piece.len() as u64, self.no_room)?;
        }
        if let Err(cause) = self.file.write_all(piece) {
            // Some of the piece may be in the file, and nothing of it in the sums.
            self.sums = None;
            return Err(files::on_storage(self.path, cause));
        }
        if let Some(sums) = &mut self.sums {
            sums.take(piece);
        }
        self.arrived = arrived;
        Ok(())
    }

    pub fn sync(&self) -> Result<()> {
        self.file.sync_data().map_err(|cause| files::on_storage(self.path, cause))
    }
}

/// Sums of the first bytes of a file.
#[derive(Clone)]
pub(super) struct Sums {
    /// Of so many.
    pub length: u64,
    md5: Md5,
    sha256: Sha256,
}

impl Sums {
    pub fn new() -> Self {
        Self { length: 0, md5: Md5::new(), sha256: Sha256::new() }
    }

    pub fn take(&mut self, piece: &[u8]) {
        self.md5.update(piece);
        self.sha256.update(piece);
        self.length += piece.len() as u64;
    }

    /// What the file is now that it is whole.
    pub fn received(self, path: &Path) -> Received {
        // What cannot be read is found out, and told, when it is adopted.
        let header = qcow2::read(path).ok().flatten();
        Received {
            size: self.length,
            md5: hex::encode(self.md5.finalize()),
            sha256: hex::encode(self.sha256.finalize()),
            stays: header.is_some_and(|header| !header.dirty),
        }
    }
}

/// Asked for every piece, which costs a microsecond: a client that does not say how much it sends could fill the
/// file system on which guests and the database write.
fn keep_reserve(storage: &Storage, arrived: u64, piece: u64, key: &'static str) -> Result<()> {
    let facts = storage.facts()?;
    if facts.has_room(piece) {
        return Ok(());
    }
    Err(Error::no_room(key)
        .arg("received", human(arrived))
        .arg("reserve", human(facts.reserve()))
        .arg("path", facts.path))
}

/// Takes the room at once, so that two uploads do not both find enough of it. Whether it was taken.
///
/// # Errors
/// `storage-full`
pub(super) fn reserve(storage: &Storage, file: &File, size: u64) -> Result<bool> {
    match allocate(storage, file, size)? {
        // Another may have found the same room a moment ago.
        Allocated::Yes => storage.require_room(0).map(|()| true),
        // Not every file system can; then a full one shows itself while writing.
        Allocated::Unable => Ok(false),
        // Names what is free now; when that has become enough meanwhile, writing goes on.
        Allocated::NoRoom => storage.require_room(size).map(|()| false),
    }
}

pub(super) enum Allocated {
    Yes,
    Unable,
    NoRoom,
}

/// Takes room for the first `size` bytes of a file; what it has already is not taken again.
pub(super) fn allocate(storage: &Storage, file: &File, size: u64) -> Result<Allocated> {
    let length = i64::try_from(size).unwrap_or(i64::MAX);
    match fallocate(file.as_fd(), FallocateFlags::FALLOC_FL_KEEP_SIZE, 0, length) {
        Ok(()) => Ok(Allocated::Yes),
        Err(Errno::EOPNOTSUPP | Errno::ENOSYS) => Ok(Allocated::Unable),
        Err(Errno::ENOSPC | Errno::EDQUOT | Errno::EFBIG) => Ok(Allocated::NoRoom),
        Err(cause) => {
            Err(Error::internal(format!("reserve room in {}", storage.name())).because(cause))
        }
    }
}

fn truncated(arrived: u64, announced: Option<u64>) -> Error {
    let announced = announced.map_or_else(|| "?".to_owned(), human);
    Error::bad_input("upload-truncated").arg("received", human(arrived)).arg("announced", announced)
}
