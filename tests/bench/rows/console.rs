//! What people wait for in the console: a first page, rows of a large list, and what somebody else changed.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::measure::{Table, median, settle};
use crate::page::Page;
use crate::support::{ADMIN, LARGE, LabNode, PASSWORD, Server, Site, empty_image};

const DESKTOPS: u32 = 2_000;
const GROUP: u32 = 500;
const POOLS: &str = "/api/v1.0/resource_mgr/resource_pools";
const ROUNDS: usize = 5;

/// Milliseconds from the beginning of a page until it shows a row.
const FIRST_ROW: &str = "return new Promise((done) => { const look = () => \
     document.querySelector('.el-table__body .el-table__row') ? done(performance.now()) : requestAnimationFrame(look); \
     look() })";
/// Requests and bytes of a page, its own document among them, once it has loaded and nothing came for a moment.
const LOADED: &str = "return new Promise((done) => { const all = () => ['navigation', 'resource']\
     .flatMap((kind) => performance.getEntriesByType(kind)).filter(({name}) => !name.includes('/events')); let known = 0; \
     const look = () => { const now = all(); if (now.length > known) { known = now.length; setTimeout(look, 1000) } \
     else done([now.length, now.reduce((sum, {transferSize}) => sum + transferSize, 0)]) }; look() })";

pub fn measure(table: &mut Table) {
    let node = LabNode::up();
    let server = Server::with().on(&node).start();
    let site = Site::of(&server, LARGE);
    first_pages(table, &server);
    let image = site.upload("empty", &empty_image());
    let template = site.template("empty", &image);
    let classroom = site.classroom("bench");
    for index in 0..DESKTOPS / GROUP {
        site.deploy(&format!("g{index}"), &classroom, &template, GROUP);
    }
    site.wait_idle();
    settle();
    let page = enter(&server);
    for (what, path) in [
        ("rows of 2,000 desktops, 25 a page", "/desktops?size=25"),
        ("rows of 2,000 desktops, searched", "/desktops?size=25&search=g3"),
    ] {
        let time = median(ROUNDS, |_| {
            page.go(&format!("{}{path}", server.base()));
            number(&page.script(FIRST_ROW)) / 1000.0
        });
        table.figure(what, time, "s", 1.5);
    }
    change_in_a_second_tab(table, &server, &site, &page);
}

/// Of a browser that was never there before.
fn first_pages(table: &mut Table, server: &Server) {
    for (what, path) in [("sign-in", "/sign-in"), ("desktop groups", "/desktop-groups")] {
        let page = match path {
            "/sign-in" => Page::open("en"),
            _ => enter(server),
        };
        page.devtools("Network.clearBrowserCache", &json!({}));
        page.go(&format!("{}{path}", server.base()));
        let loaded = page.script(LOADED);
        table.figure(&format!("first page, {what}: requests"), number(&loaded[0]), "", 25.0);
        let kilobytes = number(&loaded[1]) / 1000.0;
        table.figure(&format!("first page, {what}: bytes"), kilobytes, "kB", 350.0);
    }
}

/// From the request that changes something until another tab shows it.
fn change_in_a_second_tab(table: &mut Table, server: &Server, site: &Site, page: &Page) {
    page.go(&format!("{}/pools", server.base()));
    page.see(".el-table__row", "default");
    let time = median(ROUNDS, |round| {
        let name = format!("seen-{round}");
        let began = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_secs_f64();
        site.admin.post(POOLS).json(&json!({"name": name, "desc": ""})).send().data();
        let shown = page.script(&format!(
            "return new Promise((done) => {{ const look = () => document.body.innerText.includes('{name}') \
             ? done(Date.now()) : requestAnimationFrame(look); look() }})"
        ));
        number(&shown) / 1000.0 - began
    });
    table.figure("a change is seen in a second tab", time, "s", 1.0);
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

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("no number: {value}"))
}
