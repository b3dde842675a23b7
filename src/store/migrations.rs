//! Numbered files in `assets/migrations/`, applied in order, never edited after a release.

use rusqlite::Connection;
use rusqlite_migration::{Error as MigrationError, M, MigrationDefinitionError, Migrations};

use super::text;
use crate::error::{Context, Error, Kind, Result};

const STEPS: &[M<'_>] = &[
    M::up(include_str!("../../assets/migrations/0001_operations.sql")),
    M::up(include_str!("../../assets/migrations/0002_identity.sql")),
    M::up(include_str!("../../assets/migrations/0003_inventory.sql")),
    M::up(include_str!("../../assets/migrations/0004_networks.sql")),
    M::up(include_str!("../../assets/migrations/0005_images.sql")),
    M::up(include_str!("../../assets/migrations/0006_desktops.sql")),
    M::up(include_str!("../../assets/migrations/0007_audit.sql")),
    M::up(include_str!("../../assets/migrations/0008_accounts.sql")),
    M::up(include_str!("../../assets/migrations/0009_ssh_keys.sql")),
    M::up(include_str!("../../assets/migrations/0010_restored_nodes.sql")),
    M::up(include_str!("../../assets/migrations/0013_agents.sql")),
    M::up(include_str!("../../assets/migrations/0014_scoped_roles.sql")),
    M::up(include_str!("../../assets/migrations/0015_operation_groups.sql")),
    // next file goes here
];

/// Brings the database to the newest shape.
pub fn apply(conn: &mut Connection) -> Result<()> {
    text::register_lookalike(conn)?;
    match Migrations::from_slice(STEPS).to_latest(conn) {
        Err(MigrationError::MigrationDefinition(MigrationDefinitionError::DatabaseTooFarAhead)) => {
            Err(Error::new(Kind::Conflict, "database-newer"))
        }
        other => other.context("migrate the database"),
    }
}

/// Whether a newer Carrel wrote the database.
pub fn refuse_newer(conn: &Connection) -> Result<()> {
    let version: i64 = conn.pragma_query_value(None, "user_version", |row| row.get(0))?;
    match usize::try_from(version).is_ok_and(|version| version > STEPS.len()) {
        true => Err(Error::new(Kind::Conflict, "database-newer")),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn migrations_are_valid() {
        let mut conn = Connection::open_in_memory().expect("open");
        apply(&mut conn).expect("valid migrations");
    }

    #[test]
    fn newer_database_is_refused() {
        let mut conn = Connection::open_in_memory().expect("open");
        conn.pragma_update(None, "user_version", 9_999).expect("set version");
        let error = apply(&mut conn).expect_err("must be refused");
        assert_eq!(error.key(), "database-newer");
    }
}
