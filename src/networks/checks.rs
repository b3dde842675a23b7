//! What a network or subnet must be before it is written, beside everything around it.

use super::switches::in_use;
use super::{Network, Plan, store};
use crate::error::{Error, Result};
use crate::store::SubnetId;

/// # Errors
/// `network-is-default`, `network-has-users`
pub(super) fn check_deletable(conn: &rusqlite::Connection, network: &Network) -> Result<()> {
    if network.is_default {
        return Err(Error::conflict("network-is-default").arg("name", &network.name));
    }
    let users = store::networks::users(conn, network.id)?;
    match users.is_empty() {
        true => Ok(()),
        false => Err(in_use("network-has-users", &network.name, &users)),
    }
}

/// Checks a new or changed subnet against everything around it.
pub(super) fn check(
    conn: &rusqlite::Connection,
    network: &Network,
    plan: &Plan,
    but: Option<SubnetId>,
) -> Result<()> {
    plan.check()?;
    let mut others = store::subnets::of_network(conn, network.id)?;
    others.retain(|other| Some(other.id) != but);
    plan.check_beside(&others)?;
    if store::addresses::is_taken(conn, network.id, plan.gateway)? {
        let error = Error::conflict("subnet-gateway-taken").arg("field", "gateway");
        return Err(error.arg("address", plan.gateway));
    }
    plan.check_apart(network.kind, &store::subnets::of_other_nat(conn, Some(network.id))?)
}
