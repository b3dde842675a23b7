//! Lists: where one is stands in the address, what is selected goes over all pages, what was made last comes first.

use std::time::Duration;

use serde_json::{Value, json};

use crate::entry::enter;
use crate::page::{Page, turn};
use crate::support::{PASSWORD, SMALL, Server, Site, small_image};

const POOLS: &str = "/api/v1.0/resource_mgr/resource_pools";
/// Beside the default one.
const MADE: usize = 30;

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

/// Two addresses of one page: the list that was come back to is on the page where it was, and in its order.
#[test]
fn the_way_back_within_a_list_ends_on_the_page_where_one_was() {
    let _turn = turn();
    let server = with_pools();
    let page = enter(&server);
    page.go(&format!("{}/pools?size=10&search=pool&page=2&sort=-name", server.base()));
    shows(&page, "pool-19", 10);
    page.see("th.descending", "Name");
    // The menu leads to the same list, without all that.
    page.click("[data-test=nav-pools]");
    page.until("the first page", || {
        let first = names(&page).first().cloned().unwrap_or_default();
        (!query(&page).contains("page=2") && first != "pool-19").then_some(())
    });
    page.see_no_more("th.descending", "");
    page.script("history.back()");
    shows(&page, "pool-19", 10);
    page.see("th.descending", "Name");
    assert!(query(&page).contains("page=2") && query(&page).contains("search=pool"));
    // What the reader looks for begins at its first page.
    page.fill("[data-test=search]", "pool-0");
    shows(&page, "pool-09", 10);
    page.until("the first page", || (!query(&page).contains("page=")).then_some(()));
}

#[test]
fn a_list_is_where_one_left_it() {
    let _turn = turn();
    let server = with_pools();
    let page = enter(&server);
    page.go(&format!("{}/pools?size=10&sort=-name", server.base()));
    shows(&page, "pool-29", 10);
    page.click(".el-pager li:nth-child(2)");
    shows(&page, "pool-19", 10);
    assert_eq!(query(&page), "?size=10&sort=-name&page=2");
    // A reload, and the way back.
    page.go(&format!("{}/pools{}", server.base(), query(&page)));
    shows(&page, "pool-19", 10);
    page.click("[data-test=nav-nodes]");
    page.see(".el-table__row", "");
    page.script("history.back()");
    shows(&page, "pool-19", 10);
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
    shows(&page, "default", 25);
    page.choose(".el-pagination__sizes .el-select", "50");
    shows(&page, "default", MADE + 1);
    page.go(&format!("{}/pools", server.base()));
    shows(&page, "default", MADE + 1);
}

