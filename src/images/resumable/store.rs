//! Rows of uploads that come in parts.

use rusqlite::{Connection, Row, params};
use uuid::Uuid;

use super::{NewUpload, Unfinished};
use crate::error::{Error, Result};
use crate::images::{ImageKind, IsoType, NewImage, NewKind};
use crate::store::rows::{self, unsigned, uuid};
use crate::store::{Tx, UserId};

const COLUMNS: &str = "uuid, user_id, kind, pool, iso_type, name, os_type, disk, metadata, size, \
     received, node_id, storage, is_added, created_at, expires_at";

pub fn find(conn: &Connection, upload: Uuid) -> Result<Option<Unfinished>> {
    let sql = format!("SELECT {COLUMNS} FROM uploads WHERE uuid = ?1");
    rows::first(conn, &sql, [upload.to_string()], unfinished)
}

/// Those of a person that are not whole, newest first.
pub fn of_user(conn: &Connection, user: UserId) -> Result<Vec<Unfinished>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM uploads WHERE user_id = ?1 AND is_added = 0 ORDER BY created_at DESC, uuid"
    );
    rows::all(conn, &sql, [user], unfinished)
}

pub fn expired(conn: &Connection, now: i64) -> Result<Vec<Unfinished>> {
    let sql = format!("SELECT {COLUMNS} FROM uploads WHERE expires_at <= ?1");
    rows::all(conn, &sql, [now], unfinished)
}

pub fn insert(tx: &Tx<'_>, upload: &Unfinished) -> Result<()> {
    let NewUpload { image, metadata, size } = &upload.new;
    let (kind, pool, iso_type) = match image.kind {
        NewKind::Base(pool) => ("base", Some(pool.to_string()), None),
        NewKind::Iso(of) => (ImageKind::Iso(of).word(), None, Some(of.number())),
    };
    tx.execute(
        "INSERT INTO uploads (uuid, user_id, kind, pool, iso_type, name, os_type, disk, metadata, \
         size, node_id, storage, created_at, expires_at) VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14)",
        params![
            upload.uuid.to_string(),
            upload.owner,
            kind,
            pool,
            iso_type,
            image.name,
            image.os_type,
            image.disk,
            metadata,
            *size as i64,
            upload.node_id,
            upload.storage,
            upload.created_at,
            upload.expires_at
        ],
    )?;
    Ok(())
}

/// So much has arrived, and it is waited for the rest.
pub fn note_received(tx: &Tx<'_>, upload: Uuid, received: u64, expires_at: i64) -> Result<()> {
    tx.execute(
        "UPDATE uploads SET received = ?2, expires_at = ?3 WHERE uuid = ?1",
        params![upload.to_string(), received as i64, expires_at],
    )?;
    Ok(())
}

/// It was taken over: to be told to who asks, and no longer to be continued.
pub fn note_added(tx: &Tx<'_>, upload: Uuid) -> Result<()> {
    tx.execute(
        "UPDATE uploads SET is_added = 1, received = size WHERE uuid = ?1",
        [upload.to_string()],
    )?;
    Ok(())
}

pub fn remove(tx: &Tx<'_>, upload: Uuid) -> Result<()> {
    tx.execute("DELETE FROM uploads WHERE uuid = ?1", [upload.to_string()])?;
    Ok(())
}

fn unfinished(row: &Row<'_>) -> Result<Unfinished> {
    let kind = match row.get("iso_type")? {
        Some(number) => NewKind::Iso(IsoType::parse(number)?),
        None => {
            let pool = rows::optional_uuid(row, "pool")?;
            NewKind::Base(pool.ok_or_else(|| Error::internal("an upload for no pool"))?)
        }
    };
    let image = NewImage {
        kind,
        name: row.get("name")?,
        desc: String::new(),
        os_type: row.get("os_type")?,
        disk: row.get("disk")?,
    };
    Ok(Unfinished {
        uuid: uuid(row, "uuid")?,
        owner: row.get("user_id")?,
        new: NewUpload { image, metadata: row.get("metadata")?, size: unsigned(row, "size")? },
        received: unsigned(row, "received")?,
        node_id: row.get("node_id")?,
        storage: row.get("storage")?,
        is_added: row.get("is_added")?,
        created_at: row.get("created_at")?,
        expires_at: row.get("expires_at")?,
    })
}
