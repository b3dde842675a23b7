//! Rows of API keys.

use rusqlite::{Connection, OptionalExtension, Row, ToSql, params};

use super::scoped::{self, scoped_of_u};
use super::users::{codes, granted_to_u, roles_of_u};
use crate::error::{Context, Error, Result};
use crate::identity::permission::{BuiltinRole, Permission, Permissions};
use crate::identity::{Caller, Via};
use crate::store::list::{Column, ListQuery, Listing, Page};
use crate::store::{Store, Topic, Tx, UserGroupId, UserId};

/// An API key, without what signs in with it.
#[derive(Debug, Clone)]
pub struct ApiKey {
    /// `<name in lower case>_<n>` (document 001).
    pub id: String,
    pub user_id: UserId,
    pub user_name: String,
    pub name: String,
    /// What was asked for when it was made or changed.
    pub granted: Permissions,
    /// What it can do now: those of `granted` that its owner has.
    pub permissions: Permissions,
    /// Numbers and names of the owner's groups when it was made.
    pub groups: Vec<(UserGroupId, String)>,
    pub created_at: i64,
    pub expires_at: Option<i64>,
    pub last_used_at: Option<i64>,
    pub last_used_ip: Option<String>,
}

const SELECT: &str = concat!(
    "k.id, k.user_id, k.name, k.groups, k.created_at, k.expires_at, k.last_used_at, k.last_used_ip, ",
    "(SELECT group_concat(p.permission) FROM api_key_permissions p WHERE p.key_id = k.id) AS granted, ",
    roles_of_u!(),
    " AS roles, ",
    granted_to_u!(),
    " AS of_owner, u.name AS user_name"
);

const SCOPED: &str = scoped_of_u!();

static LISTING: Listing = Listing {
    select: SELECT,
    from: "api_keys k JOIN users u ON u.id = k.user_id",
    columns: &[
        Column::exact("id", "k.id"),
        Column::text("name", "k.name"),
        Column::text("user_name", "u.name"),
        Column::exact("user_uuid", "u.uuid"),
        Column::time("created_at", "k.created_at"),
        Column::time("last_used_at", "k.last_used_at"),
    ],
    order: "k.created_at, k.id",
};

pub fn page(store: &Store, query: &ListQuery) -> Result<Page<ApiKey>> {
    LISTING.page(store, query, key)
}

/// A key that was shown, and its last use.
#[derive(Debug)]
pub struct Found {
    pub caller: Caller,
    pub last_used_at: Option<i64>,
}

/// Who comes with the key of this hash; with `name` only if it is the owner's.
pub fn caller(
    conn: &Connection,
    hash: &[u8],
    name: Option<&str>,
    now: i64,
) -> Result<Option<Found>> {
    one_caller(conn, "k.key_hash = ?1", hash, name, now)
}

/// Whose key this is.
pub fn caller_of(conn: &Connection, id: &str, now: i64) -> Result<Option<Caller>> {
    Ok(one_caller(conn, "k.id = ?1", id, None, now)?.map(|found| found.caller))
}

fn one_caller(
    conn: &Connection,
    condition: &str,
    value: impl ToSql,
    name: Option<&str>,
    now: i64,
) -> Result<Option<Found>> {
    let sql = format!(
        "SELECT {SELECT}, u.uuid, u.full_name, {SCOPED} AS scoped FROM api_keys k JOIN users u ON u.id = k.user_id \
         WHERE {condition} AND (k.expires_at IS NULL OR k.expires_at > ?2) AND u.enabled = 1 \
         AND u.awaits IS NULL AND (?3 IS NULL OR u.name = ?3 COLLATE NOCASE)"
    );
    let row = conn.prepare_cached(&sql)?.query_row(params![value, now, name], |row| {
        let found = key(row)?;
        // A key can do no more than was asked for, within a group too.
        let mut scoped = scoped::within(&scoped::read(row, "scoped")?);
        scoped.values_mut().for_each(|held| held.retain(|one| found.granted.contains(one)));
        let caller = Caller {
            user_id: found.user_id,
            uuid: row.get("uuid")?,
            name: found.user_name,
            full_name: row.get("full_name")?,
            roles: codes(row.get("roles")?),
            permissions: found.permissions,
            within: scoped,
            via: Via::Key(found.id),
            lacks_factor: false,
        };
        Ok(Found { caller, last_used_at: found.last_used_at })
    });
    Ok(row.optional()?)
}

