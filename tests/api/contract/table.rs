//! `operations.tsv`: every operation of the documents.

use std::collections::BTreeMap;

const TABLE: &str = include_str!("operations.tsv");

/// How many operations each document has; a lost row is noticed.
pub const COUNTS: [(&str, usize); 5] =
    [("000", 25), ("001", 13), ("002", 142), ("003", 149), ("004", 16)];

/// Method, path in the form of [`shape`], action.
pub type Route = (String, String, Option<String>);

/// One operation of a document.
#[derive(Debug, Clone, Copy)]
pub struct Operation {
    pub document: &'static str,
    pub id: &'static str,
    pub method: &'static str,
    /// With `{name}` for parameters.
    pub path: &'static str,
    /// The `action` that selects it among those of the same method and path.
    pub action: Option<&'static str>,
    /// Served now; the others come later.
    pub is_served: bool,
}

impl Operation {
    /// What a request is told apart by. A few operations of different chapters share it.
    pub fn route(&self) -> Route {
        (self.method.to_owned(), shape(self.path), self.action.map(str::to_owned))
    }

    /// The path with a uuid that names nothing for every parameter.
    pub fn path_to_nothing(&self) -> String {
        shape(self.path).replace("{}", "00000000-0000-4000-8000-000000000000")
    }
}

/// A path without its trailing slash and with every parameter written alike.
pub fn shape(path: &str) -> String {
    let parts = path.trim_end_matches('/').split('/');
    let alike = parts.map(|part| if part.starts_with(['{', ':', '<']) { "{}" } else { part });
    alike.collect::<Vec<_>>().join("/")
}

/// All rows of the table.
///
/// # Panics
/// When a row is not well formed.
pub fn operations() -> Vec<Operation> {
    let mut lines = TABLE.lines();
    assert_eq!(lines.next(), Some("document\tid\tmethod\tpath\taction\tstate"));
    lines.map(parse).collect()
}

fn parse(line: &'static str) -> Operation {
    let fields: Vec<&str> = line.split('\t').collect();
    let [document, id, method, path, action, state] = fields[..] else {
        panic!("operations.tsv: not six fields: {line:?}");
    };
    let is_served = match state {
        "served" => true,
        "later" => false,
        other => panic!("operations.tsv: {id}: {other:?} is neither served nor later"),
    };
    Operation { document, id, method, path, action: (action != "-").then_some(action), is_served }
}

/// Rows per document.
pub fn counts(rows: &[Operation]) -> BTreeMap<&'static str, usize> {
    let mut counts = BTreeMap::new();
    for row in rows {
        *counts.entry(row.document).or_default() += 1;
    }
    counts
}
