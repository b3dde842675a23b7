//! Finding a machine: the page of all desktops, the search over everything, what one desktop tells; and versions.

use serde_json::{Value, json};

use crate::entry::enter;
use crate::page::{Page, turn};
use crate::support::{SMALL, Server, Site, rows, small_image};

struct School {
    server: Server,
    site: Site,
    template: String,
}

/// Two groups, of which the second runs.
fn school() -> School {
    let server = Server::start();
    let site = Site::of(&server, SMALL);
    let image = site.upload("small", &small_image(&server));
    let template = site.template("plain", &image);
    let room = site.classroom("room");
    site.deploy("pc", &room, &template, 3);
    let lab = site.deploy("lab", &room, &template, 2);
    site.group_action("start", &lab, "lab");
    School { server, site, template }
}

fn desktop(site: &Site, name: &str) -> Value {
    let found = rows(&site.admin.get("/api/v1.0/desktops").query("name", name).send());
    found.into_iter().next().expect("the desktop")
}

fn text(row: &Value, field: &str) -> String {
    row[field].as_str().expect("text").to_owned()
}

/// Presses a key in the page, as from the keyboard, where the focus is.
fn press(page: &Page, key: &str, ctrl: bool) {
    page.script(&format!(
        "(document.activeElement ?? document.body).dispatchEvent(new KeyboardEvent('keydown', \
         {{key: '{key}', code: '{key}', ctrlKey: {ctrl}, bubbles: true, cancelable: true}}))"
    ));
}

#[test]
fn a_machine_is_found_by_what_one_knows_of_it() {
    let _turn = turn();
    let School { server, site, .. } = school();
    let page = enter(&server);
    let pc = desktop(&site, "pc002");
    press(&page, "k", true);
    page.see("[data-test=search-text]", "");
    page.fill("input[data-test=search-text]", &text(&pc, "mac"));
    page.see("[data-test=found][aria-selected=true]", "pc002");
    press(&page, "Enter", false);
    page.until("the desktop's page", || page.path().starts_with("/desktops/").then_some(()));
    page.see("[data-test=mac]", &text(&pc, "mac"));
    page.see("[data-test=address]", &text(&pc, "ipaddr"));
    page.see("[data-test=hardware]", "1 vCPU");
    page.see("[data-test=operation]", "pc");
    page.picture("desktop");
    // From its page to another's: what is shown, and what the buttons do, is the other's.
    let other = desktop(&site, "lab001");
    press(&page, "k", true);
    page.fill("input[data-test=search-text]", &text(&other, "mac"));
    page.see("[data-test=found][aria-selected=true]", "lab001");
    press(&page, "Enter", false);
    page.see("[data-test=mac]", &text(&other, "mac"));
    page.see("main h1", "lab001");

    // With the arrow keys to what comes next; Escape leaves the page as it was.
    press(&page, "k", true);
    page.fill("input[data-test=search-text]", "lab");
    page.see("[data-test=found-desktop]", "lab001");
    page.see("[data-test=found-desktop-group]", "lab");
    page.picture("search");
    for _ in 0..2 {
        press(&page, "ArrowDown", false);
    }
    page.see("[data-test=found-desktop-group] [aria-selected=true]", "lab");
    press(&page, "Enter", false);
    page.until("the group", || page.path().starts_with("/desktop-groups/").then_some(()));
    page.see(".el-table__row", "lab001");
    // Within a group an address is found, too.
    page.fill("[data-test=search]", &text(&desktop(&site, "lab002"), "ipaddr"));
    page.see_no_more(".el-table__row", "lab001");
    page.see(".el-table__row", "lab002");
    page.click("[data-test=search-all]");
    page.fill("input[data-test=search-text]", "nothing like it");
    page.see("[role=status]", "Nothing matches");
}

