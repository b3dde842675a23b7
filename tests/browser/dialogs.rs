//! Dialogs: how one leaves them, where the focus goes then, and what they say.

use serde_json::json;

use crate::entry::{class_of_two, enter};
use crate::page::{Page, turn};
use crate::support::{SMALL, Server, Site, small_image, uuid_of};

const POOLS: &str = "/api/v1.0/resource_mgr/resource_pools";
const ESCAPE: &str = "\u{e00c}";

/// The focus is in something at `css`.
#[track_caller]
fn is_in(page: &Page, css: &str) {
    let code = format!("return document.activeElement?.closest('{css}') !== null");
    page.until(&format!("the focus in {css}"), || (page.script(&code) == true).then_some(()));
}

#[test]
fn escape_leaves_a_dialog_also_from_a_select() {
    let _turn = turn();
    let server = Server::start();
    let site = Site::of(&server, SMALL);
    let image = site.upload("small", &small_image(&server));
    for name in ["one", "two"] {
        site.template(name, &image);
    }
    let page = enter(&server);
    page.go(&format!("{}/desktop-groups", server.base()));
    page.click("[data-test=new]");
    is_in(&page, ".el-dialog .el-select");
    page.type_keys(ESCAPE);
    page.see_no_more(".el-dialog", "");
    is_in(&page, "[data-test=new]");
}

#[test]
fn what_was_filled_in_is_not_thrown_away_without_a_question() {
    let _turn = turn();
    let server = Server::start();
    let page = enter(&server);
    page.go(&format!("{}/pools", server.base()));
    page.click("[data-test=new]");
    is_in(&page, ".el-dialog [data-test=name]");
    page.type_keys(ESCAPE);
    page.see_no_more(".el-dialog", "");
    page.click("[data-test=new]");
    page.fill(".el-dialog input[data-test=name]", "third");
    page.type_keys(ESCAPE);
    page.see(".el-message-box", "What was filled in is lost");
    page.picture("leave-form");
    page.click(".el-message-box__btns button:first-child");
    page.see_no_more(".el-message-box", "");
    page.click("[data-test=cancel]");
    page.see(".el-message-box", "What was filled in is lost");
    page.click(".el-message-box .el-button--primary");
    page.see_no_more(".el-dialog", "");
    // Sent is not thrown away.
    page.click("[data-test=new]");
    page.fill(".el-dialog input[data-test=name]", "fourth");
    page.click("[data-test=submit]");
    page.see(".el-table__row", "fourth");
}

#[test]
fn the_focus_goes_back_to_the_menu_that_asked() {
    let _turn = turn();
    let server = Server::start();
    server.admin().post(POOLS).json(&json!({"name": "spare", "desc": ""})).send().data();
    let page = enter(&server);
    page.go(&format!("{}/pools?search=spare", server.base()));
    page.see(".el-table__row", "spare");
    let names = "return [...document.querySelectorAll('.el-table__row [aria-label]')]\
         .map((it) => it.getAttribute('aria-label')).join()";
    let names = page.script(names);
    let names = names.as_str().expect("text");
    assert!(names.contains("Select spare") && names.contains("More actions: spare"), "{names}");
    page.click("[data-test=more]");
    page.click("[data-test=do-delete]");
    page.see(".el-message-box", "spare");
    page.type_keys(ESCAPE);
    page.see_no_more(".el-message-box", "");
    is_in(&page, "[data-test=more]");
}

#[test]
fn a_long_name_is_read_to_its_end_in_an_error() {
    let _turn = turn();
    let server = Server::start();
    let name = "W".repeat(64);
    server.admin().post(POOLS).json(&json!({"name": name, "desc": ""})).send().data();
    let page = enter(&server);
    page.go(&format!("{}/pools", server.base()));
    for on_phone in [false, true] {
        if on_phone {
            page.on_a_phone();
        }
        page.click("[data-test=new]");
        page.fill(".el-dialog input[data-test=name]", &name);
        page.click("[data-test=submit]");
        page.see(".el-dialog .el-form-item__error", &name);
        page.picture(&format!("long-name-{on_phone}"));
        let cut = "const box = document.querySelector('.el-dialog .el-form-item__error')\
             ; const right = box.getBoundingClientRect().right\
             ; const range = document.createRange(); range.selectNodeContents(box)\
             ; return [...range.getClientRects()].some((line) => line.right > right + 1)";
        assert_eq!(page.script(cut), json!(false));
        page.click("[data-test=cancel]");
        page.click(".el-message-box .el-button--primary");
        page.see_no_more(".el-dialog", "");
    }
}

