//! Rows of education groups.

use std::collections::HashMap;
use std::net::Ipv4Addr;

use rusqlite::{Connection, OptionalExtension, Row, params};
use uuid::Uuid;

use super::address;
use crate::error::{Error, Result};
use crate::store::list::{Column, ListQuery, Listing, Page};
use crate::store::rows::{self, in_numbers};
use crate::store::visible::{Visible, visible_sql};
use crate::store::{EducationGroupId, NetworkId, Store, SubnetId, Topic, Tx, unique};

/// A row of the list.
#[derive(Debug, Clone)]
pub struct EducationGroup {
    pub id: EducationGroupId,
    pub uuid: Uuid,
    pub name: String,
    pub desc: String,
    pub network: Uuid,
    pub network_name: String,
    pub subnet: Uuid,
    pub subnet_name: String,
    pub subnet_start: Ipv4Addr,
    pub subnet_end: Ipv4Addr,
    /// First and last address of the terminals.
    pub start: Ipv4Addr,
    pub end: Ipv4Addr,
    /// Desktop groups.
    pub desktop_count: u64,
    /// Desktops in them.
    pub instance_count: u64,
    pub created_at: i64,
    pub updated_at: Option<i64>,
}

#[derive(Debug)]
pub struct NewEducationGroup {
    pub name: String,
    pub desc: String,
    pub network: Uuid,
    pub subnet: Uuid,
    pub start: Ipv4Addr,
    pub end: Ipv4Addr,
}

const FROM: &str = "education_groups e JOIN networks n ON n.id = e.network_id \
     JOIN subnets s ON s.id = e.subnet_id";
const SELECT: &str = "e.id, e.uuid, e.name, e.desc, n.uuid AS network, n.name AS network_name, \
     s.uuid AS subnet, s.name AS subnet_name, s.start_ip AS subnet_start, \
     s.end_ip AS subnet_end, e.start_ip, e.end_ip, e.created_at, e.updated_at";

static GROUPS: Listing = Listing {
    select: SELECT,
    from: FROM,
    columns: &[
        Column::seen(visible_sql!("e.id", "?0")),
        Column::integer("id", "e.id"),
        Column::exact("uuid", "e.uuid"),
        Column::text("name", "e.name"),
        Column::text("desc", "e.desc"),
        Column::integer("group_type", "1"),
        Column::exact("network", "n.uuid"),
        Column::exact("network_uuid", "n.uuid"),
        Column::text("network_name", "n.name"),
        Column::exact("subnet", "s.uuid"),
        Column::exact("subnet_uuid", "s.uuid"),
        Column::text("subnet_name", "s.name"),
        Column::time("created_at", "e.created_at"),
    ],
    order: "e.id",
};

/// Row ids of a network and a subnet of it.
pub type NetworkIds = (NetworkId, SubnetId);

pub fn insert(
    tx: &Tx<'_>,
    new: &NewEducationGroup,
    (network, subnet): NetworkIds,
    now: i64,
) -> Result<Uuid> {
    tx.changed(Topic::Groups);
    let uuid = Uuid::new_v4();
    let done = tx
        .prepare_cached(
            "INSERT INTO education_groups (uuid, name, desc, network_id, subnet_id, start_ip, \
             end_ip, created_at) VALUES (?1,?2,?3,?4,?5,?6,?7,?8)",
        )?
        .execute(params![
            uuid.to_string(),
            new.name,
            new.desc,
            network,
            subnet,
            u32::from(new.start),
            u32::from(new.end),
            now
        ]);
    unique(done, || taken(&new.name))?;
    Ok(uuid)
}

pub fn update(
    tx: &Tx<'_>,
    uuid: Uuid,
    new: &NewEducationGroup,
    (network, subnet): NetworkIds,
    now: i64,
) -> Result<()> {
    tx.changed(Topic::Groups);
    let done = tx
        .prepare_cached(
            "UPDATE education_groups SET name=?2, desc=?3, network_id=?4, subnet_id=?5, \
             start_ip=?6, end_ip=?7, updated_at=?8 WHERE uuid=?1",
        )?
        .execute(params![
            uuid.to_string(),
            new.name,
            new.desc,
            network,
            subnet,
            u32::from(new.start),
            u32::from(new.end),
            now
        ]);
    unique(done, || taken(&new.name))
}

fn taken(name: &str) -> Error {
    Error::conflict("education-group-name-taken").arg("field", "name").arg("name", name)
}

