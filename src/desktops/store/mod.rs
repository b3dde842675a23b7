//! Rows of templates, groups and desktops.

pub mod education;

use std::net::Ipv4Addr;

use rusqlite::Row;

/// An address that is kept as a number.
pub(super) fn address(row: &Row<'_>, index: usize) -> rusqlite::Result<Ipv4Addr> {
    Ok(Ipv4Addr::from(row.get::<_, u32>(index)?))
}