#[test]
fn desktops_of_all_groups_are_filtered_and_switched_together() {
    let _turn = turn();
    let School { server, site, .. } = school();
    let page = enter(&server);
    page.click("[data-test=nav-all-desktops]");
    for name in ["pc001", "pc003", "lab001", "lab002"] {
        page.see(".el-table__row", name);
    }
    page.picture("all-desktops");
    page.choose("[data-test=filter-state]", "Off");
    page.see_no_more(".el-table__row", "lab001");
    page.see(".el-table__row", "pc001");
    // A reload shows the same.
    page.script("location.reload()");
    page.see(".el-table__row", "pc001");
    page.see_no_more(".el-table__row", "lab001");
    page.go(&format!("{}/desktops", server.base()));
    page.see(".el-table__row", "lab001");
    page.choose("[data-test=filter-group]", "lab");
    page.see_no_more(".el-table__row", "pc001");
    page.go(&format!("{}/desktops", server.base()));
    page.see(".el-table__row", "pc001");
    page.click(".el-table__header .el-checkbox");
    page.click("[data-test=bulk-hard_stop]");
    page.click(".el-message-box .el-button--danger");
    let running = || {
        let on = site.admin.get("/api/v1.0/desktops").query("status", "active").send();
        rows(&on).len()
    };
    page.until("all are off", || (running() == 0).then_some(()));
    let off = "return document.querySelectorAll('.el-table__row [data-state=off]').length";
    page.until("the page tells so", || (page.script(off) == json!(5)).then_some(()));
    // What is switched off at once is chosen no more.
    page.click(".el-table__header .el-checkbox");
    page.click("[data-test=bulk-start]");
    page.until("all are on", || (running() == 5).then_some(()));
    page.see_no_more("[data-state=off]", "");
    page.see(".el-table__row [data-state=running]", "Running");
}

#[test]
fn a_version_says_who_runs_it_and_comes_back() {
    let _turn = turn();
    let School { server, site, template } = school();
    let save = json!({"name": "plain", "uuid": template, "note": "browser updated"});
    site.done(site.admin.action("/api/v1.0/education/template/", "save", save));
    let page = enter(&server);
    page.go(&format!("{}/desktops", server.base()));
    page.see("[data-test=outdated]", "v2");
    page.picture("all-desktops-outdated");
    page.go(&format!("{}/templates", server.base()));
    page.see(".el-table__row", "5 outdated");
    page.picture("templates-versions");
    page.click("[data-test=open-history]");
    page.see("[data-test=version][data-version=\"2\"]", "browser updated");
    page.see("[data-test=version][data-version=\"2\"]", "Newest");
    page.see("[data-test=version][data-version=\"1\"]", "pc (3)");
    page.see("[data-test=version][data-version=\"1\"]", "lab (2)");
    page.picture("versions");
    page.click("[data-test=version][data-version=\"1\"] [data-test=revert]");
    page.see(".el-dialog", "Version 1 is made the newest one, as version 3.");
    page.picture("revert");
    page.fill("textarea[data-test=note]", "the update broke printing");
    page.click(".el-dialog [data-test=submit]");
    page.see("[data-test=version][data-version=\"3\"]", "the update broke printing");
    page.see("[data-test=version][data-version=\"3\"]", "as version 1");
    // An old one goes; it says what that frees.
    page.click("[data-test=version][data-version=\"2\"] [data-test=delete-version]");
    page.see(".el-message-box", "There is no way back to it then.");
    page.click(".el-message-box .el-button--danger");
    page.see_no_more("[data-test=version][data-version=\"2\"]", "");
}

#[test]
fn what_comes_next_is_offered_where_one_stands() {
    let _turn = turn();
    let School { server, .. } = school();
    let page = enter(&server);
    page.go(&format!("{}/templates", server.base()));
    page.click(".el-table__row [data-test=do-deploy]");
    page.see(".el-dialog [data-test=template]", "plain");
    page.until("the groups", || (page.path() == "/desktop-groups").then_some(()));
    page.picture("deploy-from-template");
    // Steps of the wizard lead forth and back; the last one tells the network.
    page.go(&format!("{}/templates?make=new", server.base()));
    page.see(".el-dialog [data-test=image]", "small");
    page.click("[data-test=step-review]");
    page.see("[data-test=review-network]", "default / default");
    page.picture("template-review");
    page.click("[data-test=step-hardware]");
    page.see("[data-test=vcpu]", "");
    page.click("[data-test=step-system]");
    page.fill("input[data-test=name]", " ");
    page.click("[data-test=step-review]");
    page.see(".el-form-item__error", "");
    page.see_no_more("[data-test=review-network]", "");
}
