//! What the documents say that an operation answers: field names and JSON types.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde::Deserialize;
use serde_json::{Value, json};

use super::client::Answer;
use super::expect::differences;

/// The documented answers by operation id. An entry has one of
/// `data` (the pattern of `data` in an envelope), `page` (of each row of a list), `info` (of document 004's
/// envelope), `body` (of the whole answer) and `file` (no JSON at all), and `status` when that is not 200. Patterns are those of [`differences`].
const ANSWERS: &str = include_str!("../api/contract/answers.json");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Documented {
    #[serde(default)]
    status: Option<u16>,
    #[serde(default)]
    file: bool,
    data: Option<Value>,
    page: Option<Value>,
    info: Option<Value>,
    body: Option<Value>,
}

fn answers() -> &'static BTreeMap<String, Documented> {
    static PARSED: OnceLock<BTreeMap<String, Documented>> = OnceLock::new();
    PARSED.get_or_init(|| serde_json::from_str(ANSWERS).expect("answers.json"))
}

/// The ids of the operations whose answers are known.
pub fn documented_ids() -> impl Iterator<Item = &'static str> {
    answers().keys().map(String::as_str)
}

/// Asserts that `body` is a success of operation `id` as documented, every field of it.
///
/// # Panics
/// With all differences; or when the table knows no such operation.
#[track_caller]
pub fn assert_documented(id: &str, body: &Value) {
    let known = answers().get(id);
    let known = known.unwrap_or_else(|| panic!("tests/api/contract/answers.json lacks {id}"));
    let pattern = pattern_of(id, known, body);
    let found = differences(body, &pattern);
    assert!(
        found.is_empty(),
        "{id} does not answer as documented:\n{}\nwhole answer:\n{body:#}",
        found.join("\n")
    );
}

/// The pattern of the whole body: the envelope of the document, and in it what is known.
fn pattern_of(id: &str, known: &Documented, body: &Value) -> Value {
    if let Some(whole) = &known.body {
        return whole.clone();
    }
    if let Some(info) = &known.info {
        return json!({"ok": true, "info": info});
    }
    let data = match (&known.data, &known.page) {
        (Some(data), _) => data.clone(),
        // searchtype=single answers with one row instead of a page
        (_, Some(row)) if body["data"].get("results").is_none() => row.clone(),
        (_, Some(row)) => json!({
            "count": "<int>", "next": "<text|null>", "previous": "<text|null>", "results": {"<each>": row},
        }),
        _ => json!("<any>"),
    };
    // document 000 leaves its message empty in a success
    let message = if id.starts_with("analysis.") { "<string>" } else { "<text>" };
    json!({"code": 0, "msg": message, "data": data})
}

impl Answer {
    /// Asserts status and body of operation `id` as documented, and gives `data` (or the whole body
    /// where the document has no envelope).
    #[track_caller]
    pub fn documented(&self, id: &str) -> Value {
        let known = answers().get(id);
        let known = known.unwrap_or_else(|| panic!("tests/api/contract/answers.json lacks {id}"));
        self.expect_status(known.status.unwrap_or(200));
        if known.status == Some(204) {
            assert_eq!(self.body, "", "{id} answers without a body");
            return Value::Null;
        }
        if known.file {
            let disposition = self.header("Content-Disposition").unwrap_or_default();
            assert!(disposition.starts_with("attachment; filename="), "{id}: {disposition:?}");
            return Value::Null;
        }
        let mut body = self.json();
        assert_documented(id, &body);
        match (&known.body, &known.info) {
            (Some(_), _) => body,
            (None, Some(_)) => body["info"].take(),
            (None, None) => body["data"].take(),
        }
    }
}
