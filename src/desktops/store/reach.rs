//! What somebody whose rights hold for some education groups may name: what these groups use.

use rusqlite::{Connection, params};
use uuid::Uuid;

use crate::error::Result;
use crate::store::visible::{Visible, visible_sql};

/// Whether a desktop group that they see has this thing, in that column.
macro_rules! has {
    ($table:literal, $column:literal) => {
        concat!(
            "SELECT 1 WHERE ?1 IS NULL OR EXISTS (SELECT 1 FROM desktop_groups g JOIN ",
            $table,
            " t ON t.id = g.",
            $column,
            " WHERE t.uuid = ?2 AND ",
            visible_sql!("g.group_id", "?1"),
            ")"
        )
    };
}

/// Whether an education group or a desktop group that they see is in the network of this thing, named by that column.
macro_rules! is_in_network {
    ($table:literal, $column:literal) => {
        concat!(
            "SELECT 1 WHERE ?1 IS NULL OR EXISTS (SELECT 1 FROM ",
            $table,
            " t WHERE t.uuid = ?2 AND (EXISTS (SELECT 1 FROM education_groups e WHERE e.network_id = t.",
            $column,
            " AND ",
            visible_sql!("e.id", "?1"),
            ") OR EXISTS (SELECT 1 FROM desktop_groups g WHERE g.network_id = t.",
            $column,
            " AND ",
            visible_sql!("g.group_id", "?1"),
            ")))"
        )
    };
}

/// Whether a desktop group that they see is made of this template.
pub fn has_template(conn: &Connection, visible: &Visible, template: Uuid) -> Result<bool> {
    is_so(conn, has!("templates", "template_id"), visible, template)
}

/// Whether a desktop group that they see is in this pool.
pub fn has_pool(conn: &Connection, visible: &Visible, pool: Uuid) -> Result<bool> {
    is_so(conn, has!("pools", "pool_id"), visible, pool)
}

/// Whether an education group or a desktop group that they see is in this network.
pub fn has_network(conn: &Connection, visible: &Visible, network: Uuid) -> Result<bool> {
    is_so(conn, is_in_network!("networks", "id"), visible, network)
}

/// As [`has_network`], of the network that a subnet belongs to.
pub fn has_subnet(conn: &Connection, visible: &Visible, subnet: Uuid) -> Result<bool> {
    is_so(conn, is_in_network!("subnets", "network_id"), visible, subnet)
}

fn is_so(conn: &Connection, sql: &str, visible: &Visible, uuid: Uuid) -> Result<bool> {
    let asked = params![visible.parameter(), uuid.to_string()];
    Ok(conn.prepare_cached(sql)?.exists(asked)?)
}