/// The group of that uuid, if the caller may see it and it is still called so.
pub fn find(
    conn: &Connection,
    visible: &Visible,
    uuid: Uuid,
    name: &str,
) -> Result<EducationGroup> {
    let sql = format!("SELECT {SELECT} FROM {FROM} WHERE e.uuid = ?1");
    let found = conn.prepare_cached(&sql)?.query_row([uuid.to_string()], group).optional()?;
    let found = found.filter(|group| visible.has(Some(group.id)));
    let group =
        found.ok_or_else(|| Error::not_found("education-group-unknown").arg("uuid", uuid))?;
    if group.name != name {
        return Err(Error::conflict("education-group-renamed")
            .arg("field", "name")
            .arg("given", name)
            .arg("name", group.name));
    }
    Ok(group)
}

/// Whether there is a group of that uuid that the caller may see.
///
/// # Errors
/// `education-group-unknown`
pub fn require(conn: &Connection, visible: &Visible, uuid: Uuid) -> Result<()> {
    let sql = "SELECT id FROM education_groups WHERE uuid = ?1";
    let found =
        conn.prepare_cached(sql)?.query_row([uuid.to_string()], |row| row.get(0)).optional()?;
    match found.is_some_and(|id| visible.has(Some(id))) {
        true => Ok(()),
        false => Err(Error::not_found("education-group-unknown").arg("uuid", uuid)),
    }
}

/// A group other than `own` that has terminals among these addresses.
pub fn overlapping(
    conn: &Connection,
    start: Ipv4Addr,
    end: Ipv4Addr,
    own: Option<Uuid>,
) -> Result<Option<EducationGroup>> {
    let sql = format!(
        "SELECT {SELECT} FROM {FROM} WHERE e.start_ip <= ?2 AND e.end_ip >= ?1 \
         AND e.uuid IS NOT ?3 ORDER BY e.id LIMIT 1"
    );
    let own = own.map(|uuid| uuid.to_string());
    let mut statement = conn.prepare_cached(&sql)?;
    let range = params![u32::from(start), u32::from(end), own];
    Ok(statement.query_row(range, group).optional()?)
}

/// Names of the desktop groups that belong to it.
pub fn users(conn: &Connection, uuid: Uuid) -> Result<Vec<String>> {
    let mut statement = conn.prepare_cached(
        "SELECT g.name FROM desktop_groups g JOIN education_groups e ON e.id = g.group_id \
         WHERE e.uuid = ?1 ORDER BY g.id",
    )?;
    let names = statement.query_map([uuid.to_string()], |row| row.get(0))?;
    Ok(names.collect::<rusqlite::Result<_>>()?)
}

pub fn delete(tx: &Tx<'_>, uuid: Uuid) -> Result<()> {
    // Roles within the group go with it.
    tx.changed(Topic::Groups | Topic::Users | Topic::Roles | Topic::Rights);
    tx.execute("DELETE FROM education_groups WHERE uuid = ?1", [uuid.to_string()])?;
    Ok(())
}

pub fn list(store: &Store, query: &ListQuery) -> Result<Page<EducationGroup>> {
    GROUPS.page_with(store, query, group, |conn, mut groups| {
        let counts = counts(conn, groups.iter().map(|group| group.id))?;
        for group in &mut groups {
            (group.desktop_count, group.instance_count) =
                counts.get(&group.id).copied().unwrap_or_default();
        }
        Ok(groups)
    })
}

/// Desktop groups and desktops of each group.
fn counts(
    conn: &Connection,
    groups: impl Iterator<Item = EducationGroupId>,
) -> Result<HashMap<EducationGroupId, (u64, u64)>> {
    let sql = format!(
        "SELECT g.group_id, count(DISTINCT g.id), count(d.id) FROM desktop_groups g \
         LEFT JOIN desktops d ON d.group_id = g.id WHERE g.group_id IN {} GROUP BY g.group_id",
        in_numbers(groups)
    );
    let mut statement = conn.prepare(&sql)?;
    let rows = statement.query_map([], |row| {
        Ok((row.get(0)?, (rows::unsigned(row, 1)?, rows::unsigned(row, 2)?)))
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn group(row: &Row<'_>) -> rusqlite::Result<EducationGroup> {
    Ok(EducationGroup {
        id: row.get("id")?,
        uuid: rows::uuid(row, "uuid")?,
        name: row.get("name")?,
        desc: row.get("desc")?,
        network: rows::uuid(row, "network")?,
        network_name: row.get("network_name")?,
        subnet: rows::uuid(row, "subnet")?,
        subnet_name: row.get("subnet_name")?,
        subnet_start: address(row, "subnet_start")?,
        subnet_end: address(row, "subnet_end")?,
        start: address(row, "start_ip")?,
        end: address(row, "end_ip")?,
        desktop_count: 0,
        instance_count: 0,
        created_at: row.get("created_at")?,
        updated_at: row.get("updated_at")?,
    })
}
