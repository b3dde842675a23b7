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

#[test]
fn a_desktop_gets_another_name_and_its_group_another_template() {
    let _turn = turn();
    let School { server, site, .. } = school();
    let image = rows(
        &site
            .admin
            .get(&format!("/api/v1.0/resource_mgr/resource_pools/{}/base_images", site.pool))
            .send(),
    );
    site.template("other", image[0]["uuid"].as_str().expect("uuid"));
    let page = enter(&server);
    let running = text(&desktop(&site, "lab001"), "uuid");
    page.go(&format!("{}/desktops/{running}", server.base()));
    page.see("main h1", "lab001");
    // The simulator's guests tell nothing; what the node holds is shown, and called so.
    page.see("[data-test=memory]", "held by the node");
    page.click("[data-test=more]");
    page.click("[data-test=do-rename]");
    page.see(".el-dialog", "Rename lab001");
    page.fill("input[data-test=name]", "lab002");
    page.click(".el-dialog [data-test=submit]");
    page.see(".el-dialog .el-form-item__error", "lab002");
    page.fill("input[data-test=name]", "Reception");
    page.click(".el-dialog [data-test=submit]");
    page.see("main h1", "Reception");
    page.picture("desktop-renamed");
    // From its list, too.
    page.go(&format!("{}/desktops?search=pc003", server.base()));
    page.see(".el-table__row", "pc003");
    page.click(".el-table__row [data-test=more]");
    page.click("[data-test=do-rename]");
    page.fill("input[data-test=name]", "Library");
    page.click(".el-dialog [data-test=submit]");
    page.go(&format!("{}/desktops", server.base()));
    page.see(".el-table__row", "Library");

    let group = text(&desktop(&site, "lab002"), "desktop_uuid");
    page.go(&format!("{}/desktop-groups/{group}", server.base()));
    page.click("header [data-test=more]");
    page.click("[data-test=do-edit]");
    page.choose(".el-dialog [data-test=template]", "other");
    page.picture("group-template");
    page.click(".el-dialog [data-test=submit]");
    page.see(".facts", "other v1");
    page.see("[data-test=outdated]", "v1");
    page.picture("group-of-another-template");
}

#[test]
fn settings_of_the_server_are_changed_and_given_back_to_the_file() {
    let _turn = turn();
    let server = Server::with().env("CARREL_SHUTDOWN_SECONDS", 30).start();
    let admin = server.admin();
    let chosen = || admin.get("/api/v1.0/settings").send().data()["chosen"].clone();
    let page = enter(&server);
    page.click("[data-test=nav-settings]");
    let value = "return document.querySelector('[data-test=shutdown_seconds] input')?.value";
    page.until("as the file says", || (page.script(value) == json!("30")).then_some(()));
    page.fill("[data-test=shutdown_seconds] input", "90");
    page.script("document.activeElement.blur()");
    page.picture("settings");
    page.click("[data-test=save]");
    page.until("it is saved", || (chosen()["shutdown_seconds"] == 90).then_some(()));
    page.click("[data-test=file-shutdown_seconds]");
    page.click("[data-test=save]");
    page.until("it is given back", || chosen()["shutdown_seconds"].is_null().then_some(()));
    assert_eq!(page.script(value), json!("30"));
}
