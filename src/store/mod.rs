//! SQLite: the pool, migrations and the one list mechanism.
//!
//! One writer, many readers, WAL. Every call blocks and belongs on a blocking thread. SQL itself
//! stands in the domain folders' `store.rs` files.

pub mod backup;
pub mod companion;
pub mod files;
#[cfg(debug_assertions)]
mod guard;
mod held;
mod ids;
pub mod list;
pub mod lock;
mod migrations;
mod news;
pub mod reserve;
pub mod rows;
pub mod sound;
pub mod text;
pub mod visible;

use std::cell::{Cell, RefCell};
use std::ops::Deref;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, TryLockError};
use std::time::Duration;

use r2d2_sqlite::SqliteConnectionManager;
use rusqlite::{Connection, ErrorCode, Transaction, TransactionBehavior};
use tokio::sync::broadcast;

use crate::error::{Context, Error, Kind, Result};

pub use held::outside_transaction;
pub use ids::{
    DesktopGroupId, DiskId, EducationGroupId, LineId, NetworkId, NodeId, OperationId, PoolId,
    RoleId, SessionId, SubnetId, SwitchId, TemplateId, UserGroupId, UserId,
};
pub use news::{Changed, Topic, Topics};

/// How long a reader or the writer waits for a lock held by another process: those of the command line hold one for
/// a moment.
const BUSY_WAIT: Duration = Duration::from_secs(3);
/// Readers at the same time; more wait their turn.
const READERS: u32 = 8;
/// Rows that a long list is written in: some milliseconds.
pub const ROWS_AT_ONCE: usize = 250;
/// KiB of page cache per connection: nine connections stay small beside the 60 MB budget.
const CACHE_KIB: i64 = 1024;

/// The database. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    readers: r2d2::Pool<SqliteConnectionManager>,
    writer: Mutex<Connection>,
    #[cfg(debug_assertions)]
    guard: guard::Guard,
    news: news::News,
    counts: list::CountCache,
}

/// A transaction on the writer, given to the change that [`Store::write`] makes.
pub struct Tx<'c> {
    inner: Transaction<'c>,
    topics: Cell<Topics>,
    after: RefCell<Vec<Box<dyn FnOnce()>>>,
}

impl Tx<'_> {
    /// Says what this transaction changes: it is told once it is on disk. Who changes rows says so; debug
    /// builds panic otherwise.
    pub fn changed(&self, topics: impl Into<Topics>) {
        self.topics.set(self.topics.get() | topics);
    }

    /// As [`Tx::changed`], if a statement changed any rows; gives their number.
    pub fn changed_rows(&self, rows: usize, topics: impl Into<Topics>) -> usize {
        if rows > 0 {
            self.changed(topics);
        }
        rows
    }

    /// Tells others what this transaction did, once it is on disk.
    pub fn after_commit(&self, tell: impl FnOnce() + 'static) {
        self.after.borrow_mut().push(Box::new(tell));
    }
}

impl<'c> Deref for Tx<'c> {
    type Target = Transaction<'c>;

    fn deref(&self) -> &Transaction<'c> {
        &self.inner
    }
}

