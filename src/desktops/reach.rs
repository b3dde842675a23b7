//! What somebody may name by its uuid when they make or change something.

use rusqlite::Connection;
use uuid::Uuid;

use super::store::reach;
use crate::error::{Error, Result};
use crate::store::visible::Visible;

/// What somebody may name: all that they may view, else what the education groups use for which they hold the right
/// to do it. What lies beyond is refused in the same words whether it is there or not.
#[derive(Debug)]
pub struct Reach {
    pub templates: Visible,
    pub pools: Visible,
    pub networks: Visible,
    /// Whether refusals may name nodes and tell what they have.
    pub sees_nodes: bool,
}

impl Reach {
    /// # Errors
    /// `not-in-your-groups`
    pub(super) fn check_template(&self, conn: &Connection, template: Uuid) -> Result<()> {
        within("template_uuid", reach::has_template(conn, &self.templates, template)?, template)
    }

    /// # Errors
    /// `not-in-your-groups`
    pub(super) fn check_pool(&self, conn: &Connection, pool: Uuid) -> Result<()> {
        within("pool_uuid", reach::has_pool(conn, &self.pools, pool)?, pool)
    }

    /// # Errors
    /// `not-in-your-groups`
    pub(super) fn check_subnet(
        &self,
        conn: &Connection,
        network: Uuid,
        subnet: Uuid,
    ) -> Result<()> {
        let visible = &self.networks;
        within("network_uuid", reach::has_network(conn, visible, network)?, network)?;
        within("subnet_uuid", reach::has_subnet(conn, visible, subnet)?, subnet)
    }
}

fn within(field: &'static str, is_so: bool, uuid: Uuid) -> Result<()> {
    match is_so {
        true => Ok(()),
        false => Err(Error::not_found("not-in-your-groups").arg("field", field).arg("uuid", uuid)),
    }
}
