//! Pages against a real database.

use super::*;
use crate::store::{Topic, Tx};

static UNFINISHED: Listing = Listing {
    select: "o.id",
    from: "operations o",
    columns: &[Column::condition_of("open", "o.finished_at IS NULL")],
    order: "o.id DESC",
};

fn store() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().expect("temp dir");
    let store = Store::open(&dir.path().join("test.db")).expect("store");
    (dir, store)
}

#[test]
fn a_partial_index_serves_its_condition() {
    let (_dir, store) = store();
    let query = ListQuery::default().with("open", 1);
    let Conditions { sql: condition, values, .. } =
        UNFINISHED.conditions(&query).expect("conditions");
    assert!(values.is_empty());
    for select in [
        "SELECT o.id FROM operations o{} ORDER BY o.id DESC LIMIT 20",
        "SELECT count(*) FROM operations o{}",
    ] {
        let sql = format!("EXPLAIN QUERY PLAN {}", select.replace("{}", &condition));
        let plan = store.read(|conn| Ok(conn.query_row(&sql, [], |row| row.get::<_, String>(3))?));
        let plan = plan.expect("a plan");
        assert!(plan.contains("operations_unfinished"), "{plan}");
    }
    let other = ListQuery::default().with("open", 2);
    assert_eq!(UNFINISHED.conditions(&other).expect("conditions").sql, " WHERE FALSE");
}

#[test]
fn a_count_is_of_the_same_state_as_the_rows() {
    let (dir, store) = store();
    let add = |name: &str| {
        let sql = "INSERT INTO user_groups (uuid, name, created_at) VALUES (?1, ?1, 0)";
        store.write(|tx: &Tx<'_>| {
            tx.changed(Topic::UserGroups);
            Ok(tx.execute(sql, [name])?)
        })
    };
    static GROUPS: Listing =
        Listing { select: "g.id", from: "user_groups g", columns: &[], order: "g.id" };
    let counted = || {
        let page = GROUPS.page(&store, &ListQuery::default(), |row| row.get::<_, i64>(0));
        let page = page.expect("a page");
        (page.count, page.results.len())
    };
    add("a").expect("a");
    assert_eq!((counted(), counted()), ((1, 1), (1, 1)));
    add("b").expect("b");
    assert_eq!(counted(), (2, 2));
    // By a process of its own.
    let other = Connection::open(dir.path().join("test.db")).expect("open");
    other.execute("DELETE FROM user_groups WHERE name = 'a'", []).expect("delete");
    assert_eq!((counted(), counted()), ((1, 1), (1, 1)));
    // While a change is under way, which nobody sees yet.
    let seen = store.write(|tx| {
        tx.changed(Topic::UserGroups);
        tx.execute("DELETE FROM user_groups", [])?;
        Ok(std::thread::scope(|scope| scope.spawn(counted).join().expect("no panic")))
    });
    assert_eq!(seen.expect("write"), (1, 1));
    assert_eq!(counted(), (0, 0));
    // A row that comes between the count and the rows of one page belongs to neither.
    add("c").expect("c");
    let mut first = true;
    let page = GROUPS.page(&store, &ListQuery::default(), |row| {
        if std::mem::take(&mut first) {
            std::thread::scope(|scope| scope.spawn(|| add("d")).join().expect("no panic"))
                .expect("d");
        }
        row.get::<_, i64>(0)
    });
    let page = page.expect("a page");
    assert_eq!((page.count, page.results.len()), (1, 1));
    // Nor one that comes before what belongs to the rows is read.
    let number = |row: &Row<'_>| row.get::<_, i64>(0);
    let page = GROUPS.page_with(&store, &ListQuery::default(), number, |conn, rows| {
        std::thread::scope(|scope| scope.spawn(|| add("e")).join().expect("no panic"))?;
        let sql = "SELECT count(*) FROM user_groups";
        let all: i64 = conn.query_row(sql, [], |row| row.get(0))?;
        Ok(vec![(rows.len(), all)])
    });
    let page = page.expect("a page");
    assert_eq!((page.count, page.results), (2, vec![(2, 2)]));
}
