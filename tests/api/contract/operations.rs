//! The table of operations in itself.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use super::table::{COUNTS, counts, operations};
use crate::support::documented_ids;

#[test]
fn the_table_holds_every_operation_of_the_documents_once() {
    let rows = operations();
    assert_eq!(counts(&rows), BTreeMap::from(COUNTS));
    let ids: BTreeSet<_> = rows.iter().map(|row| row.id).collect();
    assert_eq!(ids.len(), rows.len(), "an id occurs twice");
}

#[test]
fn served_operations_have_documented_answers_and_no_others() {
    let served: BTreeSet<_> =
        operations().iter().filter(|row| row.is_served).map(|row| row.id).collect();
    assert_eq!(served, documented_ids().collect());
}

#[test]
fn every_served_operation_is_asserted_by_a_scenario() {
    let mut sources = String::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("tests").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                sources += &fs::read_to_string(path).expect("a source");
            }
        }
    }
    let rows = operations();
    let served = rows.iter().filter(|row| row.is_served);
    let missing: Vec<_> = served
        .filter(|row| !sources.contains(&format!("\"{}\"", row.id)))
        .map(|row| row.id)
        .collect();
    assert!(missing.is_empty(), "no test asserts the answers of {missing:?}");
}
