//! Lists: where one is stands in the address, what is selected goes over all pages, what was made last comes first.

use serde_json::{Value, json};

use crate::page::{Page, turn};
use crate::support::{ADMIN, PASSWORD, SMALL, Server, Site, small_image};

const POOLS: &str = "/api/v1.0/resource_mgr/resource_pools";
/// Beside the default one.
const MADE: usize = 24;

/// A server with [`MADE`] pools beside the default one.
fn with_pools() -> Server {
    let server = Server::start();
    let admin = server.admin();
    for number in 0..MADE {
        let pool = json!({"name": format!("pool-{number:02}"), "desc": ""});
        admin.post(POOLS).json(&pool).send().data();
    }
    server
}

fn enter(server: &Server) -> Page {
    let page = Page::open("en");
    page.go(&format!("{}/sign-in", server.base()));
    page.fill("[data-test=username]", ADMIN);
    page.fill("[data-test=password]", PASSWORD);
    page.click("[data-test=sign-in]");
    page.until("the overview", || (page.path() == "/").then_some(()));
    page
}

fn query(page: &Page) -> String {
    page.script("return location.search").as_str().expect("text").to_owned()
}

/// First cells of the rows that are shown.
fn names(page: &Page) -> Vec<String> {
    let script = "return [...document.querySelectorAll('.el-table__body .el-table__row')]\
         .map((row) => row.innerText.trim().split(/\\s/)[0])";
    let names = page.script(script);
    let names = names.as_array().expect("rows").iter();
    names.filter_map(Value::as_str).map(str::to_owned).collect()
}

#[track_caller]
fn shows(page: &Page, first: &str, rows: usize) {
    page.until(&format!("{rows} rows from {first}"), || {
        let names = names(page);
        (names.len() == rows && names.first().is_some_and(|name| name == first)).then_some(())
    });
}

#[test]
fn a_list_is_where_one_left_it() {
    let _turn = turn();
    let server = with_pools();
    let page = enter(&server);
    page.go(&format!("{}/pools?size=10&sort=-name", server.base()));
    shows(&page, "pool-23", 10);
    page.click(".el-pager li:nth-child(2)");
    shows(&page, "pool-13", 10);
    assert_eq!(query(&page), "?size=10&sort=-name&page=2");
    // A reload, and the way back.
    page.go(&format!("{}/pools{}", server.base(), query(&page)));
    shows(&page, "pool-13", 10);
    page.click("[data-test=nav-nodes]");
    page.see(".el-table__row", "");
    page.script("history.back()");
    shows(&page, "pool-13", 10);
    page.fill("[data-test=search]", "pool-0");
    shows(&page, "pool-09", 10);
    page.until("the search in the address", || {
        query(&page).contains("search=pool-0").then_some(())
    });
    assert!(!query(&page).contains("page="), "{}", query(&page));
    page.script("history.back()");
    page.until("the page before", || (page.path() != "/pools").then_some(()));
    page.script("history.forward()");
    shows(&page, "pool-09", 10);
    // How many rows one likes is remembered.
    page.go(&format!("{}/pools", server.base()));
    shows(&page, "default", 20);
    page.choose(".el-pagination__sizes .el-select", "50");
    shows(&page, "default", MADE + 1);
    page.go(&format!("{}/pools", server.base()));
    shows(&page, "default", MADE + 1);
}

