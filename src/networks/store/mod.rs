//! Rows of switches, networks, subnets and addresses. IPv4 addresses are numbers there.

pub mod addresses;
pub mod networks;
pub mod subnets;
pub mod switches;

use std::net::Ipv4Addr;

use rusqlite::Row;

use crate::store::rows;

fn ip(row: &Row<'_>, index: usize) -> rusqlite::Result<Ipv4Addr> {
    Ok(Ipv4Addr::from(rows::unsigned::<u32>(row, index)?))
}

fn number(address: Ipv4Addr) -> u32 {
    u32::from(address)
}

/// A word of a fixed set that the row must hold.
fn word<T>(row: &Row<'_>, index: usize, parse: fn(&str) -> Option<T>) -> rusqlite::Result<T> {
    let text: String = row.get(index)?;
    parse(&text).ok_or_else(|| {
        let what = format!("the word {text} in the database");
        rusqlite::Error::FromSqlConversionFailure(index, rusqlite::types::Type::Text, what.into())
    })
}
