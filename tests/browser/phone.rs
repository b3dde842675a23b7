//! On a phone, 390 pixels across: everything that matters is on the screen.

use serde_json::json;

use crate::entry::class_of_two;
use crate::page::{Page, turn};
use crate::support::{ADMIN, Server};

/// Nothing visible at `css` reaches over an edge of the screen.
#[track_caller]
fn is_inside(page: &Page, css: &str) {
    page.see(css, "");
    let code = format!(
        "return [...document.querySelectorAll('{css}')].filter((it) => it.checkVisibility())\
         .map((it) => it.getBoundingClientRect()).every(({{ left, right }}) => left >= 0 && right <= 390)"
    );
    page.until(&format!("{css} inside the screen"), || (page.script(&code) == true).then_some(()));
}

fn enter(server: &Server) -> Page {
    let page = Page::open("en");
    page.on_a_phone();
    page.sign_in(server, ADMIN);
    page
}

#[test]
fn the_log_shows_when_and_how_it_went() {
    let _turn = turn();
    let server = Server::start();
    let wrong = json!({"username": ADMIN, "password": "not this one"});
    server.client().post("/api/account/login").json(&wrong).send();
    let page = enter(&server);
    page.go(&format!("{}/log", server.base()));
    page.see("[data-test=result]", "");
    page.picture("phone-log");
    is_inside(&page, "[data-test=result]");
    is_inside(&page, ".el-table__row td:first-child .nowrap");
    let cut = "return [...document.querySelectorAll('.el-table__row td:first-child .cell')]\
         .some((cell) => cell.scrollWidth > cell.clientWidth)";
    assert_eq!(page.script(cut), json!(false), "the whole time is seen");
    let failed = "return document.querySelectorAll('[data-test=result].wrong').length";
    assert_ne!(page.script(failed), json!(0), "the failed sign-in is seen");
    page.click(".range .el-date-editor:first-child");
    is_inside(&page, ".el-picker-panel");
    page.picture("phone-log-date");
}

#[test]
fn the_tab_that_one_is_on_is_seen() {
    let _turn = turn();
    let server = Server::start();
    let page = enter(&server);
    for tab in ["ssh", "sessions"] {
        page.go(&format!("{}/own/{tab}", server.base()));
        is_inside(&page, ".el-tabs__item.is-active");
        page.picture(&format!("phone-own-{tab}"));
    }
}

#[test]
fn steps_have_names_and_a_table_says_that_it_scrolls() {
    let _turn = turn();
    let server = Server::start();
    class_of_two(&server);
    let page = enter(&server);
    page.go(&format!("{}/templates", server.base()));
    page.click("[data-test=new]");
    page.see("[data-test=step]", "Step 1 of 4: System");
    page.picture("phone-wizard");
    for path in ["/desktop-groups", "/images", "/networks", "/templates", "/users"] {
        page.go(&format!("{}{path}", server.base()));
        page.see(".el-table__row", "");
        page.picture(&format!("phone{}", path.replace('/', "-")));
        is_inside(&page, ".el-table__row [data-test=more]");
        let overflows = "const wrap = document.querySelector('.el-table .el-scrollbar__wrap')\
             ; return wrap.scrollWidth > wrap.clientWidth + 1";
        let says = "return Boolean(document.querySelector('[data-test=scrolls]'))";
        page.until(&format!("{path} says whether it scrolls"), || {
            (page.script(overflows) == page.script(says)).then_some(())
        });
    }
}
