//! Debug builds only: no transaction changes rows without telling of it.
//!
//! SQLite's own update hook is silent for tables without row numbers and for rows that `REPLACE` removes. Triggers
//! are not, and also see what a foreign key removes: each table gets temporary ones on the writer, which note what
//! [`TABLES`] says should be told.

use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use rusqlite::functions::FunctionFlags;

use super::news::{Event, TABLES, Topics};
use crate::error::Result;

const NOTE: &str = "carrel_note_change";

/// What was changed on the writer since the last look.
#[derive(Default)]
pub(super) struct Guard {
    noted: Arc<Mutex<Vec<(&'static str, Topics)>>>,
}

impl Guard {
    /// Watches all changes on this connection.
    pub fn watch(writer: &Connection) -> Result<Self> {
        let guard = Self::default();
        let noted = Arc::clone(&guard.noted);
        writer.create_scalar_function(NOTE, 2, FunctionFlags::SQLITE_UTF8, move |context| {
            let (table, news) = (context.get::<u8>(0)?, context.get::<u8>(1)?);
            let table = &TABLES[usize::from(table)];
            let note = (table.name, table.news[usize::from(news)].1);
            let mut noted = noted.lock().unwrap_or_else(PoisonError::into_inner);
            if !noted.contains(&note) {
                noted.push(note);
            }
            Ok(0)
        })?;
        for (table, rule) in TABLES.iter().enumerate() {
            for (news, (event, _)) in rule.news.iter().enumerate() {
                writer.execute_batch(&triggers(rule.name, *event, table, news))?;
            }
        }
        Ok(guard)
    }

    /// Forgets what a transaction did that was undone.
    pub fn begin(&self) {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// # Panics
    /// When something was changed that is not told.
    pub fn check(&self, told: Topics) {
        let noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for (table, topics) in noted {
            let missing: Vec<_> = topics.without(told).iter().collect();
            assert!(missing.is_empty(), "a change of {table} without tx.changed({missing:?})");
        }
    }
}

fn triggers(table: &str, event: Event, at: usize, news: usize) -> String {
    let one = |number: u8, when: &str| {
        format!(
            "CREATE TEMP TRIGGER {NOTE}_{at}_{news}_{number} AFTER {when} BEGIN SELECT {NOTE}({at}, {news}); END;"
        )
    };
    let plain = |number, what: &str| one(number, &format!("{what} ON main.{table}"));
    match event {
        Event::Any => [plain(0, "INSERT"), plain(1, "UPDATE"), plain(2, "DELETE")].concat(),
        Event::Delete => plain(0, "DELETE"),
        Event::Update(columns) => {
            let differs: Vec<String> =
                columns.iter().map(|name| format!("old.{name} IS NOT new.{name}")).collect();
            let (columns, differs) = (columns.join(", "), differs.join(" OR "));
            one(0, &format!("UPDATE OF {columns} ON main.{table} WHEN {differs}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;
    use crate::store::{Store, Topic, Tx};

    fn store(dir: &tempfile::TempDir) -> Store {
        Store::open(&dir.path().join("test.db")).expect("store")
    }

    #[test]
    fn every_table_says_what_it_is_news_of() {
        let dir = tempfile::tempdir().expect("temp dir");
        let there = store(&dir).read(|conn| {
            let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' \
                       AND name NOT LIKE 'sqlite_%' ORDER BY name";
            let mut statement = conn.prepare(sql)?;
            let names = statement.query_map([], |row| row.get(0))?;
            Ok(names.collect::<rusqlite::Result<Vec<String>>>()?)
        });
        let mut told: Vec<&str> = TABLES.iter().map(|table| table.name).collect();
        told.sort_unstable();
        assert_eq!(there.expect("names"), told);
    }

    /// What is missed when `change` tells of `told` only.
    fn missed(store: &Store, told: Topics, change: &str) -> Option<String> {
        let write = |tx: &Tx<'_>| {
            tx.changed(told);
            Ok(tx.execute_batch(change)?)
        };
        let panic = catch_unwind(AssertUnwindSafe(|| store.write(write).expect("write"))).err()?;
        Some(panic.downcast_ref::<String>().expect("a message").clone())
    }

    #[test]
    fn changes_that_are_not_told_are_found() {
        let dir = tempfile::tempdir().expect("temp dir");
        let store = store(&dir);
        let people = Topic::Users | Topic::Roles | Topic::UserGroups | Topic::Rights;
        let setup = "INSERT INTO users (id, uuid, name, created_at) VALUES (7, 'u', 'lee', 0); \
             INSERT INTO user_groups (id, uuid, name, created_at) VALUES (1, 'g', 'staff', 0); \
             INSERT INTO user_group_permissions VALUES (1, 'nodes.view'); \
             INSERT INTO ssh_keys (uuid, user_id, name, key, fingerprint, created_at) \
             VALUES ('k', 7, '', '', '', 0);";
        let all = people | Topic::SshKeys | Topic::SshAccess;
        assert_eq!(missed(&store, all, setup), None);
        let cases = [
            // Without row numbers; one that empties it; one that replaces; by a foreign key.
            (
                "INSERT INTO user_permissions VALUES (7, 'nodes.view')",
                Topic::Users.into(),
                "[Rights]",
            ),
            ("DELETE FROM user_group_permissions", Topic::UserGroups.into(), "[Rights]"),
            (
                "INSERT OR REPLACE INTO second_factors (user_id, secret) VALUES (7, '')",
                Topics::NONE,
                "[Users]",
            ),
            (
                "DELETE FROM users WHERE id = 7",
                Topic::Users | Topic::SshAccess | Topic::Rights,
                "[SshKeys]",
            ),
            ("UPDATE users SET enabled = 0", Topic::Users.into(), "[Rights, SshAccess]"),
        ];
        for (change, told, wanted) in cases {
            let panic = missed(&store, told, change).expect(change);
            assert!(panic.ends_with(&format!("tx.changed({wanted})")), "{change}: {panic}");
        }
        // Undone, each of them; and none of these is more than it says.
        assert_eq!(
            missed(&store, Topic::Users.into(), "UPDATE users SET last_login_at = 9, enabled = 1"),
            None
        );
        assert_eq!(missed(&store, Topics::NONE, "DELETE FROM users WHERE id = 8"), None);
        assert_eq!(missed(&store, all, "DELETE FROM users WHERE id = 7"), None);
    }
}
