//! Rows of users, their roles and permissions.

use rusqlite::{Connection, OptionalExtension, Row, params};
use uuid::Uuid;

use super::scoped::{self, scoped_of_u};
use crate::error::{Error, Result};
use crate::identity::password::StoredPassword;
use crate::identity::permission::{BuiltinRole, Permission, Permissions};
use crate::identity::{Awaits, NewAccount, Source, User};
use crate::store::list::{Column, ListQuery, Listing, Page};
use crate::store::text::lookalike;
use crate::store::{RoleId, Store, Topic, Tx, UserId, rows, unique};

/// Codes of the roles of user `u`.
macro_rules! roles_of_u {
    () => {
        "(SELECT group_concat(r.code) FROM user_roles ur JOIN roles r ON r.id = ur.role_id WHERE ur.user_id = u.id)"
    };
}
/// What user `u` may do beside the built-in roles.
macro_rules! granted_to_u {
    () => {
        "(SELECT group_concat(permission) FROM ( \
           SELECT rp.permission FROM user_roles ur JOIN role_permissions rp ON rp.role_id = ur.role_id \
             WHERE ur.user_id = u.id \
           UNION SELECT up.permission FROM user_permissions up WHERE up.user_id = u.id \
           UNION SELECT gp.permission FROM user_group_members m \
             JOIN user_group_permissions gp ON gp.group_id = m.group_id WHERE m.user_id = u.id))"
    };
}
pub(super) use {granted_to_u, roles_of_u};

const COLUMNS: &str = concat!(
    "u.id, u.uuid, u.name, u.email, u.enabled, u.password_changed_at, u.last_login_at, u.password_hash, ",
    "u.full_name, u.phone, u.department, u.awaits, u.force_reset, u.source, u.created_at, ",
    roles_of_u!(),
    " AS roles, ",
    granted_to_u!(),
    " AS given, (SELECT group_concat(up.permission) FROM user_permissions up WHERE up.user_id = u.id) AS granted, ",
    scoped_of_u!(),
    " AS scoped, EXISTS (SELECT 1 FROM second_factors f WHERE f.user_id = u.id AND f.confirmed_at IS NOT NULL) AS second_factor"
);

static LISTING: Listing = Listing {
    select: COLUMNS,
    from: "users u",
    columns: &[
        Column::integer("id", "u.id"),
        Column::exact("uuid", "u.uuid"),
        Column::text("name", "u.name"),
        Column::text("email", "u.email"),
        Column::text("full_name", "u.full_name"),
        Column::text(
            "search",
            "u.name || char(10) || coalesce(u.full_name, '') || char(10) || coalesce(u.email, '')",
        ),
        Column::text("department", "u.department"),
        Column::integer("enabled", "u.enabled"),
        Column::exact("awaits", "u.awaits"),
        Column::exact("source", "u.source"),
        Column::time("last_login_at", "u.last_login_at"),
        Column::time("created_at", "u.created_at"),
    ],
    order: "u.name, u.id",
};

/// News of an account that is deleted, with all that goes with it.
pub(super) const GONE: &[Topic] = &[
    Topic::Users,
    Topic::Roles,
    Topic::UserGroups,
    Topic::Sessions,
    Topic::ApiKeys,
    Topic::SshKeys,
    Topic::SshGrants,
    Topic::Rights,
    Topic::SshAccess,
];

pub fn page(store: &Store, query: &ListQuery) -> Result<Page<User>> {
    LISTING.page(store, query, user)
}

/// How many wait for an administrator.
pub fn to_confirm(conn: &Connection) -> Result<u64> {
    let sql = "SELECT count(*) FROM users WHERE awaits = ?1";
    let awaits = Awaits::Administrator.word();
    Ok(conn.prepare_cached(sql)?.query_row([awaits], |row| rows::unsigned(row, 0))?)
}

/// By name, else by e-mail address.
pub fn by_login(conn: &Connection, login: &str) -> Result<Option<User>> {
    let order = "ORDER BY u.name = ?1 COLLATE NOCASE DESC LIMIT 1";
    let condition = format!("u.name = ?1 COLLATE NOCASE OR u.email = ?1 COLLATE NOCASE {order}");
    one(conn, &condition, login)
}

pub fn by_name(conn: &Connection, name: &str) -> Result<Option<User>> {
    one(conn, "u.name = ?1 COLLATE NOCASE", name)
}

pub fn by_uuid(conn: &Connection, uuid: &str) -> Result<Option<User>> {
    one(conn, "u.uuid = ?1", uuid)
}

