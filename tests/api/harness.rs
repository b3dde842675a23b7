//! The tests' own tools.

use serde_json::json;

use crate::support::{Server, differences};

#[test]
fn a_pattern_names_every_difference_with_its_path() {
    let actual = json!({
        "code": 0, "extra": true,
        "data": {"count": 2, "results": [{"uuid": "b1b4d8d5-6d1e-4f64-9a2c-0b8f2f9e2f10"}, {"uuid": "x"}]},
    });
    let pattern = json!({
        "code": 0, "missing": "<absent>",
        "data": {"count": "<int>", "results": [{"uuid": "<uuid>"}, {"uuid": "<uuid|null>"}]},
    });
    assert_eq!(
        differences(&actual, &pattern),
        [r#"$.data.results[1].uuid: expected <uuid|null>, got "x""#]
    );
}

#[test]
fn a_pattern_counts_the_elements_of_an_array() {
    assert_eq!(differences(&json!([1]), &json!([1, 2])), ["$: expected 2 elements, got 1"]);
    assert_eq!(differences(&json!({}), &json!({"a": 1})), ["$.a: expected 1, got nothing"]);
}

#[test]
fn times_of_the_documents_are_times() {
    for time in ["2026-01-31 08:05:09", "2026-01-31T08:05:09Z", "2026-01-31T08:05:09.123456"] {
        assert_eq!(differences(&json!(time), &json!("<time>")), [""; 0], "{time}");
    }
    assert_eq!(differences(&json!("yesterday"), &json!("<time>")).len(), 1);
}

#[test]
fn a_pattern_for_each_element_and_for_optional_fields() {
    let pattern = json!({"list": {"<each>": {"name": "<text>"}}, "note?": "<string>"});
    assert_eq!(differences(&json!({"list": []}), &pattern), [""; 0]);
    let actual = json!({"list": [{"name": "a"}, {"name": " "}], "note": 1});
    assert_eq!(
        differences(&actual, &pattern),
        [r#"$.list[1].name: expected <text>, got " ""#, "$.note: expected <string>, got 1"]
    );
    assert_eq!(differences(&json!({"list": {}}), &pattern).len(), 1);
}

#[test]
fn a_server_is_killed_stopped_and_started_on_its_data() {
    let mut server = Server::with().without_admin().start();
    let first = server.base().to_owned();
    server.client().get("/api/openapi.json").send().expect_status(200);
    server.kill();
    assert!(server.client().get("/api/openapi.json").try_send().is_err());
    server.start_again();
    assert_ne!(server.base(), first, "the port is chosen anew");
    server.client().get("/api/openapi.json").send().expect_status(200);
    assert!(server.stop().success(), "a clean stop");
    assert!(!server.files().is_empty());
}
