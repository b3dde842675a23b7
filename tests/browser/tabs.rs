//! Many tabs of one browser over plain HTTP, where a browser opens six connections to a server at the most.

use serde_json::json;

use crate::page::{Page, turn};
use crate::support::{ADMIN, Client, PASSWORD, Server};

const POOLS: &str = "/api/v1.0/resource_mgr/resource_pools";
const TABS: usize = 10;

fn enter(page: &Page, server: &Server) {
    page.go(&format!("{}/sign-in", server.base()));
    page.fill("[data-test=username]", ADMIN);
    page.fill("[data-test=password]", PASSWORD);
    page.click("[data-test=sign-in]");
    page.until("the overview", || (page.path() == "/").then_some(()));
}

fn add_pool(admin: &Client, name: &str) {
    admin.post(POOLS).json(&json!({"name": name, "desc": ""})).send().data();
}

#[test]
fn ten_tabs_follow_what_happens() {
    let _turn = turn();
    let server = Server::start();
    let admin = server.admin();
    let page = Page::open("en");
    enter(&page, &server);
    let pools = format!("{}/pools", server.base());
    page.go(&pools);
    let mut tabs = vec![page.tab()];
    for _ in 1..TABS {
        tabs.push(page.new_tab(&pools));
        page.see(".el-table__row", "default");
    }
    add_pool(&admin, "first");
    for tab in &tabs {
        page.to_tab(tab);
        page.see(".el-table__row", "first");
    }
    // The one that was there first goes, another one sleeps.
    page.to_tab(&tabs[0]);
    page.leave_tab();
    page.to_tab(&tabs[1]);
    page.sleep(true);
    page.to_tab(&tabs[2]);
    add_pool(&admin, "second");
    for tab in &tabs[2..] {
        page.to_tab(tab);
        page.see(".el-table__row", "second");
    }
    page.to_tab(&tabs[1]);
    page.sleep(false);
    page.see(".el-table__row", "second");
    // Awake it goes on.
    add_pool(&admin, "third");
    page.see(".el-table__row", "third");
}

#[test]
fn a_session_that_ends_is_said_at_once_and_goes_on_where_one_was() {
    let _turn = turn();
    let server = Server::start();
    let page = Page::open("en");
    enter(&page, &server);
    page.go(&format!("{}/log?module=identity", server.base()));
    page.see(".el-table__row", "Sign in");
    let log = page.tab();
    page.new_tab(&format!("{}/pools", server.base()));
    page.see(".el-table__row", "default");
    let sessions = "/api/v1.0/identity/session";
    let admin = server.admin();
    let found = admin.get(sessions).send().data();
    for session in found["results"].as_array().expect("sessions") {
        if session["current"] != json!(true) {
            let uuid = session["uuid"].as_str().expect("uuid");
            admin.delete(&format!("{sessions}/{uuid}")).send().data();
        }
    }
    page.see("[data-test=session-ended]", "Your session has ended");
    assert_eq!(page.path(), "/sign-in");
    page.picture("session-ended");
    page.fill("[data-test=username]", ADMIN);
    page.fill("[data-test=password]", PASSWORD);
    page.click("[data-test=sign-in]");
    page.see(".el-table__row", "default");
    assert_eq!(page.path(), "/pools");
    // The other tab is right again when one looks at it.
    page.to_tab(&log);
    page.see(".el-table__row", "Sign in");
    assert_eq!(page.path(), "/log");
}