#[test]
fn what_is_selected_goes_over_all_pages() {
    let _turn = turn();
    let server = with_pools();
    let page = enter(&server);
    page.go(&format!("{}/pools?size=10&sort=name", server.base()));
    shows(&page, "default", 10);
    page.click(".el-table__row:nth-child(2) .el-checkbox");
    page.see(".tools", "1 selected");
    page.click(".el-pager li:nth-child(2)");
    shows(&page, "pool-09", 10);
    page.see(".tools", "1 selected");
    page.click(".el-table__header .el-checkbox");
    page.see(".tools", "11 selected");
    page.picture("select-all");
    page.click("[data-test=select-all]");
    page.see(".tools", "25 selected");
    page.click(".el-pager li:nth-child(3)");
    shows(&page, "pool-19", 5);
    page.see(".tools", "25 selected");
    let ticked =
        "return document.querySelectorAll('.el-table__row .el-checkbox.is-checked').length";
    page.until("ticks on the third page", || (page.script(ticked) == json!(5)).then_some(()));
    // One less.
    page.click(".el-table__row:nth-child(5) .el-checkbox");
    page.see(".tools", "24 selected");
    page.click("[data-test=bulk-delete]");
    page.click(".el-message-box .el-button--danger");
    shows(&page, "default", 2);
    assert_eq!(server.admin().get(POOLS).send().data()["count"], json!(2));
    // The default pool cannot be deleted and stays.
    page.see(".tools", "1 selected");
}

#[test]
fn what_was_made_last_comes_first_and_is_linked() {
    let _turn = turn();
    let server = Server::start();
    let site = Site::of(&server, SMALL);
    let image = site.upload("small", &small_image(&server));
    let template = site.template("plain", &image);
    let room = site.classroom_at("room-a", "198.51.100.1", "198.51.100.9");
    site.classroom_at("room-b", "198.51.100.10", "198.51.100.19");
    let group = site.deploy("class-a", &room, &template, 1);
    site.deploy("class-b", &room, &template, 1);
    // So that they were not made in the same second.
    let database = rusqlite::Connection::open(server.data_here().join("carrel.db")).expect("open");
    for first in [
        "UPDATE education_groups SET created_at = created_at - 9 WHERE name = 'room-a'",
        "UPDATE desktop_groups SET created_at = created_at - 9 WHERE name = 'class-a'",
    ] {
        assert_eq!(database.execute(first, []).expect("older"), 1);
    }
    drop(database);
    let page = enter(&server);
    page.go(&format!("{}/groups", server.base()));
    shows(&page, "room-b", 2);
    page.go(&format!("{}/desktop-groups", server.base()));
    shows(&page, "class-b", 2);
    // Its end is told with the way to it.
    page.click(".el-table__row:nth-child(2) [data-test=do-start]");
    page.click("[data-test=toast-place]");
    page.until("the group", || (page.path() == format!("/desktop-groups/{group}")).then_some(()));
    page.see(".el-table__row", "Running");
    // Tasks stand beside the page, which can be used meanwhile.
    page.click("[data-test=operations]");
    page.see("[data-test=tasks] [data-test=operation-duration]", "took 0:0");
    page.click("[data-test=nav-templates]");
    page.see(".el-table__row", "plain");
    page.picture("tasks");
    page.click_text("[data-test=operation-place]", "class-b");
    page.until("the other group", || {
        let path = page.path();
        (path.starts_with("/desktop-groups/") && !path.ends_with(&group)).then_some(())
    });
    page.see("[data-test=tasks]", "class-b");
}

#[test]
fn what_can_be_done_with_a_row_is_on_a_phone_s_screen() {
    let _turn = turn();
    let server = Server::start();
    server.admin().post(POOLS).json(&json!({"name": "pool", "desc": ""})).send().data();
    let page = enter(&server);
    page.on_a_phone();
    for path in ["/pools", "/nodes"] {
        page.go(&format!("{}{path}", server.base()));
        page.see(".el-table__row", "");
        let right = "return Math.max(...[...document.querySelectorAll('[data-test=more]')]\
             .map((menu) => menu.getBoundingClientRect().right))";
        let right = page.script(right).as_f64().unwrap_or(f64::MAX);
        assert!(right <= 390.0, "the menu of a row at {path} ends at {right}");
    }
    page.click(".el-table__row [data-test=more]");
    page.see("[data-test=do-rename]", "Rename");
}
