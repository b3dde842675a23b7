//! What the page of a desktop shows of its guest.

use std::time::Duration;

use serde_json::json;

use crate::page::{Page, turn};
use crate::support::{ADMIN, LabNode, PASSWORD, Server, Site, guest_image, wait_until};

/// A guest boots under software emulation beside a browser.
const BOOT: Duration = Duration::from_secs(240);
const AGAIN: &str = "[data-test=guest-again]";

#[test]
fn the_page_of_a_desktop_shows_what_its_guest_says() {
    let _turn = turn();
    let node = LabNode::up();
    let server = Server::with().on(&node).start();
    let site = Site::of_default(&server);
    let image = site.upload("tiny", &guest_image());
    let template = site.template("tiny", &image);
    let room = site.classroom("room");
    let script = json!({"shell": "sh", "script": "echo \"hello from $CARREL_NAME\"", "minutes": 5});
    let path = format!("/api/v1.0/templates/{template}/first-start");
    site.admin.put(&path).json(&script).send().data();
    let group = site.deploy("pc", &room, &template, 1);
    let desktop = site.desktops(&group).remove(0);
    let uuid = desktop["uuid"].as_str().expect("a uuid");
    let page = Page::open("en");
    page.go(&format!("{}/sign-in", server.base()));
    page.fill("[data-test=username]", ADMIN);
    page.fill("[data-test=password]", PASSWORD);
    page.click("[data-test=sign-in]");
    page.until("the overview", || (page.path() == "/").then_some(()));
    page.go(&format!("{}/desktops/{uuid}", server.base()));
    page.see("[data-test=guest]", "The desktop is off.");

    // Asked anew when it goes on, and by hand.
    site.group_action("start", &group, "pc");
    let asked = "const { innerText } = document.querySelector('[data-test=guest]');\
         return innerText.includes('No guest agent answers') || innerText.includes('Tiny guest')";
    page.until("the guest is asked", || page.script(asked).as_bool()?.then_some(()));
    let address = desktop["ipaddr"].as_str().expect("an address");
    wait_until("a booted guest", BOOT, || node.ask_guest(address, "status").is_some());
    node.ask_guest(address, "agent").expect("an agent");
    page.until("the guest's own word", || {
        page.click(AGAIN);
        page.script(
            "return document.querySelector('[data-test=guest]').innerText.includes('Tiny guest')",
        )
        .as_bool()?
        .then_some(())
    });
    for word in [address, "ana since", "16 MB of 32 MB"] {
        page.see("[data-test=guest]", word);
    }
    // What its first start said, which had begun as soon as the agent was there.
    page.see("[data-test=first-start][data-state=succeeded]", "pc001");
    page.script("document.querySelector('[data-test=first-start]').scrollIntoView(); return 0");
    page.picture("first-start");
    // The words of the other language are fetched, and every part knows them.
    page.script("localStorage.setItem('carrel.language', 'zh-CN'); return 0");
    page.go(&format!("{}/desktops/{uuid}", server.base()));
    page.see("[data-state=running]", "运行中");
}