pub fn by_lookalike(conn: &Connection, form: &str) -> Result<Option<User>> {
    one(conn, "u.lookalike = ?1", form)
}

pub fn by_external(conn: &Connection, source: Source, external_id: &str) -> Result<Option<User>> {
    let condition = format!("u.source = '{}' AND u.external_id = ?1", source.word());
    one(conn, &condition, external_id)
}

fn one(conn: &Connection, condition: &str, value: &str) -> Result<Option<User>> {
    let sql = format!("SELECT {COLUMNS} FROM users u WHERE {condition}");
    Ok(conn.prepare_cached(&sql)?.query_row([value], user).optional()?)
}

pub fn by_id(conn: &Connection, id: UserId) -> Result<Option<User>> {
    let sql = format!("SELECT {COLUMNS} FROM users u WHERE u.id = ?1");
    Ok(conn.prepare_cached(&sql)?.query_row([id], user).optional()?)
}

pub fn all(conn: &Connection) -> Result<Vec<User>> {
    let sql = format!("SELECT {COLUMNS} FROM users u ORDER BY u.name, u.id");
    let mut statement = conn.prepare_cached(&sql)?;
    let rows = statement.query_map([], user)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// At most `count` from number `start` on, and the count of all.
pub fn from_id(conn: &Connection, start: i64, count: u32) -> Result<(Vec<User>, u64)> {
    let sql = format!("SELECT {COLUMNS} FROM users u WHERE u.id >= ?1 ORDER BY u.id LIMIT ?2");
    let mut statement = conn.prepare_cached(&sql)?;
    let rows = statement.query_map(params![start, count], user)?;
    let rows = rows.collect::<rusqlite::Result<_>>()?;
    let all: i64 = conn.query_row("SELECT count(*) FROM users", [], |row| row.get(0))?;
    Ok((rows, all.unsigned_abs()))
}

/// How many could sign in now, by a password that is checked here, and may do everything.
pub fn administrators(conn: &Connection) -> Result<u32> {
    let mut statement = conn.prepare_cached(
        "SELECT count(*) FROM users u JOIN user_roles ur ON ur.user_id = u.id \
         JOIN roles r ON r.id = ur.role_id AND r.code = 'admin' \
         WHERE u.enabled = 1 AND u.awaits IS NULL AND u.password_hash IS NOT NULL",
    )?;
    Ok(statement.query_row([], |row| row.get(0))?)
}

pub fn insert(
    tx: &Tx<'_>,
    uuid: &Uuid,
    account: &NewAccount,
    hash: Option<&StoredPassword>,
    now: i64,
) -> Result<UserId> {
    tx.changed(Topic::Users);
    let inserted = tx.execute(
        "INSERT INTO users (uuid, name, lookalike, email, full_name, phone, department, enabled, awaits, \
         force_reset, source, external_id, password_hash, password_changed_at, created_at) \
         VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?14)",
        params![
            uuid.to_string(),
            account.name,
            lookalike(&account.name),
            account.email,
            account.full_name,
            account.phone,
            account.department,
            account.enabled,
            account.awaits.map(Awaits::word),
            account.force_reset,
            account.source.word(),
            account.external_id,
            hash.map(|hash| &hash.0),
            now
        ],
    );
    unique(inserted, || taken(&account.name))?;
    Ok(UserId::new(tx.last_insert_rowid()))
}

/// Writes what may change of an account, but not its password, roles and groups.
pub fn update(tx: &Tx<'_>, user: &User, now: i64) -> Result<()> {
    tx.changed(Topic::Users);
    let access = "SELECT 1 FROM users WHERE id = ?1 AND (enabled <> ?2 OR awaits IS NOT ?3)";
    let change = params![user.id, user.enabled, user.awaits.map(Awaits::word)];
    if tx.prepare_cached(access)?.exists(change)? {
        tx.changed(Topic::Rights | Topic::SshAccess);
    }
    let updated = tx.execute(
        "UPDATE users SET name = ?2, lookalike = ?3, email = ?4, full_name = ?5, phone = ?6, \
         department = ?7, enabled = ?8, awaits = ?9, force_reset = ?10, updated_at = ?11 WHERE id = ?1",
        params![
            user.id,
            user.name,
            lookalike(&user.name),
            user.email,
            user.full_name,
            user.phone,
            user.department,
            user.enabled,
            user.awaits.map(Awaits::word),
            user.force_reset,
            now
        ],
    );
    unique(updated, || taken(&user.name))
}

fn taken(name: &str) -> Error {
    Error::conflict("user-exists").arg("name", name)
}

pub fn set_roles(tx: &Tx<'_>, id: UserId, roles: &[RoleId]) -> Result<()> {
    let wanted = serde_json::to_string(roles).map_err(Error::internal)?;
    let taken = tx.execute(
        "DELETE FROM user_roles WHERE user_id = ?1 \
         AND role_id NOT IN (SELECT value FROM json_each(?2))",
        params![id, wanted],
    )?;
    let given = tx.execute(
        "INSERT OR IGNORE INTO user_roles (user_id, role_id) SELECT ?1, value FROM json_each(?2)",
        params![id, wanted],
    )?;
    // Those who sign in by a directory get theirs anew each time: mostly the same.
    tx.changed_rows(taken + given, Topic::Users | Topic::Roles | Topic::Rights);
    Ok(())
}

pub fn set_granted(tx: &Tx<'_>, id: UserId, permissions: &Permissions) -> Result<()> {
    tx.changed(Topic::Users | Topic::Rights);
    tx.execute("DELETE FROM user_permissions WHERE user_id = ?1", [id])?;
    let sql = "INSERT INTO user_permissions (user_id, permission) VALUES (?1,?2)";
    let mut insert = tx.prepare_cached(sql)?;
    for permission in permissions {
        insert.execute(params![id, permission.word()])?;
    }
    Ok(())
}

/// Whether a user has a way into a node by ssh.
pub fn signs_in_to_nodes(conn: &Connection, id: UserId) -> Result<bool> {
    Ok(conn.prepare_cached("SELECT 1 FROM ssh_grants WHERE user_id = ?1")?.exists([id])?)
}

pub fn delete(tx: &Tx<'_>, id: UserId) -> Result<()> {
    tx.changed(GONE);
    tx.execute("DELETE FROM users WHERE id = ?1", [id])?;
    Ok(())
}

/// A forced change that was begun with the old password is over.
pub fn set_password(tx: &Tx<'_>, id: UserId, hash: &StoredPassword, now: i64) -> Result<()> {
    tx.changed(Topic::Users);
    tx.execute("DELETE FROM password_resets WHERE user_id = ?1", [id])?;
    tx.execute(
        "UPDATE users SET password_hash = ?2, password_changed_at = ?3, updated_at = ?3 WHERE id = ?1",
        params![id, hash.0, now],
    )?;
    Ok(())
}

pub fn set_force_reset(tx: &Tx<'_>, id: UserId, force: bool) -> Result<()> {
    tx.changed(Topic::Users);
    tx.execute("UPDATE users SET force_reset = ?2 WHERE id = ?1", params![id, force])?;
    Ok(())
}

pub fn signed_in(tx: &Tx<'_>, id: UserId, now: i64) -> Result<()> {
    tx.changed(Topic::Users);
    tx.execute("UPDATE users SET last_login_at = ?2 WHERE id = ?1", params![id, now])?;
    Ok(())
}

/// Codes out of the words of `group_concat`.
pub fn codes(words: Option<String>) -> Vec<String> {
    words.iter().flat_map(|words| words.split(',')).map(str::to_owned).collect()
}

fn user(row: &Row<'_>) -> rusqlite::Result<User> {
    let roles = codes(row.get("roles")?);
    let granted = Permission::parse_all(row.get::<_, Option<String>>("given")?.as_deref());
    Ok(User {
        id: row.get("id")?,
        uuid: row.get("uuid")?,
        name: row.get("name")?,
        email: row.get("email")?,
        enabled: row.get("enabled")?,
        password_changed_at: row.get("password_changed_at")?,
        last_login_at: row.get("last_login_at")?,
        password_hash: row.get::<_, Option<String>>("password_hash")?.map(StoredPassword),
        full_name: row.get("full_name")?,
        phone: row.get("phone")?,
        department: row.get("department")?,
        awaits: row.get::<_, Option<String>>("awaits")?.as_deref().map(Awaits::parse),
        force_reset: row.get("force_reset")?,
        source: Source::parse(&row.get::<_, String>("source")?),
        created_at: row.get("created_at")?,
        permissions: BuiltinRole::effective(&roles, granted),
        granted: Permission::parse_all(row.get::<_, Option<String>>("granted")?.as_deref()),
        second_factor: row.get("second_factor")?,
        scoped: scoped::read(row, "scoped")?,
        roles,
    })
}
