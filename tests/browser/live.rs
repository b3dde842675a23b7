//! What an open page asks its server while things happen: events bring rows, lists are not read for each of them.

use serde_json::{Value, json};

use crate::page::{Page, turn};
use crate::support::{ADMIN, PASSWORD, SMALL, Server, Site, small_image};

const OPERATIONS: &str = "/api/v1.0/operations";

/// How often the page asked for this path since it was loaded or [`forget`] was called.
fn asked(page: &Page, path: &str) -> u64 {
    let script = format!(
        "return performance.getEntriesByType('resource')\
         .filter(({{ name }}) => new URL(name).pathname === '{path}').length"
    );
    page.script(&script).as_u64().expect("a number")
}

fn forget(page: &Page) {
    page.script("performance.clearResourceTimings(); return 0");
}

#[test]
fn progress_of_operations_makes_no_page_read_their_list() {
    let _turn = turn();
    let server = Server::start();
    let site = Site::of(&server, SMALL);
    let image = site.upload("small", &small_image(&server));
    let template = site.template("plain", &image);
    let room = site.classroom("room");
    let page = Page::open("en");
    page.go(&format!("{}/sign-in", server.base()));
    page.fill("[data-test=username]", ADMIN);
    page.fill("[data-test=password]", PASSWORD);
    page.click("[data-test=sign-in]");
    page.click("[data-test=nav-pools]");
    page.see(".el-table__row", "default");
    page.click("[data-test=operations]");
    page.see("[data-test=operation]", "plain");
    page.until("the list of operations", || (asked(&page, OPERATIONS) == 2).then_some(()));
    forget(&page);
    site.deploy("class", &room, &template, 20);
    // Ended as the event says it.
    page.see("[data-test=operation]", "class");
    page.until("the end", || {
        let states = "return [...document.querySelectorAll('[data-test=operation]')]\
             .map((one) => one.innerText)";
        let shown = page.script(states);
        let shown: Vec<&str> = shown.as_array()?.iter().filter_map(Value::as_str).collect();
        shown.iter().any(|one| one.contains("class") && one.contains("Done")).then_some(())
    });
    // A list that is read anew for news of later is read behind what the operation would have caused.
    let pool = json!({"name": "later", "desc": ""});
    site.admin.post("/api/v1.0/resource_mgr/resource_pools").json(&pool).send().data();
    page.see(".el-table__row", "later");
    assert_eq!(asked(&page, OPERATIONS), 0);
    assert_eq!(page.fetch(OPERATIONS)["data"]["count"], json!(4));
}
