//! Rows of templates, groups and desktops.

pub mod actual;
pub mod education;
pub mod first_starts;
pub mod gone;
pub mod groups;
pub mod reach;
pub mod restored;
pub mod seats;
pub mod setting_aside;

use std::net::Ipv4Addr;

use rusqlite::types::Type;
use rusqlite::{Row, RowIndex};
use uuid::Uuid;

use crate::desktops::first_start::names::Nameable;
use crate::error::{Context, Result};
use crate::node::protocol::{Identity, Limits, Spice};

/// An address that is kept as a number.
pub(super) fn address(row: &Row<'_>, column: impl RowIndex) -> rusqlite::Result<Ipv4Addr> {
    Ok(Ipv4Addr::from(row.get::<_, u32>(column)?))
}

/// The column `spice` of a desktop group.
pub(super) fn spice(row: &Row<'_>) -> rusqlite::Result<Spice> {
    let word: String = row.get("spice")?;
    Spice::parse(&word).ok_or_else(|| {
        let cause = format!("SPICE {word} in the database");
        rusqlite::Error::FromSqlConversionFailure(0, Type::Text, cause.into())
    })
}

/// For `IN (SELECT value FROM json_each(?))`, which takes any number of them.
pub(super) fn json_uuids(uuids: &[Uuid]) -> Result<String> {
    serde_json::to_string(uuids).context("write uuids as JSON")
}

/// What the guest of a desktop is told of itself, by the columns `name` and `seat` of its row, `group_name` and `host_names` of
/// its group's; `None` for a row that is of no desktop.
fn identity(row: &Row<'_>) -> rusqlite::Result<Option<Identity>> {
    let (number, group): (Option<u32>, Option<String>) = (row.get("seat")?, row.get("group_name")?);
    let Some((number, group)) = number.zip(group) else { return Ok(None) };
    let pattern: String = row.get("host_names")?;
    let desktop = Nameable { name: row.get("name")?, group, number };
    let host_name = desktop.host_name(&pattern);
    Ok(Some(Identity { number, group: desktop.group, host_name }))
}

/// The limits of a desktop group, in the columns of its row.
fn limits(row: &Row<'_>) -> rusqlite::Result<Limits> {
    Ok(Limits {
        disk_mb: row.get("disk_mb")?,
        disk_iops: row.get("disk_iops")?,
        receive_mbit: row.get("receive_mbit")?,
        send_mbit: row.get("send_mbit")?,
    })
}
