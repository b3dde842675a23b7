//! The table of operations in itself.

use std::collections::{BTreeMap, BTreeSet};

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
