//! Counts for the first page.

use rusqlite::Connection;

use super::Statistic;
use crate::error::Result;
use crate::store::rows;

pub fn statistic(conn: &Connection) -> Result<Statistic> {
    let mut statement = conn.prepare_cached(
        "SELECT (SELECT count(*) FROM nodes), \
         (SELECT count(*) FROM nodes WHERE status='active'), \
         (SELECT count(*) FROM desktops), \
         (SELECT count(*) FROM desktops WHERE power IN ('running','paused')), \
         (SELECT count(*) FROM pools)",
    )?;
    let statistic = statement.query_row([], |row| {
        Ok(Statistic {
            nodes: rows::unsigned(row, 0)?,
            nodes_active: rows::unsigned(row, 1)?,
            desktops: rows::unsigned(row, 2)?,
            desktops_running: rows::unsigned(row, 3)?,
            pools: rows::unsigned(row, 4)?,
        })
    })?;
    Ok(statistic)
}