impl Store {
    /// Opens `path`, making and migrating it as needed. A database written by a newer Carrel is
    /// refused.
    pub fn open(path: &Path) -> Result<Self> {
        if let Some(dir) = path.parent() {
            files::make_dir(dir)?;
        }
        let mut writer = Connection::open(path).context(format_args!("open {}", path.display()))?;
        // It holds password hashes. Before the first write: SQLite's other files take after it.
        files::protect(path)?;
        prepare(&writer)?;
        writer.pragma_update(None, "journal_mode", "WAL")?;
        backup::mark(&writer)?;
        migrations::apply(&mut writer)?;

        #[cfg(debug_assertions)]
        let guard = guard::Guard::watch(&writer)?;
        let news = news::News::new(data_version(&writer)?);

        let manager = SqliteConnectionManager::file(path).with_init(|conn| {
            prepare(conn).map_err(|_| rusqlite::Error::InvalidQuery)?;
            conn.pragma_update(None, "query_only", true)
        });
        let readers = r2d2::Pool::builder()
            .max_size(READERS)
            .min_idle(Some(1))
            .build(manager)
            .context("open the database for reading")?;
        let inner = Inner {
            readers,
            writer: Mutex::new(writer),
            #[cfg(debug_assertions)]
            guard,
            news,
            counts: list::CountCache::default(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// As [`Store::open`], but makes none.
    ///
    /// # Errors
    /// `database-missing`.
    pub fn open_existing(path: &Path) -> Result<Self> {
        if !path.exists() {
            return Err(Error::not_found("database-missing").arg("path", path.display()));
        }
        Self::open(path)
    }

    /// Runs queries on a reader. They see one committed state each, not one for all.
    pub fn read<T>(&self, query: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        let _reading = held::Reading::begin();
        let conn = self.inner.readers.get().context("wait for a database reader")?;
        query(&conn)
    }

    /// Runs a transaction on the writer. It is on disk when this returns `Ok`, and undone when
    /// `change` fails.
    pub fn write<T>(&self, change: impl FnOnce(&Tx<'_>) -> Result<T>) -> Result<T> {
        let mut conn = self.inner.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let _writing = held::Writing::begin();
        let inner = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        // What other processes did before this change: none of them can write until it is over.
        self.inner.news.note_strangers(data_version(&inner)?);
        #[cfg(debug_assertions)]
        self.inner.guard.begin();
        let tx = Tx { inner, topics: Cell::default(), after: RefCell::default() };
        let value = change(&tx)?;
        let companion = companion::write(&tx)?;
        let Tx { inner, topics, after } = tx;
        #[cfg(debug_assertions)]
        self.inner.guard.check(topics.get());
        self.inner.news.commit(topics.get(), || inner.commit())?;
        if let Some(companion) = companion {
            companion::written(&*companion);
        }
        after.into_inner().into_iter().for_each(|tell| tell());
        Ok(value)
    }

    /// News of committed changes.
    pub fn changes(&self) -> broadcast::Receiver<Changed> {
        self.inner.news.listen()
    }

    /// As [`Store::read`], but all queries see one committed state, whose number they get: equal numbers, equal
    /// rows. None is known while somebody else writes.
    fn read_at<T>(
        &self,
        query: impl FnOnce(&Connection, Option<news::State>) -> Result<T>,
    ) -> Result<T> {
        self.read(|conn| {
            // Undone when it goes out of scope: it reads only.
            let snapshot = conn.unchecked_transaction()?;
            // The first query begins what it sees.
            let state = self.inner.news.state_with(|| data_version(&snapshot))?;
            let state = state.filter(|state| self.is_without_strangers(*state));
            query(&snapshot, state)
        })
    }

    /// Whether no other process changed anything that was not noted in this state.
    fn is_without_strangers(&self, state: news::State) -> bool {
        let writer = match self.inner.writer.try_lock() {
            Ok(writer) => writer,
            Err(TryLockError::Poisoned(writer)) => writer.into_inner(),
            Err(TryLockError::WouldBlock) => return false,
        };
        let Ok(version) = data_version(&writer) else { return false };
        self.inner.news.note_strangers(version);
        self.inner.news.state().is_of_same_strangers(state)
    }

    /// Writes many rows in transactions of at most [`ROWS_AT_ONCE`], so that others need not wait long for the writer.
    /// Those before a failure stay written.
    pub fn write_in_parts<T>(
        &self,
        rows: &[T],
        mut write: impl FnMut(&Tx<'_>, &[T]) -> Result<()>,
    ) -> Result<()> {
        rows.chunks(ROWS_AT_ONCE).try_for_each(|part| self.write(|tx| write(tx, part)))
    }
}

/// Moves with each change by another connection.
fn data_version(conn: &Connection) -> Result<i64> {
    let mut statement = conn.prepare_cached("PRAGMA data_version")?;
    Ok(statement.query_row([], |row| row.get(0))?)
}

fn prepare(conn: &Connection) -> Result<()> {
    conn.busy_timeout(BUSY_WAIT)?;
    conn.pragma_update(None, "foreign_keys", true)?;
    conn.pragma_update(None, "synchronous", "FULL")?;
    conn.pragma_update(None, "cache_size", -CACHE_KIB)?;
    conn.pragma_update(None, "temp_store", "MEMORY")?;
    Ok(())
}

impl From<rusqlite::Error> for Error {
    fn from(cause: rusqlite::Error) -> Self {
        match cause.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Error::no_room("database-disk-full").because(cause),
            Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
                Error::new(Kind::Internal, "database-damaged").because(cause)
            }
            Some(ErrorCode::ReadOnly) => {
                Error::new(Kind::Internal, "database-read-only").because(cause)
            }
            // A folder that is not there, no right, no free descriptor: SQLite does not say which.
            Some(ErrorCode::CannotOpen) => {
                Error::new(Kind::Internal, "database-not-opened").because(cause)
            }
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                Error::busy("database-busy").because(cause)
            }
            _ => Error::new(Kind::Internal, "internal").because(cause),
        }
    }
}

/// Whether a statement failed because a row of that kind exists already.
pub fn is_duplicate(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error().map(|inner| inner.extended_code),
        Some(rusqlite::ffi::SQLITE_CONSTRAINT_UNIQUE | rusqlite::ffi::SQLITE_CONSTRAINT_PRIMARYKEY)
    )
}

/// The outcome of a statement that writes one row; `taken` is the refusal when one of that kind exists already.
pub fn unique(done: rusqlite::Result<usize>, taken: impl FnOnce() -> Error) -> Result<()> {
    match done {
        Ok(_) => Ok(()),
        Err(cause) if is_duplicate(&cause) => Err(taken().because(cause)),
        Err(cause) => Err(cause.into()),
    }
}

/// Seconds since 1970, the form in which all times are stored.
pub fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_opened_is_not_called_read_only() {
        let dir = tempfile::tempdir().expect("temp dir");
        let cause = Connection::open(dir.path().join("no folder/test.db")).expect_err("no folder");
        assert_eq!(Error::from(cause).key(), "database-not-opened");
    }

