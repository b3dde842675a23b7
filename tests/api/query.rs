//! The generic query: searchtype all, contain, single; pages and their links; sorting.

use serde_json::{Value, json};

use crate::refused::refused;
use crate::support::{Answer, Client, Server};

const POOLS: &str = "/api/v1.0/resource_mgr/resource_pools";

#[track_caller]
fn make(admin: &Client, names: &[&str]) {
    for name in names {
        admin.post(POOLS).json(&json!({"name": name, "desc": "made"})).send().data();
    }
}

fn find(admin: &Client, query: &str) -> Answer {
    admin.get(&format!("{POOLS}?{query}")).send()
}

#[track_caller]
fn names(answer: &Answer) -> Vec<String> {
    let data = answer.data();
    let rows = data["results"].as_array().expect("results");
    rows.iter().map(|row| row["name"].as_str().expect("name").to_owned()).collect()
}

#[test]
fn the_three_search_types() {
    let server = Server::start();
    let admin = server.admin();
    make(&admin, &["group1", "group10", "100%", "1000"]);
    // the document's own form, with its doubled ampersand
    assert_eq!(names(&find(&admin, "searchtype=all&&name=group1")), ["group1"]);
    assert_eq!(names(&find(&admin, "name=group1&desc=made")), ["group1"]);
    assert_eq!(names(&find(&admin, "name=group1&desc=other")), [""; 0]);
    assert_eq!(names(&find(&admin, "searchtype=contain&name=group1")), ["group1", "group10"]);
    assert_eq!(names(&find(&admin, "searchtype=contain&name=0%25")), ["100%"], "% is no wildcard");
    assert_eq!(names(&find(&admin, "searchtype=contain&name=_")), [""; 0], "_ is no wildcard");
    refused(&find(&admin, "unknown_column=7"), 400, "filter-unknown");

    let single = find(&admin, "searchtype=single&desc=made").json();
    assert_eq!((&single["code"], &single["data"]["name"]), (&json!(0), &json!("group1")));
    assert_eq!(single["message"], single["msg"], "the document spells it message here");
    let none = find(&admin, "searchtype=single&name=nobody");
    assert_eq!((none.http_status, none.data()), (200, Value::Null));

    refused(&find(&admin, "searchtype=contain"), 400, "search-needs-a-column");
    refused(&find(&admin, "searchtype=single"), 400, "search-needs-a-column");
    refused(&find(&admin, "searchtype=contain&page=1&page_size=5"), 400, "search-needs-a-column");
    refused(&find(&admin, "searchtype=fuzzy&name=a"), 400, "searchtype-unknown");
    refused(&find(&admin, "default=often"), 400, "field-not-a-number");
    refused(&find(&admin, "page=first"), 400, "field-not-a-number");
    refused(&find(&admin, "page=-1"), 400, "field-not-a-number");
    refused(&find(&admin, "sort=password"), 400, "sort-column-unknown");
    let quoted = find(&admin, "name=%27%20OR%201=1%20--");
    assert_eq!(names(&quoted), [""; 0], "text stays text");
}

#[test]
fn a_list_below_another_thing_needs_its_own_condition_too() {
    let server = Server::start();
    let admin = server.admin();
    let pool = find(&admin, "name=default").data()["results"][0]["uuid"].clone();
    let nodes = format!("{POOLS}/{}/nodes", pool.as_str().expect("uuid"));
    let bare = admin.get(&nodes).query("searchtype", "contain").send();
    refused(&bare, 400, "search-needs-a-column");
    let named = admin.get(&nodes).query("searchtype", "contain").query("name", "").send();
    assert_eq!(named.data()["count"], 1);
}

#[test]
fn links_lead_from_page_to_page() {
    let server = Server::start();
    let admin = server.admin();
    make(&admin, &["a b+c 1", "a b+c 2", "other", "a b+c 3", "a b+c 4", "a b+c 5"]);
    let mut path = format!("{POOLS}?page_size=2&searchtype=contain&name=b%2Bc&sort=-name");
    let mut seen = Vec::new();
    let mut pages = 0;
    loop {
        let answer = admin.get(&path).send();
        let data = answer.data();
        assert_eq!(data["count"], 5);
        seen.extend(names(&answer));
        pages += 1;
        assert_eq!(data["previous"] == Value::Null, pages == 1);
        let Some(next) = data["next"].as_str() else { break };
        path = next.strip_prefix(server.base()).expect("this server").to_owned();
    }
    assert_eq!((pages, seen.len()), (3, 5));
    let mut sorted = seen.clone();
    sorted.sort_by(|a, b| b.cmp(a));
    assert_eq!(seen, sorted);
    let beyond = find(&admin, "page=99&page_size=2").data();
    assert_eq!((&beyond["results"], &beyond["next"]), (&json!([]), &Value::Null));
}

#[test]
fn parameters_may_come_in_a_json_body() {
    let server = Server::start();
    let admin = server.admin();
    make(&admin, &["x"]);
    let answer = admin.get(POOLS).json(&json!({"page": 1, "page_size": "1", "name": "x"})).send();
    assert_eq!(names(&answer), ["x"]);
}
