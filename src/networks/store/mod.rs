//! Rows of switches, networks, subnets and addresses. IPv4 addresses are numbers there.

pub mod addresses;
pub mod networks;
pub mod subnets;
pub mod switches;

use std::net::Ipv4Addr;

use rusqlite::Row;

use crate::store::rows;

fn ip(row: &Row<'_>, column: &str) -> rusqlite::Result<Ipv4Addr> {
    Ok(Ipv4Addr::from(rows::unsigned::<u32>(row, column)?))
}

fn number(address: Ipv4Addr) -> u32 {
    u32::from(address)
}
