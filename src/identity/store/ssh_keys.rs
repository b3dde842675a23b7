//! Rows of users' public ssh keys.

use rusqlite::{Connection, params};
use uuid::Uuid;

use crate::error::{Error, Result};
use crate::store::rows::uuid;
use crate::store::{Topic, Tx, UserId, unique};

/// A user's public key.
#[derive(Debug, Clone)]
pub struct SshKey {
    pub uuid: Uuid,
    pub name: String,
    /// Type and base64 body.
    pub key: String,
    /// `SHA256:…`, as ssh-keygen(1) shows it.
    pub fingerprint: String,
    pub created_at: i64,
}

pub fn of_user(conn: &Connection, user: UserId) -> Result<Vec<SshKey>> {
    let mut statement = conn.prepare_cached(
        "SELECT uuid, name, key, fingerprint, created_at FROM ssh_keys WHERE user_id = ?1 ORDER BY id",
    )?;
    let rows = statement.query_map([user], |row| {
        Ok(SshKey {
            uuid: uuid(row, "uuid")?,
            name: row.get("name")?,
            key: row.get("key")?,
            fingerprint: row.get("fingerprint")?,
            created_at: row.get("created_at")?,
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

pub fn count(conn: &Connection, user: UserId) -> Result<u32> {
    let sql = "SELECT count(*) FROM ssh_keys WHERE user_id = ?1";
    Ok(conn.prepare_cached(sql)?.query_row([user], |row| row.get(0))?)
}

pub fn insert(tx: &Tx<'_>, user: UserId, key: &SshKey) -> Result<()> {
    tx.changed(Topic::SshKeys | Topic::SshAccess);
    let inserted = tx.execute(
        "INSERT INTO ssh_keys (uuid, user_id, name, key, fingerprint, created_at) VALUES (?1,?2,?3,?4,?5,?6)",
        params![key.uuid.to_string(), user, key.name, key.key, key.fingerprint, key.created_at],
    );
    unique(inserted, || Error::conflict("ssh-key-exists").arg("name", &key.fingerprint))
}

pub fn delete(tx: &Tx<'_>, key: Uuid) -> Result<()> {
    tx.changed(Topic::SshKeys | Topic::SshAccess);
    tx.execute("DELETE FROM ssh_keys WHERE uuid = ?1", [key.to_string()])?;
    Ok(())
}
