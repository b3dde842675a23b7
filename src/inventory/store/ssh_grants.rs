//! Rows of ssh grants, and the keys that follow from them.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, Row, params};
use uuid::Uuid;

use crate::error::{Error, Result};
use crate::node::protocol::AuthorizedKey;
use crate::store::list::{Column, ListQuery, Listing, Page};
use crate::store::{NodeId, Store, Topic, Tx, UserId, now, rows, unique};

/// A user's way into a node.
#[derive(Debug, Clone)]
pub struct SshGrant {
    pub uuid: Uuid,
    pub node_id: NodeId,
    pub node_uuid: Uuid,
    pub node_name: String,
    pub node_ip: String,
    pub system_user: String,
    pub user_name: String,
    pub user_uuid: String,
    /// Keys that the user has.
    pub keys: u32,
    pub created_at: i64,
}

static GRANTS: Listing = Listing {
    select: "g.uuid, g.node_id, n.uuid AS node_uuid, n.name AS node_name, n.ip AS node_ip, g.system_user, \
         u.name AS user_name, u.uuid AS user_uuid, \
         (SELECT count(*) FROM ssh_keys k WHERE k.user_id = u.id) AS keys, g.created_at",
    from: "ssh_grants g JOIN nodes n ON n.id = g.node_id JOIN users u ON u.id = g.user_id",
    columns: &[
        Column::exact("uuid", "g.uuid"),
        Column::exact("node_uuid", "n.uuid"),
        Column::text("node_name", "n.name"),
        Column::text("system_user", "g.system_user"),
        Column::text("user_name", "u.name"),
        Column::exact("user_uuid", "u.uuid"),
        Column::time("created_at", "g.created_at"),
    ],
    order: "n.name, g.system_user, u.name, g.id",
};

pub fn page(store: &Store, query: &ListQuery) -> Result<Page<SshGrant>> {
    GRANTS.page(store, query, grant)
}

/// # Errors
/// `ssh-grant-unknown`
pub fn find(conn: &Connection, uuid: Uuid) -> Result<SshGrant> {
    let sql = format!("SELECT {} FROM {} WHERE g.uuid = ?1", GRANTS.select, GRANTS.from);
    let found = conn.prepare_cached(&sql)?.query_row([uuid.to_string()], grant).optional()?;
    found.ok_or_else(|| Error::not_found("ssh-grant-unknown").arg("name", uuid))
}

/// # Errors
/// `ssh-grant-exists`
pub fn insert(
    tx: &Tx<'_>,
    uuid: Uuid,
    node: NodeId,
    system_user: &str,
    user: UserId,
) -> Result<()> {
    tx.changed(Topic::SshGrants | Topic::SshAccess);
    let inserted = tx.execute(
        "INSERT INTO ssh_grants (uuid, node_id, system_user, user_id, created_at) VALUES (?1,?2,?3,?4,?5)",
        params![uuid.to_string(), node, system_user, user, now()],
    );
    unique(inserted, || Error::conflict("ssh-grant-exists").arg("name", system_user))
}

pub fn delete(tx: &Tx<'_>, uuid: Uuid) -> Result<()> {
    tx.changed(Topic::SshGrants | Topic::SshAccess);
    tx.execute("DELETE FROM ssh_grants WHERE uuid = ?1", [uuid.to_string()])?;
    Ok(())
}

/// System users of a node and the keys that should stand there.
pub fn wanted(conn: &Connection, node: NodeId) -> Result<Vec<(String, AuthorizedKey)>> {
    let mut statement = conn.prepare_cached(
        "SELECT g.system_user, u.uuid, k.key FROM ssh_grants g \
         JOIN users u ON u.id = g.user_id AND u.enabled = 1 AND u.awaits IS NULL \
         JOIN ssh_keys k ON k.user_id = u.id WHERE g.node_id = ?1",
    )?;
    let rows = statement.query_map([node], |row| {
        Ok((row.get(0)?, AuthorizedKey { owner: rows::uuid(row, 1)?, key: row.get(2)? }))
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Names of users by their uuid.
pub fn user_names(conn: &Connection) -> Result<HashMap<Uuid, String>> {
    let mut statement = conn.prepare_cached("SELECT uuid, name FROM users")?;
    let rows = statement.query_map([], |row| Ok((rows::uuid(row, 0)?, row.get(1)?)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn grant(row: &Row<'_>) -> rusqlite::Result<SshGrant> {
    Ok(SshGrant {
        uuid: rows::uuid(row, "uuid")?,
        node_id: row.get("node_id")?,
        node_uuid: rows::uuid(row, "node_uuid")?,
        node_name: row.get("node_name")?,
        node_ip: row.get("node_ip")?,
        system_user: row.get("system_user")?,
        user_name: row.get("user_name")?,
        user_uuid: row.get("user_uuid")?,
        keys: row.get("keys")?,
        created_at: row.get("created_at")?,
    })
}
