//! Rows of user groups, their members and permissions.

use rusqlite::{Connection, OptionalExtension, Row, params};
use uuid::Uuid;

use crate::error::{Error, Result};
use crate::identity::permission::{Permission, Permissions};
use crate::store::list::{Column, ListQuery, Listing, Page};
use crate::store::{Store, Topic, Tx, UserGroupId, UserId, now, unique};

/// A group of users.
#[derive(Debug, Clone)]
pub struct Group {
    pub id: UserGroupId,
    pub uuid: String,
    pub name: String,
    pub description: String,
    /// What every member may do.
    pub permissions: Permissions,
    pub members: u32,
}

/// A user's place in a group.
#[derive(Debug, Clone)]
pub struct GroupMembership {
    pub group_id: UserGroupId,
    pub name: String,
    /// At most one of a user.
    pub is_primary: bool,
}

const SELECT: &str = "g.id, g.uuid, g.name, g.description, \
     (SELECT group_concat(p.permission) FROM user_group_permissions p WHERE p.group_id = g.id) AS permissions, \
     (SELECT count(*) FROM user_group_members m WHERE m.group_id = g.id) AS members";

static LISTING: Listing = Listing {
    select: SELECT,
    from: "user_groups g",
    columns: &[
        Column::integer("id", "g.id"),
        Column::exact("uuid", "g.uuid"),
        Column::text("name", "g.name"),
        Column::text("description", "g.description"),
    ],
    order: "g.name, g.id",
};

pub fn page(store: &Store, query: &ListQuery) -> Result<Page<Group>> {
    LISTING.page(store, query, group)
}

/// # Errors
/// `user-group-unknown`
pub fn find(conn: &Connection, id: UserGroupId) -> Result<Group> {
    let sql = format!("SELECT {SELECT} FROM user_groups g WHERE g.id = ?1");
    let found = conn.prepare_cached(&sql)?.query_row([id], group).optional()?;
    found.ok_or_else(|| Error::not_found("user-group-unknown").arg("name", id))
}

/// Names of all groups, with their numbers.
pub fn names(conn: &Connection) -> Result<Vec<(String, UserGroupId)>> {
    let mut statement = conn.prepare_cached("SELECT name, id FROM user_groups")?;
    let names = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(names.collect::<rusqlite::Result<_>>()?)
}

pub fn insert(tx: &Tx<'_>, uuid: &Uuid, name: &str, description: &str) -> Result<UserGroupId> {
    tx.changed(Topic::UserGroups);
    let sql = "INSERT INTO user_groups (uuid, name, description, created_at) VALUES (?1,?2,?3,?4)";
    let inserted = tx.execute(sql, params![uuid.to_string(), name, description, now()]);
    unique(inserted, || taken(name))?;
    Ok(UserGroupId::new(tx.last_insert_rowid()))
}

pub fn update(tx: &Tx<'_>, id: UserGroupId, name: &str, description: &str) -> Result<()> {
    tx.changed(Topic::UserGroups);
    let sql = "UPDATE user_groups SET name = ?2, description = ?3 WHERE id = ?1";
    unique(tx.execute(sql, params![id, name, description]), || taken(name))
}

fn taken(name: &str) -> Error {
    Error::conflict("user-group-exists").arg("name", name)
}

pub fn set_permissions(tx: &Tx<'_>, id: UserGroupId, permissions: &Permissions) -> Result<()> {
    tx.changed(Topic::UserGroups | Topic::Rights);
    tx.execute("DELETE FROM user_group_permissions WHERE group_id = ?1", [id])?;
    let sql = "INSERT INTO user_group_permissions (group_id, permission) VALUES (?1,?2)";
    let mut insert = tx.prepare_cached(sql)?;
    for permission in permissions {
        insert.execute(params![id, permission.word()])?;
    }
    Ok(())
}

pub fn delete(tx: &Tx<'_>, id: UserGroupId) -> Result<()> {
    tx.changed(Topic::Users | Topic::UserGroups | Topic::Rights);
    tx.execute("DELETE FROM user_groups WHERE id = ?1", [id])?;
    Ok(())
}

pub fn memberships(conn: &Connection, user: UserId) -> Result<Vec<GroupMembership>> {
    let mut statement = conn.prepare_cached(
        "SELECT g.id, g.name, m.is_primary FROM user_group_members m JOIN user_groups g ON g.id = m.group_id \
         WHERE m.user_id = ?1 ORDER BY g.id",
    )?;
    let rows = statement.query_map([user], |row| {
        Ok(GroupMembership { group_id: row.get(0)?, name: row.get(1)?, is_primary: row.get(2)? })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

pub fn set_memberships(tx: &Tx<'_>, user: UserId, memberships: &[GroupMembership]) -> Result<()> {
    tx.changed(Topic::Users | Topic::UserGroups | Topic::Rights);
    tx.execute("DELETE FROM user_group_members WHERE user_id = ?1", [user])?;
    let mut insert = tx.prepare_cached(
        "INSERT OR IGNORE INTO user_group_members (user_id, group_id, is_primary) VALUES (?1,?2,?3)",
    )?;
    for membership in memberships {
        insert.execute(params![user, membership.group_id, membership.is_primary])?;
    }
    Ok(())
}

fn group(row: &Row<'_>) -> rusqlite::Result<Group> {
    Ok(Group {
        id: row.get("id")?,
        uuid: row.get("uuid")?,
        name: row.get("name")?,
        description: row.get("description")?,
        permissions: Permission::parse_all(row.get::<_, Option<String>>("permissions")?.as_deref()),
        members: row.get("members")?,
    })
}
