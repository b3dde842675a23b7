//! Uploads that come in parts, over days perhaps.
//!
//! The file's length is how much of one has arrived: nothing else is kept of it, so that nothing can say otherwise.
//! What was answered for is durable before it is. Sums go along in memory; after a restart in the middle the whole file
//! is read for them once.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::{MutexGuard, PoisonError};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use uuid::Uuid;

use super::Disks;
use super::receive::{Allocated, BUFFER, Intake, Sums, allocate, reserve};
use crate::error::{Context, Error, Result};
use crate::node::agent::call::Call;
use crate::node::agent::files;
use crate::node::protocol::Received;

impl Disks {
    /// Makes an empty upload with room for all of it. One that is there stays as it is.
    ///
    /// # Errors
    /// `storage-full`
    pub fn begin_upload(&self, upload: Uuid, storage: &str, size: u64) -> Result<()> {
        let storage = self.storages().get(storage)?;
        let path = storage.upload(upload);
        if files::exists(&path)? {
            return Ok(());
        }
        storage.require_room(size)?;
        let file = files::create_new(&path, 0o600)?;
        let begun = reserve(&storage, &file, size).and_then(|_| files::sync_parent(&path));
        if begun.is_err() {
            files::remove_if_there(&path)?;
        }
        begun
    }

    /// Takes the bytes from this one on, which must be the next, of `size` in all. Gives how many there are now, and what
    /// they are when they are all. What has arrived stays, whatever happens.
    ///
    /// # Errors
    /// `upload-missing`, `upload-in-use`, `upload-offset-wrong`, `upload-too-long`, `upload-waits-for-room`,
    /// `storage-ran-full`, and of kind cancelled.
    pub fn append(
        &self,
        (upload, storage): (Uuid, &str),
        (from, size): (u64, u64),
        bytes: &mut dyn Read,
        call: &Call,
    ) -> Result<(u64, Option<Received>)> {
        let storage = self.storages().get(storage)?;
        let path = storage.upload(upload);
        let lock = lock(open(&path)?)?;
        let length = length(&lock, &path)?;
        if length != from {
            return Err(Error::conflict("upload-offset-wrong")
                .arg("offset", from)
                .arg("length", length));
        }
        let mut file = lock.try_clone().context(format_args!("open {}", path.display()))?;
        file.seek(SeekFrom::Start(from)).context(format_args!("seek in {}", path.display()))?;
        let has_room = matches!(allocate(&storage, &file, size)?, Allocated::Yes);
        let sums = match from {
            0 => Some(Sums::new()),
            _ => self.sums().remove(&upload).filter(|sums| sums.length == from),
        };
        let (storage, path) = (&storage, path.as_path());
        let (size, arrived, no_room) = (Some(size), from, "upload-waits-for-room");
        let mut intake = Intake { storage, path, file, has_room, size, arrived, sums, no_room };
        let taken = intake.take(bytes, call);
        intake.sync()?;
        let Intake { arrived, sums, .. } = intake;
        let is_whole = size == Some(arrived);
        if let Some(sums) = sums.clone().filter(|_| !is_whole || taken.is_err()) {
            self.sums().insert(upload, sums);
        }
        taken?;
        let whole = sums.filter(|_| is_whole).map(|sums| sums.received(path));
        Ok((arrived, whole))
    }

    /// How much of an upload is there, and stays.
    ///
    /// # Errors
    /// `upload-missing`
    pub fn upload_length(&self, upload: Uuid, storage: &str) -> Result<u64> {
        let path = self.storages().get(storage)?.upload(upload);
        let file = open(&path)?;
        let length = length(&file, &path)?;
        file.sync_data().map_err(|cause| files::on_storage(&path, cause))?;
        Ok(length)
    }

    /// Reads a whole upload for its sums.
    ///
    /// # Errors
    /// `upload-missing`, and of kind cancelled.
    pub fn sum_upload(&self, upload: Uuid, storage: &str, call: &Call) -> Result<Received> {
        let path = self.storages().get(storage)?.upload(upload);
        let mut file = open(&path)?;
        let size = length(&file, &path)?;
        let (mut sums, mut buffer) = (Sums::new(), vec![0; BUFFER]);
        loop {
            call.check()?;
            match file.read(&mut buffer) {
                Ok(0) => return Ok(sums.received(&path)),
                Ok(count) => sums.take(&buffer[..count]),
                Err(cause) if cause.kind() == ErrorKind::Interrupted => {}
                other => drop(other.context(format_args!("read {}", path.display()))?),
            }
            call.progress(sums.length, size);
        }
    }

    pub(super) fn forget_sums(&self, upload: Uuid) {
        self.sums().remove(&upload);
    }

    fn sums(&self) -> MutexGuard<'_, HashMap<Uuid, Sums>> {
        self.0.sums.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn open(path: &Path) -> Result<File> {
    let opened = OpenOptions::new().read(true).write(true).open(path);
    opened.map_err(|cause| match cause.kind() {
        ErrorKind::NotFound => Error::not_found("upload-missing").arg("path", path.display()),
        _ => Error::internal(format!("open {}", path.display())).because(cause),
    })
}

/// One writes at a time, also when the call of a controller that is gone has not ended yet.
fn lock(file: File) -> Result<Flock<File>> {
    Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, cause)| match cause {
        Errno::EWOULDBLOCK => Error::busy("upload-in-use"),
        _ => Error::internal("lock an upload").because(cause),
    })
}

fn length(file: &File, path: &Path) -> Result<u64> {
    let meta = file.metadata().context(format_args!("look at {}", path.display()))?;
    Ok(meta.len())
}
