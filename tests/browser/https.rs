//! The console over HTTPS, as it is installed: by a name and by an address, with a certificate that the browser does not
//! know and is told to go on with; by the server itself, and behind an nginx that ends TLS.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::page::{Page, turn};
use crate::support::{
    ADMIN, LabNode, PASSWORD, Proxy, Server, Setup, Site, empty_image, rows, uuid_of,
};

const NAME: &str = "carrel.test";
const POOLS: &str = "/api/v1.0/resource_mgr/resource_pools";
const SESSIONS: &str = "/api/v1.0/identity/session";
const DESKTOPS: usize = 7;
/// Seven guests under software emulation beside a browser.
const START: Duration = Duration::from_secs(240);

#[test]
fn a_day_over_https() {
    let _turn = turn();
    let node = LabNode::up();
    let server = with_a_room(Server::with().env("CARREL_PLAIN_HTTP", "0"), &node);
    assert!(server.base().starts_with("https://"), "{}", server.base());
    days(&server, server.base(), &node.address());
}

#[test]
fn a_day_behind_nginx() {
    let _turn = turn();
    let node = LabNode::up();
    let server = with_a_room(Server::with().env("CARREL_TRUSTED_PROXIES", "10.88.0.0/16"), &node);
    let proxy = Proxy::start(server.base());
    days(&server, proxy.base(), "127.0.0.1");
}

/// A server in the lab with a template and a classroom of as many seats as there will be desktops.
fn with_a_room(setup: Setup, node: &Arc<LabNode>) -> Server {
    let server = setup.on(node).start();
    let site = Site::of_default(&server);
    let image = site.upload("empty", &empty_image());
    site.template("lesson", &image);
    site.classroom_at("room", "192.0.2.10", "192.0.2.16");
    server
}

/// By address and by name, each in a browser that was never here.
fn days(server: &Server, base: &str, address: &str) {
    let site = Site::of_default(server);
    for host in [address, NAME] {
        let (_, port) = base.rsplit_once(':').expect("a port");
        let page = Page::open_knowing("en", NAME, address);
        day(&page, &site, &format!("https://{host}:{port}"));
        let group = uuid_of(&site.admin, "/api/v1.0/education/desktop/", "class");
        site.delete_group(&group, "class");
    }
}

/// Sign in, deploy, open the screens of all in tabs, lose the session and come back.
fn day(page: &Page, site: &Site, base: &str) {
    page.go_past_the_warning(&format!("{base}/sign-in"));
    enter(page);
    page.until("the overview", || (page.path() == "/").then_some(()));
    page.go(&format!("{base}/desktop-groups"));
    let list = page.tab();
    let desktops = deploy(page, site);
    let mut consoles = Vec::new();
    for desktop in &desktops {
        let path = format!("/console/desktop/{}", desktop["uuid"].as_str().expect("uuid"));
        consoles.push((page.new_tab(&format!("{base}{path}")), path));
        connected(page);
    }
    // Beside all of them a list loads, and events come: also in the consoles, which are pages too.
    page.to_tab(&list);
    page.go(&format!("{base}/pools"));
    page.see(".el-table__row", "default");
    site.admin.post(POOLS).json(&json!({"name": host_of(base), "desc": ""})).send().data();
    page.see(".el-table__row", host_of(base));
    for (tab, path) in &consoles {
        page.to_tab(tab);
        assert_eq!(&page.path(), path);
        connected(page);
    }

    end_sessions(site);
    let (_, path) = consoles.last().expect("a console");
    page.see("[data-test=session-ended]", "Your session has ended");
    assert_eq!(page.path(), "/sign-in");
    enter(page);
    connected(page);
    assert_eq!(&page.path(), path);
    // The others are right again when one looks at them.
    let (first, path) = &consoles[0];
    page.to_tab(first);
    connected(page);
    assert_eq!(&page.path(), path);
    page.to_tab(&list);
    page.see(".el-table__row", "default");
    assert_eq!(page.path(), "/pools");
}

fn enter(page: &Page) {
    page.fill("[data-test=username]", ADMIN);
    page.fill("[data-test=password]", PASSWORD);
    page.click("[data-test=sign-in]");
}

/// Deploys the classroom in the console and starts it; gives its desktops.
fn deploy(page: &Page, site: &Site) -> Vec<Value> {
    page.click("[data-test=new]");
    page.choose("[data-test=template]", "lesson");
    page.choose("[data-test=group]", "room");
    page.fill("input[data-test=name]", "class");
    page.see("[data-test=preview]", "PC007");
    page.click("[data-test=submit]");
    page.click_text(".el-table__row a", "class");
    page.see(".el-table__row", "Off");
    page.click(".el-table__header .el-checkbox");
    page.click("[data-test=bulk-start]");
    page.see_within(".el-table__row", "Running", START);
    site.wait_idle();
    let group = uuid_of(&site.admin, "/api/v1.0/education/desktop/", "class");
    let desktops = site.desktops(&group);
    assert_eq!(desktops.len(), DESKTOPS);
    desktops
}

fn connected(page: &Page) {
    page.until("a connected console", || {
        let code = "return document.querySelector('[data-test=console-state]')?.dataset.state";
        (page.script(code) == "connected").then_some(())
    });
}

fn end_sessions(site: &Site) {
    for session in rows(&site.admin.get(SESSIONS).send()) {
        if session["current"] != json!(true) {
            let uuid = session["uuid"].as_str().expect("uuid");
            site.admin.delete(&format!("{SESSIONS}/{uuid}")).send().data();
        }
    }
}

fn host_of(base: &str) -> &str {
    let host = base.trim_start_matches("https://");
    host.split(':').next().expect("a host")
}
