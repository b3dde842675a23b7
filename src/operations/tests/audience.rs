//! Who hears of an operation and who finds it are the same people.

use super::*;
use crate::store::visible::Visible;
use crate::store::{EducationGroupId, UserId};

const GROUPS: [&str; 2] = ["group-a", "group-b"];
const GONE: &str = "group-gone";

/// Writes an operation of this user in these education groups, by row.
fn add(conn: &rusqlite::Connection, owner: Option<i64>, groups: &[&str]) -> Uuid {
    let uuid = Uuid::new_v4();
    let operation = "INSERT INTO operations (uuid, kind, subject, subject_name, args, locks, state, owner_id, \
         owner_name, created_at) VALUES (?1, ?2, 's', 'thing', '{}', '[]', 'queued', ?3, '', 0)";
    conn.execute(operation, (uuid.to_string(), KIND, owner)).expect("an operation");
    let id = conn.last_insert_rowid();
    for group in groups {
        let group_of =
            "INSERT INTO operation_groups (operation_id, education_group) VALUES (?1, ?2)";
        conn.execute(group_of, (id, group)).expect("a group of it");
    }
    uuid
}

#[test]
fn who_hears_of_an_operation_is_who_finds_it() {
    let bench = Bench::new();
    let conn = rusqlite::Connection::open(bench._dir.path().join("test.db")).expect("open");
    conn.pragma_update(None, "foreign_keys", false).expect("rows without their networks");
    for (id, uuid) in (1..).zip(GROUPS) {
        let group = "INSERT INTO education_groups (id, uuid, name, network_id, subnet_id, start_ip, end_ip, \
             created_at) VALUES (?1, ?2, ?2, 1, 1, 0, 0, 0)";
        conn.execute(group, (id, uuid)).expect("an education group");
    }
    let [a, b] = GROUPS;
    let places: [&[&str]; 6] = [&[], &[a], &[b], &[a, b], &[GONE], &[a, GONE]];
    let owners = [None, Some(1), Some(2)];
    let uuids: Vec<Uuid> =
        owners.iter().flat_map(|owner| places.map(|groups| add(&conn, *owner, groups))).collect();
    let within = |rows: &[i64], owner: Option<i64>| Visible::Within {
        groups: rows.iter().copied().map(EducationGroupId::new).collect(),
        owner: owner.map(UserId::new),
    };
    let everybody = [
        Visible::All,
        Visible::NOTHING,
        within(&[1], None),
        within(&[1], Some(2)),
        within(&[1, 2], Some(1)),
        within(&[], Some(1)),
    ];
    let told = bench.operations.with_audience(&uuids).expect("read");
    assert_eq!(told.len(), uuids.len());
    for visible in &everybody {
        for (operation, audience) in &told {
            let found = bench.operations.find_seen(visible, operation.uuid).is_ok();
            assert_eq!(audience.has(visible), found, "{visible:?} {audience:?}");
        }
    }
}
