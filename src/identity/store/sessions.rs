//! Rows of sessions.

use rusqlite::{Connection, OptionalExtension, Row, ToSql, params};
use uuid::Uuid;

use super::policy;
use super::scoped::{self, scoped_of_u};
use super::users::{codes, granted_to_u, roles_of_u};
use crate::error::{Error, Result};
use crate::identity::permission::{BuiltinRole, Permission, Permissions};
use crate::identity::{Caller, Policy, Via};
use crate::store::list::{Column, ListQuery, Listing, Page};
use crate::store::{SessionId, Store, Topic, Tx, UserId};

/// A session, without what signs in with it.
#[derive(Debug, Clone)]
pub struct SessionInfo {
    pub id: SessionId,
    pub uuid: String,
    pub user_id: UserId,
    pub user_name: String,
    pub address: Option<String>,
    /// The browser or program, as it named itself.
    pub user_agent: String,
    pub created_at: i64,
    pub last_seen_at: i64,
    pub expires_at: i64,
}

static LISTING: Listing = Listing {
    select: SELECT,
    from: "sessions s JOIN users u ON u.id = s.user_id",
    columns: &[
        Column::exact("uuid", "s.uuid"),
        Column::text("user_name", "u.name"),
        Column::exact("user_uuid", "u.uuid"),
        Column::text("address", "s.address"),
        Column::time("created_at", "s.created_at"),
        Column::time("last_seen_at", "s.last_seen_at"),
    ],
    order: "s.last_seen_at DESC, s.id",
};

const SELECT: &str = "s.id, s.uuid, s.user_id, u.name AS user_name, s.address, s.user_agent, s.created_at, \
     s.last_seen_at, s.expires_at";

pub fn page(store: &Store, query: &ListQuery) -> Result<Page<SessionInfo>> {
    LISTING.page(store, query, info)
}

