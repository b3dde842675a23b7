//! The main job through the console, from the set-up link to a desktop that comes back clean.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use crate::page::{Page, turn};
use crate::support::{Client, LabNode, Server, guest_image, rows, wait_for, wait_until};

/// A boot takes 5 s on an idle machine and several times that beside a browser.
const BOOT: Duration = Duration::from_secs(240);
const PASSWORD: &str = "Carrel-test-1";

#[test]
fn an_administrator_makes_a_class_in_the_console() {
    let _turn = turn();
    let node = LabNode::up();
    let server = Server::with().without_admin().on(&node).start();
    let page = Page::open("en");

    set_up(&page, &server);
    let api = server.client().sign_in("headmaster", PASSWORD);
    wait_until("the node of this machine", BOOT, || {
        let nodes = rows(&api.get("/api/v1.0/resource_mgr/controller_nodes").send());
        nodes.iter().any(|node| node["status"] == "active")
    });
    upload(&page, &server, guest_image());
    make_template(&page, &server);
    edit_and_save(&page, &node, &api);
    make_group(&page, &server);
    deploy(&page, &server, "class", true);
    start_and_watch(&page, &node, &api, true);
    delete_group(&page, &server, "class");
    deploy(&page, &server, "keepers", false);
    start_and_watch(&page, &node, &api, false);
    read_the_log(&page, &server);
    speak_chinese(&page, &server);
}

fn set_up(page: &Page, server: &Server) {
    let link = server.log().matching("setup link").pop().expect("the server prints a set-up link");
    let link =
        link.split_whitespace().find(|word| word.starts_with("http")).expect("a link").to_owned();
    page.go(&link);
    page.fill("[data-test=username]", "headmaster");
    page.fill("[data-test=new-password]", PASSWORD);
    page.fill("[data-test=password-again]", PASSWORD);
    page.click("[data-test=create]");
    page.see("[data-test=first-steps]", "");
    page.picture("dashboard-first");
    // the link opens once
    let again = Page::open("en");
    again.go(&link);
    again.until("the sign-in page", || (again.path() == "/sign-in").then_some(()));
    again.fill("[data-test=username]", "headmaster");
    again.fill("[data-test=password]", "wrong-password");
    again.click("[data-test=sign-in]");
    again.see("[data-test=failure]", "");
    again.fill("[data-test=password]", PASSWORD);
    again.click("[data-test=sign-in]");
    again.until("the dashboard", || (again.path() == "/").then_some(()));
}

fn upload(page: &Page, server: &Server, image: PathBuf) {
    page.go(&format!("{}/images", server.base()));
    page.click("[data-test=upload-image]");
    page.choose_file("[data-test=file]", &image);
    page.fill("input[data-test=name]", "tiny");
    page.click("[data-test=submit]");
    page.see(".el-table__row", "tiny");
    page.see(".el-table__row", "Ready");
    page.picture("images");
}

fn make_template(page: &Page, server: &Server) {
    page.go(&format!("{}/templates", server.base()));
    page.click("[data-test=new]");
    page.choose("[data-test=image]", "tiny");
    page.fill("input[data-test=name]", "lesson");
    page.click("[data-test=next]");
    page.fill("[data-test=ram] input", "0.125");
    page.fill("[data-test=disk] input", "1");
    page.picture("template-wizard");
    page.click("[data-test=next]");
    page.click("[data-test=next]");
    page.click("[data-test=next]");
    page.see(".el-table__row", "lesson");
    page.see(".el-table__row", "Off");
}

/// "Edit" opens the template's screen in a tab; a mark is left in the guest; "Save" makes a version.
fn edit_and_save(page: &Page, node: &LabNode, api: &Client) {
    page.click("[data-test=do-edit]");
    page.newest_tab();
    let row = first_row(api, "/api/v1.0/education/template/");
    let address = row["bind_ip"].as_str().expect("an address").to_owned();
    assert_eq!(node.guest_status(&address, "eth0", BOOT), format!("{address}/24"));
    look_at_screen(page, "console-template");
    leave_mark(node, &address, "lesson-one");
    page.close_tab();
    page.click("[data-test=do-save]");
    page.click("[data-test=submit]");
    page.see(".el-table__row", "Off");
    wait_until("the saved version", BOOT, || {
        let open = api.get("/api/v1.0/operations").query("open", 1).send();
        rows(&open).is_empty()
    });
    page.picture("templates");
}

fn make_group(page: &Page, server: &Server) {
    page.go(&format!("{}/groups", server.base()));
    page.click("[data-test=new]");
    page.fill("input[data-test=name]", "room 1");
    page.fill("input[data-test=start-ip]", "192.0.2.10");
    page.fill("input[data-test=end-ip]", "192.0.2.40");
    page.click("[data-test=submit]");
    page.see(".el-table__row", "room 1");
}

fn deploy(page: &Page, server: &Server, name: &str, restore: bool) {
    page.go(&format!("{}/desktop-groups", server.base()));
    page.click("[data-test=new]");
    page.choose("[data-test=template]", "lesson");
    page.choose("[data-test=group]", "room 1");
    page.fill("input[data-test=name]", name);
    page.fill("[data-test=count] input", "2");
    page.fill("input[data-test=prefix]", "pc");
    set_switch(page, "[data-test=sys-restore]", restore);
    set_switch(page, "[data-test=data-restore]", restore);
    page.picture("deploy");
    page.click("[data-test=submit]");
    page.see(".el-table__row", name);
    page.picture("desktop-groups");
}

