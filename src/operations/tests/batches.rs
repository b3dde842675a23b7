//! One operation on many things.

use uuid::Uuid;

use super::{Args, Bench, KIND};
use crate::error::Error;
use crate::operations::{Actor, Admitted, BatchSubmission, NewOperation};
use crate::store::{Topic, Tx};

fn things(bench: &Bench) -> Vec<String> {
    let read = |conn: &rusqlite::Connection| {
        let mut statement = conn.prepare("SELECT name FROM things ORDER BY name")?;
        let names = statement.query_map([], |row| row.get(0))?;
        Ok(names.collect::<rusqlite::Result<_>>()?)
    };
    bench.store.read(read).expect("read the things")
}

/// Submits an operation on these; each is written under its name, and the name's length noted.
fn submit(bench: &Bench, wanted: &[(Uuid, &str)], noted: &mut Vec<usize>) -> BatchSubmission {
    let uuids: Vec<Uuid> = wanted.iter().map(|(uuid, _)| *uuid).collect();
    let admit = |tx: &Tx<'_>, uuid| {
        let (_, name) = wanted.iter().find(|(known, _)| *known == uuid).expect("one of them");
        if *name == "unwanted" {
            return Err(Error::conflict("image-in-use").arg("name", name));
        }
        tx.changed(Topic::Nodes);
        tx.execute("INSERT INTO things VALUES (?1)", [name])?;
        Ok(((*name).to_owned(), name.len()))
    };
    let submitted = bench.operations.submit_batch(
        &Actor::system(),
        &uuids,
        |tx, batch| batch.admit_noting(|uuid| admit(tx, uuid)),
        |_, admitted| {
            let Admitted { uuids, locks, things, title, refused } = admitted;
            assert!(refused.len() + uuids.len() <= wanted.len());
            noted.extend(things);
            let new = NewOperation::new(KIND, &Args::default(), uuids[0], &title)?;
            Ok(new.locking_only(locks))
        },
    );
    submitted.expect("submit")
}

#[test]
fn what_is_noted_of_each_thing_reaches_the_operation() {
    let bench = Bench::new();
    let table = |tx: &Tx<'_>| Ok(tx.execute_batch("CREATE TABLE things (name TEXT)")?);
    bench.store.write(table).expect("a table");
    let [a, b, c, d] = std::array::from_fn(|_| Uuid::new_v4());

    let mut noted = Vec::new();
    let wanted = [(a, "first"), (b, "unwanted"), (c, "fifth one"), (a, "first")];
    let submitted = submit(&bench, &wanted, &mut noted);
    let BatchSubmission::Running(operation) = submitted else { panic!("{submitted:?}") };
    assert_eq!(bench.operations.find(operation.0).expect("find").subject_name, "first (+1)");
    assert_eq!((noted, bench.locks()), (vec![5, 9], 2));
    assert_eq!(things(&bench), ["fifth one", "first"]);

    // What is worked on is refused by itself, and nothing of it is written.
    let mut noted = Vec::new();
    let submitted = submit(&bench, &[(c, "again"), (d, "fourth")], &mut noted);
    assert!(matches!(submitted, BatchSubmission::Running(_)), "{submitted:?}");
    assert_eq!(
        (noted, things(&bench)),
        (vec![6], vec!["fifth one".into(), "first".into(), "fourth".into()])
    );

    // It is told of by its own name, whatever the operation that holds it is called.
    let submitted = submit(&bench, &[(c, "again")], &mut Vec::new());
    let BatchSubmission::Refused(items) = submitted else { panic!("{submitted:?}") };
    assert_eq!(items[0].name, "fifth one");

    let mut noted = Vec::new();
    let submitted = submit(&bench, &[(b, "unwanted"), (d, "again")], &mut noted);
    let BatchSubmission::Refused(items) = submitted else { panic!("{submitted:?}") };
    let keys: Vec<_> =
        items.iter().filter_map(|item| item.fault.as_ref()).map(|f| &f.key).collect();
    assert_eq!(keys, ["image-in-use", "operation-in-the-way"]);
    assert!(noted.is_empty(), "nothing to build");
}
