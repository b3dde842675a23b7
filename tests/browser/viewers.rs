//! Viewers beside the browser: chosen in the group, opened from the menu of a desktop.

use serde_json::json;

use crate::entry::{class_of_two, enter};
use crate::page::turn;
use crate::support::{Server, uuid_of};

/// What the page has the browser save.
const WATCH: &str = "window.saved = []; const make = URL.createObjectURL;\
    URL.createObjectURL = (file) => { file.text().then((text) => window.saved.push(text)); return make(file) }";

#[test]
fn a_group_gets_spice_and_its_desktops_a_file_for_it() {
    let _turn = turn();
    let server = Server::start();
    let site = class_of_two(&server);
    let group = uuid_of(&site.admin, "/api/v1.0/education/desktop/", "class");
    let page = enter(&server);
    page.go(&format!("{}/desktop-groups", server.base()));
    page.click(".el-table__row [data-test=more]");
    page.click("[data-test=do-edit]");
    page.see(".el-dialog", "The browser only");
    page.click_text("[data-test=spice] .el-radio", "SPICE with USB devices");
    page.picture("group-viewers");
    page.click("[data-test=submit]");
    page.see_no_more(".el-dialog", "");
    site.wait_idle();
    site.group_action("start", &group, "class");
    page.go(&format!("{}/desktop-groups/{group}", server.base()));
    page.see(".el-table__row", "Running");
    page.script(WATCH);
    page.click(".el-table__row [data-test=more]");
    page.picture("desktop-viewers");
    page.click("[data-test=do-viewer_spice]");
    page.until("the file", || {
        let file = page.script("return window.saved[0] ?? ''");
        file.as_str()?.contains("type=spice").then_some(())
    });
    // The simulator's desktops answer nobody: the server says why there is no file.
    page.click(".el-table__row [data-test=more]");
    page.click("[data-test=do-viewer_rdp]");
    page.see(".el-notification", "does not answer by RDP");
    assert_eq!(page.script("return window.saved.length"), json!(1));
}
