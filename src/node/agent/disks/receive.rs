//! Bytes from elsewhere into an unfinished upload, hashed on the way.

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
use crate::node::agent::files;
use crate::node::agent::storage::Storage;
use crate::node::units::human;

const BUFFER: usize = 256 << 10;

/// What arrived; hashes in hexadecimal.
pub struct Arrived {
    pub size: u64,
    pub md5: String,
    pub sha256: String,
}

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
    ) -> Result<Arrived> {
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
        files::remove_if_there(&self.storages().get(storage)?.upload(upload)).map(drop)
    }
}

fn store(
    storage: &Storage,
    path: &Path,
    size: Option<u64>,
    from: &mut dyn Read,
    call: &Call,
) -> Result<Arrived> {
    let mut file = files::create_new(path, 0o600)?;
    let has_room = reserve(storage, &file, size)?;
    let (mut md5, mut sha256) = (Md5::new(), Sha256::new());
    let mut buffer = vec![0; BUFFER];
    let mut arrived = 0;
    loop {
        call.check()?;
        let count = match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(cause) if cause.kind() == ErrorKind::Interrupted => continue,
            Err(cause) => {
                call.check()?;
                return Err(truncated(arrived, size).because(cause));
            }
        };
        arrived += count as u64;
        if let Some(size) = size {
            if arrived > size {
                return Err(Error::bad_input("upload-too-long").arg("announced", human(size)));
            }
            call.progress(arrived, size);
        }
        if !has_room {
            keep_reserve(storage, arrived, count as u64)?;
        }
        let piece = &buffer[..count];
        md5.update(piece);
        sha256.update(piece);
        file.write_all(piece).map_err(|cause| files::on_storage(path, cause))?;
    }
    if size.is_some_and(|size| arrived < size) {
        return Err(truncated(arrived, size));
    }
    file.sync_data().map_err(|cause| files::on_storage(path, cause))?;
    Ok(Arrived {
        size: arrived,
        md5: hex::encode(md5.finalize()),
        sha256: hex::encode(sha256.finalize()),
    })
}

/// Asked for every piece, which costs a microsecond: a client that does not say how much it sends could fill the
/// file system on which guests and the database write.
fn keep_reserve(storage: &Storage, arrived: u64, piece: u64) -> Result<()> {
    let facts = storage.facts()?;
    if facts.has_room(piece) {
        return Ok(());
    }
    Err(Error::no_room("upload-stopped-for-room")
        .arg("received", human(arrived))
        .arg("reserve", human(facts.reserve()))
        .arg("path", facts.path))
}

/// Takes the room at once, so that two uploads do not both find enough of it. Whether it was taken.
fn reserve(storage: &Storage, file: &File, size: Option<u64>) -> Result<bool> {
    let Some(size) = size.filter(|size| *size > 0) else { return Ok(false) };
    let length = i64::try_from(size).unwrap_or(i64::MAX);
    match fallocate(file.as_fd(), FallocateFlags::FALLOC_FL_KEEP_SIZE, 0, length) {
        // Another may have found the same room a moment ago.
        Ok(()) => storage.require_room(0).map(|()| true),
        // Not every file system can; then a full one shows itself while writing.
        Err(Errno::EOPNOTSUPP | Errno::ENOSYS) => Ok(false),
        Err(Errno::ENOSPC | Errno::EDQUOT | Errno::EFBIG) => {
            // Names what is free now; when that has become enough meanwhile, writing goes on.
            storage.require_room(size).map(|()| false)
        }
        Err(cause) => {
            Err(Error::internal(format!("reserve room in {}", storage.name())).because(cause))
        }
    }
}

fn truncated(arrived: u64, announced: Option<u64>) -> Error {
    let announced = announced.map_or_else(|| "?".to_owned(), human);
    Error::bad_input("upload-truncated").arg("received", human(arrived)).arg("announced", announced)
}
