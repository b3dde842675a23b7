//! Counts for the first page.

use rusqlite::Connection;

use super::Statistic;
use crate::error::Result;
use crate::store::rows;
use crate::store::visible::{Visible, visible_sql};

/// Counts of what the caller may see. Nodes and pools belong to no education group: whoever sees only
/// some groups is told of none.
pub fn statistic(conn: &Connection, visible: &Visible) -> Result<Statistic> {
    let Some(parameter) = visible.parameter() else { return all(conn) };
    let mut statement = conn.prepare_cached(concat!(
        "SELECT count(*), count(*) FILTER (WHERE d.power IN ('running','paused')) FROM desktops d \
         JOIN desktop_groups g ON g.id = d.group_id WHERE ",
        visible_sql!("g.group_id", "?1")
    ))?;
    let counts = statement.query_row([parameter], |row| {
        Ok(Statistic {
            desktops: rows::unsigned(row, 0)?,
            desktops_running: rows::unsigned(row, 1)?,
            ..Statistic::default()
        })
    })?;
    Ok(counts)
}

fn all(conn: &Connection) -> Result<Statistic> {
    let mut statement = conn.prepare_cached(
        "SELECT (SELECT count(*) FROM nodes) AS nodes, \
         (SELECT count(*) FROM nodes WHERE status='active') AS nodes_active, \
         (SELECT count(*) FROM desktops) AS desktops, \
         (SELECT count(*) FROM desktops WHERE power IN ('running','paused')) AS running, \
         (SELECT count(*) FROM pools) AS pools",
    )?;
    let statistic = statement.query_row([], |row| {
        Ok(Statistic {
            nodes: rows::unsigned(row, "nodes")?,
            nodes_active: rows::unsigned(row, "nodes_active")?,
            desktops: rows::unsigned(row, "desktops")?,
            desktops_running: rows::unsigned(row, "running")?,
            pools: rows::unsigned(row, "pools")?,
        })
    })?;
    Ok(statistic)
}
