//! What the tests of lists and edits have in common.

use serde_json::{Value, json};

use crate::support::{Answer, Client, PASSWORD, Request, Server};

/// Names that are refused everywhere, with the error that says why.
pub const BAD_NAMES: [(&str, &str); 13] = [
    ("", "name-empty"),
    ("../../etc/passwd", "name-character"),
    ("<script>alert(1)</script>", "name-character"),
    ("..", "name-start"),
    ("two\nlines", "name-character"),
    // What XML cannot carry, and what nobody sees.
    ("a\u{fffe}", "name-character"),
    ("a\u{ffff}", "name-character"),
    ("a\u{1fffe}", "name-character"),
    ("\u{200b}\u{200b}", "name-character"),
    ("abc\u{202e}gnp.exe", "name-character"),
    ("\u{feff}abc", "name-character"),
    ("a\u{2028}b", "name-character"),
    ("a\u{fffd}", "text-not-utf8"),
];

/// A uuid that names nothing.
pub const NOTHING: &str = "00000000-0000-4000-8000-000000000000";

/// Asserts a refusal with its status and error key, and gives the sentence.
#[track_caller]
pub fn refused(answer: &Answer, status: u16, key: &str) -> String {
    answer.expect_status(status);
    let sentence = answer.refusal();
    assert_eq!(answer.json()["data"]["error"], key, "{}: {}", answer.what, answer.body);
    sentence
}

/// Tries every name that must be refused; `request` builds the call with that name.
#[track_caller]
pub fn refuses_bad_names(request: impl Fn(&str) -> Request) {
    for (name, key) in BAD_NAMES {
        refused(&request(name).send(), 400, key);
    }
    refused(&request(&"x".repeat(300)).send(), 400, "name-too-long");
}

/// The rows of a list, all pages.
#[track_caller]
pub fn rows(client: &Client, path: &str) -> Vec<Value> {
    let data = client.get(path).query("page_size", 1000).send().data();
    data["results"].as_array().expect("results").clone()
}

/// A client with a role that may look at nodes, pools and networks but change nothing.
#[track_caller]
pub fn auditor(server: &Server) -> Client {
    let output = server.run(&["admin", "add", "auditor", "--role", "auditor"], PASSWORD);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    server.client().sign_in("auditor", PASSWORD)
}

/// Asserts that the call needs a right that the auditor lacks, and a sign-in.
#[track_caller]
pub fn needs_a_right(client: &Client, method: &str, path: &str) {
    refused(&client.request(method, path).json(&json!({})).send(), 403, "permission-missing");
    let stranger = client.stranger();
    refused(&stranger.request(method, path).json(&json!({})).send(), 401, "not-signed-in");
}
