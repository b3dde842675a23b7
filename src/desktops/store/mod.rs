//! Rows of templates, groups and desktops.

pub mod actual;
pub mod education;
pub mod gone;
pub mod groups;
pub mod reach;
pub mod restored;
pub mod seats;
pub mod setting_aside;

use std::net::Ipv4Addr;

use rusqlite::{Row, RowIndex};
use uuid::Uuid;

use crate::error::{Context, Result};

/// An address that is kept as a number.
pub(super) fn address(row: &Row<'_>, column: impl RowIndex) -> rusqlite::Result<Ipv4Addr> {
    Ok(Ipv4Addr::from(row.get::<_, u32>(column)?))
}

/// For `IN (SELECT value FROM json_each(?))`, which takes any number of them.
pub(super) fn json_uuids(uuids: &[Uuid]) -> Result<String> {
    serde_json::to_string(uuids).context("write uuids as JSON")
}