    #[test]
    fn many_rows_are_written_a_part_at_a_time() {
        let dir = tempfile::tempdir().expect("temp dir");
        let store = Store::open(&dir.path().join("test.db")).expect("store");
        store.write(|tx| Ok(tx.execute_batch("CREATE TABLE t (n INTEGER)")?)).expect("a table");
        let mut changes = store.changes();
        let rows: Vec<i64> = (0..i64::try_from(2 * ROWS_AT_ONCE + 1).expect("small")).collect();
        let insert = |tx: &Tx<'_>, part: &[i64]| {
            assert!(part.len() <= ROWS_AT_ONCE);
            tx.changed(Topic::Nodes);
            part.iter().try_for_each(|n| {
                tx.execute("INSERT INTO t VALUES (?1)", [n])?;
                match *n == rows[ROWS_AT_ONCE + 7] {
                    true => Err(Error::internal("the second part fails")),
                    false => Ok(()),
                }
            })
        };
        let count = |conn: &Connection| {
            Ok(conn.query_row("SELECT count(*) FROM t", [], |row| row.get::<_, i64>(0))?)
        };
        store.write_in_parts(&rows, insert).expect_err("a failure");
        assert_eq!(store.read(count).expect("count"), 250);
        let plain = |tx: &Tx<'_>, part: &[i64]| {
            tx.changed(Topic::Nodes);
            part.iter().try_for_each(|n| {
                tx.execute("INSERT INTO t VALUES (?1)", [n])?;
                Ok(())
            })
        };
        store.write_in_parts(&rows, plain).expect("write");
        assert_eq!(store.read(count).expect("count"), 250 + 501);
        let transactions = std::iter::from_fn(|| changes.try_recv().ok()).count();
        assert_eq!(transactions, 1 + 3);
    }
}
