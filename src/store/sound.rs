//! Whether the database can be believed, before anything is done by its word.

use std::path::Path;

use rusqlite::{Connection, ErrorCode};

use super::BUSY_WAIT;
use crate::error::{Error, Kind, Result};

/// Reads every page and compares every index with its table: a page that was emptied misses rows, and desktops that no
/// row knows would be taken for nobody's. One that is not there yet is sound.
///
/// # Errors
/// `database-unsound`, with the path and what is wrong.
pub fn check(path: &Path) -> Result<()> {
    if !path.exists() {
        return Ok(());
    }
    let look = || -> rusqlite::Result<String> {
        // Writable: what a kill left in the write-ahead log belongs to it.
        let conn = Connection::open(path)?;
        conn.busy_timeout(BUSY_WAIT)?;
        conn.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))
    };
    let unsound = |cause: &str| {
        let error = Error::new(Kind::Internal, "database-unsound").arg("path", path.display());
        Err(error.arg("cause", cause))
    };
    match look() {
        Ok(found) if found == "ok" => Ok(()),
        Ok(found) => unsound(found.lines().next().unwrap_or_default()),
        Err(cause) => match cause.sqlite_error_code() {
            Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
                unsound(&cause.to_string())
            }
            _ => Err(cause.into()),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::store::migrations;

    /// A database with rows on many pages, closed.
    fn filled(path: &Path) {
        let mut conn = Connection::open(path).expect("open");
        migrations::apply(&mut conn).expect("the tables");
        conn.execute_batch(
            "INSERT INTO pools (id, uuid, name, created_at) VALUES (1, 'p', 'p', 0)",
        )
        .expect("rows");
        let insert = "INSERT INTO images (uuid, kind, pool_id, name, os_type, md5, sha256, virtual_size, disk_size, state, \
             created_at) VALUES (?1, 'base', 1, ?1, 'linux', '', '', 0, 0, 'ready', 0)";
        for number in 0..400_u128 {
            conn.execute(insert, [uuid::Uuid::from_u128(number).to_string()]).expect("a row");
        }
        conn.close().expect("closed");
    }

    /// `None`: they cannot be counted.
    fn images(path: &Path) -> Option<i64> {
        let conn = Connection::open(path).expect("open");
        conn.query_row("SELECT count(*) FROM images NOT INDEXED", [], |row| row.get(0)).ok()
    }

    #[test]
    fn a_database_with_any_page_lost_is_not_believed() {
        let dir = tempfile::tempdir().expect("temp dir");
        let path = dir.path().join("test.db");
        check(&path).expect("none yet");
        filled(&path);
        check(&path).expect("sound");
        let whole = fs::read(&path).expect("read");
        let (page, mut refused) = (4096, 0);
        assert!(whole.len() / page > 60, "{} pages", whole.len() / page);
        for number in 0..whole.len() / page {
            let mut damaged = whole.clone();
            damaged[number * page..(number + 1) * page].fill(0);
            fs::write(&path, &damaged).expect("write");
            match check(&path) {
                Err(error) => {
                    assert_eq!(error.key(), "database-unsound", "page {number}");
                    refused += 1;
                }
                // Nothing stood there.
                Ok(()) => assert_eq!(images(&path), Some(400), "page {number}"),
            }
        }
        assert!(refused > 60, "{refused}");
    }

    #[test]
    fn a_page_that_says_it_is_empty_is_found() {
        let dir = tempfile::tempdir().expect("temp dir");
        let path = dir.path().join("test.db");
        filled(&path);
        let mut bytes = fs::read(&path).expect("read");
        // Every leaf of a table in turn (13): its number of cells is the two bytes after the first free block.
        let leaves: Vec<usize> =
            (1..bytes.len() / 4096).filter(|n| bytes[n * 4096] == 13).collect();
        let mut found = 0;
        for leaf in leaves {
            let whole = bytes.clone();
            let at = leaf * 4096 + 3;
            let had = u16::from_be_bytes([bytes[at], bytes[at + 1]]);
            bytes[at..at + 2].fill(0);
            fs::write(&path, &bytes).expect("write");
            let verdict = check(&path);
            if images(&path) != Some(400) {
                assert_eq!(verdict.expect_err("rows are missing").key(), "database-unsound");
                found += had;
            }
            bytes = whole;
        }
        assert!(found >= 400, "each row was missing once: {found}");
    }
}