fn set_switch(page: &Page, css: &str, on: bool) {
    let state = page.until(css, || {
        let code =
            format!("return document.querySelector('{css}')?.classList.contains('is-checked')");
        page.script(&code).as_bool()
    });
    if state != on {
        page.click(&format!("{css} .el-switch__core"));
    }
}

/// Starts the group, opens a desktop's screen, and reboots it from inside.
fn start_and_watch(page: &Page, node: &LabNode, api: &Client, restore: bool) {
    page.click(".el-table__row a[href*=desktop-groups]");
    page.until("the desktops' page", || page.path().contains("/desktop-groups/").then_some(()));
    page.see(".el-table__row", "Off");
    page.click(".el-table__header .el-checkbox");
    page.click("[data-test=bulk-start]");
    page.see(".el-table__row", "Running");
    let group = page.path().rsplit('/').next().expect("a uuid").to_owned();
    let desktop =
        rows(&api.get("/api/v1.0/education/instance/").query("desktop_uuid", &group).send())
            .remove(0);
    let address = desktop["ipaddr"].as_str().expect("an address").to_owned();
    assert_eq!(node.guest_status(&address, "eth0", BOOT), format!("{address}/24"), "as reserved");
    assert_eq!(node.guest_status(&address, "mark", BOOT), "lesson-one");
    page.click("[data-test=do-console]");
    page.newest_tab();
    look_at_screen(page, "console-desktop");
    type_a_mark(page, "Scribble_2");
    wait_until("what was typed", BOOT, || {
        status(node, &address, "mark").as_deref() == Some("Scribble_2")
    });
    let boots = status(node, &address, "boots").expect("a count");
    node.ask_guest(&address, "reboot");
    let expected = if restore { "lesson-one" } else { "Scribble_2" };
    wait_until("the desktop after its own reboot", BOOT, || {
        let booted = restore || status(node, &address, "boots").is_some_and(|now| now != boots);
        booted && status(node, &address, "mark").as_deref() == Some(expected)
    });
    page.close_tab();
    page.click("[data-test=view-grid]");
    page.see("[data-test=tile]", "pc");
    page.until("a thumbnail of its screen", || {
        let code = "return [...document.querySelectorAll('[data-test=tile] img')].some(i => i.naturalWidth > 0)";
        page.script(code).as_bool()?.then_some(())
    });
    page.picture(if restore { "desktops-grid" } else { "desktops-grid-keep" });
    page.click("[data-test=view-table]");
}

/// The canvas shows a text screen: connected, and neither blank nor of one colour.
fn look_at_screen(page: &Page, name: &str) {
    page.until("a connected console", || {
        let code = "return document.querySelector('[data-test=console-state]')?.dataset.state";
        (page.script(code) == "connected").then_some(())
    });
    let count = "const c = document.querySelector('canvas'); if (!c || !c.width) return 0;\
         const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data; let lit = 0;\
         for (let i = 0; i < d.length; i += 4) if (d[i] + d[i + 1] + d[i + 2] > 200) lit++; return lit";
    page.until("the guest's screen", || (page.script(count).as_u64()? > 500).then_some(()));
    page.picture(name);
}

/// Has a command typed at the guest's prompt, key by key.
fn type_a_mark(page: &Page, word: &str) {
    page.click("[data-test=paste]");
    page.fill("[data-test=paste-text]", "\u{e9}");
    page.see("[data-test=unwritable]", "\u{e9}");
    let command = format!("\nwget -qO- '127.0.0.1/cgi-bin/mark?{word}'\n");
    page.fill("[data-test=paste-text]", &command);
    page.picture("console-paste");
    page.click("[data-test=type]");
}

fn delete_group(page: &Page, server: &Server, name: &str) {
    page.go(&format!("{}/desktop-groups", server.base()));
    page.see(".el-table__row", name);
    page.click(".el-table__row [data-test=more]");
    page.click("[data-test=do-delete]");
    page.click(".el-message-box .el-button--danger");
    page.see_no_more(".el-table__row", name);
}

fn read_the_log(page: &Page, server: &Server) {
    page.go(&format!("{}/log", server.base()));
    page.see(".el-table__row", "lesson");
    page.picture("log");
}

fn speak_chinese(page: &Page, server: &Server) {
    page.go(server.base());
    page.click("[data-test=language]");
    page.click_text(".el-dropdown-menu__item", "中文");
    page.see("[data-test=nav-templates]", "模板");
    page.picture("dashboard-zh");
}

fn first_row(api: &Client, path: &str) -> Value {
    rows(&api.get(path).query("searchtype", "all").send()).remove(0)
}

fn leave_mark(node: &LabNode, address: &str, word: &str) {
    let path = format!("mark?{word}");
    let done = wait_for("the guest takes a mark", BOOT, || node.ask_guest(address, &path));
    assert_eq!(done, "ok\n");
}

fn status(node: &LabNode, address: &str, key: &str) -> Option<String> {
    let status = node.ask_guest(address, "status")?;
    let value = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='))?;
    Some(value.to_owned())
}