#[test]
fn every_list_is_where_one_left_it() {
    let _turn = turn();
    let server = Server::start();
    let site = Site::of(&server, SMALL);
    let image = site.upload("small", &small_image(&server));
    let template = site.template("plain", &image);
    let group = site.deploy("class", &site.classroom("room"), &template, 2);
    let make = |path: &str, body: Value| site.admin.post(path).json(&body).send().data();
    make("/api/v1.0/identity/group", json!({"name": "staff", "description": ""}));
    make("/api/v1.0/identity/own/key", json!({"name": "nightly", "permissions": ["api.view"]}));
    let page = enter(&server);
    let of_group = format!("/desktop-groups/{group}");
    let paths = [
        "/desktops",
        "/templates",
        "/groups",
        "/desktop-groups",
        &of_group,
        "/images",
        "/users",
        "/user-groups",
        "/networks",
        "/nodes",
        "/pools",
        "/sessions",
        "/sessions/keys",
        "/log",
    ];
    for path in paths {
        page.go(&format!("{}{path}", server.base()));
        page.fill("[data-test=search]", "s");
        page.click(".el-table__header .is-sortable");
        page.until(&format!("search and order in the address of {path}"), || {
            let asked = query(&page);
            (asked.contains("search=s") && asked.contains("sort=")).then_some(())
        });
        let before = query(&page);
        // Read anew: what was shown may have been what nobody searched in yet.
        page.go(&format!("{}{path}{before}", server.base()));
        let left = page.until(&format!("{path} after a reload"), || {
            let none = page.script("return document.body.innerText.includes('Nothing matches')");
            let found = names(&page);
            // Some pages have a second list, which comes later.
            std::thread::sleep(Duration::from_secs(1));
            let loads = "return [...document.querySelectorAll('.el-loading-mask, .el-skeleton')]\
                 .some((mask) => mask.checkVisibility({ opacityProperty: true }))";
            let is_read = page.script(loads) == false && (!found.is_empty() || none == json!(true));
            (is_read && names(&page) == found).then_some(found)
        });
        page.click("[data-test=nav-dashboard]");
        page.until("the overview", || (page.path() == "/").then_some(()));
        page.script("history.back()");
        page.until(&format!("{path} as it was left"), || {
            (page.path() == path && query(&page) == before && names(&page) == left).then_some(())
        });
        let sought = "return document.querySelector('input[data-test=search]').value";
        page.until("the search", || (page.script(sought) == "s").then_some(()));
        page.see("th.ascending", "");
    }
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
    page.see(".tools", "31 selected");
    page.click(".el-pager li:nth-child(4)");
    shows(&page, "pool-29", 1);
    page.see(".tools", "31 selected");
    let ticked =
        "return document.querySelectorAll('.el-table__row .el-checkbox.is-checked').length";
    page.until("a tick on the last page", || (page.script(ticked) == json!(1)).then_some(()));
    // One less.
    page.click(".el-table__row:nth-child(1) .el-checkbox");
    page.see(".tools", "30 selected");
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

/// So many rows are to be seen at once on a screen of 1280 by 800.
const ON_A_SCREEN: u64 = 25;
/// And below what a group of desktops is.
const BELOW_FACTS: u64 = 21;
/// Rows that are whole between what stands above and below them.
const SEEN: &str = "const bottom = (css) => document.querySelector(css)?.getBoundingClientRect().bottom ?? 0
    const floor = document.querySelector('.pages')?.getBoundingClientRect().top ?? innerHeight
    const top = bottom('.el-table__header-wrapper')
    return [...document.querySelectorAll('.el-table__body .el-table__row')]
        .map((row) => row.getBoundingClientRect())
        .filter((row) => row.top >= top - 1 && row.bottom <= Math.min(floor, innerHeight) + 1).length";

/// With a row ticked, at the last row: the buttons for it and the header are there, and not covered.
#[track_caller]
fn stay(page: &Page, bulk: &str) {
    page.click(".el-table__row:nth-child(2) .el-checkbox");
    page.script("scrollTo(0, document.body.scrollHeight)");
    page.until("the last row", || {
        let last = "const rows = document.querySelectorAll('.el-table__body .el-table__row')\
             ; return rows.length === 50 && rows[49].getBoundingClientRect().bottom <= innerHeight";
        (page.script(last) == json!(true)).then_some(())
    });
    page.picture(&format!("dense-{bulk}-end"));
    let stays = format!(
        "const bar = document.querySelector('header.bar').getBoundingClientRect().bottom\
         ; return ['[data-test={bulk}]', '.el-table__header'].every((css) => {{\
             const box = document.querySelector(css).getBoundingClientRect()\
             ; const top = document.elementFromPoint(box.left + 8, box.top + box.height / 2)\
             ; return box.top >= bar - 1 && document.querySelector(css).contains(top) }})"
    );
    assert_eq!(page.script(&stays), json!(true), "buttons and header stay");
}

#[test]
fn a_screen_shows_twenty_five_rows_and_what_one_does_with_them_stays() {
    let _turn = turn();
    let server = Server::start();
    let site = Site::of(&server, SMALL);
    for number in 0..55 {
        let name = format!("user{number:04}");
        let user = json!({
            "name": name, "full_name": "Somebody With A Name", "password": PASSWORD, "roles": ["normal"],
            "email": format!("{name}@very-long-school-name.example.org"), "department": "Mathematics",
        });
        site.admin.post("/api/v1.0/identity/user").json(&user).send().data();
    }
    let image = site.upload("small", &small_image(&server));
    let template = site.template("plain", &image);
    let group = site.deploy("class", &site.classroom("room"), &template, 60);
    let page = enter(&server);
    page.resize((1280, 800));
    for (path, bulk, rows) in [
        ("/users".to_owned(), "bulk-delete", ON_A_SCREEN),
        ("/desktop-groups".to_owned(), "bulk-start", 1),
        (format!("/desktop-groups/{group}"), "bulk-start", BELOW_FACTS),
    ] {
        page.go(&format!("{}{path}?size=50", server.base()));
        page.until(&format!("{rows} rows of {path}"), || {
            (page.script(SEEN).as_u64()? >= rows).then_some(())
        });
        page.picture(&format!("dense-{bulk}-{rows}"));
        if rows > 1 {
            stay(&page, bulk);
        }
        // What does not fit in a line is not broken, and told when asked for.
        let lines = "return Math.max(...[...document.querySelectorAll('.el-table__body .el-table__row')]\
             .map((row) => row.offsetHeight))";
        let height = page.script(lines).as_u64().expect("a height");
        assert!(height <= 24, "a row of {path} is {height} high");
    }
    // With room, every second line is there.
    page.go(&format!("{}/users", server.base()));
    page.click("[data-test=roomy]");
    let two = "return document.querySelector('.el-table__body .el-table__row').offsetHeight > 40";
    page.until("roomy rows", || (page.script(two) == json!(true)).then_some(()));
    page.picture("roomy-users");
}