pub fn of_user(conn: &Connection, user: UserId) -> Result<Vec<ApiKey>> {
    let sql = format!(
        "SELECT {SELECT} FROM api_keys k JOIN users u ON u.id = k.user_id WHERE k.user_id = ?1 \
         ORDER BY k.created_at, k.id"
    );
    let mut statement = conn.prepare_cached(&sql)?;
    let rows = statement.query_map([user], key)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// # Errors
/// `key-unknown`
pub fn by_id(conn: &Connection, id: &str) -> Result<ApiKey> {
    let sql =
        format!("SELECT {SELECT} FROM api_keys k JOIN users u ON u.id = k.user_id WHERE k.id = ?1");
    let found = conn.prepare_cached(&sql)?.query_row([id], key).optional()?;
    found.ok_or_else(|| Error::not_found("key-unknown").arg("name", id))
}

/// # Errors
/// `key-unknown`, also for a key of somebody else
pub fn find(conn: &Connection, user: UserId, id: &str) -> Result<ApiKey> {
    match by_id(conn, id) {
        Ok(key) if key.user_id != user => Err(Error::not_found("key-unknown").arg("name", id)),
        other => other,
    }
}

pub fn count(conn: &Connection, user: UserId) -> Result<u32> {
    let sql = "SELECT count(*) FROM api_keys WHERE user_id = ?1";
    Ok(conn.prepare_cached(sql)?.query_row([user], |row| row.get(0))?)
}

/// The first of `<stem>_0`, `<stem>_1` … that no key of anybody has.
pub fn free_id(conn: &Connection, stem: &str) -> Result<String> {
    let mut taken = conn.prepare_cached("SELECT 1 FROM api_keys WHERE id = ?1")?;
    for number in 0u32.. {
        let id = format!("{stem}_{number}");
        if !taken.exists([&id])? {
            return Ok(id);
        }
    }
    Err(Error::internal("no number is left for a key"))
}

pub fn insert(tx: &Tx<'_>, key: &ApiKey, hash: &[u8]) -> Result<()> {
    tx.changed(Topic::ApiKeys);
    let groups = serde_json::to_string(&key.groups).context("write the groups of a key")?;
    tx.execute(
        "INSERT INTO api_keys (id, user_id, name, key_hash, groups, created_at, expires_at) \
         VALUES (?1,?2,?3,?4,?5,?6,?7)",
        params![key.id, key.user_id, key.name, hash, groups, key.created_at, key.expires_at],
    )?;
    Ok(())
}

pub fn set_permissions(tx: &Tx<'_>, id: &str, permissions: &Permissions) -> Result<()> {
    tx.changed(Topic::ApiKeys | Topic::Rights);
    tx.execute("DELETE FROM api_key_permissions WHERE key_id = ?1", [id])?;
    let sql = "INSERT INTO api_key_permissions (key_id, permission) VALUES (?1,?2)";
    let mut insert = tx.prepare_cached(sql)?;
    for permission in permissions {
        insert.execute(params![id, permission.word()])?;
    }
    Ok(())
}

pub fn used(tx: &Tx<'_>, id: &str, now: i64, address: Option<&str>) -> Result<()> {
    tx.changed(Topic::ApiKeys);
    let sql = "UPDATE api_keys SET last_used_at = ?2, last_used_ip = ?3 WHERE id = ?1";
    tx.prepare_cached(sql)?.execute(params![id, now, address])?;
    Ok(())
}

pub fn delete(tx: &Tx<'_>, id: &str) -> Result<()> {
    tx.changed(Topic::ApiKeys | Topic::Rights);
    tx.execute("DELETE FROM api_keys WHERE id = ?1", [id])?;
    Ok(())
}

pub fn delete_of_user(tx: &Tx<'_>, user: UserId) -> Result<usize> {
    tx.changed(Topic::ApiKeys | Topic::Rights);
    Ok(tx.execute("DELETE FROM api_keys WHERE user_id = ?1", [user])?)
}

fn key(row: &Row<'_>) -> rusqlite::Result<ApiKey> {
    let granted = Permission::parse_all(row.get::<_, Option<String>>("granted")?.as_deref());
    let roles = codes(row.get("roles")?);
    let of_owner = BuiltinRole::effective(
        &roles,
        Permission::parse_all(row.get::<_, Option<String>>("of_owner")?.as_deref()),
    );
    let groups: String = row.get("groups")?;
    Ok(ApiKey {
        id: row.get("id")?,
        user_id: row.get("user_id")?,
        user_name: row.get("user_name")?,
        name: row.get("name")?,
        permissions: granted.intersection(&of_owner).copied().collect(),
        granted,
        groups: serde_json::from_str(&groups).unwrap_or_default(),
        created_at: row.get("created_at")?,
        expires_at: row.get("expires_at")?,
        last_used_at: row.get("last_used_at")?,
        last_used_ip: row.get("last_used_ip")?,
    })
}
