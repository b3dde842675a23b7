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
    M::up(include_str!("../../assets/migrations/0012_operation_parts.sql")),
    M::up(include_str!("../../assets/migrations/0013_agents.sql")),
    M::up(include_str!("../../assets/migrations/0014_scoped_roles.sql")),
    M::up(include_str!("../../assets/migrations/0015_operation_groups.sql")),
    M::up(include_str!("../../assets/migrations/0018_open_operations.sql")),
    M::up(include_str!("../../assets/migrations/0019_lock_names.sql")),
    M::up(include_str!("../../assets/migrations/0020_withdrawn_addresses.sql")),
    M::up(include_str!("../../assets/migrations/0021_gone.sql")),
    M::up(include_str!("../../assets/migrations/0024_user_imports.sql")),
    M::up(include_str!("../../assets/migrations/0025_registration.sql")),
    M::up(include_str!("../../assets/migrations/0028_os_types.sql")),
    M::up(include_str!("../../assets/migrations/0029_groups_without_data_disks.sql")),
    M::up(include_str!("../../assets/migrations/0030_setting_aside.sql")),
    M::up(include_str!("../../assets/migrations/0031_desktop_names.sql")),
    M::up(include_str!("../../assets/migrations/0032_template_versions.sql")),
    M::up(include_str!("../../assets/migrations/0033_hardware.sql")),
    M::up(include_str!("../../assets/migrations/0034_isos.sql")),
    M::up(include_str!("../../assets/migrations/0035_live_settings.sql")),
    M::up(include_str!("../../assets/migrations/0036_former_template.sql")),
    M::up(include_str!("../../assets/migrations/0037_boots.sql")),
    M::up(include_str!("../../assets/migrations/0038_firmware_state.sql")),
    M::up(include_str!("../../assets/migrations/0039_template_discs.sql")),
    M::up(include_str!("../../assets/migrations/0040_spice.sql")),
    M::up(include_str!("../../assets/migrations/0041_group_limits.sql")),
    M::up(include_str!("../../assets/migrations/0042_first_starts.sql")),
    M::up(include_str!("../../assets/migrations/0043_bus_switches.sql")),
    M::up(include_str!("../../assets/migrations/0044_image_hints.sql")),
    M::up(include_str!("../../assets/migrations/0045_uploads.sql")),
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

    /// Until then an action was its place in the list.
    #[test]
    fn operations_of_the_release_before_know_their_action_by_name() {
        let mut conn = Connection::open_in_memory().expect("open");
        text::register_lookalike(&conn).expect("functions");
        Migrations::from_slice(STEPS).to_version(&mut conn, 10).expect("the release before");
        let insert = "INSERT INTO operations (uuid, kind, subject, subject_name, args, locks, state, step, \
             owner_name, created_at, finished_at) VALUES (?1, ?2, '', '', '{}', '[]', ?3, ?4, '', 0, ?5)";
        let rows = [
            ("1", "image-add", "running", 2, None::<i64>, Some("distribute")),
            ("2", "template-save", "undoing", 3, None, Some("publish")),
            ("3", "subnet-edit", "running", 0, None, Some("tell the nodes")),
            ("4", "desktops-add", "queued", 0, None, Some("rows")),
            ("5", "image-add", "succeeded", 3, Some(1), None),
        ];
        for (uuid, kind, state, step, ended, _) in rows {
            let row = rusqlite::params![uuid, kind, state, step, ended];
            conn.execute(insert, row).expect("a row");
        }
        apply(&mut conn).expect("migrate");
        for (uuid, kind, _, _, _, expected) in rows {
            let sql = "SELECT action FROM operations WHERE uuid=?1";
            let action: Option<String> =
                conn.query_row(sql, [uuid], |row| row.get(0)).expect("the row");
            assert_eq!(action.as_deref(), expected, "{kind}");
        }
    }

    #[test]
    fn what_was_locked_gets_its_name() {
        let mut conn = Connection::open_in_memory().expect("open");
        text::register_lookalike(&conn).expect("functions");
        Migrations::from_slice(STEPS).to_version(&mut conn, 15).expect("without names");
        conn.execute_batch(
            "INSERT INTO switches (id, uuid, name, kind, is_default, created_at) VALUES (1, 's', 's', 'nat', 0, 0); \
             INSERT INTO networks (uuid, name, switch_id, is_default, created_at) VALUES ('n', 'lab', 1, 0, 0); \
             INSERT INTO operations (id, uuid, kind, subject, subject_name, args, locks, state, owner_name, created_at, \
             finished_at) VALUES (1, 'a', 'network-delete', 'n', 'lab (+1)', '{}', '[\"n\",\"gone\"]', 'running', '', 0, \
             NULL), (2, 'b', 'network-delete', 'n', '', '{}', '[\"n\"]', 'succeeded', '', 0, 0); \
             INSERT INTO operation_locks (subject, operation_id) VALUES ('n', 1), ('gone', 1)",
        )
        .expect("rows");
        apply(&mut conn).expect("migrate");
        let text =
            |sql: &str| conn.query_row(sql, [], |row| row.get::<_, String>(0)).expect("a text");
        let locks = text(
            "SELECT group_concat(name) FROM (SELECT name FROM operation_locks ORDER BY subject DESC)",
        );
        assert_eq!(locks, "lab,lab (+1)", "its own, else the operation's");
        let held = text("SELECT lock_names FROM operations WHERE id = 1");
        assert_eq!(held, r#"["lab","lab (+1)"]"#, "in the order of the locks");
    }

    #[test]
    fn systems_get_the_names_of_the_document() {
        let mut conn = Connection::open_in_memory().expect("open");
        text::register_lookalike(&conn).expect("functions");
        Migrations::from_slice(STEPS).to_version(&mut conn, 17).expect("short names");
        conn.pragma_update(None, "foreign_keys", false).expect("rows without what they belong to");
        let forms = ["win7", "Windows7(32bit)", "WIN10", "linux", "winxp", "Windows 11", "xxx"];
        for (id, form) in forms.iter().enumerate() {
            let sql = "INSERT INTO templates (id, uuid, name, os_type, classify, pool_id, node_id, network_id, subnet_id, \
                 vcpu, memory_mib, base_image, state, owner_name, created_at) \
                 VALUES (?1, ?1, ?1, ?2, 1, 1, 1, 1, 1, 1, 64, '', 'ready', '', 0)";
            conn.execute(sql, rusqlite::params![id as i64, form]).expect("a row");
        }
        apply(&mut conn).expect("migrate");
        let mut statement = conn.prepare("SELECT os_type FROM templates ORDER BY id").expect("sql");
        let names = statement.query_map([], |row| row.get(0)).expect("rows");
        let names: Vec<String> = names.collect::<Result<_, _>>().expect("texts");
        let wanted = [
            "Windows 7 bit 64",
            "Windows 7 bit 32",
            "Windows 10 bit 64",
            "Linux",
            "Windows XP",
            "Windows 11",
            "xxx",
        ];
        assert_eq!(names, wanted);
    }

    #[test]
    fn newer_database_is_refused() {
        let mut conn = Connection::open_in_memory().expect("open");
        conn.pragma_update(None, "user_version", 9_999).expect("set version");
        let error = apply(&mut conn).expect_err("must be refused");
        assert_eq!(error.key(), "database-newer");
    }
}