pub fn of_user(conn: &Connection, user: UserId, now: i64) -> Result<Vec<SessionInfo>> {
    let sql = format!(
        "SELECT {SELECT} FROM sessions s JOIN users u ON u.id = s.user_id \
         WHERE s.user_id = ?1 AND s.expires_at > ?2 ORDER BY s.last_seen_at DESC, s.id DESC"
    );
    let mut statement = conn.prepare_cached(&sql)?;
    let rows = statement.query_map(params![user, now], info)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// # Errors
/// `session-unknown`
pub fn by_uuid(conn: &Connection, uuid: &str) -> Result<SessionInfo> {
    let sql = format!(
        "SELECT {SELECT} FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.uuid = ?1"
    );
    let found = conn.prepare_cached(&sql)?.query_row([uuid], info).optional()?;
    found.ok_or_else(|| Error::not_found("session-unknown"))
}

fn info(row: &Row<'_>) -> rusqlite::Result<SessionInfo> {
    Ok(SessionInfo {
        id: row.get("id")?,
        uuid: row.get("uuid")?,
        user_id: row.get("user_id")?,
        user_name: row.get("user_name")?,
        address: row.get("address")?,
        user_agent: row.get("user_agent")?,
        created_at: row.get("created_at")?,
        last_seen_at: row.get("last_seen_at")?,
        expires_at: row.get("expires_at")?,
    })
}

/// A session that was found.
#[derive(Debug)]
pub struct Found {
    pub caller: Caller,
    pub last_seen_at: i64,
}

const CALLER: &str = concat!(
    "SELECT u.id, u.uuid, u.name, u.full_name, s.id AS session, s.last_seen_at, u.source <> 'oidc' AND NOT EXISTS \
     (SELECT 1 FROM second_factors f WHERE f.user_id = u.id AND f.confirmed_at IS NOT NULL) AS without_factor, ",
    roles_of_u!(),
    " AS roles, ",
    granted_to_u!(),
    " AS granted, ",
    scoped_of_u!(),
    " AS scoped FROM sessions s JOIN users u ON u.id = s.user_id ",
    "WHERE s.expires_at > ?2 AND u.enabled = 1 AND u.awaits IS NULL AND ",
);

/// Whose session a token's hash belongs to.
pub fn caller(conn: &Connection, hash: &[u8], now: i64) -> Result<Option<Found>> {
    one_caller(conn, "s.token_hash = ?1", hash, now)
}

/// Whose session this is.
pub fn caller_of(conn: &Connection, id: SessionId, now: i64) -> Result<Option<Caller>> {
    Ok(one_caller(conn, "s.id = ?1", id, now)?.map(|found| found.caller))
}

fn one_caller(
    conn: &Connection,
    condition: &str,
    value: impl ToSql,
    now: i64,
) -> Result<Option<Found>> {
    let sql = format!("{CALLER}{condition}");
    let row = conn.prepare_cached(&sql)?.query_row(params![value, now], |row| {
        let roles = codes(row.get("roles")?);
        let granted = Permission::parse_all(row.get::<_, Option<String>>("granted")?.as_deref());
        let caller = Caller {
            user_id: row.get("id")?,
            uuid: row.get("uuid")?,
            name: row.get("name")?,
            full_name: row.get("full_name")?,
            permissions: BuiltinRole::effective(&roles, granted),
            within: scoped::within(&scoped::read(row, "scoped")?),
            roles,
            via: Via::Session(row.get("session")?),
            lacks_factor: row.get("without_factor")?,
        };
        Ok(Found { caller, last_seen_at: row.get("last_seen_at")? })
    });
    let Some(mut found) = row.optional()? else { return Ok(None) };
    let caller = &mut found.caller;
    caller.lacks_factor &= is_factor_demanded(conn, &caller.permissions)?;
    if caller.lacks_factor {
        caller.permissions.clear();
        caller.within.clear();
    }
    Ok(Some(found))
}

/// Whether who holds these permissions must have a second factor.
pub fn is_factor_demanded(conn: &Connection, permissions: &Permissions) -> Result<bool> {
    let is_administrator = permissions.iter().any(|permission| permission.is_administrative());
    Ok(is_administrator && policy::get::<Policy>(conn)?.admin_second_factor)
}

/// A session to be written.
#[derive(Debug)]
pub struct NewRow {
    pub token_hash: Vec<u8>,
    pub user_id: UserId,
    pub address: Option<String>,
    /// The browser or program, as it named itself.
    pub user_agent: String,
    pub created_at: i64,
    pub expires_at: i64,
    /// Seconds from each use to the end; 0 when the end stays.
    pub slide: i64,
}

/// Adds a session; the oldest ones of the user beyond `limit` end.
pub fn insert(tx: &Tx<'_>, row: &NewRow, limit: u32) -> Result<()> {
    tx.changed(Topic::Sessions);
    tx.execute(
        "INSERT INTO sessions (uuid, token_hash, user_id, address, created_at, expires_at, slide, \
         user_agent, last_seen_at) VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?5)",
        params![
            Uuid::new_v4().to_string(),
            row.token_hash,
            row.user_id,
            row.address,
            row.created_at,
            row.expires_at,
            row.slide,
            row.user_agent
        ],
    )?;
    let ended = tx.execute(
        "DELETE FROM sessions WHERE user_id = ?1 AND id NOT IN \
         (SELECT id FROM sessions WHERE user_id = ?1 ORDER BY last_seen_at DESC, id DESC LIMIT ?2)",
        params![row.user_id, limit],
    )?;
    tx.changed_rows(ended, Topic::Rights);
    Ok(())
}

/// Notes a use, which puts off the end of a sliding session up to `longest` seconds after its begin.
pub fn seen(tx: &Tx<'_>, id: SessionId, now: i64, longest: i64) -> Result<()> {
    tx.changed(Topic::Sessions);
    tx.prepare_cached(
        "UPDATE sessions SET last_seen_at = ?2, expires_at = CASE slide WHEN 0 THEN expires_at \
         ELSE max(expires_at, min(?2 + slide, created_at + ?3)) END WHERE id = ?1",
    )?
    .execute(params![id, now, longest])?;
    Ok(())
}

pub fn end(tx: &Tx<'_>, hash: &[u8]) -> Result<()> {
    tx.changed(Topic::Sessions | Topic::Rights);
    tx.execute("DELETE FROM sessions WHERE token_hash = ?1", [hash])?;
    Ok(())
}

pub fn end_by_id(tx: &Tx<'_>, id: SessionId) -> Result<()> {
    tx.changed(Topic::Sessions | Topic::Rights);
    tx.execute("DELETE FROM sessions WHERE id = ?1", [id])?;
    Ok(())
}

/// Ends all sessions of a user but the given one; says how many.
pub fn end_all(tx: &Tx<'_>, user: UserId, but: Option<SessionId>) -> Result<usize> {
    let sql = "DELETE FROM sessions WHERE user_id = ?1 AND id IS NOT ?2";
    let ended = tx.execute(sql, params![user, but])?;
    Ok(tx.changed_rows(ended, Topic::Sessions | Topic::Rights))
}

pub fn purge(tx: &Tx<'_>, now: i64) -> Result<()> {
    let ended = tx.execute("DELETE FROM sessions WHERE expires_at <= ?1", [now])?;
    tx.changed_rows(ended, Topic::Sessions | Topic::Rights);
    Ok(())
}