#[test]
fn an_action_is_told_once() {
    let _turn = turn();
    let server = Server::start();
    class_of_two(&server);
    let page = enter(&server);
    page.go(&format!("{}/desktop-groups", server.base()));
    page.click("[data-test=do-start]");
    page.see(".el-message", "Done");
    page.see_no_more(".el-message", "Started");
    // Below the bar, whose buttons are to be used meanwhile.
    let top = "return document.querySelector('.el-message').getBoundingClientRect().top\
         >= document.querySelector('header.bar').getBoundingClientRect().bottom";
    page.until("a notice below the bar", || (page.script(top) == true).then_some(()));
}

#[test]
fn settings_that_are_not_saved_are_not_left_without_a_question() {
    let _turn = turn();
    let server = Server::start();
    let page = enter(&server);
    page.go(&format!("{}/sign-in-rules", server.base()));
    page.fill("[data-test=session_minutes] input", "45\t");
    page.click("[data-test=nav-nodes]");
    page.see(".el-message-box", "not saved");
    page.type_keys(ESCAPE);
    page.see_no_more(".el-message-box", "");
    assert_eq!(page.path(), "/sign-in-rules");
    page.click("[data-test=save]");
    page.see(".el-message", "");
    page.click("[data-test=nav-nodes]");
    page.until("the nodes", || (page.path() == "/nodes").then_some(()));
}

/// What each desktop would get, and why one cannot have it.
fn host_names_are_shown_while_they_are_typed(page: &Page, server: &Server) {
    page.go(&format!("{}/desktop-groups", server.base()));
    page.click("[data-test=more]");
    page.click("[data-test=do-host_names]");
    let field = "[data-test=pattern]";
    page.fill(field, "{number}");
    page.see("[data-test=host-names]", "digits only");
    page.fill(field, "Lab-{number:2}");
    page.see("[data-test=host-names]", "Lab-02");
    page.picture("host-names");
    page.click("[data-test=submit]");
    page.see_no_more(".el-dialog", "");
}

#[test]
fn limits_of_a_group_are_set_and_a_wrong_one_is_told_at_its_field() {
    let _turn = turn();
    let server = Server::start();
    let site = class_of_two(&server);
    let page = enter(&server);
    let field = "[data-test=disk_iops] input";
    let open = |words: &str| {
        page.go(&format!("{}/desktop-groups", server.base()));
        page.click("[data-test=more]");
        page.click("[data-test=do-limits]");
        page.see(".el-dialog .form-hint", words);
    };
    open("0 is no limit");
    page.fill(field, "20");
    page.click("[data-test=submit]");
    page.see(".el-dialog .el-form-item__error", "between 50");
    page.picture("limits");
    page.fill(field, "600");
    page.click("[data-test=submit]");
    page.see_no_more(".el-dialog", "");
    site.wait_idle();
    let group = uuid_of(&site.admin, "/api/v1.0/education/desktop/", "class");
    let limits = format!("/api/v1.0/desktop-groups/{group}/limits");
    let wanted = json!({"disk_mb": 0, "disk_iops": 600, "receive_mbit": 0, "send_mbit": 0});
    assert_eq!(site.admin.get(&limits).send().data(), wanted);
    host_names_are_shown_while_they_are_typed(&page, &server);
    for (key, value) in [("theme", "dark"), ("language", "zh-CN")] {
        page.script(&format!("localStorage.setItem('carrel.{key}', '{value}')"));
    }
    open("0 表示不限制");
    page.picture("limits-dark");
    page.go(&format!("{}/templates", server.base()));
    page.click("[data-test=more]");
    page.click("[data-test=do-first_start]");
    page.fill("[data-test=script]", "echo 1");
    page.picture("script-dark");
    page.click("[data-test=submit]");
    page.see_no_more(".el-dialog", "");
    page.go(&format!("{}/templates", server.base()));
    page.click("[data-test=more]");
    page.click("[data-test=do-hardware]");
    page.click("[data-test=pool-cpu]");
    // The simulator has no processors to compare: why is told, and the rest of the form stays.
    page.see(".el-dialog [data-test=failure]", "");
    page.script(
        "document.querySelector('.el-dialog [data-test=failure]').scrollIntoView(); return 0",
    );
    page.picture("hardware-dark");
}
