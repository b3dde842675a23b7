//! README's picture: a class of real guests, as the console shows it. Makes `packaging/screenshot.png`:
//! `cargo test --test browser pictures -- --ignored`, as root.

use std::time::Duration;

use serde_json::json;

use crate::page::{Page, turn};
use crate::support::{ADMIN, LabNode, PASSWORD, Server, Site, guest_image, wait_until};

const DESKTOPS: usize = 6;
/// Six guests boot side by side under software emulation.
const BOOT: Duration = Duration::from_secs(400);
/// Something else on every screen, as in a class.
const COMMANDS: [&str; DESKTOPS] = [
    "ls -l /",
    "free; df; uname -a",
    "ip addr; ip route",
    "ps | tail -14",
    "head -16 /proc/cpuinfo",
    "ls /bin | head -60; date",
];

const MARK: &str = "127.0.0.1/cgi-bin/mark?done";

#[test]
#[ignore = "makes README's picture"]
fn readme_shows_a_class_that_runs() {
    let _turn = turn();
    let node = LabNode::up();
    let server = Server::with().on(&node).start();
    let site = Site::of_default(&server);
    let image = site.upload("Linux", &guest_image());
    let template = site.template("Linux lab", &image);
    let room = site.classroom("Room 101");
    site.done(site.admin.action(
        "/api/v1.0/education/desktop/",
        "create",
        json!({
            "name": "Room 101", "group_uuid": room, "template_uuid": template, "pool_uuid": site.pool,
            "network_uuid": site.network, "subnet_uuid": site.subnet, "vcpu": 1, "ram": 0.125,
            "sys_restore": 1, "data_restore": 1, "instance_num": DESKTOPS, "prefix": "PC", "postfix": 3,
            "postfix_start": 1,
        }),
    ));
    let groups = site.admin.get("/api/v1.0/education/desktop/").query("searchtype", "all").send();
    let group = groups.data()["results"][0]["uuid"].as_str().expect("a group").to_owned();
    site.group_action("active", &group, "Room 101");
    site.group_action("start", &group, "Room 101");
    let page = Page::open("en");
    page.resize((1280, 800));
    page.go(&format!("{}/sign-in", server.base()));
    page.fill("[data-test=username]", ADMIN);
    page.fill("[data-test=password]", PASSWORD);
    page.click("[data-test=sign-in]");
    page.until("the overview", || (page.path() == "/").then_some(()));
    for (desktop, command) in site.desktops(&group).iter().zip(COMMANDS) {
        let address = desktop["ipaddr"].as_str().expect("an address");
        wait_until("a booted guest", BOOT, || node.ask_guest(address, "status").is_some());
        let uuid = desktop["uuid"].as_str().expect("a uuid");
        page.go(&format!("{}/console/desktop/{uuid}", server.base()));
        page.until("a connected console", || {
            let state = "return document.querySelector('[data-test=console-state]')?.dataset.state";
            (page.script(state) == "connected").then_some(())
        });
        page.click("[data-test=paste]");
        let typed = format!("\nprintf '\\033c'; {command}; wget -qO /dev/null {MARK}\n");
        page.fill("[data-test=paste-text]", &typed);
        page.click("[data-test=type]");
        wait_until("what was typed", BOOT, || {
            node.ask_guest(address, "status").is_some_and(|status| status.contains("mark=done"))
        });
    }
    page.go(&format!("{}/desktop-groups/{group}", server.base()));
    page.click("[data-test=view-grid]");
    page.until("the screens", || {
        let seen = "return [...document.querySelectorAll('[data-test=tile] img')]\
             .filter((image) => image.naturalWidth > 0).length";
        (page.script(seen) == json!(DESKTOPS)).then_some(())
    });
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/screenshot.png");
    std::fs::write(&file, page.png()).expect("write the picture");
}
