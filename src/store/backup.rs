//! Copies of the database: taken while it is in use, and put back in its place.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::lock::DataLock;
use super::{BUSY_WAIT, files, migrations};
use crate::error::{Context, Error, Kind, Result};

/// SQLite's mark of whose database a file is.
const APPLICATION: i32 = i32::from_be_bytes(*b"Crrl");
/// SQLite keeps these beside a database, under its name with this behind it.
const COMPANIONS: [&str; 2] = ["-wal", "-shm"];

/// Marks a new database as Carrel's.
///
/// # Errors
/// `database-foreign` for one that belongs to another program.
pub(super) fn mark(conn: &Connection) -> Result<()> {
    match application(conn)? {
        APPLICATION => Ok(()),
        0 => Ok(conn.pragma_update(None, "application_id", APPLICATION)?),
        _ => Err(Error::conflict("database-foreign")),
    }
}

fn application(conn: &Connection) -> rusqlite::Result<i32> {
    conn.pragma_query_value(None, "application_id", |row| row.get(0))
}

/// Copies the database as it is at one moment into a new file, while it may be in use.
///
/// # Errors
/// `backup-exists`: nothing is overwritten. `backup-unwritable`, `backup-no-room`.
pub fn backup(database: &Path, to: &Path) -> Result<()> {
    if !database.exists() {
        return Err(Error::not_found("database-missing").arg("path", database.display()));
    }
    if to.exists() {
        return Err(Error::conflict("backup-exists").arg("path", to.display()));
    }
    let conn = open(database)?;
    // Under another name until it is whole: a name like that of a backup is one.
    let partial = beside(to, &format!(".partial-{}", std::process::id()));
    let copied = copy(&conn, &partial).and_then(|()| {
        fs::rename(&partial, to).map_err(|cause| unwritable(to, cause))?;
        files::sync_dir(folder(to))
    });
    if copied.is_err() {
        remove(&partial);
    }
    copied
}

/// Puts a backup in the place of the database of a data directory that no server uses. Gives the
/// name under which the database that was there is kept.
///
/// Everybody has to sign in again: a session that was ended since must not come back. What nodes have and
/// the backup does not know is kept aside when they are looked at next; see `desktops::reconcile`.
///
/// # Errors
/// `data-dir-in-use`, `backup-missing`, `backup-not-carrel`, `database-newer`; nothing is changed then.
pub fn restore(data_dir: &Path, database: &Path, from: &Path) -> Result<Option<PathBuf>> {
    if !from.is_file() {
        return Err(Error::not_found("backup-missing").arg("path", from.display()));
    }
    let _lock = DataLock::take(data_dir)?;
    let source = open(from)?;
    let fresh = beside(database, ".restoring");
    remove_with_companions(&fresh);
    let placed = copy(&source, &fresh).and_then(|()| prepare(&fresh)).and_then(|()| {
        let kept = set_aside(database)?;
        fs::rename(&fresh, database).context("put the backup in place")?;
        files::sync_dir(data_dir)?;
        Ok(kept)
    });
    if placed.is_err() {
        remove_with_companions(&fresh);
    }
    placed
}

/// Whether a file is a sound database of this or an older Carrel.
///
/// # Errors
/// `backup-not-carrel` with the path, `database-newer`.
pub fn inspect(path: &Path) -> Result<()> {
    let conn = open(path)?;
    migrations::refuse_newer(&conn)
}

fn open(path: &Path) -> Result<Connection> {
    let foreign = || Error::bad_input("backup-not-carrel").arg("path", path.display());
    let open = || -> rusqlite::Result<(Connection, i32, String)> {
        let conn = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        conn.busy_timeout(BUSY_WAIT)?;
        let application = application(&conn)?;
        let sound = conn.pragma_query_value(None, "quick_check", |row| row.get(0))?;
        Ok((conn, application, sound))
    };
    match open() {
        Ok((conn, APPLICATION, sound)) if sound == "ok" => Ok(conn),
        Ok((_, APPLICATION, fault)) => Err(foreign().because(fault)),
        Ok(_) => Err(foreign()),
        Err(cause) => match cause.sqlite_error_code() {
            Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
                Err(foreign().because(cause))
            }
            _ => Err(Error::from(cause)),
        },
    }
}

/// Writes what `conn` sees into a file that only its owner may read, and on disk.
fn copy(conn: &Connection, to: &Path) -> Result<()> {
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to);
    made.map_err(|cause| unwritable(to, cause))?;
    files::protect(to)?;
    let name = to.to_str();
    let name =
        name.ok_or_else(|| Error::bad_input("settings-path-wrong").arg("path", to.display()))?;
    // One statement, one state, however much is written meanwhile; and no remains of deleted rows.
    conn.execute("VACUUM INTO ?1", [name]).map_err(|cause| match cause.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => {
            Error::no_room("backup-no-room").arg("path", to.display()).because(cause)
        }
        _ => Error::from(cause),
    })?;
    let file = File::open(to).context(format_args!("open {}", to.display()))?;
    file.sync_all().map_err(|cause| unwritable(to, cause))
}

/// Brings a copy to this version's shape, ends its sessions, and has what nodes made since set aside.
fn prepare(path: &Path) -> Result<()> {
    let mut conn = Connection::open(path).context("open the copy of the backup")?;
    migrations::apply(&mut conn)?;
    conn.execute_batch(
        "DELETE FROM sessions; DELETE FROM setup_links; \
         INSERT OR REPLACE INTO restored_nodes SELECT id, unixepoch() FROM nodes;",
    )?;
    conn.close().map_err(|(_, cause)| Error::from(cause))
}

/// Keeps the database under another name. It stays under its own too, until it is replaced in one
/// step: a crash in between leaves one that works.
fn set_aside(database: &Path) -> Result<Option<PathBuf>> {
    if !database.exists() {
        return Ok(None);
    }
    settle(database);
    let at = jiff::Zoned::now().strftime("%Y%m%d-%H%M%S%.3f").to_string();
    let kept = beside(database, &format!(".replaced-{at}"));
    fs::hard_link(database, &kept).context(format_args!("keep {}", kept.display()))?;
    for companion in COMPANIONS {
        let (old, new) = (beside(database, companion), beside(&kept, companion));
        if old.exists() {
            fs::rename(&old, &new).context(format_args!("keep {}", new.display()))?;
        }
    }
    Ok(Some(kept))
}

/// Brings the write-ahead log into the database. One that is too damaged for it is kept as it is.
fn settle(database: &Path) {
    let settled = Connection::open(database).and_then(|conn| {
        conn.pragma_update(None, "wal_checkpoint", "TRUNCATE")?;
        conn.close().map_err(|(_, cause)| cause)
    });
    if let Err(cause) = settled {
        tracing::warn!(%cause, "the replaced database is kept with its log beside it");
    }
}

fn unwritable(path: &Path, cause: std::io::Error) -> Error {
    let key = match cause.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
            return Error::no_room("backup-no-room").arg("path", path.display()).because(cause);
        }
        _ => "backup-unwritable",
    };
    let error = Error::new(Kind::BadInput, key).arg("path", path.display());
    error.arg("cause", &cause).because(cause)
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn remove(path: &Path) {
    match fs::remove_file(path) {
        Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => {
            tracing::warn!(%cause, path = %path.display(), "not removed");
        }
        _ => {}
    }
}

fn remove_with_companions(path: &Path) {
    for ending in ["", "-wal", "-shm", "-journal"] {
        remove(&beside(path, ending));
    }
}
