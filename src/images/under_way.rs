//! Which uploads this process takes bytes of now, and since when nothing has come.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::Images;
use crate::node::cancel::CancelFlag;

/// Who takes the bytes of an upload.
#[derive(Debug)]
pub struct Writer {
    /// Somebody else wants to go on with it, or nobody any more.
    pub stop: CancelFlag,
    heard: Mutex<Instant>,
}

impl Writer {
    fn heard(&self) -> MutexGuard<'_, Instant> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// So long nothing has come.
    pub fn silence(&self) -> Duration {
        self.heard().elapsed()
    }
}

/// Keeps an upload from being taken for a left one, and from having two writers.
pub struct UnderWay {
    images: Images,
    upload: Uuid,
    writer: Arc<Writer>,
}

impl UnderWay {
    /// `None` when somebody else has it.
    pub fn enter(images: &Images, upload: Uuid) -> Option<Self> {
        let (stop, heard) = (CancelFlag::new(), Mutex::new(Instant::now()));
        let writer = Arc::new(Writer { stop, heard });
        let mut all = images.uploads_under_way();
        if all.contains_key(&upload) {
            return None;
        }
        all.insert(upload, Arc::clone(&writer));
        drop(all);
        Some(Self { images: images.clone(), upload, writer })
    }

    /// Something has come.
    pub fn hear(&self) {
        *self.writer.heard() = Instant::now();
    }

    pub fn writer(&self) -> &Arc<Writer> {
        &self.writer
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.images.uploads_under_way().remove(&self.upload);
    }
}
