//! Room that is kept for the day when the disk of the database is full: people must be able to sign in to make some, what
//! was begun must be able to say how it ended, and the server must start.
//!
//! ```text
//!   carrel.db       free pages, and a write-ahead log that is long enough already: what is written goes into these
//!   carrel.reserve  given up when the server starts on a full disk, where that log has to be made anew
//! ```

use std::fs::{self, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::PoisonError;

use nix::fcntl::posix_fallocate;
use nix::sys::statvfs::statvfs;

use super::{Store, files};
use crate::error::{Context, Result};

const NAME: &str = "carrel.reserve";
/// Bytes of the file.
const BESIDE: u64 = 16 << 20;
/// Bytes of free pages in the database: thousands of sign-ins.
const INSIDE: i64 = 8 << 20;

/// To be called before the database is opened: gives the file up when less than its half is free.
pub fn give_up_if_full(data_dir: &Path) {
    let path = data_dir.join(NAME);
    if !path.exists() || room(data_dir).is_none_or(|free| free >= BESIDE / 2) {
        return;
    }
    match fs::remove_file(&path) {
        Ok(()) => tracing::error!(
            path = %data_dir.display(),
            "the disk of the database is full: its reserve is used up; free some room"
        ),
        Err(cause) => {
            tracing::error!(path = %path.display(), %cause, "the reserve is not given up")
        }
    }
}

/// Makes the file if it is missing and there is room for it.
///
/// # Errors
/// Those of the disk.
pub fn keep_beside(data_dir: &Path) -> Result<()> {
    let path = data_dir.join(NAME);
    if path.exists() || !has_room(data_dir, BESIDE) { Ok(()) } else { make(&path) }
}

impl Store {
    /// Makes what is missing of the reserve, where there is room for it. Blocks for a moment.
    ///
    /// # Errors
    /// Those of the database and its disk; what there was of the reserve stays.
    pub fn keep_reserve(&self, data_dir: &Path) -> Result<()> {
        keep_beside(data_dir)?;
        if has_room(data_dir, INSIDE.unsigned_abs()) { self.keep_free_pages() } else { Ok(()) }
    }

    fn keep_free_pages(&self) -> Result<()> {
        let writer = self.inner.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let number = |name: &str| writer.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        let free = number("freelist_count")? * number("page_size")?;
        // It is made anew at each start.
        let log = writer.path().and_then(|path| fs::metadata(format!("{path}-wal")).ok());
        let is_long = log.is_some_and(|log| log.len() >= INSIDE.unsigned_abs());
        if free >= INSIDE / 2 && is_long {
            return Ok(());
        }
        // Written, and from the log into the database: pages that were never written have no room on the disk. The log,
        // which is longer now than SQLite lets it become by itself, is written from its beginning again.
        writer.execute_batch("DROP TABLE IF EXISTS reserve; CREATE TABLE reserve (room BLOB)")?;
        let settle = || writer.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
        let filled = writer.execute("INSERT INTO reserve VALUES (zeroblob(?1))", [INSIDE]);
        let filled = filled.and_then(|_| settle());
        writer.execute_batch("DROP TABLE reserve")?;
        filled.and_then(|()| settle())?;
        tracing::debug!("the database has a reserve for a full disk");
        Ok(())
    }
}

/// Whether so much leaves room for others.
fn has_room(dir: &Path, for_this: u64) -> bool {
    room(dir).is_some_and(|free| free >= 2 * for_this)
}

/// Bytes that are free for this process.
fn room(dir: &Path) -> Option<u64> {
    statvfs(dir).ok().map(|stat| stat.blocks_available() * stat.fragment_size())
}

fn make(path: &Path) -> Result<()> {
    let doing = || format!("make {}", path.display());
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let file = match file {
        Err(cause) if cause.kind() == ErrorKind::AlreadyExists => return Ok(()),
        opened => opened.context(doing())?,
    };
    files::protect(path)?;
    let made = i64::try_from(BESIDE)
        .context(doing())
        .and_then(|size| posix_fallocate(&file, 0, size).context(doing()));
    if made.is_err() {
        // Half of it helps nobody.
        fs::remove_file(path).context(doing())?;
    }
    made
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_in_the_database_and_beside_it() {
        let dir = tempfile::tempdir().expect("temp dir");
        let store = Store::open(&dir.path().join("test.db")).expect("store");
        for _ in 0..2 {
            store.keep_reserve(dir.path()).expect("a reserve");
            let free = store.read(|conn| {
                let pages: i64 =
                    conn.pragma_query_value(None, "freelist_count", |row| row.get(0))?;
                Ok(pages * 4096)
            });
            let free = free.expect("free pages");
            assert!((INSIDE..INSIDE * 3 / 2).contains(&free), "{free}");
            let tables = "SELECT count(*) FROM sqlite_schema WHERE name = 'reserve'";
            let left: i64 = store
                .read(|conn| Ok(conn.query_row(tables, [], |row| row.get(0))?))
                .expect("count");
            assert_eq!(left, 0);
        }
        assert_eq!(fs::metadata(dir.path().join(NAME)).expect("made").len(), BESIDE);
        // There is room: nothing is given up.
        give_up_if_full(dir.path());
        assert!(dir.path().join(NAME).exists());
    }
}
